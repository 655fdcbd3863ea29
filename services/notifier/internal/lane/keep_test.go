package lane

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
)

// verdict stores a change of a's verdict.
func (b *bench) verdict(to message.Verdict) bus.Delivery {
	severity := map[message.Verdict]message.Severity{message.VerdictDown: message.Critical, message.VerdictSuspect: message.Warning, message.VerdictUp: message.Notice}[to]
	n := len(b.stream.events) + 1
	return b.stream.add(&message.Event{
		ID: fmt.Sprintf("v.%d", n), Group: "web", Member: "a", Kind: message.EventVerdict, Severity: severity,
		Sentence: fmt.Sprintf("Member a of web is %s, it was seen %d times.", to, n), Writer: "w", At: time.Now().UnixMicro(),
		Verdict: &message.VerdictChange{From: message.VerdictUnknown, To: to},
	})
}

func (b *bench) must(d bus.Delivery) {
	b.t.Helper()
	if err := b.handle(d, time.Hour); err != nil {
		b.t.Fatal(err)
	}
}

// keep has what is due be told, as the lane's own loop does, and brings what it wrote to the lane.
func (b *bench) keep() {
	b.t.Helper()
	from := len(b.told)
	if err := b.lane.due(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	for _, e := range b.told[from:] {
		b.must(b.stream.add(e))
	}
}

// memory is what the target keeps.
func (b *bench) memory() ledger.Memory {
	m, _, err := ledger.Open(b.table, "chat").Memory(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// What repeats itself is said again at doubling distances only, with the count, and at last when it has been quiet.
func TestRepeatsAreGrouped(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		for range 50 {
			b.must(b.verdict(message.VerdictDown))
			time.Sleep(20 * time.Second)
		}
		if got := len(b.chat.posts); got != 6 {
			t.Errorf("50 times the same made %d posts, want 6: at the 1st, 2nd, 4th, 8th, 16th and 32nd", got)
		}
		if got := fmt.Sprint(b.chat.posts[5].Texts[0].Facts); !strings.Contains(got, "32 times since") {
			t.Errorf("the last post does not say how often: %s", got)
		}
		b.keep()
		if len(b.told) > 0 {
			t.Fatalf("told while it goes on: %s", b.told[0].Sentence)
		}
		time.Sleep(11 * time.Minute)
		b.keep()
		b.keep()
		if len(b.told) != 1 || b.told[0].Code != codeAgain || !strings.Contains(b.told[0].Sentence, "50 events verdict of a") {
			t.Fatalf("once it was quiet: %v", b.told)
		}
		if got := b.chat.posts[len(b.chat.posts)-1].Texts[0].What; !strings.Contains(got, "seen 50 times") {
			t.Errorf("the end was not told here: %s", got)
		}
		b.must(b.verdict(message.VerdictDown))
		if len(b.chat.posts) != 8 {
			t.Errorf("what happens anew after a while is not told")
		}
	})
}

// Where a post can be changed it says how often and what came last, and stays what it was.
func TestRepeatsChangeThePost(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.wall = &wall{chat: b.chat, shown: map[string]channel.Post{}}
		b.lane = b.newLane("run1")
		fails := 1
		b.wall.update = func() error {
			if fails--; fails >= 0 {
				return channel.Fail(channel.Later, "busy", "come back")
			}
			return nil
		}
		for range 50 {
			b.must(b.verdict(message.VerdictDown))
			b.must(b.verdict(message.VerdictUp))
			time.Sleep(20 * time.Second)
		}
		if len(b.chat.posts) != 3 {
			t.Fatalf("%d posts, want down, up, and down because that is worse", len(b.chat.posts))
		}
		got := b.wall.shown["3"].Texts[0]
		if got.Severity != message.Critical || !strings.Contains(got.What, "is down") {
			t.Errorf("what was worse is hidden behind what is not: %s", got.Plain())
		}
		if facts := fmt.Sprint(got.Facts); !strings.Contains(facts, "100 times since") || !strings.Contains(facts, "is up, it was seen 100 times") {
			t.Errorf("the post says %s", facts)
		}
		time.Sleep(11 * time.Minute)
		b.keep()
		if len(b.told) != 0 {
			t.Errorf("told once more what the post says: %s", b.told[0].Sentence)
		}
	})
}

// A post that can no longer be changed hides nothing: from then on it is said again.
func TestRepeatsOfAPostThatIsGone(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.wall = &wall{chat: b.chat, shown: map[string]channel.Post{}, update: func() error { return channel.Fail(channel.Gone, "message_not_found", "deleted") }}
		b.lane = b.newLane("run1")
		for range 8 {
			b.must(b.verdict(message.VerdictDown))
			time.Sleep(20 * time.Second)
		}
		if len(b.chat.posts) < 3 {
			t.Errorf("%d posts of 8 events, though none can be changed", len(b.chat.posts))
		}
	})
}

// Whatever comes in which order: nothing that is worse than what was said last is kept, and no state that was not said yet.
func TestGroupingHidesNothingWorse(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		inBench(t, func(b *bench) {
			r := rand.New(rand.NewPCG(seed, 7))
			if seed%2 == 0 {
				b.wall = &wall{chat: b.chat, shown: map[string]channel.Post{}}
				b.lane = b.newLane("run1")
			}
			states := []message.Verdict{message.VerdictUp, message.VerdictSuspect, message.VerdictDown}
			said := map[message.Verdict]bool{}
			var last *message.Event
			var before time.Time
			for range 120 {
				time.Sleep(time.Duration(r.IntN(900)) * time.Second)
				to := states[r.IntN(3)]
				if time.Since(before) > repeatWindow {
					clear(said)
					last = nil
				}
				before = time.Now()
				posts := len(b.chat.posts)
				d := b.verdict(to)
				b.must(d)
				e := d.Message.(*message.Event)
				switch {
				case len(b.chat.posts) > posts:
					last = e
					said[to] = true
				case last == nil || !said[to]:
					t.Fatalf("seed %d: %s was not told, though nothing was said of it", seed, e.Sentence)
				case !last.Severity.AtLeast(e.Severity):
					t.Fatalf("seed %d: %s is kept, and what was said last is %s", seed, e.Sentence, last.Sentence)
				}
			}
		})
	}
}

// nights holds back all below critical while it lasts.
func nights(from time.Time, d time.Duration) []spec.Silence {
	return []spec.Silence{{Window: spec.Blocked{From: from, Until: from.Add(d), Why: "backups"}, Below: message.Critical}}
}

// A silence keeps what is less than critical, for one summary when it is over; what is critical is told at once.
func TestSilence(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.silence = nights(time.Now(), time.Hour)
		for i := range 30 {
			d := b.verdict([]message.Verdict{message.VerdictUp, message.VerdictSuspect}[i%2])
			b.must(d)
			b.must(d) // delivered twice
			time.Sleep(time.Minute)
			b.keep()
		}
		if len(b.chat.posts) != 0 || len(b.told) != 0 {
			t.Fatalf("told within the silence: %d posts, %v", len(b.chat.posts), b.told)
		}
		b.must(b.verdict(message.VerdictDown))
		if len(b.chat.posts) != 1 {
			t.Fatal("what is critical was held back")
		}
		time.Sleep(time.Hour)
		// Another notifier at the same target finds the same due, before and after.
		if err := b.newLane("run2").due(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		first := b.told[0]
		b.keep()
		b.must(b.stream.add(first))
		b.must(b.stream.add(first))
		if len(b.chat.posts) != 2 {
			t.Fatalf("%d posts, want the critical one and one summary", len(b.chat.posts))
		}
		if s := first.Sentence; first.Severity != message.Warning || !strings.Contains(s, "events 30, the worst of them warning") || !strings.Contains(s, "backups") {
			t.Errorf("the summary is a %s: %s", first.Severity, s)
		}
		if n := len(first.Reasons); n != maxLines || !strings.Contains(first.Reasons[n-1].Sentence, "it was seen 30 times") {
			t.Errorf("the summary has %d lines: %v", n, first.Reasons)
		}
		if got := b.memory(); len(got.Quiet) != 0 {
			t.Errorf("kept for ever: %+v", got)
		}
		b.must(b.verdict(message.VerdictSuspect))
		if len(b.chat.posts) != 3 {
			t.Error("after the silence nothing is told")
		}
	})
}

// Who was woken by the beginning of something is told its end, also within a silence.
func TestSilenceLetsTheEndThrough(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.silence = nights(time.Now(), time.Hour)
		open, shut := true, false
		for i, e := range []*message.Event{
			{Kind: message.EventIncident, Severity: message.Critical, Opened: &open}, {Kind: message.EventReadiness, Severity: message.Warning},
			{Kind: message.EventIncident, Severity: message.Notice, Opened: &shut},
		} {
			e.ID, e.Group, e.Incident, e.Sentence, e.Writer, e.At = fmt.Sprint("i.", i), "web", "web-1", fmt.Sprint("It is ", i), "w", time.Now().UnixMicro()
			b.must(b.stream.add(e))
		}
		if len(b.chat.posts) != 2 || b.chat.posts[1].Texts[0].What != "It is 2" {
			t.Errorf("told: %v", b.chat.posts)
		}
	})
}

// Wherever the ledger cannot be written: what is kept is counted once, and what is told is told once.
func TestKeepingSurvivesEachFailure(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{true, false} {
		for fail := range 12 {
			inBench(t, func(b *bench) {
				if silent {
					b.silence = nights(time.Now(), time.Hour)
				}
				b.table.failAt = fail
				for range 4 {
					d := b.verdict(message.VerdictSuspect)
					for err := b.lane.Handle(b.t.Context(), d); err != nil; err = b.lane.Handle(b.t.Context(), d) {
						if !errors.Is(err, bus.ErrUnavailable) {
							t.Fatal(err)
						}
						b.lane = b.newLane("again")
					}
					time.Sleep(time.Second)
				}
				m := b.memory()
				switch {
				case silent && (m.Quiet["web"].Count != 4 || len(b.chat.posts) != 0):
					t.Errorf("write %d fails: %d counted, %d posts", fail, m.Quiet["web"].Count, len(b.chat.posts))
				case !silent && (m.Again["web/verdict/a/"].Count != 4 || len(b.chat.posts) < 3):
					t.Errorf("write %d fails: %d counted, %d posts", fail, m.Again["web/verdict/a/"].Count, len(b.chat.posts))
				}
			})
		}
	}
}

// The lane's own loop tells what is due, and ends with its context.
func TestKeepEnds(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.silence = nights(time.Now(), time.Hour)
		b.must(b.verdict(message.VerdictSuspect))
		ctx, stop := context.WithCancel(b.t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.lane.Keep(ctx)
		}()
		time.Sleep(2 * time.Hour)
		stop()
		<-done
		if len(b.told) != 1 {
			t.Errorf("told %d summaries, want 1", len(b.told))
		}
	})
}
