package notifier_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/slacktest"
	"github.com/isacloud/ha-manager/services/notifier/channel/webhook"
	"github.com/isacloud/ha-manager/services/notifier/channel/webhook/webhooktest"
)

// told returns where each of the sentences "Sentence 001." … stands in what Slack got, in order of acceptance; a
// sentence that stands twice is there twice.
func (w *world) told() []string {
	var out []string
	for _, m := range w.slack.Messages() {
		body := string(m.Blocks)
		for rest := body; ; {
			_, after, ok := strings.Cut(rest, "Sentence ")
			if !ok {
				break
			}
			out = append(out, after[:3])
			rest = after
		}
	}
	return out
}

func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%03d", i+1)
	}
	return out
}

// The notifier dies after Slack took the post and before it is recorded: the next one looks, and does not post again.
func TestRestartBetweenPostAndRecord(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.start("n1")
		w.slack.Next("chat.postMessage", slacktest.Fault{Accept: true, Hang: true})
		w.event(message.Event{})
		w.until(10*time.Second, "accepted", func() bool { return len(w.slack.Messages()) == 1 })
		first.kill()
		w.start("n1")
		w.event(message.Event{})
		w.until(2*time.Minute, "the next event is told", func() bool { return slices.Contains(w.told(), "002") })
		if got := w.told(); !slices.Equal(got, numbers(2)) {
			t.Errorf("told %v, want each once", got)
		}
		if w.slack.Calls("conversations.history") == 0 {
			t.Error("nobody looked")
		}
	})
}

// The same before Slack took it: the next one looks, does not find it, and posts.
func TestRestartBeforePost(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.start("n1")
		w.slack.Next("chat.postMessage", slacktest.Fault{Hang: true})
		w.event(message.Event{})
		w.until(10*time.Second, "asked", func() bool { return w.slack.Calls("chat.postMessage") == 1 })
		first.kill()
		w.start("n2")
		w.until(2*time.Minute, "told", func() bool { return len(w.told()) > 0 })
		time.Sleep(5 * time.Minute)
		if got := w.told(); !slices.Equal(got, numbers(1)) {
			t.Errorf("told %v, want once", got)
		}
	})
}

// The notifier loses the bus while Slack takes its time with a post: what was posted is recorded, or found by another
// one, and nothing is told twice or not at all.
func TestBusIsAwayWhilePosting(t *testing.T) {
	for name, other := range map[string]bool{"alone": false, "beside another": true} {
		t.Run(name, func(t *testing.T) { inWorld(t, func(w *world) { busIsAway(w, other) }) })
	}
}

func busIsAway(w *world, other bool) {
	n := w.start("n1")
	w.event(message.Event{})
	w.until(10*time.Second, "told", func() bool { return len(w.told()) == 1 })
	w.slack.Next("chat.postMessage", slacktest.Fault{Slow: 5 * time.Second})
	w.event(message.Event{})
	w.until(10*time.Second, "asked", func() bool { return w.slack.Calls("chat.postMessage") == 2 })
	n.link.cut()
	if other {
		w.start("n2")
		w.event(message.Event{})
		w.until(2*time.Minute, "the other one goes on", func() bool { return slices.Contains(w.told(), "003") })
	} else {
		time.Sleep(2 * time.Minute)
		w.event(message.Event{})
	}
	n.link.mend()
	w.event(message.Event{})
	w.until(2*time.Minute, "the next told", func() bool { return slices.Contains(w.told(), "004") })
	time.Sleep(time.Minute)
	if got := w.told(); !slices.Equal(got, numbers(4)) {
		w.t.Errorf("told %v, want each once", got)
	}
	if got := len(w.pager.Got()); got != 4 {
		w.t.Errorf("the webhook got %d posts, want 4", got)
	}
}

// An orderly stop lets the post that is under way end: nothing is left to be looked up.
func TestStopWhilePosting(t *testing.T) {
	inWorld(t, func(w *world) {
		n := w.start("n1")
		w.slack.Next("chat.postMessage", slacktest.Fault{Slow: time.Second})
		w.event(message.Event{})
		w.until(10*time.Second, "asked", func() bool { return w.slack.Calls("chat.postMessage") == 1 })
		begun := time.Now()
		n.end(t)
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("the stop took %s", took)
		}
		w.start("n1")
		time.Sleep(time.Minute)
		if got := w.told(); !slices.Equal(got, numbers(1)) || w.slack.Calls("conversations.history") != 0 {
			t.Errorf("told %v after %d looks, want once and none", got, w.slack.Calls("conversations.history"))
		}
	})
}

// Slack takes the post and its answer is lost: it is looked up, not repeated.
func TestUnknownOutcomeIsLookedUp(t *testing.T) {
	for name, fault := range map[string]slacktest.Fault{
		"time-out": {Accept: true, Hang: true}, "cut": {Accept: true, Cut: true}, "500": {Accept: true, Status: 500},
		"garbage": {Accept: true, Garbage: true}, "internal_error": {Accept: true, Error: "internal_error"}, "slow": {Accept: true, Slow: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.start("n1")
				w.slack.Next("chat.postMessage", fault)
				w.event(message.Event{})
				w.event(message.Event{})
				w.until(3*time.Minute, "both told", func() bool { return slices.Contains(w.told(), "002") })
				if got := w.told(); !slices.Equal(got, numbers(2)) {
					t.Errorf("told %v, want each once", got)
				}
			})
		})
	}
}

// A look that fails says nothing: the post is not repeated before one succeeded.
func TestLookThatFailsIsNoAnswer(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.slack.Next("chat.postMessage", slacktest.Fault{Accept: true, Cut: true})
		w.slack.Always("conversations.history", &slacktest.Fault{Status: 503})
		w.event(message.Event{})
		time.Sleep(10 * time.Minute)
		if n := w.slack.Calls("chat.postMessage"); n != 1 {
			t.Errorf("posted %d times without having looked", n)
		}
		w.slack.Always("conversations.history", nil)
		w.event(message.Event{})
		w.until(3*time.Minute, "the next told", func() bool { return slices.Contains(w.told(), "002") })
		if got := w.told(); !slices.Equal(got, numbers(2)) {
			t.Errorf("told %v, want each once", got)
		}
	})
}

// An app that may not read repeats, and says so in the message.
func TestRepeatIsMarkedWhereNobodyCanLook(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.slack.Scope("channels:history", false)
		w.slack.Next("chat.postMessage", slacktest.Fault{Accept: true, Cut: true})
		w.pager.Next(webhooktest.Fault{Accept: true, Cut: true})
		w.event(message.Event{})
		w.until(3*time.Minute, "repeated", func() bool { return len(w.slack.Messages()) == 2 && len(w.pager.Got()) == 2 })
		m := w.slack.Messages()
		if strings.Contains(m[0].All(), "repetition") || !strings.Contains(m[1].All(), "repetition") {
			t.Errorf("slack got %s\nand then %s", m[0].All(), m[1].All())
		}
		var first, second webhook.Body
		for i, b := range []*webhook.Body{&first, &second} {
			if err := json.Unmarshal(w.pager.Got()[i].Body, b); err != nil {
				t.Fatal(err)
			}
		}
		if first.Repeat || !second.Repeat || first.ID != second.ID {
			t.Errorf("the webhook got %+v and then %+v", first, second)
		}
		time.Sleep(5 * time.Minute)
		if len(w.slack.Messages()) != 2 || len(w.pager.Got()) != 2 {
			t.Error("it goes on repeating")
		}
	})
}

// Two notifiers at the same target: each event once, in order.
func TestTwoNotifiers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.start("n2")
		const n = 40
		for range n {
			w.event(message.Event{})
			time.Sleep(1500 * time.Millisecond)
		}
		w.until(2*time.Minute, "all told", func() bool { return len(w.told()) >= n && len(w.pager.Got()) >= n })
		time.Sleep(2 * time.Minute)
		if got := w.told(); !slices.Equal(got, numbers(n)) {
			t.Errorf("slack got %v", got)
		}
		if got := len(w.pager.Got()); got != n {
			t.Errorf("the webhook got %d posts, want %d", got, n)
		}
	})
}

// Slack is slow for one event and quick for the next, which another notifier could take: it waits for its turn.
func TestOrderWithTwoNotifiers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.start("n2")
		const n = 12
		for i := range n {
			if i%2 == 0 {
				w.slack.Next("chat.postMessage", slacktest.Fault{Slow: 3 * time.Second})
			} else {
				w.slack.Next("chat.postMessage", slacktest.Fault{})
			}
		}
		for range n {
			w.event(message.Event{})
		}
		w.until(2*time.Minute, "all told", func() bool { return len(w.told()) >= n })
		if got := w.told(); !slices.Equal(got, numbers(n)) {
			t.Errorf("slack got %v", got)
		}
	})
}

// One of two notifiers is killed again and again: still each event once, in order.
func TestTwoNotifiersOneDies(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		const n = 12
		for i := range n {
			if i%3 == 0 {
				w.slack.Next("chat.postMessage", slacktest.Fault{Accept: true, Slow: 300 * time.Millisecond})
			}
			other := w.start(fmt.Sprintf("other%d", i))
			w.event(message.Event{})
			time.Sleep(100 * time.Millisecond)
			other.kill()
			time.Sleep(30 * time.Second)
		}
		w.until(10*time.Minute, "all told", func() bool { return slices.Contains(w.told(), fmt.Sprintf("%03d", n)) })
		if got := w.told(); !slices.Equal(got, numbers(n)) {
			t.Errorf("slack got %v", got)
		}
	})
}

// Events of an incident stand in their order, whatever goes wrong with any of them.
func TestOrderWithinAnIncident(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.slack.Next("chat.postMessage", slacktest.Fault{}, slacktest.Fault{Status: 500}, slacktest.Fault{}, slacktest.Fault{Status: 429, RetryAfter: 3},
			slacktest.Fault{Accept: true, Cut: true}, slacktest.Fault{Error: "ratelimited"}, slacktest.Fault{}, slacktest.Fault{Hang: true})
		const n = 12
		for range n {
			w.event(message.Event{Incident: "web-1"})
			time.Sleep(700 * time.Millisecond)
		}
		w.until(5*time.Minute, "all told", func() bool { return slices.Contains(w.told()[1:], fmt.Sprintf("%03d", n)) })
		time.Sleep(time.Minute)
		var replies []string
		for _, m := range w.slack.Messages()[1:] {
			for _, s := range numbers(n) {
				if strings.Contains(string(m.Blocks), "Sentence "+s) {
					replies = append(replies, s)
				}
			}
		}
		if !slices.Equal(replies, numbers(n)) {
			t.Errorf("the thread has %v", replies)
		}
	})
}

// 429 is honoured to the second, and costs nothing.
func TestRetryAfterIsHonoured(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.slack.Next("chat.postMessage", slacktest.Fault{Status: 429, RetryAfter: 40})
		w.event(message.Event{})
		begun := time.Now()
		w.until(10*time.Second, "asked", func() bool { return w.slack.Calls("chat.postMessage") == 1 })
		time.Sleep(38 * time.Second)
		if n := w.slack.Calls("chat.postMessage"); n != 1 {
			t.Errorf("asked %d times in 38s, Slack said 40s", n)
		}
		w.until(10*time.Second, "told", func() bool { return len(w.told()) == 1 })
		if took := w.slack.Messages()[0].At.Sub(begun); took < 40*time.Second || took > 46*time.Second {
			t.Errorf("told after %s, Slack said 40s", took)
		}
	})
}

// A channel that never answers delays no other one.
func TestHangingChannelDelaysNoOther(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.slack.Always("", &slacktest.Fault{Hang: true})
		const n = 20
		for i := range n {
			begun := time.Now()
			w.event(message.Event{})
			w.until(time.Second, "told elsewhere", func() bool { return len(w.pager.Got()) == i+1 })
			if took := time.Since(begun); took > 100*time.Millisecond {
				t.Errorf("event %d took %s", i, took)
			}
			time.Sleep(time.Second)
		}
		if len(w.told()) != 0 {
			t.Fatal("slack was to hang: the test shows nothing")
		}
	})
}

// A silence that is applied with the spec holds back what is less than critical, over a restart, and is told in one summary when it is over; a
// state that repeats itself is one message with its count.
func TestSilenceAndRepeatsOnTheRealBus(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.start("n1")
		from := time.Now().UTC().Truncate(time.Minute)
		w.apply(fmt.Sprintf(`[{to: "slack:#ops"}]
silence: [{from: "%s", until: "%s", why: backups}]`, from.Format("2006-01-02 15:04"), from.Add(time.Hour).Format("2006-01-02 15:04")))
		time.Sleep(time.Second)
		w.event(message.Event{})
		w.event(message.Event{Severity: message.Critical})
		w.until(10*time.Second, "what is critical is told", func() bool { return slices.Contains(w.told(), "002") })
		first.end(t)
		w.start("n2")
		w.start("n3")
		w.event(message.Event{})
		time.Sleep(30 * time.Minute)
		if got := w.told(); !slices.Equal(got, []string{"002"}) {
			t.Fatalf("told within the silence: %v", got)
		}
		w.until(2*time.Hour, "the summary", func() bool { return strings.Contains(w.posts(), "events 2, the worst of them warning") })
		for range 20 {
			w.event(message.Event{Sentence: "Sentence 009.", Member: "a"})
			time.Sleep(time.Minute)
		}
		w.until(time.Minute, "it says how often", func() bool { return strings.Contains(w.all(), "20 times since") })
		time.Sleep(time.Hour)
		n := strings.Count(w.posts(), "\n")
		if n != 3 {
			t.Errorf("%d posts, want one critical, one summary, one that repeats itself:\n%s", n, w.posts())
		}
	})
}

// all is everything that stands in Slack.
func (w *world) all() string {
	var out strings.Builder
	for _, m := range w.slack.Messages() {
		out.Write(m.Blocks)
	}
	return out.String()
}

// Where the incident's thread is stands in the record, once for each thread; a Slack that does not say it holds nothing up.
func TestThreadIsInTheRecord(t *testing.T) {
	inWorld(t, func(w *world) {
		links := func() []string {
			entries, err := w.bus.Since(w.t.Context(), subject.StreamEvents, subject.EventsOf("web"), 1, 1000)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, x := range entries {
				if l, ok := x.Message.(*message.Link); ok {
					out = append(out, l.Incident+" "+l.What+" "+l.Name+" "+l.URL)
				}
			}
			return out
		}
		w.slack.Next("chat.getPermalink", slacktest.Fault{Status: 503})
		w.start("n1")
		w.event(message.Event{Kind: message.EventIncident, Incident: "web-1"})
		w.until(time.Minute, "told", func() bool { return len(w.slack.Messages()) == 2 }) // the card, and the event under it
		if got := links(); len(got) > 0 {
			t.Errorf("links %v", got)
		}
		for range 3 {
			w.event(message.Event{Kind: message.EventIncident, Incident: "web-1"})
		}
		w.until(time.Minute, "all told", func() bool { return len(w.slack.Messages()) == 5 })
		card := w.slack.Messages()[0]
		want := []string{"web-1 thread slack " + slacktest.Permalink(card.Channel, card.TS)}
		if got := links(); !slices.Equal(got, want) {
			t.Errorf("links %v, want %v", got, want)
		}
		w.slack.Delete(card.TS)
		w.event(message.Event{Kind: message.EventIncident, Incident: "web-1", Severity: message.Critical})
		w.until(time.Minute, "a new thread", func() bool { return len(links()) == 2 })
	})
}
