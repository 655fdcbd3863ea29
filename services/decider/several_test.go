package decider_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// ask asks on the bus as a stock client does.
func (s *stand) ask(verb, body string) *message.Outcome {
	s.t.Helper()
	msg, err := s.bus.Conn().Request("ham.v1.ask.web."+verb, []byte(body), 20*time.Second)
	require.NoError(s.t, err)
	o := new(message.Outcome)
	require.NoError(s.t, message.DecodeAs(message.Header(msg.Header), msg.Data, o), "%v %s", msg.Header, msg.Data)
	return o
}

// events counts the stored events of a kind.
func (s *stand) events(kind message.EventKind) (all []*message.Event) {
	s.t.Helper()
	ctx, done := context.WithCancel(s.t.Context())
	err := s.bus.Follow(ctx, bus.FollowOptions{
		Stream: subject.StreamEvents, Subjects: []string{subject.Root + ".event.web." + string(kind) + ".*"}, CaughtUp: done,
	}, func(d bus.Delivery) { all = append(all, d.Message.(*message.Event)) })
	require.NoError(s.t, err)
	return all
}

// A pause that was acknowledged is followed by no swap, whichever decider had not read it yet: both race for the same place in the chain.
func TestNoSwapFollowsAnAcknowledgedPause(t *testing.T) {
	t.Parallel()
	s := newStand(t, "auto")
	d1, _ := s.decide("d1")
	d2, _ := s.decide("d2")
	for round := range 6 {
		for _, d := range []statuser{d1, d2} {
			s.until(d, "ready", ready)
		}
		primary := s.status(d1).Primary
		paused := make(chan *message.Outcome, 1)
		if round%2 == 0 { // once the one begins, once the other
			go func() { paused <- s.ask("pause", "") }()
		}
		s.answer[primary].Store(message.Down)
		if round%2 == 1 {
			go func() { paused <- s.ask("pause", "") }()
		}
		o := <-paused
		require.True(t, o.Accepted, o.Sentence)
		for _, d := range []statuser{d1, d2} {
			s.until(d, "the primary of the round is down or replaced", func(st *message.GroupStatus) bool {
				return st.Paused && (st.Primary != primary || verdict(st, primary) == message.VerdictDown)
			})
		}
		before := false
		for _, e := range s.chain() {
			switch m := e.Message.(type) {
			case *message.Mark:
				before = m.Paused
			case *message.Command:
				require.False(t, before, "epoch %d was decided while paused", m.Epoch)
			}
		}
		s.answer[primary].Store(message.Up)
		require.True(t, s.ask("resume", "").Accepted)
	}
}

func verdict(st *message.GroupStatus, member string) message.Verdict {
	for _, m := range st.Members {
		if m.Name == member {
			return m.Verdict
		}
	}
	return ""
}

// The decider that works on a request loses its link before it can tell the outcome. Another one gets the request, and finds in the chain
// that it was carried out: the asker is answered, and there is one command.
func TestARequestOutlivesItsDecider(t *testing.T) {
	t.Parallel()
	s := newStand(t, "manual", bustest.Listening)
	relay := bustest.NewRelay(t, s.srv.ClientURL())
	d1 := s.decideOn(bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{relay.URL()}}), "d1")
	s.until(d1, "ready but for the mode", readyButMode)
	outcomes := make(chan *message.Outcome, 4)
	stop, err := s.bus.Hear([]string{subject.EventsOf("web")}, func(d bus.Delivery) {
		if e, ok := d.Message.(*message.Event); ok && e.Outcome != nil {
			outcomes <- e.Outcome
		}
	})
	require.NoError(t, err)
	defer stop()
	lost := make(chan struct{})
	relay.LoseToServer("ham.v1.event.web.outcome", func() { go relay.Refuse(); close(lost) })
	require.NoError(t, s.bus.Conn().Publish("ham.v1.request.web.switchover.me", []byte(`{"id": "the-one"}`)))
	<-lost
	d2, _ := s.decide("d2")
	var o *message.Outcome
	select {
	case o = <-outcomes:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody answers the request")
	}
	require.True(t, o.Accepted, o.Sentence)
	require.Equal(t, "the-one", o.Request)
	require.Equal(t, uint64(2), o.Epoch)
	s.until(d2, "b is primary", func(st *message.GroupStatus) bool { return st.Primary == "b" && st.Held })
	require.Len(t, s.commands(), 2)
	relay.Heal()
}

// The bus goes away and comes back: nothing is swapped for it, and everything works as before.
func TestTheBusGoesAndComesBack(t *testing.T) {
	t.Parallel()
	s := newStand(t, "auto", bustest.Listening)
	relay := bustest.NewRelay(t, s.srv.ClientURL())
	d := s.decideOn(bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{relay.URL()}}), "d1")
	s.until(d, "ready", ready)
	relay.Refuse()
	s.until(d, "it knows that it sees nothing", func(st *message.GroupStatus) bool { return st.Blind })
	relay.Heal()
	s.until(d, "ready again", ready)
	require.Len(t, s.commands(), 1)
	s.answer["a"].Store(message.Down)
	s.until(d, "b is primary", func(st *message.GroupStatus) bool { return st.Primary == "b" && st.Held })
}

// Two deciders tell what happened; each happening is stored once.
func TestWhatTwoDecidersTellIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := newStand(t, "dry-run")
	d1, _ := s.decide("d1")
	d2, _ := s.decide("d2")
	for _, d := range []statuser{d1, d2} {
		s.until(d, "ready but for the mode", readyButMode)
	}
	s.answer["a"].Store(message.Down)
	for _, d := range []statuser{d1, d2} {
		s.until(d, "a is down", func(st *message.GroupStatus) bool {
			return verdict(st, "a") == message.VerdictDown && st.Incident == "web-1"
		})
	}
	require.True(t, assertEventually(func() bool { return len(s.events(message.EventShadow)) > 0 && len(s.events(message.EventIncident)) > 0 }))
	require.Len(t, s.commands(), 1, "dry run: no swap enters the chain")
	require.Len(t, s.events(message.EventIncident), 1)
	shadows := s.events(message.EventShadow)
	require.Len(t, shadows, 1)
	require.True(t, shadows[0].Command.DryRun)
	require.Equal(t, uint64(2), shadows[0].Command.Epoch)
	require.Equal(t, "b", shadows[0].Command.Primary)
}

// A decider that starts anew reads back how long the standby has been up, and need not wait for stable_for.
func TestARestartedDeciderIsReadyBeforeStableFor(t *testing.T) {
	t.Parallel()
	s := newStandOf(t, strings.Replace(fmt.Sprintf(web, "auto"), "stable_for: 200ms", "stable_for: 20s", 1))
	time.Sleep(2 * time.Second) // there has to be a past of some length
	_, stop := s.decide("d1")
	stop()
	began := time.Now()
	d2, _ := s.decide("d2")
	s.until(d2, "it has judged", func(st *message.GroupStatus) bool { return !st.Blind && st.Held })
	var why string
	for _, m := range s.status(d2).Members {
		for _, r := range m.Reasons {
			why = r.Sentence
		}
	}
	require.Contains(t, why, "steady for")
	var steady time.Duration
	_, err := fmt.Sscanf(why[strings.Index(why, "steady for"):], "steady for %s", durationOf{&steady})
	require.NoError(t, err, why)
	require.Greater(t, steady, time.Since(began)+time.Second, why)
}

// durationOf reads "4.2s" with fmt.
type durationOf struct{ d *time.Duration }

func (v durationOf) Scan(state fmt.ScanState, _ rune) error {
	word, err := state.Token(true, nil)
	if err == nil {
		*v.d, err = time.ParseDuration(string(word))
	}
	return err
}

func TestAMadeUpGroupIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	s := newStand(t, "auto")
	d, _ := s.decide("d1")
	s.until(d, "ready", ready)
	msg, err := s.bus.Conn().Request("ham.v1.ask.nothing.failover", nil, 10*time.Second)
	require.NoError(t, err)
	o := new(message.Outcome)
	require.NoError(t, message.DecodeAs(message.Header(msg.Header), msg.Data, o), string(msg.Data))
	require.False(t, o.Accepted)
	require.Equal(t, "R301", o.Reasons[0].Code)
	_, known := d.Status("nothing")
	require.False(t, known)
}

// The same request asked twice, as a client does that did not hear the answer: it is carried out once, and answered twice.
func TestARequestAskedTwiceIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	s := newStandOf(t, calm("manual"))
	d, _ := s.decide("d1")
	s.until(d, "ready but for the mode", readyButMode)
	first := s.ask("switchover", `{"id": "again"}`)
	require.True(t, first.Accepted, first.Sentence)
	second := s.ask("switchover", `{"id": "again"}`)
	require.Equal(t, first, second)
	require.Len(t, s.commands(), 2)
}

func TestPlanThenPress(t *testing.T) {
	t.Parallel()
	s := newStandOf(t, calm("manual"))
	d, _ := s.decide("d1")
	s.until(d, "ready but for the mode", readyButMode)
	preview := func() *message.Preview {
		msg, err := s.bus.Conn().Request(subject.Query("web", subject.QueryPreview), []byte(`{"id":"p","group":"web","verb":"switchover","actor":"ana"}`), 10*time.Second)
		require.NoError(t, err)
		p := new(message.Preview)
		require.NoError(t, message.DecodeAs(message.Header(msg.Header), msg.Data, p), string(msg.Data))
		return p
	}
	shown := preview()
	require.True(t, shown.Accepted, shown.Sentence)
	require.NotEmpty(t, shown.Plan.Steps)
	o := s.ask("switchover", `{"plan_hash": "`+shown.Plan.Hash+`"}`)
	require.True(t, o.Accepted, o.Sentence)
	require.Equal(t, shown.Plan.Hash, s.commands()[1].Plan.Hash)
	s.until(d, "at rest", func(st *message.GroupStatus) bool { return st.Epoch == 2 && st.Held && st.Swap == nil })
	o = s.ask("switchover", `{"plan_hash": "`+shown.Plan.Hash+`"}`)
	require.False(t, o.Accepted)
	require.Contains(t, o.Sentence, "epoch 2, primary b")
}
