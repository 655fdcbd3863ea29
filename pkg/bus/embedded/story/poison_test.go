package story

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// poison is stored on subj as any stock client could.
func poison(t testing.TB, b *bus.Bus, subj string, h nats.Header, body string) uint64 {
	t.Helper()
	ack, err := b.JS().PublishMsg(within(t, 10*time.Second), &nats.Msg{Subject: subj, Header: h, Data: []byte(body)})
	if err != nil {
		t.Fatalf("poison %s: %v", subj, err)
	}
	return ack.Sequence
}

// Nonsense on every stream: each piece becomes a dead letter with its reason and an event, and the follower goes on to the next good message.
func TestPoisonOnEveryStreamBecomesADeadLetterAndFollowersGoOn(t *testing.T) {
	t.Parallel()
	ce := func(typ string) nats.Header {
		return nats.Header{"ce-type": {typ}, "content-type": {"application/json"}}
	}
	safety := &message.StepResult{ID: "s1", Group: "web", Epoch: 1, Command: "c1", Step: "look", Driver: "http", State: message.StateDone, Attempt: 1, Executor: "x1"}
	letter := &message.DeadLetter{ID: "dl.x.1", Stream: "HAM_EVENTS", Subject: "ham.v1.event.web.note.x", Reason: "r", Writer: "x1"}
	for _, c := range []struct {
		stream, subj string
		header       nats.Header
		body         string
		reason       string
		goodSubj     string
		good         message.Message
	}{
		{subject.StreamRequests, "ham.v1.request.web.note.ana", nil, `{"verb":`, "JSON", "ham.v1.request.web.note.ana", request("good")},
		{subject.StreamRequests, "ham.v1.request.web.note.ana", nil, `{"actor":"root"}`, `request.actor: got "root", want "ana"`, "ham.v1.request.web.note.ana", request("good")},
		{subject.StreamRequests, "ham.v1.request.web.explode.ana", nil, ``, "request.verb", "ham.v1.request.web.note.ana", request("good")},
		{subject.StreamCommands, "ham.v1.command.web", ce("io.isacloud.ham.v9.command"), `{}`, "unknown message version", "ham.v1.command.web", mark("good", "web")},
		{subject.StreamCommands, "ham.v1.command.web", ce("io.isacloud.ham.v1.mark"), `{"id":"m","group":"orders","actor":"a","decider":"d"}`, `mark.group: got "orders", want "web"`, "ham.v1.command.web", mark("good", "web")},
		{subject.StreamCommands, "ham.v1.command.web", ce("io.isacloud.ham.v1.heartbeat"), `{}`, "invalid message", "ham.v1.command.web", mark("good", "web")},
		{subject.StreamSafety, "ham.v1.safety.web.step.x1", nil, "\x00\xff\x00", "unknown message type", "ham.v1.safety.web.step.x1", safety},
		{subject.StreamSafety, "ham.v1.safety.web.step.x2", ce("io.isacloud.ham.v1.step"), `{"id":"s","group":"web","epoch":1,"command":"c","step":"s","driver":"d","state":"done","attempt":1,"executor":"x1","at_us":1}`, `step.executor: got "x1", want "x2"`, "ham.v1.safety.web.step.x1", safety},
		{subject.StreamEvents, "ham.v1.event.web.note.d1", nats.Header{"Status": {"100"}}, "", "unknown message type", "ham.v1.event.web.note.d1", event("good", "web", "d1")},
		{subject.StreamEvents, "ham.v1.event.web.note.x", ce("io.isacloud.ham.v1.event"), strings.Repeat("[", 100_000), "invalid message", "ham.v1.event.web.note.d1", event("good", "web", "d1")},
		{subject.StreamEvents, "ham.v1.event.wéb.note.x", ce("io.isacloud.ham.v1.event"), `{}`, "is no name", "ham.v1.event.web.note.d1", event("good", "web", "d1")},
		{subject.StreamEvents, "ham.v1.event.web.note.x", ce("io.isacloud.ham.v1.event"), strings.Repeat("x", 950<<10), "bytes", "ham.v1.event.web.note.d1", event("good", "web", "d1")},
		{subject.StreamHeartbeats, "ham.v1.heartbeat.web.a.p1", ce("io.isacloud.ham.v1.heartbeat"), `{"group":"web","seq":-1}`, "heartbeat.seq", "ham.v1.heartbeat.web.a.p1", heartbeat("a", "alive", 1)},
		{subject.StreamHeartbeats, "ham.v1.heartbeat.web.a.p2", ce("io.isacloud.ham.v1.heartbeat"), `{"group":"web","member":"a","vantage":"p1","check":"c","boot":"b","seq":1,"answer":"up","every_us":1000}`, `heartbeat.vantage: got "p1", want "p2"`, "ham.v1.heartbeat.web.a.p1", heartbeat("a", "alive", 1)},
		{subject.StreamDeadLetter, "ham.v1.deadletter.core.x1", nil, "", "unknown message type", "ham.v1.deadletter.HAM_EVENTS.x1", letter},
	} {
		t.Run(c.stream+"/"+c.reason, func(t *testing.T) {
			t.Parallel()
			b := bustest.Connect(t, bustest.Start(t), "d1")
			seq := poison(t, b, c.subj, c.header, c.body)
			good := make(chan string, 16)
			if c.stream == subject.StreamHeartbeats {
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error, 1)
				go func() {
					done <- b.FollowHeartbeats(ctx, bus.HeartbeatOptions{}, func(hb *message.Heartbeat, _ bus.HeartbeatMeta) { good <- hb.MessageID() })
				}()
				defer func() { cancel(); <-done }()
			} else {
				follow(t, b, bus.FollowOptions{Stream: c.stream}, func(d bus.Delivery) { good <- d.Message.MessageID() })
			}
			publish(t, b, c.goodSubj, c.good)
			for id := await(t, good, "the good message after the poison"); id != c.good.MessageID(); id = await(t, good, "the good message") {
				// The letter and its event are good messages too.
				if c.stream != subject.StreamDeadLetter && !strings.HasPrefix(id, "deadletter.") {
					t.Fatalf("handed over %s", id)
				}
			}
			var dead *message.DeadLetter
			eventually(t, "the dead letter", func() bool {
				for _, e := range all(t, b, subject.StreamDeadLetter, "ham.v1.deadletter."+c.stream+".*") {
					if d, ok := e.Message.(*message.DeadLetter); ok && d.Seq == seq && d.ID != letter.ID {
						dead = d
					}
				}
				return dead != nil
			})
			if !strings.Contains(dead.Reason, c.reason) || dead.Stream != c.stream || dead.Subject != c.subj {
				t.Fatalf("the dead letter is of %s on %s, reason %q; want %s, %s, a reason with %q", dead.Stream, dead.Subject, dead.Reason, c.stream, c.subj, c.reason)
			}
			if len(c.body) < 100_000 && string(dead.Body) != c.body {
				t.Fatalf("it keeps %q, want the whole body", dead.Body)
			}
			for k, v := range c.header {
				if !slices.Equal(dead.Headers[k], v) {
					t.Fatalf("it keeps headers %v, want %v", dead.Headers, c.header)
				}
			}
			eventually(t, "the event", func() bool {
				return len(all(t, b, subject.StreamEvents, "ham.v1.event.*.deadletter.*")) == 1
			})
		})
	}
}

// Several followers, and one that reads everything again: one letter and one event, not one each time.
func TestTheSamePoisonMetTwiceIsOneDeadLetter(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	d1, d2 := bustest.Connect(t, srv, "d1"), bustest.Connect(t, srv, "d2")
	poison(t, d1, "ham.v1.command.web", nil, "nonsense")
	for range 2 {
		for _, b := range []*bus.Bus{d1, d2} {
			caught := make(chan struct{})
			stop := follow(t, b, bus.FollowOptions{Stream: subject.StreamCommands, CaughtUp: func() { close(caught) }}, func(bus.Delivery) {})
			await(t, caught, "the chain to be read")
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(all(t, d1, subject.StreamDeadLetter, subject.AllDeadLetter)); n != 1 {
		t.Fatalf("%d dead letters, want 1", n)
	}
	if n := len(all(t, d1, subject.StreamEvents, subject.AllEvents)); n != 1 {
		t.Fatalf("%d events, want 1", n)
	}
}

// A week later, when the stream has forgotten the ids it had seen, a service that reads its stream again still writes no second letter.
func TestOldPoisonIsNotGivenUpAgainAtEveryStart(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	b := bustest.Connect(t, srv, "d1")
	poison(t, b, "ham.v1.command.web", nil, "nonsense")
	read := func(b *bus.Bus) {
		t.Helper()
		caught := make(chan struct{})
		stop := follow(t, b, bus.FollowOptions{Stream: subject.StreamCommands, CaughtUp: func() { close(caught) }}, func(bus.Delivery) {})
		await(t, caught, "the chain to be read")
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	read(b)
	// The stream's window of ids cannot be made older here, so it is closed. It forgets in its own time, the oldest first: once it takes
	// this id again, it has forgotten that of the letter too.
	forgotten := func() bool {
		ack, err := b.JS().Publish(within(t, 10*time.Second), subject.DeadLetter("core", "probe"), []byte("x"), jetstream.WithMsgID("probe"))
		if err != nil {
			t.Fatal(err)
		}
		return !ack.Duplicate
	}
	forgotten()
	info, err := b.JS().Stream(within(t, 10*time.Second), subject.StreamDeadLetter)
	if err != nil {
		t.Fatal(err)
	}
	cfg := info.CachedInfo().Config
	// A new window makes the server forget at once, but now and then it does so by the old one, and would not look again before that is over. So
	// it is told of another one until it has.
	cfg.Duplicates = 100 * time.Millisecond
	for late := time.After(time.Minute); ; cfg.Duplicates += time.Millisecond {
		if _, err := b.JS().UpdateStream(within(t, 10*time.Second), cfg); err != nil {
			t.Fatal(err)
		}
		select {
		case <-time.After(2 * cfg.Duplicates):
		case <-late:
			t.Fatal("the stream does not forget ids")
		}
		if forgotten() {
			break
		}
	}
	o := srv.BusOptions("d1", "test")
	o.Now = func() time.Time { return time.Now().Add(7 * 24 * time.Hour) }
	for range 2 {
		later := bustest.Dial(t, o)
		read(later)
		poison(t, b, "ham.v1.command.web", nil, "fresh nonsense")
		read(later)
		later.Close()
	}
	letters := all(t, b, subject.StreamDeadLetter, subject.DeadLetter(subject.StreamCommands, "d1"))
	seqs := map[uint64]int{}
	for _, l := range letters {
		seqs[l.Message.(*message.DeadLetter).Seq]++
	}
	if len(letters) != 3 || seqs[1] != 1 || seqs[2] != 1 || seqs[3] != 1 {
		t.Fatalf("letters by sequence: %v, want one each of 1, 2 and 3", seqs)
	}
}

// A prober gone mad: what is kept is bounded, what is good still comes through.
func TestAFloodOfBadHeartbeatsNeitherFillsTheDeadLettersNorHidesTheGoodOnes(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	const flood = 3000
	for i := range flood {
		subj := fmt.Sprintf("ham.v1.heartbeat.web.m%d.p1", i%200)
		if err := b.Conn().Publish(subj, []byte("mad")); err != nil {
			t.Fatal(err)
		}
	}
	var good atomic.Int64
	caught := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	publish(t, b, subject.Heartbeat("web", "a", "p1"), heartbeat("a", "alive", 1))
	go func() {
		done <- b.FollowHeartbeats(ctx, bus.HeartbeatOptions{CaughtUp: func() { caught <- struct{}{} }}, func(*message.Heartbeat, bus.HeartbeatMeta) { good.Add(1) })
	}()
	await(t, caught, "the flood to be read")
	cancel()
	if err := await(t, done, "the follower to end"); err != nil {
		t.Fatal(err)
	}
	letters := len(all(t, b, subject.StreamDeadLetter, subject.AllDeadLetter))
	s := b.Stats()
	if good.Load() != 1 || letters == 0 || letters > 64 || s.Invalid != flood || s.Suppressed != uint64(flood-letters) {
		t.Fatalf("%d good, %d letters, %d counted, %d suppressed; want 1, 1 to 64, %d, the rest", good.Load(), letters, s.Invalid, s.Suppressed, flood)
	}
}
