package roll_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/roll"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

const text = `group: web
mode: manual
members:
  w1: {site: sp, url: "http://192.0.2.1:80", vars: {host: one}}
  w2: {site: sp, url: "http://192.0.2.2:80", vars: {host: two}}
  w3: {site: sp, url: "http://192.0.2.3:80", vars: {host: three}}
  spare: {site: rj, url: "http://192.0.2.4:80", vars: {host: four}, backup: true}
pool: {minimum: 2}
checks:
  alive: {http: /alive, every: 1s, from: [here, there, far]}
routes:
  front: {haproxy: ["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"], backend: web, servers: {w1: s1, w2: s2, w3: s3, spare: s4}}
`

// world is a pool of which everything can go wrong, in made time: deciders that refuse what they must, two proxies, three vantages.
type world struct {
	mu  sync.Mutex
	t   *testing.T
	g   *spec.Group
	did []string // what was asked and run, in order

	out      map[string]bool                      // taken out
	by       map[string]message.MaintenanceStatus // why, and under which id
	lag      time.Duration                        // how long proxies take to follow
	changed  map[string]time.Time
	sessions map[string]int // at the first proxy, once it is drained
	dead     map[string]bool
	away     string // a proxy that does not answer
	mute     int    // how many times nobody answers
	deaf     bool   // no request is answered
	frozen   bool
	before   func(*message.Request) // a request is heard
	// run is what a command does at a member.
	run func(ctx context.Context, member string) roll.Ended
	// vantages that find nobody, or the member to be well, whatever is.
	blind, fooled []string
	// proxies find members up whatever is.
	credulous bool
	// lied is a verdict of the deciders, by member.
	lied map[string]message.Verdict
	seq  uint64
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, g: group(t, text), out: map[string]bool{}, by: map[string]message.MaintenanceStatus{}, changed: map[string]time.Time{}, sessions: map[string]int{}, dead: map[string]bool{}, lag: 300 * time.Millisecond,
		lied: map[string]message.Verdict{}, run: func(context.Context, string) roll.Ended { time.Sleep(3 * time.Second); return roll.Ended{} },
	}
}

func (w *world) note(format string, args ...any) { w.did = append(w.did, fmt.Sprintf(format, args...)) }

// serving are the active members that a proxy leads clients to and that live: what clients have.
func (w *world) serving() (n int) {
	for _, m := range w.g.Active() {
		if !w.out[m] && !w.dead[m] {
			n++
		}
	}
	return n
}

func (w *world) Send(_ context.Context, r *message.Request) (*message.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NoError(w.t, message.Validate(r))
	if w.deaf {
		return nil, errors.New("no decider answers on this bus")
	}
	if w.mute > 0 {
		w.mute--
		return nil, errors.New("no decider answers on this bus")
	}
	no := func(code, says string) (*message.Outcome, error) {
		w.note("refused %s %s", r.Verb, r.Target)
		return &message.Outcome{Request: r.ID, Group: "web", Sentence: says, Reasons: []message.Reason{{Code: code, Sentence: says}}}, nil
	}
	if w.before != nil {
		w.before(r)
	}
	active := slices.Contains(w.g.Active(), r.Target)
	renews := r.Verb == message.VerbDrain && w.out[r.Target] && r.Renew && (r.Of == "" || r.Of == w.by[r.Target].ID)
	switch {
	case renews && r.Of == "": // who marks it
	case r.Verb == message.VerbDrain && w.frozen && !slices.Contains(r.Override, "R473"):
		return no("R473", "changes are frozen")
	case renews:
	case r.Verb == message.VerbDrain && w.out[r.Target]:
		return no("R431", r.Target+" is in maintenance already")
	case r.Verb == message.VerbUndrain && !w.out[r.Target]:
		return no("R432", r.Target+" is in no maintenance")
	case r.Verb == message.VerbDrain && active && w.serving()-1 < w.g.Pool.Minimum:
		return no("R434", "fewer than the minimum would serve")
	}
	if r.Verb == message.VerbDrain {
		require.GreaterOrEqual(w.t, r.For.Std(), roll.Expiry, "who is killed leaves nobody out for ever")
	}
	w.by[r.Target] = message.MaintenanceStatus{ID: r.ID, By: r.Actor, Reason: r.Reason}
	if renews {
		w.note("renew %s", r.Target)
		return &message.Outcome{Request: r.ID, Group: "web", Accepted: true, Sentence: "done"}, nil
	}
	w.note("%s %s", r.Verb, r.Target)
	w.out[r.Target], w.changed[r.Target] = r.Verb == message.VerbDrain, time.Now()
	return &message.Outcome{Request: r.ID, Group: "web", Accepted: true, Sentence: "done"}, nil
}

func (w *world) Status(ctx context.Context) (*message.GroupStatus, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if w.mute > 0 {
		w.mute--
		return nil, errors.New("no decider answers on this bus")
	}
	s := &message.GroupStatus{Group: "web", Pool: &message.PoolStatus{Minimum: 2, Active: 3}}
	for _, m := range w.g.Members {
		have := message.MemberStatus{Name: m.Name, Verdict: message.VerdictUp}
		if w.dead[m.Name] {
			have.Verdict = message.VerdictDown
		}
		if lie, ok := w.lied[m.Name]; ok {
			have.Verdict = lie
		}
		if w.out[m.Name] {
			have.Maintenance = new(w.by[m.Name])
		} else if !m.Backup && have.Verdict == message.VerdictUp {
			s.Pool.Serve = append(s.Pool.Serve, m.Name)
		}
		s.Members = append(s.Members, have)
	}
	for i, proxy := range w.g.Routes[0].HAProxy.Proxies {
		seen := message.RouteSeen{Route: "front", Proxy: proxy, Reachable: proxy != w.away, Problem: ""}
		for _, m := range w.g.Members {
			server := message.ServerSeen{Member: m.Name, Server: "s", Admin: "ready", Says: "up"}
			// The second proxy follows later than the first.
			if w.out[m.Name] == (time.Since(w.changed[m.Name]) >= w.lag*time.Duration(i+1)) {
				server.Admin = "drain"
				n := 0
				if i == 0 {
					n = w.sessions[m.Name]
				}
				if server.Sessions = &n; n < 0 {
					server.Sessions = nil
				}
			}
			if w.dead[m.Name] && !w.credulous {
				server.Says = "down"
			}
			seen.Servers = append(seen.Servers, server)
		}
		s.Routes = append(s.Routes, seen)
	}
	return s, nil
}

func (w *world) Looks(ctx context.Context, member string, saw func(*message.Heartbeat)) error {
	for {
		w.mu.Lock()
		w.seq++
		for _, v := range w.g.Checks[0].From {
			h := &message.Heartbeat{Group: "web", Member: member, Vantage: v, Check: "alive", Boot: "b", Seq: w.seq, Answer: message.Up, Blind: slices.Contains(w.blind, v)}
			if w.dead[member] && !slices.Contains(w.fooled, v) {
				h.Answer = message.Down
			}
			saw(h)
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func (w *world) Command(ctx context.Context, argv, env []string) roll.Ended {
	member := ""
	for _, e := range env {
		if name, ok := strings.CutPrefix(e, "HAM_MEMBER="); ok {
			member = name
		}
	}
	w.mu.Lock()
	w.note("run %s", strings.Join(argv, " "))
	require.True(w.t, w.out[member], "the command runs where nobody is led")
	require.GreaterOrEqual(w.t, time.Since(w.changed[member]), 2*w.lag, "every proxy holds it back")
	w.mu.Unlock()
	return w.run(ctx, member)
}

// roll runs one in made time, and gives what was told.
func (w *world) roll(ctx context.Context, change func(*roll.Options)) ([]roll.Event, error) {
	var events []roll.Event
	id := 0
	o := roll.Options{
		Group: w.g, Argv: []string{"deploy", "${member.host}", "${group}"}, Drain: 30 * time.Second, Timeout: 5 * time.Minute, Healthy: 2 * time.Minute, Actor: "ana",
		RequestID: func() string { id++; return fmt.Sprintf("rq-%d", id) }, Tell: func(e roll.Event) { events = append(events, e) },
	}
	if change != nil {
		change(&o)
	}
	r, err := roll.New(w, o)
	if err != nil {
		return nil, err
	}
	err = r.Run(ctx)
	return events, err
}

func kinds(events []roll.Event) string {
	var out []string
	for _, e := range events {
		out = append(out, strings.TrimSpace(e.Event+" "+e.Member))
	}
	return strings.Join(out, ", ")
}

// TestRoll: backups first, then one after the other, each only once the one before serves again.
func TestRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(_ context.Context, member string) roll.Ended {
			w.dead[member] = true
			time.AfterFunc(5*time.Second, func() { w.mu.Lock(); w.dead[member] = false; w.mu.Unlock() })
			return roll.Ended{}
		}
		events, err := w.roll(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, "drain spare, run deploy four web, undrain spare, drain w1, run deploy one web, undrain w1, drain w2, run deploy two web, undrain w2, drain w3, run deploy three web, undrain w3",
			strings.Join(w.did, ", "))
		require.True(t, strings.HasPrefix(kinds(events), "begins, draining spare, drained spare, running spare, ran spare, healthy spare, serves spare, draining w1"), kinds(events))
		require.Equal(t, roll.Done, events[len(events)-1].Event)
		require.Empty(t, slices.DeleteFunc([]bool{w.out["w1"], w.out["w2"], w.out["w3"], w.out["spare"]}, func(b bool) bool { return !b }))
	})
}

// TestStopsAtTheFirstThatFails: whatever fails at a member, none after it is touched, and it stays out where its command has run.
func TestStopsAtTheFirstThatFails(t *testing.T) {
	for _, c := range []struct {
		name, did, says string
		out             bool
		change          func(*world)
	}{
		{"exit code", "drain w1, run deploy one web, renew w1", "w1: the command failed with exit code 3. It stays out, for an hour at the least: put it right and go on with --only w1,w2,w3, which begins with it; or say `ham undrain web w1`", true,
			func(w *world) { w.run = func(context.Context, string) roll.Ended { return roll.Ended{Code: 3} } }},
		{"hangs", "drain w1, run deploy one web, renew w1", "w1: the command took longer than 5m and was ended, with all its children", true,
			func(w *world) {
				w.run = func(ctx context.Context, _ string) roll.Ended { <-ctx.Done(); return roll.Ended{Code: -1, Cut: true} }
			}},
		{"signal", "drain w1, run deploy one web, renew w1", "w1: the command was ended by a signal", true,
			func(w *world) { w.run = func(context.Context, string) roll.Ended { return roll.Ended{Code: -1} } }},
		{"not there", "drain w1, run deploy one web, undrain w1", "the command could not be run: no such file; it is put back", false,
			func(w *world) {
				w.run = func(context.Context, string) roll.Ended { return roll.Ended{NotStarted: errors.New("no such file")} }
			}},
		{"kills its server", "drain w1, run deploy one web, renew w1", "w1: it did not come back within 2m: the deciders find it down", true,
			func(w *world) {
				w.run = func(_ context.Context, m string) roll.Ended { w.dead[m] = true; return roll.Ended{} }
			}},
		// The deciders still believe in it: their verdict is from before. Looks since the command say otherwise.
		{"dead, and not known to be", "drain w1, run deploy one web, renew w1", "w1: it did not come back within 2m: 0 of 3 vantages have found it up by alive since the command ended, want 2", true,
			func(w *world) {
				w.run = func(_ context.Context, m string) roll.Ended { w.dead[m] = true; return roll.Ended{} }
				w.lied["w1"], w.credulous = message.VerdictUp, true
			}},
		{"nobody looks", "drain w1, run deploy one web, renew w1", "w1: it did not come back within 2m: 1 of 3 vantages have found it up by alive since the command ended, want 2", true,
			func(w *world) { w.blind = []string{"here", "far"} }},
		{"a proxy says down", "drain w1, run deploy one web, renew w1", "w1: it did not come back within 2m: HAProxy at tcp://127.0.0.1:2 finds it down by its own checks", true,
			func(w *world) {
				w.run = func(_ context.Context, m string) roll.Ended { w.dead[m] = true; return roll.Ended{} }
				w.lied["w1"], w.fooled = message.VerdictUp, []string{"here", "there", "far"}
			}},
		{"a proxy is away", "drain w1, undrain w1", "w1: it could not be taken out within 30s: whether HAProxy at tcp://127.0.0.1:2 still leads clients there is not known: it does not answer: ; nothing was run there, it is put back", false,
			func(w *world) { w.away = "tcp://127.0.0.1:2" }},
		{"a proxy never follows", "drain w1, undrain w1", "w1: it could not be taken out within 30s: HAProxy at tcp://127.0.0.1:2 still leads clients there; nothing was run there, it is put back", false,
			func(w *world) { w.lag = 25 * time.Second }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c.change(w)
				events, err := w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w3", "w1", "w2"} })
				var stopped roll.Stopped
				require.ErrorAs(t, err, &stopped)
				require.Contains(t, err.Error(), c.says)
				require.Equal(t, c.did, strings.Join(w.did, ", "))
				require.Equal(t, c.out, w.out["w1"])
				last := events[len(events)-1]
				require.Equal(t, roll.Failed, last.Event)
				require.Contains(t, last.Members, "w2", "who was not begun is told")
			})
		})
	}
}

// TestBeginsWithWhomItLeftOut: the next roll begins with the member at which the last one stopped, which costs nobody else his place, and puts it back once
// its command went well. Whom a person has taken out is nobody's but his.
func TestBeginsWithWhomItLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		broken := true
		w.run = func(_ context.Context, m string) roll.Ended {
			return roll.Ended{Code: map[bool]int{true: 3}[broken && m == "w2"]}
		}
		_, err := w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w1", "w2", "w3"} })
		require.ErrorContains(t, err, "go on with --only w2,w3, which begins with it")
		require.Equal(t, roll.StoppedHere+"the command failed with exit code 3", w.by["w2"].Reason)
		for name, once := range map[string]func(){
			"it fails again": func() {},
			"ended before":   func() { w.sessions["w2"] = 1 },
			"cannot be run": func() {
				w.run = func(context.Context, string) roll.Ended { return roll.Ended{NotStarted: errors.New("no such file")} }
			},
			"a proxy is away":  func() { w.away = "tcp://127.0.0.1:2" },
			"nobody may begin": func() { w.frozen = true },
		} {
			run := w.run
			once()
			ctx, cancel := context.WithCancel(t.Context())
			if w.sessions["w2"] > 0 {
				time.AfterFunc(3*time.Second, cancel)
			}
			_, err = w.roll(ctx, nil)
			cancel()
			require.Error(t, err, name)
			require.True(t, w.out["w2"], "%s: whom an earlier roll left out stays out", name)
			require.True(t, strings.HasPrefix(w.by["w2"].Reason, roll.StoppedHere), "%s: %s", name, w.by["w2"].Reason)
			require.NotContains(t, w.did, "undrain w2", name)
			w.run, w.away, w.frozen = run, "", false
			delete(w.sessions, "w2")
		}
		broken, w.did = false, nil
		events, err := w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w2", "w3"} })
		require.NoError(t, err)
		require.Equal(t, "renew w2, run deploy two web, undrain w2, drain w3, run deploy three web, undrain w3", strings.Join(w.did, ", "))
		require.Equal(t, "w2 is out since a roll stopped there, and is the first", events[1].Text)

		w.out["w1"], w.did = true, nil
		for _, reason := range []string{"new disk", "ham roll: version 7"} { // a person's, and of one that runs or was killed
			w.by["w1"] = message.MaintenanceStatus{ID: "m1", By: "bob", Reason: reason}
			_, err = w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w1", "w2"} })
			var refused roll.Refused
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "R431", refused.Outcome.Reasons[0].Code)
		}
		require.Equal(t, "refused drain w1, refused drain w1", strings.Join(w.did, ", "))
	})
}

// TestTwoGoOn: of two who go on with the same member, the second is refused.
func TestTwoGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.out["w1"] = true
		w.by["w1"] = message.MaintenanceStatus{ID: "m1", By: "ana", Reason: roll.StoppedHere + "it failed"}
		w.before = func(r *message.Request) {
			w.before = nil // another renewed it in between
			w.by["w1"] = message.MaintenanceStatus{ID: "m2", By: "bob", Reason: "ham roll"}
		}
		_, err := w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w1"} })
		var refused roll.Refused
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "refused drain w1", strings.Join(w.did, ", "))
	})
}

// TestFrozen: a freeze stops a roll before anything is touched, unless that is set aside with a reason.
func TestFrozen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.frozen = true
		_, err := w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w1"} })
		var refused roll.Refused
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "R473", refused.Outcome.Reasons[0].Code)
		w.did = nil
		_, err = w.roll(t.Context(), func(o *roll.Options) {
			o.Only, o.Override, o.Reason = []string{"w1"}, []string{"R473"}, "the disk fails"
		})
		require.NoError(t, err)
		require.Equal(t, "drain w1, run deploy one web, undrain w1", strings.Join(w.did, ", "))
	})
}

// TestRefused: what the deciders refuse is not done, and they are asked for each member anew.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run = func(_ context.Context, m string) roll.Ended { w.dead["w3"] = m == "w1"; return roll.Ended{} }
		_, err := w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w1", "w2"} })
		var refused roll.Refused
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "R434", refused.Outcome.Reasons[0].Code)
		require.Equal(t, "drain w1, run deploy one web, undrain w1, refused drain w2", strings.Join(w.did, ", "))
	})
}

// TestWaitsForClients: until none is left, and not for ever; who is not counted is waited for as long.
func TestWaitsForClients(t *testing.T) {
	for _, c := range []struct {
		name  string
		n     int
		until time.Duration
		least time.Duration
		most  time.Duration
		says  string
	}{
		{"gone at once", 0, 0, 600 * time.Millisecond, time.Second, "w1 has no clients any more"},
		{"gone after 7 s", 4, 7 * time.Second, 7 * time.Second, 8 * time.Second, "w1 has no clients any more"},
		{"stay", 2, time.Hour, 30 * time.Second, 31 * time.Second, "w1 still has 2 clients after 30s"},
		{"not counted", -1, time.Hour, 30 * time.Second, 31 * time.Second, "w1 still has clients that a proxy does not count after 30s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				began, ran := time.Now(), time.Duration(0)
				w.sessions["w1"] = c.n
				timer := time.AfterFunc(c.until, func() { w.mu.Lock(); w.sessions["w1"] = 0; w.mu.Unlock() })
				defer timer.Stop()
				w.run = func(context.Context, string) roll.Ended { ran = time.Since(began); return roll.Ended{} }
				events, err := w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w1"} })
				require.NoError(t, err)
				require.GreaterOrEqual(t, ran, c.least)
				require.LessOrEqual(t, ran, c.most)
				require.Equal(t, c.says, events[2].Text)
			})
		})
	}
}

// TestInterrupted: a member whose command has not begun is put back, one whose command has is finished, and none comes after it.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		name, did string
		at        time.Duration
	}{
		{"before the first", "", -1},
		{"while it drains", "drain w1, undrain w1", 3 * time.Second},
		{"while the command runs", "drain w1, run deploy one web, undrain w1", 11 * time.Second},
		{"while it comes back", "drain w1, run deploy one web, undrain w1", 13500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.sessions["w1"] = 1
				timer := time.AfterFunc(10*time.Second, func() { w.mu.Lock(); w.sessions["w1"] = 0; w.mu.Unlock() })
				defer timer.Stop()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.at < 0 {
					cancel()
				} else {
					time.AfterFunc(c.at, cancel)
				}
				_, err := w.roll(ctx, func(o *roll.Options) { o.Only = []string{"w1", "w2"} })
				var stopped roll.Stopped
				require.ErrorAs(t, err, &stopped)
				require.Contains(t, err.Error(), "ended as asked")
				require.Equal(t, c.did, strings.Join(w.did, ", "))
				require.False(t, w.out["w1"])
			})
		})
	}
}

// TestDecidersAwayForAMoment: what is asked in vain is asked again, and the same.
func TestDecidersAwayForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mute = 40
		_, err := w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w2"} })
		require.NoError(t, err)
		require.Equal(t, "drain w2, run deploy two web, undrain w2", strings.Join(w.did, ", "))
		w.mute, w.did = 1<<30, nil
		_, err = w.roll(t.Context(), nil)
		require.ErrorContains(t, err, "spare was not taken out: no decider answers on this bus; nothing was run there")
		require.Empty(t, w.did)
	})
}

// TestUnansweredDrainEndsNobodysMaintenance: whether the drain was decided is not known, so who is out is looked at before anything is undone.
func TestUnansweredDrainEndsNobodysMaintenance(t *testing.T) {
	for name, c := range map[string]struct {
		by  string // who has the member out when deciders answer again; "": nobody
		did string
	}{
		"somebody else": {"bob", ""},
		"this roll":     {"ana", "undrain w1"},
		"nobody":        {"", "refused undrain w1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.deaf = true
				time.AfterFunc(10*time.Second, func() { // the roll asks for fifteen
					w.mu.Lock()
					defer w.mu.Unlock()
					if c.by != "" {
						w.out["w1"], w.by["w1"] = true, message.MaintenanceStatus{ID: "m1", By: c.by, Reason: "ham roll"}
					}
				})
				time.AfterFunc(20*time.Second, func() {
					w.mu.Lock()
					defer w.mu.Unlock()
					w.deaf = false
				})
				_, err := w.roll(t.Context(), func(o *roll.Options) { o.Only = []string{"w1"} })
				require.ErrorContains(t, err, "w1 was not taken out: no decider answers on this bus; nothing was run there")
				require.Equal(t, c.did, strings.Join(w.did, ", "))
				require.Equal(t, c.by == "bob", w.out["w1"])
			})
		})
	}
}

// TestUnfit: what cannot be rolled is told before anything is asked.
func TestUnfit(t *testing.T) {
	pair := strings.NewReplacer("pool: {minimum: 2}\n", "adopt: w1\n", ", backup: true", "").Replace(text)
	for want, change := range map[string]func(*roll.Options){
		"web is no pool: only members that serve side by side can be rolled":                     func(o *roll.Options) { o.Group = group(t, pair) },
		"web is in dry run, so that nobody would be taken out: write mode: manual into its spec": func(o *roll.Options) { o.Group = group(t, strings.Replace(text, "manual", "dry-run", 1)) },
		`web has no member "w9", there are spare, w1, w2, w3`:                                    func(o *roll.Options) { o.Only = []string{"w9"} },
		"--override R473 needs --reason: say why, for the record":                                func(o *roll.Options) { o.Override = []string{"R473"} },
		"the reason has 1001 characters, want 1000 at most":                                      func(o *roll.Options) { o.Reason = strings.Repeat("é", 1001) },
		"w1 is named twice": func(o *roll.Options) { o.Only = []string{"w1", "w1"} },
		"no command is given: write it behind --, such as ham roll web -- systemctl restart app": func(o *roll.Options) { o.Argv = nil },
	} {
		w := newWorld(t)
		_, err := w.roll(t.Context(), change)
		var unfit roll.Unfit
		require.ErrorAs(t, err, &unfit)
		require.Contains(t, err.Error(), want)
		require.Empty(t, w.did)
	}
}
