package notifier_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/slacktest"
)

// An hour in which Slack is away, in each way it can be: nothing is lost, each line is told once and in order, and what
// comes after does not flood.
func TestAnHourWithoutSlack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.event(message.Event{Incident: "web-1"})
		w.until(10*time.Second, "told before", func() bool { return slices.Contains(w.replies(), "001") })
		const n = 180
		var incidents [3][]string
		incidents[0] = []string{"001"}
		for i := 2; i <= n; i++ {
			w.net.Down("slack.test", i < 60)
			fault := &slacktest.Fault{Status: 503}
			if i > 120 {
				fault = &slacktest.Fault{Hang: true}
			}
			w.slack.Always("", fault)
			which := i % 3
			w.event(message.Event{Incident: fmt.Sprintf("web-%d", which+1)})
			incidents[which] = append(incidents[which], fmt.Sprintf("%03d", i))
			time.Sleep(20 * time.Second)
		}
		before := len(w.slack.Messages())
		back := time.Now()
		w.slack.Always("", nil)
		w.until(5*time.Minute, "all told", func() bool { return slices.Contains(w.replies(), fmt.Sprintf("%03d", n)) })
		time.Sleep(2 * time.Minute)

		w.checkReplies(incidents[:])
		w.checkPace(before)
		if posts := len(w.slack.Messages()) - before; posts > 30 {
			t.Errorf("%d posts for %d events that were held back", posts, n)
		}
		if took := w.slack.Messages()[len(w.slack.Messages())-1].At.Sub(back); took > time.Minute {
			t.Errorf("the last was told %s after Slack was back", took)
		}
		// The others were told of it, and that it is over; the one itself was not.
		var codes []string
		for _, e := range w.events(message.EventNotify) {
			codes = append(codes, e.Code)
		}
		if !slices.Equal(codes, []string{"N101", "N103"}) {
			t.Errorf("told of the channel: %v, want that it was away and is back", codes)
		}
		if strings.Contains(w.posts(), "has taken no message") || !strings.Contains(w.out.String(), "slack:#ops has taken no message") || !strings.Contains(w.out.String(), "takes messages from notifier n1 again after") {
			t.Errorf("the trouble was told at the wrong places")
		}
		if got := len(w.pager.Got()); got < n {
			t.Errorf("the webhook got %d of %d events", got, n)
		}
		if len(w.letters()) != 0 {
			t.Error("something was given up")
		}
	})
}

// replies are the events told in threads or alone, by number, in order of acceptance, cards left out.
func (w *world) replies() []string {
	var out []string
	for _, m := range w.slack.Messages() {
		if strings.Contains(m.ID, ".card.") {
			continue
		}
		for rest := string(m.Blocks); ; {
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

// checkReplies says whether each event was told once, those of an incident in order and in one thread.
func (w *world) checkReplies(incidents [][]string) {
	w.t.Helper()
	got := w.replies()
	for _, want := range incidents {
		var mine []string
		for _, g := range got {
			if slices.Contains(want, g) {
				mine = append(mine, g)
			}
		}
		if !slices.Equal(mine, want) {
			w.t.Errorf("told %v\nwant %v", mine, want)
		}
		threads := map[string]bool{}
		for _, m := range w.slack.Messages() {
			for _, s := range want {
				if !strings.Contains(m.ID, ".card.") && strings.Contains(string(m.Blocks), "Sentence "+s) {
					threads[m.Thread] = true
				}
			}
		}
		if len(threads) != 1 || threads[""] {
			w.t.Errorf("the incident of %s is in %d threads", want[0], len(threads))
		}
	}
}

// checkPace says whether posts from the given one on keep to a burst and then one a second.
func (w *world) checkPace(from int) {
	w.t.Helper()
	m := w.slack.Messages()[from:]
	const burst = 6
	for i := burst; i < len(m); i++ {
		if d := m[i].At.Sub(m[i-burst].At); d < 900*time.Millisecond {
			w.t.Errorf("posts %d to %d within %s", i-burst, i, d)
		}
	}
}

// A token that is wrong: told at once and as critical on the others, nothing lost, mended by putting a good one in place.
func TestWrongToken(t *testing.T) {
	inWorld(t, func(w *world) {
		w.secrets.Store("/token", "xoxb-0000-wrongtoken")
		n := w.start("n1")
		for range 5 {
			w.event(message.Event{})
		}
		w.until(10*time.Second, "told elsewhere", func() bool {
			return strings.Contains(w.out.String(), "slack:#ops does not take messages from notifier n1: invalid_auth")
		})
		if e := w.events(message.EventNotify); len(e) != 1 || e[0].Severity != message.Critical || e[0].Code != "N102" {
			t.Errorf("told: %+v", e)
		}
		time.Sleep(20 * time.Minute)
		if status := n.Status(); len(status) != 3 || !strings.Contains(status[2].Problem, "invalid_auth") {
			t.Errorf("status: %+v", status)
		}
		w.secrets.Store("/token", slacktest.Token)
		w.until(time.Minute, "told", func() bool { return slices.Contains(w.told(), "005") })
		if got := w.told(); !slices.Equal(got, numbers(5)) {
			t.Errorf("told %v", got)
		}
		for _, e := range w.events(message.EventNotify) {
			if strings.Contains(e.Sentence, "wrongtoken") {
				t.Errorf("an event holds the token: %s", e.Sentence)
			}
		}
		if e := w.events(message.EventNotify); len(e) != 2 || e[1].Code != "N103" {
			t.Errorf("told: %d events about the channel, want that it is broken and that it is back", len(e))
		}
	})
}

// A change of the spec has a denied target tried at once.
func TestChangeOfSpecTriesAgainAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.apply(`[{to: "slack:#web"}]`)
		w.start("n1")
		w.slack.Always("chat.postMessage", &slacktest.Fault{Error: "channel_not_found"})
		w.event(message.Event{})
		time.Sleep(30 * time.Minute)
		w.slack.Always("chat.postMessage", nil)
		w.apply(`[{to: "slack:#web"}, {to: pager}]`)
		w.until(3*time.Second, "told", func() bool { return len(w.told()) == 1 })
	})
}

// A message that Slack does not take in its form is told in the simplest one; one that it takes in no form is put to the
// dead letters, and the next is told.
func TestRefusedMessage(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.slack.Next("chat.postMessage", slacktest.Fault{Error: "invalid_blocks"}, slacktest.Fault{}, slacktest.Fault{Error: "invalid_blocks"}, slacktest.Fault{Error: "msg_too_long"})
		for range 3 {
			w.event(message.Event{})
		}
		w.until(time.Minute, "the third told", func() bool { return slices.Contains(w.told(), "003") })
		m := w.slack.Messages()
		if len(m) != 2 || len(m[0].Blocks) != 0 || !strings.Contains(m[0].Text, "Sentence 001.") {
			t.Errorf("messages: %+v", m)
		}
		if l := w.letters(); len(l) != 1 || !strings.Contains(l[0].Reason, "msg_too_long") {
			t.Errorf("letters: %+v", l)
		}
	})
}

// Somebody deletes the message of an incident: what comes next begins a new thread.
func TestCardIsDeleted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("n1")
		w.event(message.Event{Incident: "web-1"})
		w.until(10*time.Second, "told", func() bool { return len(w.slack.Messages()) == 2 })
		w.slack.Delete(w.slack.Messages()[0].TS)
		w.event(message.Event{Incident: "web-1"})
		time.Sleep(10 * time.Second)
		w.event(message.Event{Incident: "web-1"})
		w.until(10*time.Second, "told again", func() bool { return slices.Contains(w.replies(), "003") })
		m := w.slack.Messages()
		last := m[len(m)-1]
		if !slices.ContainsFunc(m, func(o slacktest.Message) bool { return o.TS == last.Thread && strings.Contains(o.ID, ".card.") }) {
			t.Errorf("the last stands in no new thread: %+v", last)
		}
		if got := w.replies(); !slices.Equal(got, numbers(3)) {
			t.Errorf("told %v", got)
		}
	})
}

// One notifier is cut off from Slack, the other is not: the other one tells.
func TestTheOtherNotifierReachesSlack(t *testing.T) {
	inWorld(t, func(w *world) {
		cut := channels()
		cut[0].API = "http://nowhere.test/api"
		w.start("n1", cut...)
		w.start("n2")
		for range 4 {
			w.event(message.Event{})
		}
		w.until(15*time.Second, "told", func() bool { return slices.Contains(w.told(), "004") })
		time.Sleep(2 * time.Minute)
		for i := range 4 {
			w.event(message.Event{})
			w.until(4*time.Second, "told", func() bool { return len(w.told()) == 5+i })
			time.Sleep(25 * time.Second)
		}
		if got := w.told(); !slices.Equal(got, numbers(8)) {
			t.Errorf("told %v", got)
		}
		if e := w.events(message.EventNotify); len(e) != 0 {
			t.Errorf("people were bothered: %s", e[0].Sentence)
		}
	})
}
