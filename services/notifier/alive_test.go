package notifier_test

import (
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel/webhook/webhooktest"
)

// signs starts a notifier that gives a sign of life each minute.
func (w *world) signs() *life {
	w.secrets.Store("/alive", "http://alive.test/ping/hunter2")
	w.notify.Alive = &spec.Alive{URL: "${file:/alive}", Method: "GET", Every: time.Minute}
	return w.start("n1")
}

// given counts the signs of the next while.
func (w *world) given(d time.Duration) int {
	before := len(w.alive.Got())
	time.Sleep(d)
	return len(w.alive.Got()) - before
}

// Signs come while all is well, and stop with the bus: the link looks open here, and nobody answers behind it.
func TestSignStopsWithTheBus(t *testing.T) {
	inWorld(t, func(w *world) {
		n := w.signs()
		if got := w.given(10 * time.Minute); got < 9 || got > 11 {
			t.Errorf("%d signs within 10 minutes, want one each", got)
		}
		n.link.cut()
		time.Sleep(time.Minute)
		if got := w.given(time.Hour); got != 0 {
			t.Errorf("%d signs without a bus", got)
		}
		if l := n.Life(); l.Silent == "" {
			t.Errorf("it does not say why: %+v", l)
		}
		n.link.mend()
		w.until(10*time.Minute, "signs again", func() bool { return n.Life().Silent == "" })
		if got := w.given(10 * time.Minute); got < 9 {
			t.Errorf("%d signs after the bus came back", got)
		}
	})
}

// They stop while a channel does not take what is due, and go on once it did.
func TestSignStopsWithAChannel(t *testing.T) {
	inWorld(t, func(w *world) {
		n := w.signs()
		w.net.Down("slack.test", true)
		if got := w.given(10 * time.Minute); got < 9 {
			t.Errorf("%d signs though nothing was due", got)
		}
		w.event(message.Event{})
		time.Sleep(time.Minute)
		if got := w.given(time.Hour); got != 0 {
			t.Errorf("%d signs though Slack takes nothing", got)
		}
		if why := n.Life().Silent; !strings.Contains(why, "slack:#ops") {
			t.Errorf("it says %q", why)
		}
		w.net.Down("slack.test", false)
		w.until(10*time.Minute, "told", func() bool { return len(w.told()) > 0 })
		if got := w.given(10 * time.Minute); got < 9 {
			t.Errorf("%d signs after Slack came back", got)
		}
		w.alive.Always(&webhooktest.Fault{Status: 500, Says: "hunter2"})
		time.Sleep(2 * time.Minute)
		if why := n.Life().Silent; !strings.Contains(why, "HTTP 500") || strings.Contains(why, "hunter2") {
			t.Errorf("of an address that fails it says %q", why)
		}
	})
}

// A digest and a daily line come by the calendar, once over several notifiers and restarts, in the channel's language.
func TestByTheCalendar(t *testing.T) {
	inWorld(t, func(w *world) {
		ch := channels()
		ch[0].Lang = "pt-BR"
		ch[0].Digest = &spec.Schedule{At: "0 9 * * *"}
		first := w.start("n1", ch...)
		w.start("n2", ch...)
		w.apply(`[{to: "slack:#ops"}]`)
		w.until(26*time.Hour, "the digest", func() bool { return strings.Contains(w.posts(), "o resumo") })
		first.end(t)
		w.start("n3", ch...)
		time.Sleep(time.Hour)
		if got := strings.Count(w.posts(), "o resumo"); got != 1 {
			t.Errorf("told %d times: %s", got, w.posts())
		}
		if !strings.Contains(w.all(), "web: ninguém responde por ele") {
			t.Errorf("it says %s", w.all())
		}
	})
}
