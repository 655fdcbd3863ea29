package log_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/channeltest"
	"github.com/isacloud/ha-manager/services/notifier/channel/log"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

// terminal keeps what is written and can stand still.
type terminal struct {
	mu     sync.Mutex
	texts  []string
	stands chan struct{} // not nil: writes wait until it is closed
	fail   error
}

func (w *terminal) Write(b []byte) (int, error) {
	w.mu.Lock()
	stands, fail := w.stands, w.fail
	w.mu.Unlock()
	if stands != nil {
		<-stands
	}
	if fail != nil {
		return 0, fail
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, string(b))
	return len(b), nil
}

func (w *terminal) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stands = make(chan struct{})
}

func (w *terminal) goOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stands != nil {
		close(w.stands)
		w.stands = nil
	}
}

func (w *terminal) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.texts...)
}

func console(t *testing.T) (*terminal, channel.Channel) {
	t.Helper()
	w := &terminal{}
	ch, err := log.New(channel.Config{Spec: spec.Channel{Name: "console", Kind: "log"}, Out: w})
	if err != nil {
		t.Fatal(err)
	}
	return w, ch
}

func TestConformance(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, func(t *testing.T) channeltest.Subject {
		w, ch := console(t)
		t.Cleanup(w.goOn)
		return channeltest.Subject{
			Channel: ch, Readable: true, Active: []string{"\x1b", "\u202e", "\n[info]", "\r"},
			Arrived: w.all,
			Fail: func(f channeltest.Fault) bool {
				switch f {
				case channeltest.Hang, channeltest.AcceptAndHang:
					w.stop()
				case -1:
					w.goOn()
				default:
					return false
				}
				return true
			},
		}
	})
}

// A terminal that stands still (Ctrl-S) makes nobody wait longer than their deadline, and prints each text once when it goes on.
func TestTerminalThatStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, ch := console(t)
		w.stop()
		p := channel.Post{ID: "p.1", Texts: []render.Text{render.Event(rendertest.Samples()[0].Event)}}
		send := func(p channel.Post) *channel.Error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := ch.Send(ctx, p)
			if err == nil {
				t.Fatal("a terminal that stands still took a text")
			}
			return channel.As(err)
		}
		if e := send(p); e.Class != channel.Unsure {
			t.Errorf("the first: %v, want unsure: it waits in the terminal", e)
		}
		other := p
		other.ID = "p.2"
		if e := send(other); e.Class != channel.Later {
			t.Errorf("the second: %v, want later: it was not handed over", e)
		}
		w.goOn()
		synctest.Wait()
		if _, err := ch.Find(t.Context(), p, time.Now()); err != nil {
			t.Errorf("what the terminal printed late is not known: %v", err)
		}
		if n := len(w.all()); n != 1 {
			t.Errorf("%d texts printed, want 1", n)
		}
	})
}

func TestWriterThatFails(t *testing.T) {
	t.Parallel()
	w, ch := console(t)
	w.fail = errors.New("no space left on device")
	_, err := ch.Send(t.Context(), channel.Post{ID: "p.1"})
	if e := channel.As(err); err == nil || e.Class != channel.Unsure || !strings.Contains(e.Says, "no space") {
		t.Errorf("got %v", err)
	}
	if _, err := ch.Find(t.Context(), channel.Post{ID: "p.1"}, time.Now()); err != channel.ErrCannotLook {
		t.Errorf("find: %v, want that nobody can know how much was written", err)
	}
}

func TestNoTerminal(t *testing.T) {
	t.Parallel()
	if _, err := log.New(channel.Config{Spec: spec.Channel{Name: "console"}}); err == nil || !strings.Contains(err.Error(), "console") {
		t.Errorf("got %v", err)
	}
}
