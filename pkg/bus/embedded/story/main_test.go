package story

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func TestMain(m *testing.M) { bustest.Main(m) }

// within is a context for one step of a story.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// await waits for a value; the test fails with what it waited for.
func await[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("waited for %s", what)
		panic("unreachable")
	}
}

// eventually asks again until ok, for what has no event to wait for: what a server did on its own.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited for: %s", what)
}

func linkIs(t testing.TB, b *bus.Bus, want bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		up, changed := b.Link()
		if up == want {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("link up is %v, want %v", up, want)
		}
	}
}

func mark(id, group string) *message.Mark {
	return &message.Mark{ID: id, Group: group, Paused: true, Actor: "ana", Decider: "d1"}
}

func event(id, group, writer string) *message.Event {
	return &message.Event{ID: id, Group: group, Kind: message.EventNote, Severity: message.Info, Sentence: "something happened", Writer: writer}
}

func heartbeat(member, check string, seq uint64) *message.Heartbeat {
	return &message.Heartbeat{
		Group: "web", Member: member, Vantage: "p1", Check: check, Boot: "boot-1", Seq: seq,
		Answer: message.Up, LatencyMicros: 900, EveryMicros: 1_000_000, At: 1_700_000_000_000_000,
	}
}

func request(id string) *message.Request {
	return &message.Request{ID: id, Group: "web", Verb: message.VerbNote, Actor: "ana", Reason: "a note"}
}

// chain reads all of a group's chain, oldest first.
func chain(t testing.TB, b *bus.Bus, group string) []bus.Entry {
	t.Helper()
	return all(t, b, subject.StreamCommands, subject.Command(group))
}

func all(t testing.TB, b *bus.Bus, stream, subj string) []bus.Entry {
	t.Helper()
	es, err := b.Since(within(t, 30*time.Second), stream, subj, 1, 100_000)
	if err != nil {
		t.Fatalf("read %s: %v", subj, err)
	}
	return es
}

func ids(es []bus.Entry) string {
	out := ""
	for _, e := range es {
		out += e.ID() + " "
	}
	return out
}

func mustWin(t testing.TB, b *bus.Bus, m message.Message, after uint64) bus.Entry {
	t.Helper()
	r, err := b.Propose(within(t, 30*time.Second), subject.Command(m.MessageGroup()), m, after)
	if err != nil || !r.Won {
		t.Fatalf("propose %s after %d: won %v, first was %s, error %v", m.MessageID(), after, r.Won, r.Entry.ID(), err)
	}
	return r.Entry
}

func wantError(t testing.TB, err, want error, says ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
	for _, s := range says {
		if !contains(err.Error(), s) {
			t.Fatalf("error %q does not say %q", err, s)
		}
	}
}

func contains(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

var _ = fmt.Sprint
