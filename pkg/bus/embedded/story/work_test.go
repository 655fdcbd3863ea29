package story

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func queue() bus.WorkOptions {
	return bus.WorkOptions{Stream: subject.StreamRequests, Durable: "deciders", AckWait: time.Second}
}

// work runs Work until the returned function is called; that gives its error.
func work(t testing.TB, b *bus.Bus, o bus.WorkOptions, f func(context.Context, bus.Delivery) error) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Work(ctx, o, f) }()
	var err error
	ended := false
	stop = func() error {
		cancel()
		if !ended {
			err, ended = await(t, done, "Work to end"), true
		}
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func ask(t testing.TB, b *bus.Bus, id string) bus.Ack {
	t.Helper()
	return publish(t, b, subject.Request("web", message.VerbNote, "ana"), request(id))
}

func TestEachRequestIsWorkedOnByExactlyOneOfThreeWorkers(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	client := bustest.Connect(t, srv, "cli")
	const n = 200
	var mu sync.Mutex
	got := map[string]int{}
	share := map[string]int{}
	finished := make(chan struct{})
	for _, name := range []string{"d1", "d2", "d3"} {
		work(t, bustest.Connect(t, srv, name), queue(), func(_ context.Context, d bus.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			got[d.Message.MessageID()]++
			share[name]++
			if len(got) == n {
				close(finished)
			}
			return nil
		})
	}
	for i := range n {
		ask(t, client, fmt.Sprint("r", i))
	}
	await(t, finished, "all requests")
	eventually(t, "all acknowledgements", func() bool { return acknowledged(t, client) == n })
	mu.Lock()
	defer mu.Unlock()
	for id, times := range got {
		if times != 1 {
			t.Errorf("%s was worked on %d times", id, times)
		}
	}
	t.Logf("shares: %v", share)
}

func acknowledged(t testing.TB, b *bus.Bus) int {
	t.Helper()
	c, err := b.JS().Consumer(within(t, 10*time.Second), subject.StreamRequests, "deciders")
	if err != nil {
		t.Fatal(err)
	}
	i := c.CachedInfo()
	if i.NumPending > 0 || i.NumAckPending > 0 {
		return -1
	}
	return int(i.AckFloor.Stream)
}

// The worker dies with the request in hand: another gets it after AckWait, not sooner, and not never.
func TestARequestOfADeadWorkerGoesToAnotherAfterAckWait(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		client := srv.Connect("cli")
		defer client.Close()
		dying, other := srv.Connect("d1"), srv.Connect("d2")
		defer other.Close()
		in := make(chan struct{})
		stuck := make(chan struct{})
		stopDying := work(t, dying, queue(), func(context.Context, bus.Delivery) error {
			close(in)
			<-stuck
			return errors.New("nobody hears this")
		})
		ask(t, client, "r1")
		await(t, in, "the first worker to take it")
		begin := time.Now()
		dying.Conn().Close() // the process is gone: no more "in progress", no answer
		got := make(chan bus.Delivery, 1)
		stop := work(t, other, queue(), func(_ context.Context, d bus.Delivery) error { got <- d; return nil })
		d := await(t, got, "the other worker to get it")
		if took := time.Since(begin); took < 900*time.Millisecond || took > 2*time.Second {
			t.Errorf("it came after %s, want about AckWait of 1s", took)
		}
		if d.Attempt != 2 || d.Message.MessageID() != "r1" {
			t.Errorf("got %s, attempt %d; want r1, attempt 2", d.Message.MessageID(), d.Attempt)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		close(stuck)
		dying.Close()
		if err := stopDying(); !errors.Is(err, bus.ErrClosed) && err != nil {
			t.Error(err)
		}
	})
}

// A worker that is slow but alive keeps its request, however long it takes.
func TestASlowWorkerKeepsItsRequest(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		client, slow, other := srv.Connect("cli"), srv.Connect("d1"), srv.Connect("d2")
		defer client.Close()
		defer slow.Close()
		defer other.Close()
		in, done := make(chan struct{}), make(chan struct{})
		stopSlow := work(t, slow, queue(), func(context.Context, bus.Delivery) error {
			close(in)
			time.Sleep(30 * time.Second)
			close(done)
			return nil
		})
		ask(t, client, "r1")
		await(t, in, "the slow worker to take it")
		stopOther := work(t, other, queue(), func(_ context.Context, d bus.Delivery) error {
			t.Errorf("%s came to another worker, attempt %d, while the first was at it", d.Message.MessageID(), d.Attempt)
			return nil
		})
		<-done
		synctest.Wait()
		if n := acknowledged(t, client); n != 1 {
			t.Errorf("acknowledged up to %d, want 1", n)
		}
		time.Sleep(10 * time.Second)
		if err := errors.Join(stopSlow(), stopOther()); err != nil {
			t.Error(err)
		}
	})
}

// A failing handler is tried again, later and later, and after the last try the request is kept as a dead letter: not for ever, not forgotten.
func TestAFailingRequestIsTriedLaterAndLaterAndThenGivenUp(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("d1")
		defer b.Close()
		o := queue()
		o.MaxDeliver, o.Backoff = 4, []time.Duration{time.Second, 5 * time.Second, 30 * time.Second}
		var at []time.Duration
		begin := time.Now()
		stop := work(t, b, o, func(_ context.Context, d bus.Delivery) error {
			at = append(at, time.Since(begin))
			if d.Attempt != len(at) {
				t.Errorf("attempt %d is told as %d", len(at), d.Attempt)
			}
			return errors.New("the database is locked")
		})
		ack := ask(t, b, "r1")
		time.Sleep(5 * time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(at) != 4 {
			t.Fatalf("tried at %v, want 4 times", at)
		}
		for i, want := range o.Backoff {
			if wait := at[i+1] - at[i]; wait < want || wait > want+want/4+time.Second {
				t.Errorf("waited %s before try %d, want %s to a quarter more", wait, i+2, want)
			}
		}
		dead := all(t, b, subject.StreamDeadLetter, subject.AllDeadLetter)
		if len(dead) != 1 {
			t.Fatalf("%d dead letters, want 1", len(dead))
		}
		d := dead[0].Message.(*message.DeadLetter)
		if d.Seq != ack.Seq || !contains(d.Reason, "the database is locked") || !contains(d.Reason, "after 4 deliveries") {
			t.Errorf("the letter is %d: %s", d.Seq, d.Reason)
		}
		if n := acknowledged(t, b); n != 1 {
			t.Errorf("the queue still waits: acknowledged up to %d", n)
		}
	})
}

// A request that kills each worker that takes it is given up, too: by the one that meets it after the limit.
func TestARequestThatKillsItsWorkersIsGivenUp(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		client := srv.Connect("cli")
		defer client.Close()
		o := queue()
		o.MaxDeliver = 2
		ask(t, client, "killer")
		ask(t, client, "harmless")
		stuck := make(chan struct{})
		var ends []func() error
		for i := range 2 {
			victim := srv.Connect(fmt.Sprint("d", i))
			in := make(chan struct{})
			ends = append(ends, work(t, victim, o, func(_ context.Context, d bus.Delivery) error {
				if d.Message.MessageID() == "killer" {
					close(in)
					<-stuck
				}
				return nil
			}))
			await(t, in, "a worker to take the killer")
			victim.Conn().Close()
			defer victim.Close()
		}
		last := srv.Connect("d9")
		defer last.Close()
		stop := work(t, last, o, func(_ context.Context, d bus.Delivery) error {
			if d.Message.MessageID() == "killer" {
				t.Error("the killer was handed over a third time")
			}
			return nil
		})
		time.Sleep(time.Minute)
		dead := all(t, client, subject.StreamDeadLetter, subject.AllDeadLetter)
		if len(dead) != 1 || !contains(dead[0].Message.(*message.DeadLetter).Reason, "died") {
			t.Errorf("dead letters: %s", ids(dead))
		}
		if n := acknowledged(t, client); n != 2 {
			t.Errorf("acknowledged up to %d, want both", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		close(stuck)
		for _, end := range ends {
			_ = end()
		}
	})
}

func TestARejectedRequestIsADeadLetterAtOnce(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	var tries atomic.Int32
	work(t, b, queue(), func(_ context.Context, d bus.Delivery) error {
		tries.Add(1)
		return fmt.Errorf("handle: %w", bus.Reject("no such group"))
	})
	ask(t, b, "r1")
	eventually(t, "the dead letter", func() bool {
		es := all(t, b, subject.StreamDeadLetter, subject.AllDeadLetter)
		return len(es) == 1 && es[0].Message.(*message.DeadLetter).Reason == "no such group"
	})
	eventually(t, "the end of the request", func() bool { return acknowledged(t, b) == 1 })
	if tries.Load() != 1 {
		t.Fatalf("it was tried %d times", tries.Load())
	}
}

// A request from a stock client: nothing but the subject. It gets an id from its place in the stream, the same at each delivery.
func TestAnEmptyRequestIsValidAndHasAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	seen := make(chan *message.Request, 10)
	work(t, b, bus.WorkOptions{Stream: subject.StreamRequests, Durable: "deciders", Backoff: []time.Duration{time.Millisecond}}, func(_ context.Context, d bus.Delivery) error {
		seen <- d.Message.(*message.Request)
		if d.Attempt == 1 {
			return errors.New("once more")
		}
		return nil
	})
	poison(t, b, "ham.v1.request.web.switchover.ana", nil, "")
	poison(t, b, "ham.v1.request.web.switchover.bob", nil, "  ")
	got := map[string][]string{}
	for range 4 {
		r := await(t, seen, "the requests")
		if r.Group != "web" || r.Verb != message.VerbSwitchover {
			t.Fatalf("got %+v", r)
		}
		got[r.Actor] = append(got[r.Actor], r.ID)
	}
	if a, b := got["ana"], got["bob"]; len(a) != 2 || len(b) != 2 || a[0] != a[1] || b[0] != b[1] || a[0] == b[0] || a[0] == "" {
		t.Fatalf("ids are %v: want one for each request, the same each time", got)
	}
}

// Work goes on after the server was away, and a queue made in another form is refused rather than used.
func TestAWorkerGoesOnAfterARestartOfTheServer(t *testing.T) {
	t.Parallel()
	srv := bustest.Restartable(t)
	b := srv.Connect("d1")
	got := make(chan string, 10)
	work(t, b, queue(), func(_ context.Context, d bus.Delivery) error { got <- d.Message.MessageID(); return nil })
	ask(t, b, "r1")
	if id := await(t, got, "r1"); id != "r1" {
		t.Fatal(id)
	}
	eventually(t, "r1 acknowledged", func() bool { return acknowledged(t, b) == 1 })
	srv.Stop()
	srv.Start()
	ask(t, b, "r2")
	if id := await(t, got, "r2"); id != "r2" {
		t.Fatalf("got %s, want r2", id)
	}
}

func TestAQueueOfAnotherFormIsRefused(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	_, err := b.JS().CreateOrUpdateConsumer(within(t, 10*time.Second), subject.StreamRequests, jetstream.ConsumerConfig{Durable: "deciders", AckPolicy: jetstream.AckAllPolicy})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Work(within(t, 30*time.Second), queue(), func(context.Context, bus.Delivery) error { return nil })
	wantError(t, err, bus.ErrIncompatible, "HAM_REQUESTS.deciders", "ack_policy", "nats consumer rm")
	err = b.Work(within(t, 30*time.Second), bus.WorkOptions{Stream: "NO_SUCH", Durable: "x"}, func(context.Context, bus.Delivery) error { return nil })
	wantError(t, err, bus.ErrRefused, "NO_SUCH", "provision")
}

// Handlers that stop with their service leave what they did not finish to others at once.
func TestAWorkerThatStopsLeavesItsRequestToOthersAtOnce(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		client, first, second := srv.Connect("cli"), srv.Connect("d1"), srv.Connect("d2")
		defer client.Close()
		defer first.Close()
		defer second.Close()
		o := queue()
		o.AckWait = time.Minute
		in := make(chan struct{})
		stopFirst := work(t, first, o, func(ctx context.Context, _ bus.Delivery) error {
			close(in)
			<-ctx.Done()
			return ctx.Err()
		})
		ask(t, client, "r1")
		await(t, in, "the first worker to take it")
		got := make(chan int, 1)
		stopSecond := work(t, second, o, func(_ context.Context, d bus.Delivery) error { got <- d.Attempt; return nil })
		begin := time.Now()
		if err := stopFirst(); err != nil {
			t.Error(err)
		}
		if n := await(t, got, "the second worker"); n != 2 || time.Since(begin) > time.Second {
			t.Errorf("attempt %d after %s, want the second at once", n, time.Since(begin))
		}
		if err := stopSecond(); err != nil {
			t.Error(err)
		}
	})
}
