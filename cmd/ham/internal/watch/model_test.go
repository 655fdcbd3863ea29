package watch

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/services/console/glance"
)

var update = flag.Bool("update", false, "write the golden screens anew")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a model, and what it wanted done.
type world struct {
	t       *testing.T
	m       Model
	now     time.Time
	effects []effect
}

func newWorld(t *testing.T, groups ...string) *world {
	n := 0
	return &world{t: t, now: noon, m: NewModel("ana", groups, false, func() string { n++; return fmt.Sprintf("rq-%d", n) })}
}

func (w *world) happens(what any) *world {
	var e []effect
	w.m, e = w.m.Update(w.now, what)
	w.effects = append(w.effects, e...)
	return w
}

func (w *world) after(d time.Duration) *world {
	w.now = w.now.Add(d)
	return w.happens(ticked{})
}

// press presses keys by name; a text of more than one letter that is no key's name is typed.
func (w *world) press(keys ...string) *world {
	named := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown}
	for _, k := range keys {
		if code, is := named[k]; is {
			w.happens(tea.KeyPressMsg{Code: code})
			continue
		}
		if k == "ctrl+c" {
			w.happens(tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl})
			continue
		}
		for _, r := range k {
			w.happens(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
	return w
}

// hold holds the space bar as a terminal tells it: a press, the wait before the repeats, then repeats.
func (w *world) hold(d time.Duration) *world {
	told := w.now.Sub(w.m.snap.At) < time.Second // then the board goes on to tell
	w.press(" ")
	for held := 500 * time.Millisecond; held <= d; held += 40 * time.Millisecond {
		step := 40 * time.Millisecond
		if held == 500*time.Millisecond {
			step = held
		}
		w.after(step)
		if told && w.m.snap.Bus.Up {
			w.two()
		}
		w.press(" ")
	}
	return w
}

func (w *world) screen() string {
	var rows []string
	for _, r := range strings.Split(ansi.Strip(w.m.View()), "\n") {
		rows = append(rows, strings.TrimRight(r, " "))
	}
	return strings.Join(rows, "\n") + "\n"
}

func (w *world) golden(name string) *world {
	w.t.Helper()
	path := filepath.Join("testdata", name+".txt")
	got := w.screen()
	if *update {
		require.NoError(w.t, os.MkdirAll("testdata", 0o755))
		require.NoError(w.t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(w.t, err)
	require.Equal(w.t, string(want), got)
	return w
}

// sent are the requests that were to be sent.
func (w *world) sent() []*message.Request {
	var out []*message.Request
	for _, e := range w.effects {
		if s, is := e.(send); is {
			out = append(out, s.request)
		}
	}
	return out
}

func view(vantage, says string, n int) message.View {
	return message.View{Vantage: vantage, Check: "alive", Says: says, InARow: n, AgoMS: 200}
}

func web() *message.GroupStatus {
	return &message.GroupStatus{
		Group: "web", Mode: "auto", Epoch: 4, Held: true, Primary: "a", Decider: "d1", Sentence: "If a died now: b takes over within about 1.2s.",
		Members: []message.MemberStatus{
			{Name: "a", Site: "sp", Role: message.RolePrimary, Verdict: message.VerdictUp, Views: []message.View{view("sp", "up", 20), view("rj", "up", 20)}},
			{Name: "b", Site: "rj", Role: message.RoleStandby, Verdict: message.VerdictUp, Ready: true, Views: []message.View{view("sp", "up", 9), view("rj", "up", 9)}},
		},
		Routes: []message.RouteSeen{{Route: "front", Proxy: "tcp://192.0.2.1:9999", Reachable: true, Serves: []string{"a"}}},
	}
}

func pay() *message.GroupStatus {
	s := web()
	s.Group, s.Incident = "pay", "pay-7"
	s.Members[0].Verdict = message.VerdictDown
	s.Members[0].Views[0] = message.View{Vantage: "sp", Check: "alive", Says: "down", Hard: true, InARow: 3, AgoMS: 100, Evidence: "connection refused"}
	s.Members[1].Ready = false
	s.Members[1].Reasons = []message.Reason{{Code: "R302", Sentence: "the standby lags by 40 MB over the limit of 10 MB"}}
	s.Refusals = s.Members[1].Reasons
	s.Sentence = "Nobody takes over from a, because the standby lags by 40 MB over the limit of 10 MB."
	s.Lease = &message.LeaseStatus{
		Armed: true, Durability: "never-stop", Deciders: []string{"d1", "d2", "d3"}, TTL: message.Duration(3 * time.Second), Wait: message.Duration(4 * time.Second), Protection: "40 MB would be lost",
		Standbys: []message.StandbyStatus{{Member: "b", State: "streaming", Lag: true, LagBytes: 40e6, LagMicros: 2e6, LagAgeMS: 400}},
	}
	s.Routes = nil
	return s
}

func known(s *message.GroupStatus, at time.Time, lines ...string) glance.Known {
	g := glance.Known{Name: s.Group, Status: s, Answered: at}
	for i, text := range lines {
		sev := message.Notice
		if strings.HasPrefix(text, "!") {
			sev = message.Critical
		}
		g.Lines = append(g.Lines, &glance.Line{At: at.Add(-time.Duration(i) * time.Second), Seq: uint64(100 - i), Event: &message.Event{Group: s.Group, Severity: sev, Sentence: strings.TrimPrefix(text, "!")}})
	}
	return g
}

func all(at time.Time, groups ...glance.Known) Snapshot {
	return Snapshot{At: at, Bus: glance.Link{Up: true, Since: noon}, Listed: true, Groups: groups}
}

func (w *world) two() *world {
	return w.happens(all(w.now, known(pay(), w.now, "!a is down: 2 of 3 vantages say so"), known(web(), w.now, "b is ready to take over")))
}

// pool is one that lacks two: w1 is taken out and still has clients, w2 is down.
func pool(at time.Time) glance.Known {
	three := 3
	s := &message.GroupStatus{
		Group: "shop", Mode: "auto", Decider: "d1", Sentence: "1 of 3 serve; none may be taken out: w1 is in maintenance by ana (new kernel); w2 is down: 2 of 2 seeing vantages say so by check alive, rj and sp (connection refused); the quorum is 2.",
		Pool: &message.PoolStatus{Minimum: 1, Active: 3, Serve: []string{"w3"}},
		Members: []message.MemberStatus{
			{Name: "spare", Site: "sp", Role: message.RoleBackup, Verdict: message.VerdictUp, Ready: true, Views: []message.View{view("sp", "up", 9)}},
			{Name: "w1", Site: "sp", Role: message.RoleDrained, Verdict: message.VerdictUp, Ready: true, Views: []message.View{view("sp", "up", 9)},
				Maintenance: &message.MaintenanceStatus{By: "ana", Reason: "new kernel", Since: at.Add(-10 * time.Minute).UnixMicro(), Until: at.Add(50 * time.Minute).UnixMicro()}},
			{Name: "w2", Site: "sp", Role: message.RoleActive, Verdict: message.VerdictDown, Views: []message.View{{Member: "w2", Vantage: "sp", Check: "alive", Says: "down", Hard: true, InARow: 4, AgoMS: 90, Evidence: "connection refused"}}},
			{Name: "w3", Site: "sp", Role: message.RoleActive, Verdict: message.VerdictUp, Ready: true, Views: []message.View{view("sp", "up", 9)}},
		},
		Routes:  []message.RouteSeen{{Route: "front", Proxy: "tcp://192.0.2.1:9999", Reachable: true, Serves: []string{"w3"}, Servers: []message.ServerSeen{{Member: "w1", Server: "s1", Admin: "drain", Says: "up", Sessions: &three}, {Member: "w3", Server: "s3", Admin: "ready", Says: "up"}}}},
		Blocked: []message.BlockedWindow{{From: at.Add(-time.Hour).UnixMicro(), Until: at.Add(time.Hour).UnixMicro(), Why: "month end", Freeze: true}},
		At:      at.UnixMicro(),
	}
	return known(s, at, "ana takes w1 of shop out for maintenance for 1h (new kernel)")
}

// infrastructure is a group with resources whose main process has died: its ladder is at its second try.
func infrastructure(t *testing.T, at time.Time) glance.Known {
	g, err := file.ParseGroup("automation", `group: automation
members:
  sp: {site: sp, executor: sp1, url: "http://192.0.2.10:5678"}
  rj: {site: rj, executor: rj1, url: "http://198.51.100.10:5678"}
adopt: sp
resources:
  main: {run: systemd:automation-main, check: {http: /healthz, every: 1s, timeout: 300ms, from: [sp, rj, outside]}}
  worker: {run: systemd:automation-worker, after: main}
checks: {host: {tcp: {}, every: 1s, timeout: 300ms, from: [sp, rj, outside]}}
down_when: any of [main]
remedy:
  - {restart: systemd:automation-main, times: 2, wait: 20s, timeout: 20s}
`)
	require.NoError(t, err)
	s := web()
	s.Group, s.Primary, s.Incident, s.Routes = "automation", "sp", "automation-4", nil
	s.Sentence = "sp is down and is being mended: restart systemd:automation-main is under way (try 2 of 2); if that does not help, rj takes over."
	s.Members[0].Name, s.Members[1].Name = "sp", "rj"
	s.Members[0].Verdict = message.VerdictDown
	s.Members[0].Remedy = &message.RemedyStatus{State: message.RemedyTrying, Tried: 2, Tries: 2, AgainAt: at.Add(time.Hour).UnixMicro(), Sentence: "restart systemd:automation-main is under way (try 2 of 2)"}
	s.Members[1].Remedy = &message.RemedyStatus{State: message.RemedyReady, Tries: 2, Sentence: "nothing was tried lately; it would begin with: restart systemd:automation-main"}
	s.Resources = []message.ResourceStatus{
		{Name: "main", Says: "process automation-main", Down: true, Members: []message.ResourceMember{{Member: "sp", Verdict: message.VerdictDown, Why: "sp is down: 3 of 3 seeing vantages say so by check main, outside, rj and sp (connection refused); the quorum is 2"}}},
		{Name: "worker", Says: "process automation-worker", After: []string{"main"}},
	}
	s.Clients = &message.ClientsStatus{
		Target: "https://automation.example.org/", Sentence: "clients of automation are not served: 41 of 41 looks failed within 41s, asked from outside",
		Outage: &message.ClientsOutage{ID: "o2", From: at.Add(-41 * time.Second).UnixMicro()},
	}
	s.Agenda = []message.AgendaEntry{{Verb: message.VerbSwitchover, At: at.Add(3 * time.Hour).UnixMicro(), Target: "rj", Actor: "ana", Name: "automation-at-x"}}
	s.At = at.UnixMicro()
	k := known(s, at, "!sp is down: 3 of 3 vantages say so")
	k.Spec = g
	return k
}

func preview() planned {
	s := web()
	return planned{
		question: 1, status: s,
		preview: &message.Preview{
			Group: "web", Verb: message.VerbSwitchover, From: "a", To: "b", Epoch: 5, Accepted: true, Sentence: "ana asked for a switchover of web from a to b", WayBack: "ham failback web, once a has been up for 1m",
			Plan: &message.Plan{Hash: "c0ffee", PredictedRTO: message.Duration(1200 * time.Millisecond), Graceful: true, Steps: []message.Step{
				{Name: "look", Says: "look again: end the switchover unless b is up", Driver: "assert", On: "any", Timeout: message.Duration(time.Second), OnFailure: message.FailAbort},
				{Name: "route", Says: "send clients of web to b", Driver: "haproxy", On: "any", Timeout: message.Duration(6 * time.Second)},
			}},
		},
		looked: &message.Looked{Group: "web", Executor: "e1", Steps: []message.StepResult{{Step: "look", State: message.StateDone, Found: "up: 200 OK"}, {Step: "route", State: message.StateStarted, Found: "a ready, b drain", Wanted: "a drain, b ready"}}},
	}
}

// atThePlan is the page of the button with the plan on it.
func atThePlan(t *testing.T, change func(*planned)) *world {
	w := newWorld(t, "web").two().press("m")
	p := preview()
	if change != nil {
		change(&p)
	}
	return w.happens(p)
}

func TestScreens(t *testing.T) {
	newWorld(t).two().golden("overview")
	newWorld(t).two().press("?").golden("keys")
	newWorld(t).two().press("enter").golden("group-down")
	newWorld(t, "web").two().golden("group")
	newWorld(t).golden("before-anything-is-known")
	newWorld(t).happens(all(noon)).golden("no-group")
	newWorld(t).happens(tea.WindowSizeMsg{Width: 40, Height: 12}).two().golden("overview-narrow")
	newWorld(t, "pay").happens(tea.WindowSizeMsg{Width: 40, Height: 12}).two().golden("group-narrow")
	newWorld(t).happens(tea.WindowSizeMsg{Width: 120, Height: 40}).two().golden("overview-wide")
	newWorld(t, "web").two().press("p").golden("pause")
	troubled := func(w *world) *world { return w.happens(all(w.now, infrastructure(t, w.now), pool(w.now))) }
	troubled(newWorld(t)).golden("overview-features")
	troubled(newWorld(t).happens(tea.WindowSizeMsg{Width: 120, Height: 40})).golden("overview-features-wide")
	troubled(newWorld(t, "shop")).golden("pool").press("m").golden("pool-moves-nothing")
	troubled(newWorld(t, "shop").happens(tea.WindowSizeMsg{Width: 40, Height: 12})).golden("pool-narrow")
	troubled(newWorld(t, "automation")).golden("infrastructure")
	troubled(newWorld(t, "automation").happens(tea.WindowSizeMsg{Width: 120, Height: 40})).golden("infrastructure-wide")
	atThePlan(t, nil).golden("plan")
	atThePlan(t, func(p *planned) { p.preview.DryRun = true }).golden("plan-dry-run")
	atThePlan(t, nil).press("enter", "we").golden("arming")
	atThePlan(t, nil).press("enter", "web", "enter").hold(time.Second).golden("armed")
	atThePlan(t, nil).happens(checked{1, "Something changed meanwhile: a is down."}).golden("changed")
	atThePlan(t, func(p *planned) { *p = planned{question: 1, err: ask.ErrNobody} }).golden("plan-nobody")
	atThePlan(t, func(p *planned) {
		p.looked, p.preview.Accepted = nil, false
		p.preview.Reasons = []message.Reason{{Code: "R302", Sentence: "b lags by 40 MB", Overridable: true}, {Code: "R310", Sentence: "web is disputed"}, {Code: glance.Undoes, Sentence: "it would undo the swap of 2 minutes ago"}}
	}).press("1", "2").golden("plan-refused")
}

func TestASwapThatStopped(t *testing.T) {
	s := web()
	s.Swap = &message.SwapStatus{Command: "c5", Epoch: 5, Kind: message.KindSwitchover, From: "a", To: "b", State: message.StatePaused, Steps: []message.StepStatus{
		{Name: "look", Says: "look again", State: message.StateDone}, {Name: "route", Says: "send clients of web to b", State: message.StatePaused, Problem: "proxy does not answer"}, {Name: "drain", Says: "let sessions end"},
	}}
	w := newWorld(t, "web").happens(all(noon, known(s, noon))).golden("stopped").press("s").golden("skip")
	require.Empty(t, w.sent())
	w.press("done by hand", "enter")
	r := w.sent()[0]
	require.Equal(t, message.VerbSkip, r.Verb)
	require.Equal(t, "route", r.Step)
	require.Equal(t, uint64(5), *r.ExpectEpoch)
	require.Equal(t, "done by hand", r.Reason)
	w.happens(answered{r, &message.Outcome{Accepted: true, Sentence: "goes on without route"}, nil}).golden("skipped")
}

// What is not so any more is said to be so on every screen, and nothing is shown as up.
func TestStaleIsSaid(t *testing.T) {
	gone := func(w *world) *world {
		s := w.m.snap
		s.Bus = glance.Link{Since: w.now.Add(-5 * time.Second)}
		s.At = w.now
		return w.happens(s)
	}
	for _, groups := range [][]string{nil, {"web"}} {
		w := newWorld(t, groups...).two().after(4 * time.Second)
		require.Contains(t, w.screen(), "OLD: this program has learnt nothing for 4 s", "nothing came from the board")
		require.NotContains(t, w.screen(), "✓ up")
		require.NotContains(t, w.screen(), "Covered")
		gone(w)
		require.Contains(t, w.screen(), "OLD: the bus is away for 5 s")
	}
	w := newWorld(t).two().after(10 * time.Second)
	stale := known(web(), noon)
	stale.Problem = "no decider answers"
	w.happens(all(w.now, known(pay(), w.now), stale)).golden("one-not-known")
	w.press("down", "enter").golden("group-not-known")
	gone(w).golden("bus-away")
	require.Contains(t, gone(atThePlan(t, nil)).screen(), "OLD: the bus is away")
	w.press("p")
	require.Contains(t, w.screen(), "nothing was asked")
}

func armedWorld(t *testing.T) *world { return atThePlan(t, nil).press("enter", "web", "enter") }

// The plan that was shown is what is fired: its hash, at the epoch that was shown, once.
func TestTheShownPlanIsFired(t *testing.T) {
	w := armedWorld(t).hold(1400 * time.Millisecond)
	require.Empty(t, w.sent(), "not held for long enough")
	w = armedWorld(t).hold(4 * time.Second)
	sent := w.sent()
	require.Len(t, sent, 1, "one hold is one request, however long it lasts")
	require.NoError(t, message.Validate(sent[0]))
	require.Equal(t, "c0ffee", sent[0].PlanHash)
	require.Equal(t, uint64(4), *sent[0].ExpectEpoch)
	require.Equal(t, message.VerbSwitchover, sent[0].Verb)
	require.Equal(t, "ana", sent[0].Actor)
	w.golden("fired")
	w.happens(answered{sent[0], &message.Outcome{Accepted: true, Epoch: 5, Sentence: "accepted, epoch 5"}, nil}).golden("accepted")
	w.hold(3 * time.Second)
	require.Len(t, w.sent(), 1, "a key that is still held does nothing on the next screen")
}

func TestWhatKeepsItFromFiring(t *testing.T) {
	for name, w := range map[string]*world{
		"another name":          atThePlan(t, nil).press("enter", "wep", "enter").hold(3 * time.Second),
		"no name":               atThePlan(t, nil).press("enter", "enter").hold(3 * time.Second),
		"a name that is pasted": atThePlan(t, nil).press("enter").happens(tea.PasteMsg{Content: "web"}).press("enter").hold(3 * time.Second),
		"not armed":             atThePlan(t, nil).hold(3 * time.Second),
		"another key":           armedWorld(t).hold(time.Second).press("x").hold(3 * time.Second),
		"half a minute":         armedWorld(t).after(31 * time.Second).two().hold(3 * time.Second),
		"the plan changed":      armedWorld(t).hold(time.Second).happens(checked{1, "it changed"}).hold(3 * time.Second),
		"the bus is away":       busAway(armedWorld(t)).hold(3 * time.Second),
		"nothing is heard":      armedWorld(t).after(4 * time.Second).hold(3 * time.Second),
		"slow taps":             slowly(armedWorld(t)),
		"a burst of spaces":     armedWorld(t).press(strings.Repeat(" ", 500)),
		"spaces that are pasted": armedWorld(t).happens(tea.PasteMsg{Content: strings.Repeat(" ", 50)}).after(2 * time.Second).two().
			happens(tea.PasteMsg{Content: strings.Repeat(" ", 50)}),
		"nobody answers": atThePlan(t, func(p *planned) { *p = planned{question: 1, err: errors.New("x")} }).press("enter", "web", "enter").hold(3 * time.Second),
		"a refusal that stands": atThePlan(t, func(p *planned) {
			p.preview.Accepted, p.preview.Reasons = false, []message.Reason{{Code: "R302", Sentence: "x", Overridable: true}}
		}).press("enter", "web", "enter").hold(3 * time.Second),
		"a refusal that nobody may set aside": atThePlan(t, func(p *planned) {
			p.preview.Accepted, p.preview.Reasons = false, []message.Reason{{Code: "R310", Sentence: "x"}}
		}).press("1", "enter", "web", "enter").hold(3 * time.Second),
		"set aside without a reason": atThePlan(t, func(p *planned) {
			p.preview.Accepted, p.preview.Reasons = false, []message.Reason{{Code: "R302", Sentence: "x", Overridable: true}}
		}).press("1", "enter", "tab", "web", "enter", "enter").hold(3 * time.Second),
		"an answer to an older question": atThePlan(t, nil).press("g").happens(preview()).press("enter", "web", "enter").hold(3 * time.Second),
	} {
		require.Empty(t, w.sent(), name)
	}
}

func busAway(w *world) *world {
	s := w.m.snap
	s.Bus = glance.Link{Since: w.now}
	return w.happens(s)
}

func slowly(w *world) *world {
	for range 20 {
		w.after(600 * time.Millisecond).two().press(" ")
	}
	return w
}

func TestATerminalThatTellsOfReleasesIsBelieved(t *testing.T) {
	w := armedWorld(t)
	for range 40 { // where a key is known to come up, tapping is not holding
		w.after(100 * time.Millisecond).two().press(" ").happens(tea.KeyReleaseMsg{Code: tea.KeySpace})
	}
	require.Empty(t, w.sent())
}

func TestARefusalIsSetAsideWithAReason(t *testing.T) {
	w := atThePlan(t, func(p *planned) {
		p.preview.Accepted = false
		p.preview.Reasons = []message.Reason{{Code: "R302", Sentence: "it lags", Overridable: true}, {Code: glance.Undoes, Sentence: "it undoes"}}
	}).press("1", "2", "enter", "the site burns", "enter", "web", "enter").hold(2 * time.Second)
	require.Len(t, w.sent(), 1)
	require.Equal(t, []string{"R302"}, w.sent()[0].Override, "an undoing is meant by naming the epoch")
	require.Equal(t, "the site burns", w.sent()[0].Reason)
	require.NoError(t, message.Validate(w.sent()[0]))
	for _, e := range w.effects {
		if s, is := e.(send); is {
			require.True(t, s.meant)
		}
	}
}

// Whatever became of a press is said as it is.
func TestWhatBecameOfIt(t *testing.T) {
	fire := func() (*world, *message.Request) {
		w := armedWorld(t).hold(2 * time.Second)
		return w, w.sent()[0]
	}
	w, r := fire()
	w.happens(answered{r, &message.Outcome{Sentence: "refused", Reasons: []message.Reason{{Code: "R334", Sentence: "the plan has changed: b is now behind"}}}, nil}).golden("refused")
	w, r = fire()
	w.happens(answered{r, nil, ask.ErrLate}).golden("no-answer")
	w, r = fire()
	require.Contains(t, w.happens(answered{r, nil, ask.ErrNobody}).screen(), "nothing will happen later")
}

// What others wrote cannot drive the terminal.
func TestHostileText(t *testing.T) {
	evil := "x\x1b[2J\x1b]52;c;aGk=\x07\u202e\u2066\x9b31m\r\n\x00\ufeff\u200b\U000e0001\xff\u2028end"
	s := pay()
	s.Sentence, s.Incident, s.Mode = evil, evil, evil
	for i := range s.Members {
		m := &s.Members[i]
		m.Name, m.Site = "m"+evil, evil
		for j := range m.Views {
			m.Views[j].Evidence, m.Views[j].Vantage = evil, evil
		}
	}
	s.Refusals = []message.Reason{{Code: evil, Sentence: evil}}
	s.Routes = []message.RouteSeen{{Route: evil, Proxy: evil, Problem: evil}}
	g := known(s, noon, evil, evil)
	for _, keys := range [][]string{nil, {"enter"}, {"enter", "pgdown"}, {"m"}} {
		w := newWorld(t).happens(tea.WindowSizeMsg{Width: 100, Height: 60}).happens(all(noon, g)).press(keys...)
		p := preview()
		p.preview.Sentence, p.preview.WayBack, p.preview.Reasons = evil, evil, []message.Reason{{Code: evil, Sentence: evil}}
		p.looked.Steps[0].Found, p.looked.Steps[1].Problem, p.preview.Plan.Steps[0].Says = evil, evil, evil
		w.happens(p)
		raw := w.m.View()
		require.NotContains(t, raw, "\x1b[2J")
		require.NotContains(t, raw, "\x1b]")
		for _, c := range strings.ReplaceAll(ansi.Strip(raw), "\n", "") {
			require.False(t, unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp), "%U reached the screen", c)
		}
	}
	require.NotContains(t, Said{What: "group", Sentence: evil, State: evil}.line(), "\x1b")
}

// The screen is never larger than the terminal, however small that is.
func TestEverySizeFits(t *testing.T) {
	for _, width := range []int{1, 2, 9, 20, 37, 80, 200} {
		for _, height := range []int{1, 2, 3, 5, 11, 24, 60} {
			for _, keys := range [][]string{nil, {"enter"}, {"?"}, {"m"}, {"n", "a word"}} {
				for _, ascii := range []bool{false, true} {
					w := newWorld(t)
					w.m.ascii = ascii
					w.happens(tea.WindowSizeMsg{Width: width, Height: height}).two().press(keys...).happens(preview()).press("pgdown")
					rows := strings.Split(w.m.View(), "\n")
					require.Len(t, rows, height)
					for _, r := range rows {
						require.LessOrEqual(t, ansi.StringWidth(r), width, "%q at %d×%d", r, width, height)
						if ascii {
							require.NotRegexp(t, `[^\x00-\x7f]`, r)
						}
					}
				}
			}
		}
	}
}

func TestTheChoiceStaysWithItsGroup(t *testing.T) {
	w := newWorld(t).two().press("down")
	require.Equal(t, "web", w.m.selected)
	mended := web()
	mended.Group = "pay"
	w.happens(all(noon, known(mended, noon), known(web(), noon))).press("enter")
	require.Equal(t, "web", w.m.group, "the order changed, the choice did not")
}

func TestAskedMeansEveryGroup(t *testing.T) {
	s := all(noon, known(pay(), noon), known(web(), noon))
	s.Listed = false
	require.False(t, s.asked(), "there may be more groups")
	s.Listed = true
	require.True(t, s.asked())
	s.Groups[1].Status = nil
	require.False(t, s.asked(), "one is still being asked")
	s.Groups[1].Problem = "no decider answers"
	require.True(t, s.asked(), "that it is not known is an answer")
}

func TestLinesSayChangesOnce(t *testing.T) {
	var k teller
	require.Empty(t, k.changes(Snapshot{At: noon, Bus: glance.Link{Up: true}}, nil, "ana"))
	s := all(noon, known(pay(), noon), known(web(), noon))
	first := k.changes(s, []string{"web"}, "ana")
	require.Len(t, first, 1)
	require.Equal(t, "2026-03-01T12:00:00.000Z web          [Covered] If a died now: b takes over within about 1.2s.", first[0].line())
	require.Empty(t, k.changes(s, []string{"web"}, "ana"))
	s.At = noon.Add(time.Minute)
	s.Bus.Up = false
	s.Groups[1].Problem = "the bus is away"
	old := k.changes(s, []string{"web"}, "ana")
	require.Len(t, old, 2)
	require.False(t, old[0].Known)
	require.False(t, old[1].Known)
	require.Contains(t, old[1].line(), "It is not known how it stands: the bus is away.")
}

// waiting is web with all that waits for people.
func waiting() *message.GroupStatus {
	s := web()
	hold := message.Duration(5 * time.Minute)
	at := func(d time.Duration) int64 { return noon.Add(d).UnixMicro() }
	s.At = at(0)
	s.Approvals = []message.ApprovalStatus{
		{Request: "rq-one", State: message.ApprovalWaits, Verb: message.VerbSwitchover, From: "a", Target: "b", Actor: "bob", Sentence: "bob asked for a switchover of web from a to b (kernel)", Until: at(8 * time.Minute)},
		{Request: "rq-two", State: message.ApprovalWaits, Verb: message.VerbDrill, Actor: "carl", Sentence: "carl asked for a drill of web", Until: at(9 * time.Minute)},
	}
	s.Agenda = []message.AgendaEntry{
		{Verb: message.VerbDrill, At: at(26 * time.Hour), Hold: &hold, Actor: "schedule", Refusals: []message.Reason{{Code: "R365", Sentence: "incident web-1 is open, and a drill of the calendar begins in quiet times alone"}}},
		{Verb: message.VerbDrill, At: at(50 * time.Hour), Hold: &hold, Target: "b", Actor: "ana", Name: "web-at-20260303-140000", Blocked: "the end of the quarter"},
	}
	s.Blocked = []message.BlockedWindow{{From: at(-time.Hour), Until: at(8 * time.Hour), Why: "office hours"}, {From: at(23 * time.Hour), Until: at(32 * time.Hour), Why: "office hours"}}
	s.DrilledAt = at(-91 * 24 * time.Hour)
	s.Ledger = &message.LedgerStatus{Entries: 3, Right: 1, Wrong: 1, Open: 1, Missed: 1, Precision: 0.5, Recall: 0.5}
	s.Refusals = []message.Reason{{Code: "R366", Sentence: "web is not trusted to swap by itself yet: 1 of 2 judged shadows were right, and 95% of at least 5 must be; ham shadow web shows them"}}
	return s
}

// What waits for a second person is approved through the same button as a swap: its plan, the name, the key that is held.
func TestASecondPerson(t *testing.T) {
	w := newWorld(t, "web").happens(tea.WindowSizeMsg{Width: 100, Height: 40}).happens(all(noon, known(waiting(), noon))).golden("waiting").press("y")
	asked := w.effects[len(w.effects)-1].(askPlan)
	require.Equal(t, wish{verb: message.VerbApprove, of: "rq-one"}, asked.wish)
	p := preview()
	p.question, p.preview.Verb, p.preview.Sentence = asked.question, message.VerbApprove, "ana approved: bob asked for a switchover of web from a to b (kernel)"
	w.happens(p).press("v", "t", "h").golden("approve") // what waits is what it is
	w.press("enter", "web", "enter")
	require.Empty(t, w.sent())
	w.hold(2 * time.Second)
	r := w.sent()[0]
	require.Equal(t, message.VerbApprove, r.Verb)
	require.Equal(t, "rq-one", r.Of)
	require.Equal(t, "watch", r.Via)
	require.NoError(t, message.Validate(r))

	w = newWorld(t, "web").happens(all(noon, known(waiting(), noon))).press("x")
	require.Empty(t, w.sent())
	w.golden("reject").press("not now", "enter")
	r = w.sent()[0]
	require.Equal(t, message.VerbReject, r.Verb)
	require.Equal(t, "rq-one", r.Of)
	require.Equal(t, "not now", r.Reason)
	require.NoError(t, message.Validate(r))

	w = newWorld(t, "web").two().press("y", "x")
	require.Empty(t, w.effects, "nothing waits")
}

// asking is a swap whose step backup asks a person.
func asking() *message.GroupStatus {
	s := web()
	s.At = noon.UnixMicro()
	s.Swap = &message.SwapStatus{Command: "web.4.1", Epoch: s.Epoch, Kind: message.KindSwitchover, From: "a", To: "b", State: message.StateStarted, Steps: []message.StepStatus{{Name: "backup", State: message.StateWaiting}}}
	s.Approvals = []message.ApprovalStatus{{
		Request: message.StepApproval("web", s.Epoch, "backup"), Step: "backup", State: message.ApprovalWaits, Verb: message.VerbSwitchover, From: "a", Target: "b", Actor: "ana",
		Sentence: "step backup of the switchover of web from a to b asks: the backup of a is from today", Until: noon.Add(30 * time.Minute).UnixMicro(),
	}}
	return s
}

// A step that asks a person is shown with what it asks, approved through the button, and rejected with a reason.
func TestAStepAsksAPerson(t *testing.T) {
	w := newWorld(t, "web").happens(tea.WindowSizeMsg{Width: 100, Height: 30}).happens(all(noon, known(asking(), noon))).golden("step").press("y")
	asked := w.effects[len(w.effects)-1].(askPlan)
	require.Equal(t, wish{verb: message.VerbApprove, of: "step.web.4.backup"}, asked.wish)
	p := preview()
	p.question, p.status, p.preview.Verb, p.preview.Sentence = asked.question, asking(), message.VerbApprove, "ana approved step backup of the switchover of web from a to b: the backup of a is from today"
	w.happens(p).press("enter", "web", "enter")
	require.Empty(t, w.sent())
	w.hold(2 * time.Second)
	r := w.sent()[0]
	require.Equal(t, []any{message.VerbApprove, "step.web.4.backup", uint64(4)}, []any{r.Verb, r.Of, *r.ExpectEpoch})
	require.NoError(t, message.Validate(r))

	w = newWorld(t, "web").happens(all(noon, known(asking(), noon))).press("x").golden("step-rejected").press("from last week", "enter")
	r = w.sent()[0]
	require.Equal(t, []any{message.VerbReject, "step.web.4.backup", "from last week"}, []any{r.Verb, r.Of, r.Reason})
	require.NoError(t, message.Validate(r))
}
