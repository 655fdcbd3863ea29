package story

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Writers contend for every epoch while the server under them is killed and started again, or frozen for a while. Whatever
// they were answered, and whatever answers were lost: each epoch has one winner, and every writer knows who it was.
func TestTwoWritersContendForEachEpochWhileTheServerIsKilled(t *testing.T) {
	t.Parallel()
	srv := bustest.StartChild(t)
	const epochs, writers = 200, 2
	bustest.Provision(t, bustest.Dial(t, bus.Options{Name: "setup", URLs: []string{srv.URL()}}))

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	believed := make([][]string, writers) // by writer: the id that it takes for the winner of each epoch
	var retried [writers]uint64
	var running sync.WaitGroup
	decided := make(chan int, epochs) // the epochs that the first writer knows the winner of
	for w := range writers {
		b := bustest.Dial(t, bus.Options{Name: fmt.Sprintf("d%d", w+1), URLs: []string{srv.URL()}})
		running.Go(func() {
			if w == 0 {
				defer close(decided)
			}
			after := uint64(0)
			for e := 1; e <= epochs; e++ {
				m := mark(fmt.Sprintf("epoch-%d-by-%d", e, w), "web")
				var r bus.Result
				for { // an unknown outcome: the same message again, as Propose demands
					var err error
					if r, err = b.Propose(ctx, subject.Command("web"), m, after); err == nil {
						break
					}
					if ctx.Err() != nil {
						t.Errorf("writer %d gave up in epoch %d: %v", w, e, err)
						return
					}
				}
				if r.Won != (r.Entry.ID() == m.ID) {
					t.Errorf("writer %d, epoch %d: won is %v, but the winner is %s", w, e, r.Won, r.Entry.ID())
				}
				believed[w] = append(believed[w], r.Entry.ID())
				after = r.Entry.Seq
				if w == 0 {
					decided <- e
				}
			}
			retried[w] = b.Stats().Retried
		})
	}
	// Killed by progress, not by time: however fast the machine is, there are epochs to decide around each kill.
	kills := 0
	for e := range decided {
		if e%20 == 10 {
			srv.Kill()
			srv.Start()
			kills++
		}
	}
	running.Wait()
	entries := chain(t, bustest.Dial(t, bus.Options{Name: "reader", URLs: []string{srv.URL()}}), "web")
	if len(entries) != epochs {
		t.Errorf("the chain has %d entries, want one for each of %d epochs", len(entries), epochs)
	}
	for w := range writers {
		for e, id := range believed[w] {
			if e < len(entries) && entries[e].ID() != id {
				t.Errorf("writer %d believes that %s won epoch %d, it was %s", w, id, e+1, entries[e].ID())
			}
		}
	}
	if kills < 3 {
		t.Errorf("the server was killed or frozen %d times only: this shows nothing", kills)
	}
	t.Logf("%d epochs, %d faults, tries without a clear answer: %v", epochs, kills, retried)
}

// The message was stored, but its acknowledgement got lost on the way: the writer must learn that it won.
func TestALostAcknowledgementIsResolvedToWon(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.Listening)
	relay := bustest.NewRelay(t, srv.ClientURL())
	direct := bustest.Connect(t, srv, "d2")
	b := bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{relay.URL()}})
	first := mustWin(t, direct, mark("m1", "web"), 0)

	relay.LoseToClient(`"seq":`, nil)
	won := mustWin(t, b, mark("m2", "web"), first.Seq)
	if es := chain(t, direct, "web"); len(es) != 2 || es[1].ID() != "m2" || es[1].Seq != won.Seq {
		t.Fatalf("the chain is %s, want m1 and m2 once, m2 at %d", ids(es), won.Seq)
	}
	if b.Stats().Retried == 0 {
		t.Fatal("no acknowledgement was lost: this shows nothing")
	}
}

// The same, and before the writer asks again another one has written on: it still must learn that it won its epoch.
func TestALostAcknowledgementIsResolvedToWonAlsoWhenTheChainWentOn(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.Listening)
	relay := bustest.NewRelay(t, srv.ClientURL())
	direct := bustest.Connect(t, srv, "d2")
	b := bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{relay.URL()}})

	relay.LoseToClient(`"seq":`, func() {
		last, err := direct.Last(within(t, 10*time.Second), subject.StreamCommands, subject.Command("web"))
		if err != nil {
			t.Errorf("read what was stored: %v", err)
			return
		}
		mustWin(t, direct, mark("m2", "web"), last.Seq)
	})
	mustWin(t, b, mark("m1", "web"), 0)
	if es := chain(t, direct, "web"); ids(es) != "m1 m2 " {
		t.Fatalf("the chain is %s, want m1 m2", ids(es))
	}
}

// The message itself got lost, and another writer took the epoch: the writer must learn that it lost, and to whom.
func TestALostProposalIsResolvedToTheOtherWriter(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.Listening)
	relay := bustest.NewRelay(t, srv.ClientURL())
	direct := bustest.Connect(t, srv, "d2")
	b := bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{relay.URL()}})

	relay.LoseToServer("HPUB", func() { mustWin(t, direct, mark("other", "web"), 0) })
	r, err := b.Propose(within(t, 30*time.Second), subject.Command("web"), mark("mine", "web"), 0)
	if err != nil || r.Won || r.Entry.ID() != "other" {
		t.Fatalf("won %v, first %s, error %v; want lost to other", r.Won, r.Entry.ID(), err)
	}
	if m, ok := r.Entry.Message.(*message.Mark); !ok || m.ID != "other" {
		t.Fatalf("the winner's message is %v, want it whole", r.Entry.Message)
	}
}

// The network goes silent after the proposal was sent: nothing is claimed, and asking again with the same message tells the truth.
func TestASilentNetworkLeavesTheOutcomeUnknownUntilItIsAskedAgain(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.Listening)
	relay := bustest.NewRelay(t, srv.ClientURL())
	direct := bustest.Connect(t, srv, "d2")
	b := bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{relay.URL()}})

	relay.Hold()
	m := mark("m1", "web")
	_, err := b.Propose(within(t, 300*time.Millisecond), subject.Command("web"), m, 0)
	wantError(t, err, bus.ErrUnknownOutcome, "m1", subject.Command("web"))
	relay.Heal()
	won := mustWin(t, b, m, 0)
	if es := chain(t, direct, "web"); ids(es) != "m1 " || es[0].Seq != won.Seq {
		t.Fatalf("the chain is %s, want m1 once, at %d", ids(es), won.Seq)
	}
}

// What was given up while the bus was away must never come out of a buffer later.
func TestAStaleProposalNeverGoesOutAfterTheBusIsBack(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("d1")
		defer b.Close()
		srv.Stop()
		synctest.Wait()
		_, err := b.Propose(within(t, 2*time.Second), subject.Command("web"), mark("stale", "web"), 0)
		wantError(t, err, bus.ErrUnavailable, "not stored")
		_, err = b.Publish(within(t, 2*time.Second), subject.Event("web", message.EventNote, "d1"), event("stale-event", "web", "d1"))
		wantError(t, err, bus.ErrUnavailable)
		srv.Start()
		linkIs(t, b, true)
		synctest.Wait()
		if es := chain(t, b, "web"); len(es) != 0 {
			t.Fatalf("the chain holds %s, which was given up before the bus was back", ids(es))
		}
		mustWin(t, b, mark("fresh", "web"), 0)
		if es := all(t, b, subject.StreamEvents, subject.AllEvents); len(es) != 0 {
			t.Fatalf("the events hold %s, which was given up", ids(es))
		}
	})
}

// An epoch that was read is not there any more: nothing may be decided on it.
func TestAChainThatWentBackIsToldAndNotWrittenTo(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("d1")
		defer b.Close()
		mustWin(t, b, mark("m1", "web"), 0)
		_, err := b.Propose(within(t, time.Minute), subject.Command("web"), mark("m9", "web"), 8)
		wantError(t, err, bus.ErrRegressed, subject.Command("web"), "8")
		if es := chain(t, b, "web"); ids(es) != "m1 " {
			t.Fatalf("the chain is %s, want m1 alone", ids(es))
		}
	})
}

// A decision that was stored and is proposed a second time, for a later place, is not taken for a new one: it stands where it stands.
func TestADecisionThatStandsAlreadyIsNotWonAgain(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	m1 := mustWin(t, b, mark("m1", "web"), 0)
	m2 := mustWin(t, b, mark("m2", "web"), m1.Seq)
	r, err := b.Propose(within(t, 30*time.Second), subject.Command("web"), mark("m1", "web"), m2.Seq)
	if err != nil || r.Won || r.Entry.Seq != m1.Seq || r.Entry.ID() != "m1" {
		t.Fatalf("won %v, %s at %d, error %v; want not won, m1 at %d", r.Won, r.Entry.ID(), r.Entry.Seq, err, m1.Seq)
	}
	if es := chain(t, b, "web"); ids(es) != "m1 m2 " {
		t.Fatalf("the chain is %s", ids(es))
	}
}

// Proposals of one group never disturb another group's chain.
func TestChainsOfTwoGroupsAreIndependent(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	w1 := mustWin(t, b, mark("w1", "web"), 0)
	o1 := mustWin(t, b, mark("o1", "orders"), 0)
	mustWin(t, b, mark("w2", "web"), w1.Seq)
	mustWin(t, b, mark("o2", "orders"), o1.Seq)
	if w, o := ids(chain(t, b, "web")), ids(chain(t, b, "orders")); w != "w1 w2 " || o != "o1 o2 " {
		t.Fatalf("chains are %s and %s", w, o)
	}
}
