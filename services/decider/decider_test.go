package decider_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider"
)

const web = `group: web
mode: %s
members:
  a: {site: sp, url: "http://127.0.0.1:1"}
  b: {site: rj, url: "http://127.0.0.1:2"}
adopt: a
checks:
  alive: {http: /alive, every: 250ms, timeout: 250ms, from: [sp, rj, witness]}
policy: {quorum: 2, fall: 2, rise: 2, stable_for: 200ms, cooldown: 1s, undo_window: 1s, budget: 50 per 24h}
`

// stand is a bus with one declared group, probers that say what the test tells them, and an executor that holds what is decided.
type stand struct {
	t      testing.TB
	end    context.CancelFunc // of probers and executor
	srv    *embedded.Server
	bus    *bus.Bus
	answer map[string]*atomic.Value // per member: message.Answer
}

// calm is the declaration for tests that ask once and must be accepted: no pause of a busy machine is taken for a silence of the probers, as it is after 750 ms
// where they are declared to look every 250 ms.
func calm(mode string) string {
	return strings.Replace(fmt.Sprintf(web, mode), "every: 250ms, timeout: 250ms", "every: 2s, timeout: 2s", 1)
}

func newStand(t testing.TB, mode string, edit ...func(*embedded.Options)) *stand {
	t.Helper()
	return newStandOf(t, fmt.Sprintf(web, mode), edit...)
}

func newStandOf(t testing.TB, text string, edit ...func(*embedded.Options)) *stand {
	t.Helper()
	srv := bustest.Start(t, edit...)
	ctx, end := context.WithCancel(t.Context())
	t.Cleanup(end)
	s := &stand{t: t, end: end, srv: srv, bus: bustest.Connect(t, srv, "stand"), answer: map[string]*atomic.Value{}}
	_, err := store.Put(t.Context(), s.bus, text, "tester", "", 0)
	require.NoError(t, err)
	for _, m := range []string{"a", "b"} {
		s.answer[m] = new(atomic.Value)
		s.answer[m].Store(message.Up)
	}
	go s.probe(ctx)
	go s.execute(ctx)
	return s
}

// probe publishes what three vantages see, every 20 ms.
func (s *stand) probe(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for seq := uint64(1); ; seq++ {
		for member, answer := range s.answer {
			for _, vantage := range []string{"sp", "rj", "witness"} {
				s.publish(member, vantage, seq, answer.Load().(message.Answer))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// publish sends one heartbeat without waiting for it to be stored, as probers do.
func (s *stand) publish(member, vantage string, seq uint64, a message.Answer) {
	hb := &message.Heartbeat{Group: "web", Member: member, Vantage: vantage, Check: "alive", Boot: "1", Seq: seq, Answer: a,
		Hard: a == message.Down, Evidence: "told by the test", EveryMicros: 250_000, At: time.Now().UnixMicro()}
	h, body, err := message.Encode(hb, "/ham/prober/"+vantage, time.Now())
	if err != nil {
		s.t.Error(err)
		return
	}
	_ = s.bus.Conn().PublishMsg(&nats.Msg{Subject: subject.Heartbeat("web", member, vantage), Header: nats.Header(h), Data: body}) // the link may be gone: losing one is harmless
}

// execute stands in for the executor, which has tests of its own: it holds each command and says that it is done.
func (s *stand) execute(ctx context.Context) {
	_ = s.bus.Follow(ctx, bus.FollowOptions{Stream: subject.StreamCommands}, func(d bus.Delivery) {
		c, ok := d.Message.(*message.Command)
		if !ok {
			return
		}
		held := &message.Held{ID: "held." + c.ID, Group: c.Group, Epoch: c.Epoch, Primary: c.Primary, Command: c.ID, Executor: "stand"}
		for after := d.Seq; ; {
			r, err := s.bus.Propose(ctx, subject.Command(c.Group), held, after)
			if _, mark := r.Entry.Message.(*message.Mark); err == nil && !r.Won && mark {
				after = r.Entry.Seq // somebody paused or resumed meanwhile
				continue
			}
			if err != nil || !r.Won {
				return // a newer command took its place
			}
			break
		}
		_, _ = s.bus.Publish(ctx, subject.Safety(c.Group, subject.SafetyRun, "stand"), &message.RunResult{ID: "done." + c.ID, Group: c.Group, Epoch: c.Epoch,
			Command: c.ID, Kind: c.Kind, Primary: c.Primary, State: message.StateDone, Executor: "stand", Sentence: "done", ExecuteMicros: 1000, VerifyMicros: 1000})
	})
}

// decide runs a decider until the test ends or it is stopped. Stopping is abrupt: its connection is cut first.
func (s *stand) decide(name string) (*decider.Decider, func()) {
	s.t.Helper()
	return s.decideWith(bustest.Connect(s.t, s.srv, name), name)
}

// decideOn is decide over a connection of the test's own making.
func (s *stand) decideOn(b *bus.Bus, name string) *decider.Decider {
	s.t.Helper()
	d, _ := s.decideWith(b, name)
	return d
}

func (s *stand) decideWith(b *bus.Bus, name string) (*decider.Decider, func()) {
	s.t.Helper()
	ready := make(chan struct{})
	var once atomic.Bool
	d, err := decider.New(decider.Options{Bus: b, Name: name, Ready: func(why string) {
		if why == "" && once.CompareAndSwap(false, true) {
			close(ready)
		}
	}})
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = d.Run(ctx) }()
	stop := func() { b.Close(); cancel(); <-ended }
	s.t.Cleanup(stop)
	select {
	case <-ready:
	case <-time.After(patience):
		s.t.Fatal("the decider did not become ready")
	}
	return d, stop
}

// statuser is a decider that can be asked what it knows.
type statuser interface {
	Status(group string) (*message.GroupStatus, bool)
}

func (s *stand) status(d statuser) *message.GroupStatus {
	s.t.Helper()
	st, ok := d.Status("web")
	require.True(s.t, ok)
	return st
}

func (s *stand) until(d statuser, what string, look func(*message.GroupStatus) bool) *message.GroupStatus {
	s.t.Helper()
	var last *message.GroupStatus
	if !assertEventually(func() bool {
		st, ok := d.Status("web")
		last = st
		return ok && look(st)
	}) {
		s.t.Fatalf("%s: %+v", what, last)
	}
	return last
}

// patience is for a machine that does much else.
const patience = time.Minute

func assertEventually(look func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if look() {
			return true
		}
	}
	return false
}

// chain returns the whole chain.
func (s *stand) chain() (entries []bus.Entry) {
	s.t.Helper()
	var err error
	if !assertEventually(func() bool {
		entries, err = s.bus.Since(s.t.Context(), subject.StreamCommands, subject.Command("web"), 1, 1000)
		return err == nil
	}) {
		s.t.Fatal(err)
	}
	return entries
}

// commands returns the chain's commands.
func (s *stand) commands() []*message.Command {
	s.t.Helper()
	var out []*message.Command
	for _, e := range s.chain() {
		if c, ok := e.Message.(*message.Command); ok {
			out = append(out, c)
		}
	}
	return out
}

func ready(st *message.GroupStatus) bool { return st.Held && st.Swap == nil && len(st.Refusals) == 0 }

// readyButMode is ready in a mode that does not swap by itself.
func readyButMode(st *message.GroupStatus) bool {
	return st.Held && st.Swap == nil && len(st.Refusals) == 1
}

func TestThreeDecidersMakeOneCommandAnEpoch(t *testing.T) {
	t.Parallel()
	s := newStand(t, "auto")
	d1, stop1 := s.decide("d1")
	d2, _ := s.decide("d2")
	d3, _ := s.decide("d3")
	for _, d := range []*decider.Decider{d1, d2, d3} {
		s.until(d, "ready", ready)
	}
	stop1()
	s.answer["a"].Store(message.Down)
	for _, d := range []*decider.Decider{d2, d3} {
		s.until(d, "b is primary", func(st *message.GroupStatus) bool { return st.Primary == "b" && st.Held })
	}
	all := s.commands()
	require.Len(t, all, 2)
	for i, c := range all {
		require.Equal(t, uint64(i+1), c.Epoch)
	}
	require.Equal(t, message.KindFailover, all[1].Kind)
}

func TestAStockClientAsksWithAnEmptyBody(t *testing.T) {
	t.Parallel()
	s := newStandOf(t, strings.Replace(calm("manual"), "undo_window: 1s", "undo_window: 5m", 1))
	d, _ := s.decide("d1")
	s.until(d, "ready but for the mode", readyButMode)
	msg, err := s.bus.Conn().Request("ham.v1.ask.web.switchover", nil, 10*time.Second)
	require.NoError(t, err)
	o := new(message.Outcome)
	require.NoError(t, message.DecodeAs(message.Header(msg.Header), msg.Data, o), string(msg.Data))
	require.True(t, o.Accepted, o.Sentence)
	require.Equal(t, uint64(2), o.Epoch)
	s.until(d, "b is primary", func(st *message.GroupStatus) bool { return st.Primary == "b" && ready2(st) })

	t.Log("the same without an answer; it would undo the swap of a moment ago, so the outcome is a refusal")
	outcomes := make(chan *message.Outcome, 1)
	stop, err := s.bus.Hear([]string{subject.EventsOf("web")}, func(del bus.Delivery) {
		if e, ok := del.Message.(*message.Event); ok && e.Outcome != nil {
			outcomes <- e.Outcome
		}
	})
	require.NoError(t, err)
	defer stop()
	require.NoError(t, s.bus.Conn().Publish("ham.v1.request.web.failback.me", nil))
	refused := <-outcomes
	require.False(t, refused.Accepted)
	require.NotEmpty(t, refused.Reasons)
}

func ready2(st *message.GroupStatus) bool { return st.Held && st.Swap == nil }

func TestARestartedDeciderKnowsWhatTheRecordSays(t *testing.T) {
	t.Parallel()
	s := newStand(t, "auto")
	d1, stop := s.decide("d1")
	s.until(d1, "ready", ready)
	msg, err := s.bus.Conn().Request("ham.v1.ask.web.pause", []byte(`{"reason": "works on the link"}`), 10*time.Second)
	require.NoError(t, err)
	o := new(message.Outcome)
	require.NoError(t, message.DecodeAs(message.Header(msg.Header), msg.Data, o), "%v %s", msg.Header, msg.Data)
	require.True(t, o.Accepted, o.Sentence)
	stop()

	d2, _ := s.decide("d1")
	st := s.until(d2, "it knows of the pause", func(st *message.GroupStatus) bool { return st.Paused && !st.Blind })
	require.Equal(t, "works on the link", st.PauseReason)
	require.Equal(t, uint64(1), st.Epoch)
	s.answer["a"].Store(message.Down)
	s.until(d2, "a is down", func(st *message.GroupStatus) bool { return st.Members[0].Verdict == message.VerdictDown })
	require.Len(t, s.commands(), 1, "paused: nothing moves")
}

func TestPoisonOnEverySubjectIsPutAwayAndTheDeciderGoesOn(t *testing.T) {
	t.Parallel()
	s := newStand(t, "auto")
	d, _ := s.decide("d1")
	s.until(d, "ready", ready)
	for _, subj := range []string{subject.Command("web"), subject.Safety("web", "run", "x"), subject.Event("web", message.EventRoute, "x"),
		subject.Heartbeat("web", "a", "sp"), subject.Request("web", message.VerbFailover, "x")} {
		_, err := s.bus.JS().Publish(t.Context(), subj, []byte(`{"not": "what belongs here"`))
		require.NoError(t, err)
	}
	require.True(t, assertEventually(func() bool {
		st, err := s.bus.JS().Stream(t.Context(), subject.StreamDeadLetter)
		return err == nil && st.CachedInfo().State.Msgs >= 5
	}), "each is in the dead letters")
	s.answer["a"].Store(message.Down)
	s.until(d, "it goes on deciding", func(st *message.GroupStatus) bool { return st.Primary == "b" && st.Held })
}
