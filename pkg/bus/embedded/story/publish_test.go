package story

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func TestAMessagePublishedTwiceIsStoredOnce(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	b, other := bustest.Connect(t, srv, "d1"), bustest.Connect(t, srv, "d2")
	first := publishEvent(t, b, "e1")
	again := publishEvent(t, b, "e1")
	// The same happening told by another service, on a subject of its own.
	told := publish(t, other, subject.Event("web", message.EventNote, "d2"), event("e1", "web", "d2"))
	if first.Duplicate || !again.Duplicate || !told.Duplicate || again.Seq != first.Seq || told.Seq != first.Seq || first.Stream != subject.StreamEvents {
		t.Fatalf("stored as %+v, %+v, %+v", first, again, told)
	}
}

func TestWhatIsInvalidNeverLeaves(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	ctx := within(t, 10*time.Second)
	bad := event("e1", "web", "d1")
	bad.Sentence = ""
	_, err := b.Publish(ctx, subject.Event("web", message.EventNote, "d1"), bad)
	wantError(t, err, message.ErrInvalid, "event.sentence")
	_, err = b.Propose(ctx, subject.Command("web"), &message.Held{ID: "h"}, 0)
	wantError(t, err, message.ErrInvalid, "held.group")
	if _, err = b.Publish(ctx, "ham.v1.lease.web.d1", event("e1", "web", "d1")); err == nil {
		t.Error("published on a subject that no stream keeps")
	}
	if _, err = b.Publish(ctx, subject.StoredCommand("web"), mark("m", "web")); err == nil {
		t.Error("published on the subject of stored copies")
	}
	if es := all(t, b, subject.StreamEvents, subject.AllEvents); len(es) != 0 {
		t.Errorf("stored %s", ids(es))
	}
}

// The server is away for a few seconds in the middle of a publish: the caller notices nothing but time, and there is one copy.
func TestAPublishWaitsForTheBusToComeBack(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("d1")
		defer b.Close()
		srv.Stop()
		synctest.Wait()
		done := make(chan error, 1)
		go func() {
			_, err := b.Publish(within(t, time.Minute), subject.Event("web", message.EventNote, "d1"), event("e1", "web", "d1"))
			done <- err
		}()
		time.Sleep(10 * time.Second)
		srv.Start()
		if err := await(t, done, "the publish"); err != nil {
			t.Fatal(err)
		}
		if es := all(t, b, subject.StreamEvents, subject.AllEvents); ids(es) != "e1 " {
			t.Fatalf("stored %s", ids(es))
		}
	})
}

// The acknowledgement got lost: the same message again, one copy.
func TestALostAcknowledgementOfAPublishLeavesOneCopy(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.Listening)
	relay := bustest.NewRelay(t, srv.ClientURL())
	bustest.Connect(t, srv, "setup")
	b := bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{relay.URL()}})
	relay.LoseToClient(`"seq":`, nil)
	ack := publishEvent(t, b, "e1")
	if es := all(t, b, subject.StreamEvents, subject.AllEvents); len(es) != 1 || es[0].Seq != ack.Seq || b.Stats().Retried == 0 {
		t.Fatalf("stored %s, acknowledged %d, tries without an answer %d", ids(es), ack.Seq, b.Stats().Retried)
	}
}

// No room left on the server: said at once and clearly, by each way to write, and nothing hangs; reading goes on.
func TestAFullDiskIsSaidClearly(t *testing.T) {
	t.Parallel()
	b := bustest.Dial(t, bustest.Start(t, func(o *embedded.Options) { o.MaxStore = 1 << 20 }).BusOptions("d1", "test"))
	small := bus.Layout{HeartbeatMaxBytes: 100 << 10, EventsMaxBytes: 300 << 10, DeadLetterMaxBytes: 100 << 10}
	if err := b.Provision(within(t, 30*time.Second), small); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 60*time.Second)
	if has, err := b.HasStream(ctx, subject.StreamGathered); err != nil || has {
		t.Errorf("what was gathered has a stream: %t, %v; it may keep nobody from deciding for want of 4 MiB", has, err)
	}
	after := uint64(0)
	var err error
	for i := 0; err == nil && i < 5000; i++ {
		m := mark(fmt.Sprint("m", i), "web")
		m.Reason = strings.Repeat("why ", 250)
		var r bus.Result
		if r, err = b.Propose(ctx, subject.Command("web"), m, after); err == nil {
			after = r.Entry.Seq
		}
	}
	wantError(t, err, bus.ErrRefused, "not stored", "room")
	wantError(t, err, bus.ErrFull)
	// A safety message and a key meet the same wall.
	step := &message.StepResult{ID: "s1", Group: "web", Epoch: 1, Command: "c1", Step: "look", Driver: "http", State: message.StateDone, Attempt: 1, Executor: "d1", Evidence: strings.Repeat("e", 8000)}
	_, err = b.Publish(ctx, subject.Safety("web", subject.SafetyStep, "d1"), step)
	wantError(t, err, bus.ErrRefused, "not stored", "room")
	_, err = b.Table(subject.BucketJournal).Put(ctx, "web.1", entry{State: strings.Repeat("e", 8000)})
	wantError(t, err, bus.ErrRefused, "web.1", "room")
	if e, err := b.Last(ctx, subject.StreamCommands, subject.Command("web")); err != nil || e.Seq != after {
		t.Errorf("reading the chain: at %d, %v; want %d", e.Seq, err, after)
	}
}

func TestReadingSaysWhenThereIsNothing(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	ctx := within(t, 30*time.Second)
	_, err := b.Last(ctx, subject.StreamCommands, subject.Command("web"))
	wantError(t, err, bus.ErrNone, subject.Command("web"))
	_, err = b.Last(ctx, "NO_SUCH", subject.Command("web"))
	wantError(t, err, bus.ErrUnavailable, "NO_SUCH", "provision")
	w := mustWin(t, b, mark("m1", "web"), 0)
	if _, err = b.Next(ctx, subject.StreamCommands, subject.Command("web"), w.Seq+1); err == nil {
		t.Error("read past the end")
	}
	e, err := b.Last(ctx, subject.StreamCommands, subject.Command("web"))
	if err != nil || e.Seq != w.Seq || e.Time.IsZero() || e.Header.Get(message.HeaderSource) != "/ham/test/d1" || e.Message.(*message.Mark).Actor != "ana" {
		t.Errorf("got %+v, %v", e, err)
	}
	poison(t, b, subject.Command("bad"), nil, "nonsense")
	if e, err = b.Last(ctx, subject.StreamCommands, subject.Command("bad")); err != nil || e.Message != nil || e.Problem == nil {
		t.Errorf("an invalid entry: %+v, %v; want its problem", e, err)
	}
}
