package story

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func runWriter(t testing.TB, w *bus.HeartbeatWriter) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := await(t, done, "the writer to end"); err != nil {
			t.Error(err)
		}
	}
}

// A minute without the bus: the prober never waits; when the bus is back it gets the newest of each check, once, spread over a second,
// and what was given up is counted.
func TestAProberWhoseBusWasAwaySendsTheNewestOfEachCheckSlowly(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("p1")
		defer b.Close()
		watcher := srv.Connect("d1")
		defer watcher.Close()
		type arrival struct {
			seq uint64
			at  time.Time
		}
		got := map[string]arrival{}
		twice := 0
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			done <- watcher.FollowHeartbeats(ctx, bus.HeartbeatOptions{}, func(hb *message.Heartbeat, _ bus.HeartbeatMeta) {
				if _, ok := got[hb.Check]; ok {
					twice++
				}
				got[hb.Check] = arrival{hb.Seq, time.Now()}
			})
		}()
		defer func() {
			cancel()
			if err := await(t, done, "the follower to end"); err != nil {
				t.Error(err)
			}
		}()
		w := b.NewHeartbeatWriter(bus.WriterOptions{})
		defer runWriter(t, w)()

		const checks, rounds = 1000, 60
		srv.Stop()
		synctest.Wait()
		for round := range rounds {
			for c := range checks {
				if err := w.Offer(heartbeat("a", fmt.Sprint("c", c), uint64(round+1))); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		if s := w.Stats(); s.Waiting != checks || s.Dropped != checks*(rounds-1) || s.Stored != 0 {
			t.Fatalf("while away: %+v, want %d waiting and %d dropped", s, checks, checks*(rounds-1))
		}
		srv.Start()
		linkIs(t, b, true)
		linkIs(t, watcher, true)
		begin := time.Now()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := w.Stats(); s.Waiting != 0 || s.Stored != checks || s.Dropped != checks*(rounds-1) {
			t.Fatalf("after the return: %+v, want %d stored", s, checks)
		}
		if len(got) != checks || twice != 0 {
			t.Fatalf("%d checks came, %d of them twice; want all %d once", len(got), twice, checks)
		}
		in := map[int]int{} // arrivals by tenth of a second
		for c, a := range got {
			if a.seq != rounds {
				t.Fatalf("%s came with observation %d, want the newest, %d", c, a.seq, rounds)
			}
			in[int(a.at.Sub(begin)/(100*time.Millisecond))]++
		}
		for tenth, n := range in {
			if n > checks/5 || tenth > 20 {
				t.Fatalf("%d of %d came in tenth %d after the return: %v", n, checks, tenth, in)
			}
		}
	})
}

// The link is up, but the stream does not answer (it elects a leader, or it is gone): the same rules hold, and who listens hears each
// observation as it is made.
func TestAProberWhoseStreamDoesNotAnswerKeepsTheNewest(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("p1")
		defer b.Close()
		var tries, said atomic.Int64
		sub, err := b.Conn().Subscribe(subject.AllHeartbeats, func(m *nats.Msg) {
			if m.Reply != "" {
				tries.Add(1)
			} else {
				said.Add(1)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Unsubscribe() }()
		w := b.NewHeartbeatWriter(bus.WriterOptions{})
		defer runWriter(t, w)()
		if err := b.JS().DeleteStream(within(t, 10*time.Second), subject.StreamHeartbeats); err != nil {
			t.Fatal(err)
		}
		const checks, rounds = 100, 30
		for round := range rounds {
			for c := range checks {
				if err := w.Offer(heartbeat("a", fmt.Sprint("c", c), uint64(round+1))); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		if s := w.Stats(); s.Waiting < checks-1 || s.Stored != 0 || s.Dropped < checks*(rounds-1)-1 {
			t.Fatalf("%+v, want %d waiting, none stored", s, checks)
		}
		// One try at a time, a few a second: it must not hammer on a stream that is in trouble.
		if n := tries.Load(); n > rounds*15 {
			t.Fatalf("%d tries in %d seconds", n, rounds)
		}
		// Those of the first moment were sent before anybody could know; a try now and then is itself heard.
		if n := said.Load(); n < checks*(rounds-3) || n > checks*rounds || w.Stats().Said != uint64(n) {
			t.Fatalf("%d of %d were heard, %d said", n, checks*rounds, w.Stats().Said)
		}
		bustest.Provision(t, b)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := w.Stats(); s.Waiting != 0 || s.Stored != checks {
			t.Fatalf("after the return: %+v, want %d stored", s, checks)
		}
		if n := len(all(t, b, subject.StreamHeartbeats, subject.AllHeartbeats)); n != checks {
			t.Fatalf("%d stored, want %d", n, checks)
		}
	})
}

func TestHeartbeatsOfEachCheckStayInOrderAndNoneIsDroppedWhileTheBusIsThere(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "p1")
	w := b.NewHeartbeatWriter(bus.WriterOptions{AckTimeout: time.Minute}) // a busy machine is no lost bus
	defer runWriter(t, w)()
	const checks, rounds = 20, 100
	last := map[string]uint64{}
	n := 0
	finished := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- b.FollowHeartbeats(ctx, bus.HeartbeatOptions{}, func(hb *message.Heartbeat, _ bus.HeartbeatMeta) {
			if hb.Seq != last[hb.Check]+1 {
				t.Errorf("%s: %d after %d", hb.Check, hb.Seq, last[hb.Check])
			}
			last[hb.Check] = hb.Seq
			if n++; n == checks*rounds {
				close(finished)
			}
		})
	}()
	defer func() { cancel(); <-done }()
	for round := range uint64(rounds) {
		for c := range checks {
			if err := w.Offer(heartbeat("a", fmt.Sprint("c", c), round+1)); err != nil {
				t.Fatal(err)
			}
		}
		for w.Stats().Waiting > 0 { // as a prober's interval would
			time.Sleep(time.Millisecond)
		}
	}
	await(t, finished, "all heartbeats")
	if d := w.Dropped(); d != 0 {
		t.Errorf("%d dropped", d)
	}
	bad := heartbeat("a", "c", 0)
	wantError(t, w.Offer(bad), message.ErrInvalid, "heartbeat.seq")
}

// Heard and stored: the quick copy comes also while the stream is away.
func TestHeartbeatsAreHeardWhileTheStreamIsAway(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	type seen struct {
		seq  uint64
		meta bus.HeartbeatMeta
	}
	got := make(chan seen, 10)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ready := make(chan struct{})
	go func() {
		done <- b.FollowHeartbeats(ctx, bus.HeartbeatOptions{Hear: true, From: bus.FromNew(), CaughtUp: func() { close(ready) }}, func(hb *message.Heartbeat, m bus.HeartbeatMeta) {
			got <- seen{hb.Seq, m}
		})
	}()
	defer func() { cancel(); <-done }()
	await(t, ready, "the follower to begin")
	publish(t, b, subject.Heartbeat("web", "a", "p1"), heartbeat("a", "alive", 1))
	x, y := await(t, got, "the first copy"), await(t, got, "the second copy")
	if x.seq != 1 || y.seq != 1 || x.meta.Heard == y.meta.Heard {
		t.Fatalf("got %+v and %+v, want one heard and one stored", x, y)
	}
	if err := b.JS().DeleteStream(within(t, 10*time.Second), subject.StreamHeartbeats); err != nil {
		t.Fatal(err)
	}
	h, body, err := message.Encode(heartbeat("a", "alive", 2), "/ham/prober/p1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Conn().PublishMsg(&nats.Msg{Subject: subject.Heartbeat("web", "a", "p1"), Header: nats.Header(h), Data: body}); err != nil {
		t.Fatal(err)
	}
	if z := await(t, got, "the copy that was only heard"); z.seq != 2 || !z.meta.Heard || z.meta.Seq != 0 {
		t.Fatalf("got %+v", z)
	}
}

// Those that found their member up wait a moment for each other; the first one that did not is sent at once, and they before it.
func TestHeartbeatsThatFoundAMemberUpAreSentTogether(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("p1")
		defer b.Close()
		w := b.NewHeartbeatWriter(bus.WriterOptions{Linger: 25 * time.Millisecond})
		defer runWriter(t, w)()
		offer := func(check string, seq uint64, answer message.Answer) {
			t.Helper()
			hb := heartbeat("a", check, seq)
			hb.Answer = answer
			if err := w.Offer(hb); err != nil {
				t.Fatal(err)
			}
		}
		stored := func(when string, want uint64) {
			t.Helper()
			synctest.Wait()
			if s := w.Stats(); s.Stored != want || s.Dropped != 0 {
				t.Fatalf("%s: %+v, want %d stored", when, s, want)
			}
		}
		offer("first", 1, message.Down) // the stream answers
		time.Sleep(2 * time.Second)
		stored("at first", 1)

		offer("alive", 1, message.Up)
		time.Sleep(15 * time.Millisecond)
		offer("beside", 1, message.Up)
		time.Sleep(5 * time.Millisecond)
		stored("20 ms after the first", 1)
		time.Sleep(20 * time.Millisecond)
		stored("40 ms after the first", 3)

		offer("alive", 2, message.Up)
		offer("beside", 2, message.Down)
		time.Sleep(time.Millisecond)
		stored("1 ms after one that is down", 5)
		time.Sleep(time.Second)
		stored("at last", 5)
	})
}
