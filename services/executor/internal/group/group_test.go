package group_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/chain"
	"github.com/isacloud/ha-manager/services/executor/internal/engine"
	"github.com/isacloud/ha-manager/services/executor/internal/epochs"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

type stage struct {
	t     *testing.T
	bus   *bus.Bus
	seen  *epochs.Store
	group *group.Group
	told  chan message.Message
	runs  []*message.RunResult // taken from told
	bound chan string
	asked chan func(context.Context) error // what the driver asks is told
	still atomic.Pointer[time.Time]        // what the desk's clock shows while it stands still; nil: it goes
}

// asks is a driver that hands over how it asks whether its command is current.
type asks struct{ s *stage }

func (a asks) Look(context.Context, driver.Input) (driver.Sight, error) {
	return driver.Sight{Done: driver.No, Found: "nothing", Wanted: "something"}, nil
}

func (a asks) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	select {
	case a.s.asked <- in.Current:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return driver.Deed{}, driver.Unasked("over")
}

// A command is current while nothing newer stands in the chain as its leader has it, also where this executor has not heard of it, and marks do not count.
func TestCurrent(t *testing.T) {
	s := newStage(t)
	step := message.Step{Name: "stop", Phase: message.PhaseRelease, Driver: "asks", On: "any", Timeout: message.Duration(time.Minute), OnFailure: message.FailPause, Says: "stop"}
	first := s.propose(command(1, step), 0)
	s.deliver(first)
	var current func(context.Context) error
	select {
	case current = <-s.asked:
	case <-time.After(10 * time.Second):
		t.Fatal("the step is not begun")
	}
	if err := current(t.Context()); err != nil {
		t.Errorf("the newest command is not current: %v", err)
	}
	second := s.propose(command(2), first.Seq)
	asking, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := current(asking); err == nil {
		t.Error("current, although a newer command stands in the chain")
	}
	answer := make(chan error, 1)
	go func() { answer <- current(t.Context()) }()
	s.deliver(second)
	if err := <-answer; err == nil || !strings.Contains(err.Error(), "newer command") {
		t.Errorf("it says %v", err)
	}
}

// newStage is a desk on a real bus, to which the test delivers what it likes.
func newStage(t *testing.T) *stage {
	s := unread(t)
	s.group.CaughtUp()
	return s
}

// unread is one that has not read its chain to the end yet.
func unread(t *testing.T) *stage {
	b := bustest.Connect(t, bustest.Start(t), "x1")
	store, err := epochs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s := &stage{t: t, bus: b, seen: store, told: make(chan message.Message, 100), bound: make(chan string, 100), asked: make(chan func(context.Context) error)}
	log := slog.New(slog.DiscardHandler)
	began := time.Now()
	tell := func(ms ...message.Message) {
		for _, m := range ms {
			s.told <- m
		}
	}
	e := &engine.Engine{
		Me: plan.Me{Name: "x1", Boot: 1}, Limits: plan.Limits{TakeOver: time.Second, Yield: 10 * time.Millisecond}, Every: 50 * time.Millisecond,
		Journal: journal.New(b), Log: log, Chance: func() float64 { return 0 },
		Bind: func(step *message.Step) (driver.Driver, error) {
			if step.Driver == "asks" {
				return asks{s}, nil
			}
			s.bound <- step.Name
			return nil, driver.Refused("no driver")
		},
		Clock: engine.Clock{Mono: func() time.Duration { return time.Since(began) }, Wall: time.Now},
	}
	s.group = group.New("web", group.Deps{
		Name: "x1", Engine: e, Chain: b, Epochs: store, Tell: tell, Told: func(context.Context) error { return nil }, Log: log, Wall: time.Now,
		Now: func() time.Time {
			if at := s.still.Load(); at != nil {
				return *at
			}
			return time.Now()
		},
	}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.group.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func command(epoch uint64, steps ...message.Step) *message.Command {
	if steps == nil {
		steps = []message.Step{}
	}
	return &message.Command{
		ID: "c" + string(rune('0'+epoch)), Group: "web", Epoch: epoch, Kind: message.KindFailover, From: "a", Primary: "b", Members: []string{"a", "b"},
		Rule: "R100", Sentence: "a is down", Decider: "d1", Plan: message.Plan{Steps: steps, Hash: "x"},
	}
}

func (s *stage) propose(m message.Message, after uint64) bus.Entry {
	s.t.Helper()
	r, err := s.bus.Propose(s.t.Context(), subject.Command("web"), m, after)
	if err != nil || !r.Won {
		s.t.Fatalf("propose: %+v, %v", r, err)
	}
	return r.Entry
}

func (s *stage) deliver(e bus.Entry) {
	s.group.Deliver(bus.Delivery{Seq: e.Seq, Time: time.Now(), Message: e.Message, Stream: e.Stream})
}

// await waits for a run's state to be told, before or after others that are awaited.
func (s *stage) await(state message.State, epoch uint64) {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		for _, r := range s.runs {
			if r.State == state && r.Epoch == epoch {
				return
			}
		}
		select {
		case m := <-s.told:
			if r, ok := m.(*message.RunResult); ok {
				s.runs = append(s.runs, r)
			}
		case <-deadline:
			s.t.Fatalf("epoch %d was not told to be %s", epoch, state)
		}
	}
}

// routesWait waits until the routes do, for that reason.
func (s *stage) routesWait(want string) {
	s.t.Helper()
	got := ""
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if got = s.group.Target().Wait; got == want {
			return
		}
	}
	s.t.Errorf("routes wait for %q, want %q", got, want)
}

// Held is never written after a newer command, also where the executor has not heard of it.
func TestHeldNeverAfterANewerCommand(t *testing.T) {
	s := newStage(t)
	first := s.propose(command(1), 0)
	s.propose(command(2), first.Seq) // and nobody delivers it
	s.deliver(first)
	s.await(message.StateSuperseded, 1)
	s.await(message.StateHeld, 2) // it was met on the chain
	entries, err := s.bus.Since(t.Context(), subject.StreamCommands, subject.Command("web"), 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if h, ok := e.Message.(*message.Held); ok && h.Epoch != 2 {
			t.Errorf("held of epoch %d stands in the chain after epoch 2", h.Epoch)
		}
	}
}

// A mark after the command is no obstacle to held, unless it pauses the group: then held waits for the end of the pause.
func TestHeldAfterAMark(t *testing.T) {
	s := newStage(t)
	e := s.propose(command(1), 0)
	mark := &message.Mark{ID: "m1", Group: "web", Paused: true, For: message.Duration(300 * time.Millisecond), Actor: "ana", Decider: "d1"}
	s.propose(mark, e.Seq) // and nobody delivers it
	began := time.Now()
	s.still.Store(&began) // the pause lasts for as long as the test wants
	s.deliver(e)
	for until := time.Now().Add(600 * time.Millisecond); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if last, err := s.bus.Last(t.Context(), subject.StreamCommands, subject.Command("web")); err != nil || last.Message.MessageID() != mark.ID {
			t.Fatalf("%v follows the mark in the middle of a pause, %v", last.Message, err)
		}
	}
	s.still.Store(nil)
	s.await(message.StateHeld, 1)
}

// An entry that is heard before the one before it waits for that: nothing is decided on half a chain.
func TestHeardOutOfOrder(t *testing.T) {
	s := newStage(t)
	look := message.Step{Name: "look", Phase: message.PhaseLook, Driver: "x", On: "any", Timeout: message.Duration(time.Second), OnFailure: message.FailPause, Says: "look"}
	mark := s.propose(&message.Mark{ID: "m1", Group: "web", Paused: true, Actor: "ana", Decider: "d1"}, 0)
	cmd := s.propose(command(1, look), mark.Seq)
	s.group.Deliver(bus.Delivery{Seq: cmd.Seq, Time: time.Now(), Message: cmd.Message, Heard: true, Header: message.Header{"Nats-Last-Sequence": {"1"}}})
	select {
	case step := <-s.bound:
		t.Errorf("step %s was begun in a paused group", step)
	case <-time.After(200 * time.Millisecond):
	}
}

// The routes may be set right only for the newest epoch, once it is held and done, and not in a pause.
func TestTarget(t *testing.T) {
	s := newStage(t)
	wait := s.routesWait
	s.group.Spec(minimal)
	wait("no epoch is held yet")
	first := s.propose(command(1), 0)
	s.deliver(first)
	s.await(message.StateDone, 1)
	wait("")
	if !s.group.Confirm(t.Context(), 1) || s.group.Confirm(t.Context(), 2) {
		t.Error("epoch 1 is the newest")
	}
	last, err := s.bus.Last(t.Context(), subject.StreamCommands, subject.Command("web"))
	if err != nil {
		t.Fatal(err)
	}
	second := s.propose(command(2, message.Step{Name: "look", Phase: message.PhaseLook, Driver: "x", On: "executor:none", Timeout: 1, OnFailure: message.FailPause, Says: "x"}), last.Seq)
	if s.group.Confirm(t.Context(), 1) {
		t.Error("epoch 1 is confirmed although epoch 2 stands in the chain")
	}
	s.deliver(second)
	wait("a swap is under way")
	third := s.propose(command(3), second.Seq)
	s.deliver(third)
	s.await(message.StateDone, 3)
	last, err = s.bus.Last(t.Context(), subject.StreamCommands, subject.Command("web"))
	if err != nil {
		t.Fatal(err)
	}
	s.deliver(s.propose(&message.Mark{ID: "m1", Group: "web", Paused: true, Actor: "ana", Decider: "d1"}, last.Seq))
	wait("the group is paused")
}

// No route is led to a primary that is fenced for the epoch it holds, nor to the one of the record while a person's word stands in for that: after a
// break-glass a person has led the clients elsewhere. The next epoch ends the wait.
func TestTargetFenced(t *testing.T) {
	s := newStage(t)
	wait := s.routesWait
	s.group.Spec(minimal)
	s.deliver(s.propose(command(1), 0))
	s.await(message.StateDone, 1)
	s.group.Fenced(&message.Fenced{Group: "web", Member: "a", Epoch: 1}) // the old primary: that is as it should be
	wait("")
	k := &word{}
	s.group.Keep(k)
	wait("")
	k.vouched.Store(true)
	wait("a person's word stands in for the record")
	k.vouched.Store(false)
	s.group.Fenced(&message.Fenced{Group: "web", Member: "b", Epoch: 1})
	s.group.Fenced(&message.Fenced{Group: "web", Member: "b", Epoch: 0}) // a later word about less takes nothing back
	wait("b is fenced")
	if s.group.Confirm(t.Context(), 1) {
		t.Error("the routes of a fenced primary are confirmed")
	}
	last, err := s.bus.Last(t.Context(), subject.StreamCommands, subject.Command("web"))
	if err != nil {
		t.Fatal(err)
	}
	s.deliver(s.propose(command(2), last.Seq)) // it may serve again, at a newer epoch
	s.await(message.StateDone, 2)
	wait("")
}

// word keeps a member that may act on a person's word.
type word struct{ vouched atomic.Bool }

func (w *word) Vouched() bool          { return w.vouched.Load() }
func (w *word) Chain(chain.View, bool) {}
func (w *word) Hold(ctx context.Context, _ *message.Command, write func(context.Context) error) error {
	return write(ctx)
}

// What is no entry holds its place in the chain all the same: held is written after it.
func TestHeldAfterWhatIsNoEntry(t *testing.T) {
	s := newStage(t)
	first := s.propose(command(1), 0)
	if _, err := s.bus.JS().Publish(t.Context(), subject.Command("web"), []byte("no entry")); err != nil {
		t.Fatal(err)
	}
	s.deliver(first) // nobody ever delivers the other: it is a dead letter
	s.await(message.StateHeld, 1)
}

// What somebody ended and did not come to tell is told by whoever is there: at once if it was this executor's earlier life, else after a while; once; and not
// where so long ago that the bus would take it twice.
func TestWhatNobodyToldIsTold(t *testing.T) {
	for _, c := range []struct {
		name, by    string
		stored      time.Duration
		told, tells bool
	}{
		{"own", "x1", 0, false, true}, {"of another", "x2", 0, false, true}, {"told", "x2", 0, true, false}, {"of long ago", "x2", 10 * time.Minute, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := unread(t)
			j := journal.New(s.bus)
			rec := plan.Superseded(command(1), plan.Record{}, 2, c.by, time.Now().UnixMicro())
			rec.Told = c.told
			revision, err := j.Store(t.Context(), "web.1", rec, 0)
			if err != nil {
				t.Fatal(err)
			}
			s.group.Journal(journal.Entry{Key: "web.1", Record: rec, Revision: revision, Time: time.Now().Add(-c.stored)})
			first := s.propose(command(1), 0)
			s.deliver(first)
			s.deliver(s.propose(command(2), first.Seq))
			s.group.CaughtUp()
			s.await(message.StateDone, 2)
			if c.tells {
				s.await(message.StateSuperseded, 1)
			}
			time.Sleep(1500 * time.Millisecond) // longer than another is left to tell
			e, err := j.Load(t.Context(), "web.1")
			if err != nil || e.Record.Told != (c.told || c.tells) {
				t.Errorf("%+v, %v", e.Record, err)
			}
			n := 0
			for len(s.told) > 0 {
				if r, ok := (<-s.told).(*message.RunResult); ok {
					s.runs = append(s.runs, r)
				}
			}
			for _, r := range s.runs {
				if r.Epoch == 1 && r.State == message.StateSuperseded {
					n++
				}
			}
			if c.tells != (n == 1) || n > 1 {
				t.Errorf("told %d times", n)
			}
		})
	}
}

// A chain is read to its end from a server that has not got the newest entries yet: what is missing comes, and nobody is alarmed meanwhile. A chain that
// does end there is refused aloud.
func TestAChainThatIsReadLateAlarmsNobody(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost %t", lost), func(t *testing.T) {
			s := unread(t)
			if ok, err := s.seen.Saw("web", 2); !ok || err != nil {
				t.Fatal(ok, err)
			}
			first := s.propose(command(1), 0)
			var second bus.Entry
			if !lost {
				second = s.propose(command(2), first.Seq)
			}
			s.deliver(first)
			s.group.CaughtUp()
			alarmed := false
			for until := time.After(2500 * time.Millisecond); ; {
				select {
				case m := <-s.told:
					e, ok := m.(*message.Event)
					alarmed = alarmed || ok && e.Severity == message.Critical
					continue
				case <-until:
				}
				break
			}
			if alarmed != lost {
				t.Errorf("alarmed %t, want %t", alarmed, lost)
			}
			if !lost {
				s.deliver(second)
				s.await(message.StateDone, 2)
			}
		})
	}
}
