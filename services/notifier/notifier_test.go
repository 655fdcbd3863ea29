package notifier_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

// Everything from warning on goes to everybody, from notice on to the terminal.
func TestDefaultRule(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.event(message.Event{Sentence: "It burns.", Severity: message.Critical})
		w.event(message.Event{Sentence: "It smells.", Severity: message.Notice})
		w.event(message.Event{Sentence: "It is warm.", Severity: message.Info})
		w.until(10*time.Second, "all told", func() bool {
			return len(w.slack.Messages()) == 1 && len(w.pager.Got()) == 1 && strings.Contains(w.out.String(), "It smells.")
		})
		time.Sleep(time.Minute)
		if got := w.posts(); !strings.Contains(got, "It burns.") || strings.Contains(got, "It smells.") {
			t.Errorf("slack has %q", got)
		}
		if got := w.out.String(); strings.Contains(got, "It is warm.") || !strings.Contains(got, "It burns.") {
			t.Errorf("the terminal has %q", got)
		}
	})
}

// An incident is one thread; its first message is kept current, also by events that are not told, and its end is told
// whatever its severity.
func TestIncidentIsOneThread(t *testing.T) {
	inWorld(t, func(w *world) {
		w.apply(`[{to: "slack:#web", from: warning}]`)
		w.start("n1")
		for _, s := range rendertest.Samples() {
			if s.Event.Incident != "web-14" || s.Event.DryRun || s.Name == "hostile" {
				continue
			}
			w.event(*s.Event)
		}
		w.until(time.Minute, "the card says closed", func() bool {
			m := w.slack.Messages()
			return len(m) > 0 && strings.Contains(m[0].Text, "closed")
		})
		m := w.slack.Messages()
		card := m[0]
		if card.Channel != "C0WEB0001" || card.Thread != "" || card.Edits == 0 {
			t.Errorf("the card: %+v", card)
		}
		all := w.posts()
		for _, reply := range m[1:] {
			if reply.Thread != card.TS {
				t.Errorf("beside the thread: %s", reply.Text)
			}
			all += string(reply.Blocks)
		}
		for _, want := range []string{"a is down", "no automatic swap", "failover to b decided", "waits for a person", "aborted", "is done", "incident closed"} {
			if !strings.Contains(all, want) {
				t.Errorf("%q was not told:\n%s", want, all)
			}
		}
		for _, not := range []string{"begun", "switch in rack 4"} {
			if strings.Contains(all, not) {
				t.Errorf("%q was told, though it is below the rule's severity", not)
			}
		}
		edits := card.Edits
		time.Sleep(10 * time.Minute)
		if again := w.slack.Messages(); len(again) != len(m) || again[0].Edits != edits {
			t.Error("it goes on posting after the end")
		}
	})
}

// An event that comes a second time, long after the stream has forgotten the first, is told once.
func TestSameEventAgainIsToldOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.event(message.Event{ID: "same", Sentence: "It burns."})
		w.until(10*time.Second, "told", func() bool { return len(w.slack.Messages()) == 1 })
		time.Sleep(time.Hour)
		w.event(message.Event{ID: "same", Sentence: "It burns."})
		w.event(message.Event{ID: "other", Sentence: "It still burns."})
		w.until(10*time.Second, "the other told", func() bool { return len(w.slack.Messages()) == 2 })
		if n := len(w.events(message.EventVerdict)); n != 3 {
			t.Fatalf("the stream has %d events, want the same one twice: the test shows nothing", n)
		}
		if got := strings.Count(w.posts(), "It burns."); got != 1 {
			t.Errorf("told %d times", got)
		}
	})
}

// What others wrote acts on nobody's screen.
func TestHostileTextOnItsWay(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		for _, s := range rendertest.Samples() {
			if s.Name == "hostile" {
				w.event(*s.Event)
			}
		}
		w.until(10*time.Second, "told", func() bool { return len(w.slack.Messages()) == 2 && w.out.String() != "" })
		for _, m := range w.slack.Messages() {
			for _, active := range []string{"<!", "<@", "<http", `\u003c!`, `\u003c@`, "@here", "@everyone", "`rm"} {
				if strings.Contains(m.All(), active) {
					t.Errorf("slack got %q in %s", active, m.All())
				}
			}
		}
		if strings.ContainsAny(w.out.String(), "\x1b\x07\r") {
			t.Errorf("the terminal got %q", w.out.String())
		}
	})
}

// Rules are taken without a restart: a target that is new is told from now on, one that is gone no more.
func TestRulesChange(t *testing.T) {
	inWorld(t, func(w *world) {
		w.apply(`[{to: "slack:#ops"}]`)
		n := w.start("n1")
		w.event(message.Event{Sentence: "First."})
		w.until(10*time.Second, "told at ops", func() bool { return strings.Contains(w.posts(), "First.") })
		w.apply(`[{to: "slack:#web", kinds: [drift]}]`)
		w.until(10*time.Second, "the new target", func() bool {
			for _, s := range n.Status() {
				if s.Target == "slack:#web" {
					return true
				}
			}
			return false
		})
		time.Sleep(reachBackAndMore)
		w.event(message.Event{Sentence: "Second."})
		w.event(message.Event{Sentence: "Third.", Kind: message.EventDrift})
		w.until(10*time.Second, "told at web", func() bool { return strings.Contains(w.posts(), "Third.") })
		time.Sleep(time.Minute)
		for _, m := range w.slack.Messages() {
			if want := map[bool]string{true: "C0OPS0001", false: "C0WEB0001"}[strings.Contains(m.Text, "First.")]; m.Channel != want {
				t.Errorf("%q is in %s", m.Text, m.Channel)
			}
		}
		if strings.Contains(w.posts(), "Second.") {
			t.Error("a kind was told that no rule names")
		}
		for _, d := range n.Explain(&message.Event{Group: "web", Kind: message.EventDrift, Severity: message.Warning}) {
			if d.Send != (d.Target.String() == "slack:#web") || d.Why == "" {
				t.Errorf("explain: %+v", d)
			}
		}
	})
}

const reachBackAndMore = 11 * time.Minute

// The queue of a target that no rule leads to any more goes with it.
func TestQueuesAreCleanedUp(t *testing.T) {
	inWorld(t, func(w *world) {
		// A channel without a default: only the rule leads to it.
		ch := []spec.Channel{{Name: "slack", Kind: "slack", Token: "${file:/token}", API: "http://slack.test/api"}}
		w.apply(`[{to: "slack:#web"}]`)
		w.start("n1", ch...)
		queues := func() []string {
			var out []string
			s, err := w.bus.JS().Stream(w.t.Context(), subject.StreamEvents)
			if err != nil {
				t.Fatal(err)
			}
			for name := range s.ConsumerNames(w.t.Context()).Name() {
				out = append(out, name)
			}
			return out
		}
		w.until(10*time.Second, "its queue", func() bool { return strings.Contains(strings.Join(queues(), " "), "notifier-slack-web-") })
		w.apply(`[{to: "slack:#ops"}]`)
		w.until(20*time.Second, "the other queue", func() bool {
			got := strings.Join(queues(), " ")
			return strings.Contains(got, "notifier-slack-ops-") && !strings.Contains(got, "notifier-slack-web-")
		})
	})
}

func TestOptionsAreChecked(t *testing.T) {
	inWorld(t, func(w *world) {
		for want, ch := range map[string][]spec.Channel{
			`kind is "pigeon", want one of slack, slack-webhook, webhook, email, discord, teams, telegram, pagerduty, log`: {{Name: "x", Kind: "pigeon"}},
			"channel x is declared twice": {{Name: "x", Kind: "log"}, {Name: "x", Kind: "log"}},
			"channel x: token is missing": {{Name: "x", Kind: "slack"}},
			"channel x: url is missing":   {{Name: "x", Kind: "webhook"}},
			`channels[0].name is "a b"`:   {{Name: "a b", Kind: "log"}},
		} {
			_, err := notifier.New(notifier.Options{Bus: w.bus, Channels: ch, Out: io.Discard})
			if !errors.Is(err, notifier.ErrOptions) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
		if _, err := notifier.New(notifier.Options{}); !errors.Is(err, notifier.ErrOptions) {
			t.Errorf("without a bus: %v", err)
		}
	})
}
