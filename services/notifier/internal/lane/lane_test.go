package lane

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

func inBench(t *testing.T, f func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newBench(t)) })
}

// The ledger holds the post as ours before it is made, at every attempt, and says where it is afterwards.
func TestLedgerIsWrittenBeforeAndAfterThePost(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		attempts := 0
		b.chat.send = func(p channel.Post) error {
			attempts++
			e := b.entry("it")
			if e == nil || e.State != ledger.Sending || e.By != "n1/run1" || e.Attempt != attempts || e.Post != p.ID {
				t.Errorf("at attempt %d the ledger has %+v", attempts, e)
			}
			if attempts < 3 {
				return channel.Fail(channel.Later, "busy", "come back")
			}
			return nil
		}
		if err := b.handle(b.event("it"), time.Minute); err != nil {
			t.Fatal(err)
		}
		if e := b.entry("it"); e.State != ledger.Sent || e.Ref == nil || e.Ref.ID != "1" {
			t.Errorf("afterwards the ledger has %+v", e)
		}
	})
}

// Without a ledger nothing is posted: nobody could know later that it was.
func TestNoPostWithoutLedger(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.table.fail = bus.ErrUnavailable
		d := b.event("it")
		if err := b.lane.Handle(b.t.Context(), d); !errors.Is(err, bus.ErrUnavailable) || b.chat.calls != 0 {
			t.Errorf("%v after %d calls", err, b.chat.calls)
		}
	})
}

// The ledger cannot be written after the post: it is written as soon as it can be, and the post is not repeated.
func TestRecordIsTriedUntilItIsWritten(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.chat.send = func(channel.Post) error {
			b.table.fail = bus.ErrUnavailable
			return nil
		}
		done := make(chan error)
		d := b.event("it")
		go func() { done <- b.handle(d, time.Hour) }()
		time.Sleep(10 * time.Minute)
		b.table.mu.Lock()
		b.table.fail = nil
		b.table.mu.Unlock()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if b.chat.calls != 1 || b.entry("it").State != ledger.Sent {
			t.Errorf("%d calls, ledger %+v", b.chat.calls, b.entry("it"))
		}
	})
}

// What may have been accepted is never posted again before a look said that it was not.
func TestUnsureIsLookedUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		find        error
		wantCalls   int
		wantRepeats bool
	}{
		{"there", nil, 1, false},
		{"not there", channel.ErrNotFound, 2, false},
		{"cannot be read", channel.ErrCannotLook, 2, true},
	} {
		inBench(t, func(b *bench) {
			looked := false
			b.chat.find = func(channel.Post) error { looked = true; return c.find }
			b.chat.send = func(p channel.Post) error {
				if b.chat.calls == 1 {
					return channel.Fail(channel.Unsure, "timeout", "no answer")
				}
				if !looked {
					t.Errorf("%s: posted again without a look", c.name)
				}
				if p.Repeat != c.wantRepeats {
					t.Errorf("%s: marked as a repetition %v, want %v", c.name, p.Repeat, c.wantRepeats)
				}
				return nil
			}
			if err := b.handle(b.event("it"), time.Minute); err != nil {
				t.Fatal(err)
			}
			if b.chat.calls != c.wantCalls || b.entry("it").State != ledger.Sent {
				t.Errorf("%s: %d calls, want %d; ledger %+v", c.name, b.chat.calls, c.wantCalls, b.entry("it"))
			}
		})
	}
}

// A notifier that finds an entry of another one waits until that one cannot be at it any more, by its own clock, and then looks.
func TestEntryOfAnotherIsWaitedFor(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		d := b.event("it")
		key := ledger.Open(b.table, "chat").EventKey("it")
		// The other one's clock is a year ahead: that must not matter.
		held := ledger.Entry{State: ledger.Sending, Post: key, By: "n2/zzz", Hold: message.Duration(attemptLimit), BegunAt: time.Now().Add(365 * 24 * time.Hour).UnixMicro(),
			Parts: []ledger.Part{{ID: "it", Seq: d.Seq}}}
		if _, err := b.table.Create(b.t.Context(), key, held); err != nil {
			t.Fatal(err)
		}
		looked := time.Time{}
		b.chat.find = func(channel.Post) error { looked = time.Now(); return nil }
		begun := time.Now()
		if err := b.handle(d, time.Minute); err != nil {
			t.Fatal(err)
		}
		if took := looked.Sub(begun); took < attemptLimit || took > attemptLimit+2*holdMargin {
			t.Errorf("looked after %s", took)
		}
		if b.chat.calls != 0 || b.entry("it").State != ledger.Sent {
			t.Errorf("%d calls, ledger %+v", b.chat.calls, b.entry("it"))
		}
	})
}

// The other one ends while we wait: nothing is left to do.
func TestEntryOfAnotherEnds(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		d := b.event("it")
		key := ledger.Open(b.table, "chat").EventKey("it")
		held := ledger.Entry{State: ledger.Sending, Post: key, By: "n2/zzz", Hold: message.Duration(attemptLimit)}
		rev, err := b.table.Create(b.t.Context(), key, held)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() {
			held.State = ledger.Sent
			if _, err := b.table.Update(context.Background(), key, held, rev); err != nil {
				t.Error(err)
			}
		})
		b.chat.find = func(channel.Post) error { t.Error("looked"); return nil }
		if err := b.handle(d, time.Minute); err != nil || b.chat.calls != 0 {
			t.Errorf("%v, %d calls", err, b.chat.calls)
		}
	})
}

// What is denied for a day is put to the dead letters and told; a newer event has its own day; when the channel takes
// posts again, that is told.
func TestDeniedForADay(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.chat.send = func(channel.Post) error { return channel.Fail(channel.Denied, "is_archived", "unarchive it") }
		first := b.event("first")
		if err := b.handle(first, 23*time.Hour); err == nil || len(b.letters) != 0 {
			t.Fatalf("given up before its time: %v", err)
		}
		second := b.event("second")
		if err := b.handle(first, 2*time.Hour); err != nil || len(b.letters) != 1 {
			t.Fatalf("not given up: %v", err)
		}
		l := b.letters[0]
		if !strings.Contains(l.Reason, "is_archived") || !strings.Contains(string(l.Body), "It is first.") || l.Seq != first.Seq {
			t.Errorf("letter: %+v", l)
		}
		if b.entry("first").State != ledger.GivenUp {
			t.Errorf("ledger: %+v", b.entry("first"))
		}
		calls := b.chat.calls
		if err := b.handle(first, time.Hour); err != nil || b.chat.calls != calls {
			t.Error("what was given up is tried again")
		}
		if err := b.handle(second, 10*time.Hour); err == nil || len(b.letters) != 1 {
			t.Error("the second was given up with the first")
		}
		b.chat.send = nil
		if err := b.handle(second, time.Hour); err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, e := range b.told {
			codes = append(codes, e.Code)
			if !route.About(e, target) {
				t.Errorf("%s would go to the channel that it is about", e.ID)
			}
		}
		if got := strings.Join(codes, " "); got != "N102 N104 N103" {
			t.Errorf("told %s", got)
		}
	})
}

// Giving up on telling about a channel is not told: two broken channels would talk for ever.
func TestGivingUpANoticeIsNotTold(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.chat.send = func(channel.Post) error { return channel.Fail(channel.Denied, "is_archived", "unarchive it") }
		d := b.stream.add(&message.Event{
			ID: route.EventID(route.Target{Channel: "other"}, "broken", 1), Group: "_", Kind: message.EventNotify, Severity: message.Critical, Sentence: "other is broken", Writer: "n1",
		})
		if err := b.handle(d, 26*time.Hour); err != nil {
			t.Fatal(err)
		}
		if len(b.letters) != 1 || len(b.told) != 1 || b.told[0].Code != codeBroken {
			t.Errorf("%d letters, told %d", len(b.letters), len(b.told))
		}
	})
}

// A day in which the channel does not answer costs nothing, whatever comes after.
func TestAwayForAWeekGivesNothingUp(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.chat.send = func(channel.Post) error { return channel.Fail(channel.Later, "HTTP 503", "away") }
		d := b.event("it")
		_ = b.handle(d, 7*24*time.Hour)
		// At the end it is denied for a moment: that alone is no day of denials.
		b.chat.send = func(channel.Post) error { return channel.Fail(channel.Denied, "invalid_auth", "no") }
		_ = b.handle(d, time.Minute)
		b.chat.send = nil
		if err := b.handle(d, time.Hour); err != nil || len(b.letters) != 0 || len(b.chat.posts) != 1 {
			t.Errorf("%v, %d letters, %d posts", err, len(b.letters), len(b.chat.posts))
		}
	})
}

// A late event is told with those that waited behind it; the post is the same at each repetition, also by a notifier that was
// restarted, and none of its events is told again.
func TestLateEventsAreFolded(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		var all []bus.Delivery
		for _, id := range []string{"one", "two", "three", "four"} {
			all = append(all, b.event(id))
		}
		all[2].Message.(*message.Event).Incident = "web-9"
		time.Sleep(time.Hour)
		b.chat.send = func(channel.Post) error { return channel.Fail(channel.Unsure, "timeout", "no answer") }
		_ = b.handle(all[0], time.Second)
		five := b.event("five") // it came after the first attempt: it is not in that post
		b.lane = b.newLane("run2")
		b.chat.send = nil
		for _, d := range append(all, five) {
			if err := b.handle(d, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, p := range b.chat.posts {
			var ids []string
			for _, x := range p.Texts {
				ids = append(ids, x.ID)
			}
			got = append(got, strings.Join(ids, "+"))
		}
		if want := "one+two+four three five"; strings.Join(got, " ") != want {
			t.Errorf("posted %s, want %s", strings.Join(got, " "), want)
		}
	})
}

// A fold is bounded: the rest follows in further posts, nothing is left out.
func TestFoldIsBounded(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		var all []bus.Delivery
		for i := range 100 {
			d := b.event(strings.Repeat("x", 80) + string(rune('A'+i/10)) + string(rune('0'+i%10)))
			all = append(all, d)
		}
		time.Sleep(time.Hour)
		for _, d := range all {
			if err := b.handle(d, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, p := range b.chat.posts {
			size := 0
			for _, x := range p.Texts {
				if want := all[n].Message.MessageID(); x.ID != want {
					t.Fatalf("event %d is %s, want %s", n, x.ID, want)
				}
				n++
				size += len(x.Line())
			}
			if len(p.Texts) > maxParts || size > maxPartBytes {
				t.Errorf("a post of %d events, %d bytes", len(p.Texts), size)
			}
		}
		if n != len(all) {
			t.Errorf("%d events told", n)
		}
	})
}

// Being told to stop ends a wait at once, and the event stays in the queue.
func TestStopEndsAWait(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.chat.send = func(channel.Post) error {
			return &channel.Error{Class: channel.Later, Code: "HTTP 429", After: time.Minute}
		}
		ctx, cancel := context.WithCancel(b.t.Context())
		time.AfterFunc(10*time.Second, cancel)
		begun := time.Now()
		err := b.lane.Handle(ctx, b.event("it"))
		if err == nil || time.Since(begun) > 11*time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}
