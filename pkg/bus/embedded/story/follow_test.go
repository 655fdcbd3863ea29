package story

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// follow runs Follow until the returned function is called; that gives its error.
func follow(t testing.TB, b *bus.Bus, o bus.FollowOptions, f func(bus.Delivery)) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Follow(ctx, o, f) }()
	var err error
	ended := false
	stop = func() error {
		cancel()
		if !ended {
			err, ended = await(t, done, "Follow to end"), true
		}
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func publish(t testing.TB, b *bus.Bus, subj string, m message.Message) bus.Ack {
	t.Helper()
	ack, err := b.Publish(within(t, 30*time.Second), subj, m)
	if err != nil {
		t.Fatalf("publish %s: %v", m.MessageID(), err)
	}
	return ack
}

func publishEvent(t testing.TB, b *bus.Bus, id string) bus.Ack {
	t.Helper()
	return publish(t, b, subject.Event("web", message.EventNote, b.Name()), event(id, "web", b.Name()))
}

// Each message once and in order, over restarts of the server and while it is written to; and said when the past is over.
func TestAFollowerSeesEverythingOnceOverRestartsOfTheServer(t *testing.T) {
	t.Parallel()
	srv := bustest.Restartable(t)
	writer, reader := srv.Connect("w1"), srv.Connect("r1")
	const past, all = 40, 200
	for i := range past {
		publishEvent(t, writer, fmt.Sprintf("e%03d", i))
	}
	var seen []string
	caughtAt, losses := -1, 0
	begun, finished := make(chan struct{}), make(chan struct{})
	stop := follow(t, reader, bus.FollowOptions{
		Stream: subject.StreamEvents, Subjects: []string{subject.AllEvents},
		CaughtUp: func() { caughtAt = len(seen); close(begun) },
		Lost: func(lost bool) {
			if lost {
				losses++
			}
		},
	}, func(d bus.Delivery) {
		if seen = append(seen, d.Message.MessageID()); len(seen) == all {
			close(finished)
		}
	})
	await(t, begun, "the past")
	for i := past; i < all; i++ {
		if i%50 == 10 {
			srv.Stop()
			srv.Start()
		}
		publishEvent(t, writer, fmt.Sprintf("e%03d", i))
	}
	await(t, finished, "all events")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for i, id := range seen {
		if id != fmt.Sprintf("e%03d", i) {
			t.Fatalf("message %d is %s: the order or the number is wrong: %v", i, id, seen[max(0, i-3):min(len(seen), i+3)])
		}
	}
	if caughtAt < past {
		t.Fatalf("caught up was said after %d messages, %d were there", caughtAt, past)
	}
	if losses == 0 {
		t.Fatal("the flow was never interrupted: this shows nothing")
	}
}

// A follower of what is new, that has seen nothing yet, must not take "new" anew when the server comes back.
func TestAFollowerOfWhatIsNewLosesNothingWhenTheServerRestartsFirst(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		writer := srv.Connect("w1")
		defer writer.Close()
		// The reader has a link of its own that is held back, so that the writer is quicker after the restart.
		gate := &gate{s: srv}
		o := srv.Options("r1")
		o.InProcess = gate
		reader := bustest.Dial(t, o)
		defer reader.Close()
		publishEvent(t, writer, "old")
		got := make(chan string, 10)
		caught := make(chan struct{})
		stop := follow(t, reader, bus.FollowOptions{Stream: subject.StreamEvents, From: bus.FromNew(), CaughtUp: func() { close(caught) }}, func(d bus.Delivery) {
			got <- d.Message.MessageID()
		})
		await(t, caught, "the follower to begin")
		gate.shut.Store(true)
		srv.Stop()
		srv.Start()
		linkIs(t, writer, true)
		publishEvent(t, writer, "while-away")
		gate.shut.Store(false)
		publishEvent(t, writer, "after")
		if a, b := await(t, got, "the first new event"), await(t, got, "the second"); a != "while-away" || b != "after" {
			t.Fatalf("saw %s and %s, want while-away and after", a, b)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// The stream was recreated under a follower: waiting in silence for the old numbers to come round would be the worst answer.
func TestAFollowerSaysThatItsStreamWentBack(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("d1")
		defer b.Close()
		for i := range 5 {
			publishEvent(t, b, fmt.Sprint("e", i))
		}
		seen := make(chan uint64, 10)
		failed := make(chan error, 1)
		go func() {
			failed <- b.Follow(within(t, time.Hour), bus.FollowOptions{Stream: subject.StreamEvents}, func(d bus.Delivery) { seen <- d.Seq })
		}()
		for range 5 {
			await(t, seen, "the events")
		}
		if err := b.JS().DeleteStream(within(t, 10*time.Second), subject.StreamEvents); err != nil {
			t.Fatal(err)
		}
		bustest.Provision(t, b)
		publishEvent(t, b, "reborn")
		wantError(t, await(t, failed, "the follower to say so"), bus.ErrRegressed, subject.StreamEvents, "1", "5")
	})
}

// Who had read further than the stream goes, before it began to follow again, is told so too.
func TestAFollowerThatGoesOnSaysThatItsStreamWentBack(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("d1")
		defer b.Close()
		publishEvent(t, b, "e0")
		for seq := range uint64(2) { // nothing was seen, or all there is
			caughtUp := make(chan struct{})
			stop := follow(t, b, bus.FollowOptions{Stream: subject.StreamEvents, From: bus.FromAfter(seq), CaughtUp: func() { close(caughtUp) }}, func(bus.Delivery) {})
			await(t, caughtUp, "the end of the stream")
			if err := stop(); err != nil {
				t.Fatalf("after %d: %v", seq, err)
			}
		}
		err := b.Follow(within(t, time.Hour), bus.FollowOptions{Stream: subject.StreamEvents, From: bus.FromAfter(5)}, func(bus.Delivery) {})
		wantError(t, err, bus.ErrRegressed, subject.StreamEvents, "1", "5")
	})
}

// A leader that was cut off answers with what it knew, for as long as it takes itself for one. A follower waits for one that knows more.
func TestAFollowerOutlastsALeaderThatWasCutOff(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("d1")
		defer b.Close()
		publishEvent(t, b, "e0")
		seen := make(chan uint64, 10)
		stop := follow(t, b, bus.FollowOptions{Stream: subject.StreamEvents, From: bus.FromAfter(3)}, func(d bus.Delivery) { seen <- d.Seq })
		time.Sleep(20 * time.Second)
		for _, id := range []string{"e1", "e2", "e3"} {
			publishEvent(t, b, id)
		}
		if got := await(t, seen, "the message after those that were seen"); got != 4 {
			t.Errorf("got message %d, want 4", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestFollowersBeginWhereTheyAreTold(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	var at []bus.Ack
	for _, id := range []string{"a1", "a2", "a3"} {
		at = append(at, publishEvent(t, b, id))
	}
	publish(t, b, subject.Event("orders", message.EventNote, "d1"), event("o1", "orders", "d1"))
	second, err := b.Next(within(t, 10*time.Second), subject.StreamEvents, subject.AllEvents, at[1].Seq)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		from     bus.From
		subjects []string
		want     []string
	}{
		{"all", bus.FromAll(), nil, []string{"a1", "a2", "a3", "o1"}},
		{"sequence", bus.FromSeq(at[1].Seq), nil, []string{"a2", "a3", "o1"}},
		{"time", bus.FromTime(second.Time), nil, []string{"a2", "a3", "o1"}},
		{"newest of each subject", bus.FromLast(), nil, []string{"a3", "o1"}},
		{"new", bus.FromNew(), nil, nil},
		{"one group", bus.FromAll(), []string{"ham.v1.event.orders.*.*"}, []string{"o1"}},
		{"two groups", bus.FromAll(), []string{"ham.v1.event.orders.*.*", "ham.v1.event.web.*.*"}, []string{"a1", "a2", "a3", "o1"}},
		{"a group without any", bus.FromAll(), []string{"ham.v1.event.nobody.*.*"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			caught := make(chan struct{})
			stop := follow(t, b, bus.FollowOptions{Stream: subject.StreamEvents, Subjects: c.subjects, From: c.from, CaughtUp: func() { close(caught) }}, func(d bus.Delivery) {
				got = append(got, d.Message.MessageID())
			})
			await(t, caught, "the past to be over")
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Fatalf("handed over %v, want %v", got, c.want)
			}
		})
	}
}

// What was stored is heard at once, with its place in the stream, and not before it is stored.
func TestStoredEntriesAreHeardWithTheirSequence(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	heard := make(chan bus.Delivery, 10)
	cancel, err := b.Hear([]string{subject.AllStored}, func(d bus.Delivery) { heard <- d })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	won := mustWin(t, b, mark("m1", "web"), 0)
	d := await(t, heard, "the stored copy")
	if d.Seq != won.Seq || d.Stream != subject.StreamCommands || d.Message.MessageID() != "m1" || !d.Parts.Stored || d.Parts.Group != "web" || !d.Heard || d.Subject != subject.Command("web") || d.Time.IsZero() {
		t.Fatalf("heard %+v, want m1 at %d of the chain of web", d, won.Seq)
	}
	// Lost the compare-and-set: never stored, so never heard there.
	if r, err := b.Propose(within(t, 10*time.Second), subject.Command("web"), mark("loser", "web"), 0); err != nil || r.Won {
		t.Fatal(r, err)
	}
	step := &message.StepResult{ID: "s1", Group: "web", Epoch: 1, Command: "c1", Step: "look", Driver: "http", State: message.StateDone, Attempt: 1, Executor: "d1"}
	publish(t, b, subject.Safety("web", subject.SafetyStep, "d1"), step)
	if d := await(t, heard, "the safety copy"); d.Message.MessageID() != "s1" || d.Stream != subject.StreamSafety || d.Parts.Kind != subject.SafetyStep || d.Parts.Writer != "d1" {
		t.Fatalf("heard %+v, want s1", d)
	}
}

// Whoever may publish on ham.v1.stored… by a mistake in the permissions still cannot make up a place in a stream that easily.
func TestACopyThatSaysNotWhereItIsStoredIsPassedOver(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	heard := make(chan bus.Delivery, 10)
	cancel, err := b.Hear([]string{subject.AllStored}, func(d bus.Delivery) { heard <- d })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	h, body, err := message.Encode(mark("forged", "web"), "/ham/x/y", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Conn().PublishMsg(&nats.Msg{Subject: subject.StoredCommand("web"), Header: nats.Header(h), Data: body}); err != nil {
		t.Fatal(err)
	}
	mustWin(t, b, mark("true", "web"), 0)
	if d := await(t, heard, "the true copy"); d.Message.MessageID() != "true" {
		t.Fatalf("heard %s", d.Message.MessageID())
	}
}

// gate lets in-process connections through, or not.
type gate struct {
	s    *bustest.Server
	shut atomic.Bool
}

func (g *gate) InProcessConn() (net.Conn, error) {
	if g.shut.Load() {
		return nil, nats.ErrNoServers
	}
	return g.s.InProcessConn()
}
