package stack_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// sites are three hosts, each with a bus server of one cluster, a prober, a decider and an executor of its own.
type sites struct {
	t     *testing.T
	ctx   context.Context
	nodes []*bustest.Server
	stop  map[string]func()
	http  map[string]string
	bus   *bus.Bus
	ask   ask.Client
}

func startSites(t *testing.T, policy string) *sites {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	s := &sites{t: t, ctx: ctx, nodes: bustest.Cluster(t), stop: map[string]func(){}, http: map[string]string{}}
	t.Cleanup(cancel)
	var urls []string
	for _, n := range s.nodes {
		urls = append(urls, n.URL())
	}
	a := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(a.Close)
	t.Cleanup(b.Close)
	s.bus = bustest.Dial(t, bus.Options{Name: "people", URLs: urls})
	s.ask = ask.Client{Bus: s.bus, Timeout: 10 * time.Second}
	for i, site := range []string{"sp", "rj", "witness"} {
		st, err := stack.Start(ctx, stack.Options{
			Process: spec.Process{
				Name: site, Site: site, HTTP: "127.0.0.1:0", StateDir: t.TempDir(), Prober: spec.Prober{Vantages: []string{site}},
				Bus: spec.Bus{URLs: append([]string{urls[i]}, append(urls[:i:i], urls[i+1:]...)...)},
			},
			Services: []string{stack.Prober, stack.Decider, stack.Executor}, Log: slog.New(slog.DiscardHandler), Layout: bus.Layout{Replicas: 3, HeartbeatMaxBytes: 64 << 20, EventsMaxBytes: 64 << 20, DeadLetterMaxBytes: 16 << 20},
		})
		require.NoError(t, err, site)
		run, end := context.WithCancel(context.WithoutCancel(ctx))
		ended := make(chan struct{})
		go func() { defer close(ended); _ = st.Run(run); _ = st.Close() }()
		s.http[site] = st.HTTP
		s.stop[site] = sync.OnceFunc(func() { end(); <-ended })
		t.Cleanup(s.stop[site])
	}
	_, err := store.Put(ctx, s.bus, fmt.Sprintf(`group: web
mode: manual
members:
  a: {site: sp, url: %q}
  b: {site: rj, url: %q}
adopt: a
checks:
  alive: {http: /, every: 500ms, timeout: 400ms, from: [sp, rj, witness]}
policy: {quorum: 2, rise: 1, stable_for: 0s, cooldown: 0s, undo_window: 0s, budget: 50 per 24h%s}
`, a.URL, b.URL, policy), "ana", "test", store.AnyRevision)
	require.NoError(t, err)
	s.until("a is primary and b ready", s.rests)
	return s
}

// until waits, as long as the test may take, until ok of what somebody knows.
func (s *sites) until(what string, ok func(*message.GroupStatus) bool) *message.GroupStatus {
	s.t.Helper()
	var last *message.GroupStatus
	for {
		if st, err := s.ask.Status(s.ctx, "web"); err == nil {
			if last = st; ok(st) {
				return st
			}
		}
		select {
		case <-s.ctx.Done():
			s.t.Fatalf("%s: never; last %+v", what, last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *sites) rests(st *message.GroupStatus) bool {
	if !st.Held || st.Swap != nil || st.Drill != nil || st.Blind {
		return false
	}
	for _, m := range st.Members {
		if !m.Ready {
			return false
		}
	}
	return true
}

// send asks until there is an answer: whoever hears none asks the same again, and it is the same request.
func (s *sites) send(r *message.Request) *message.Outcome {
	r.Group = "web"
	for {
		o, err := s.ask.Send(s.ctx, r)
		if err == nil {
			return o
		}
		if s.ctx.Err() != nil {
			s.t.Errorf("%s %s: no answer: %v", r.Verb, r.ID, err)
			return &message.Outcome{Sentence: err.Error()}
		}
		s.t.Logf("%s %s: %v; asked again", r.Verb, r.ID, err)
	}
}

// chain is every entry of the group's chain.
func (s *sites) chain() (all []message.Message) {
	s.t.Helper()
	for {
		entries, err := s.bus.Since(s.ctx, subject.StreamCommands, subject.Command("web"), 1, 1000)
		if err == nil {
			for _, e := range entries {
				all = append(all, e.Message)
			}
			return all
		}
		require.NoError(s.t, s.ctx.Err(), err)
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *sites) commands(of func(*message.Command) bool) (all []*message.Command) {
	for _, m := range s.chain() {
		if c, ok := m.(*message.Command); ok && of(c) {
			all = append(all, c)
		}
	}
	return all
}

// Two persons, three sites: what waits is known everywhere, also when the site that wrote it down is gone; however often it is approved, it is done once.
func TestTwoPersonsOutliveASite(t *testing.T) {
	t.Parallel()
	s := startSites(t, ", two_person: true")
	o := s.send(&message.Request{ID: "rq-kernel", Verb: message.VerbSwitchover, Actor: "ana", Reason: "kernel"})
	require.False(t, o.Accepted)
	require.Equal(t, "R360", o.Reasons[0].Code)
	require.Equal(t, "R362", s.send(&message.Request{ID: "rq-same", Verb: message.VerbApprove, Actor: "ana", Of: "rq-kernel"}).Reasons[0].Code)

	wrote := ""
	for _, m := range s.chain() {
		if a, ok := m.(*message.Approval); ok {
			wrote = a.Decider
		}
	}
	require.NotEmpty(t, wrote)
	s.stop[wrote]()
	s.until("another one knows what waits", func(st *message.GroupStatus) bool { return st.Decider != wrote && len(st.Approvals) == 1 })

	var asked sync.WaitGroup
	outcomes := make([]*message.Outcome, 6)
	for i := range outcomes {
		asked.Go(func() {
			outcomes[i] = s.send(&message.Request{ID: fmt.Sprintf("rq-yes-%d", i/2), Verb: message.VerbApprove, Actor: []string{"bob", "carl", "dora"}[i/2], Of: "rq-kernel"})
		})
	}
	asked.Wait()
	done := s.commands(func(c *message.Command) bool { return c.Request == "rq-kernel" })
	require.Len(t, done, 1, "however many approve")
	require.Equal(t, "R414", done[0].Rule)
	accepted := 0
	for _, o := range outcomes {
		if o.Accepted {
			accepted++
			require.Equal(t, done[0].ID, o.Command)
		}
	}
	require.NotZero(t, accepted)
	s.until("b is primary", func(st *message.GroupStatus) bool { return st.Primary == "b" && s.rests(st) && len(st.Approvals) == 0 })
	o = s.send(&message.Request{ID: "rq-late", Verb: message.VerbApprove, Actor: "eva", Of: "rq-kernel"})
	require.Len(t, s.commands(func(c *message.Command) bool { return c.Request == "rq-kernel" }), 1, o.Sentence)
}

// A drill that was planned begins once while the leader of the record is lost, goes back, and its age is told.
func TestAPlannedDrillBeginsOnceWhileTheLeaderIsLost(t *testing.T) {
	t.Parallel()
	s := startSites(t, "")
	hold := message.Duration(0)
	var due time.Time
	for ahead := 4 * time.Second; ; ahead *= 2 { // a machine that does much else may be later than that
		due = time.Now().Add(ahead).Truncate(time.Second)
		o := s.send(&message.Request{ID: "rq-plan-" + ahead.String(), Verb: message.VerbDrill, Actor: "ana", Hold: &hold, Due: due.UnixMicro(), Reason: "each quarter"})
		if o.Accepted {
			break
		}
		require.Equal(t, "R369", o.Reasons[0].Code, o.Sentence)
	}
	info, err := s.bus.JS().Stream(s.ctx, subject.StreamCommands)
	require.NoError(t, err)
	leader := info.CachedInfo().Cluster.Leader
	time.Sleep(time.Until(due) - 500*time.Millisecond) // so that it falls due in the midst of an election
	for i, n := range s.nodes {
		if fmt.Sprint("n", i+1) == leader {
			n.Stop()
		}
	}
	of := func(c *message.Command) bool { return c.Drill != nil }
	s.until("it has gone there and back", func(st *message.GroupStatus) bool { return st.DrilledAt > 0 && s.rests(st) && st.Primary == "a" })
	all := s.commands(of)
	require.Len(t, all, 2, "there and back")
	require.Equal(t, message.WayThere, all[0].Drill.Way)
	require.Equal(t, message.WayBack, all[1].Drill.Way)
	require.Contains(t, all[0].Why, "planned by ana: each quarter")
	s.until("nothing is planned any more", func(st *message.GroupStatus) bool { return len(st.Agenda) == 0 })

	for site := range s.http {
		var text string
		for !strings.Contains(text, `ham_drill_age_seconds{group="web"}`) {
			require.NoError(t, s.ctx.Err(), "the age of the drill at %s: %s", site, text)
			if resp, err := http.Get("http://" + s.http[site] + "/metrics"); err == nil {
				body, _ := io.ReadAll(resp.Body) // read again if it was cut
				resp.Body.Close()
				text = string(body)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}
