// Package outbox tells on the bus what happened, in order, and never makes the teller wait: what the bus does not take
// now is told when it does.
//
// It begins a moment after something was queued. A swap of routes takes a few milliseconds, and each telling is a synced write on the same disks
// as the journal and the chain: so told, they would take the time of what they tell about.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
)

// Outbox is the queue. Safe for concurrent use.
type Outbox struct {
	writer  string
	publish func(ctx context.Context, subj string, m message.Message) (bus.Ack, error)
	log     *slog.Logger
	at      func(point string)

	mu      sync.Mutex
	queue   []message.Message
	added   uint64        // how many were ever added
	told    uint64        // how many of them are out of the queue
	changed chan struct{} // closed and replaced at each change
}

// Again is for how long after something was stored it may be told anew by whoever cannot know whether it was told: it lies below the window of ten minutes
// in which the bus drops a second message of one id, so that nothing is told twice.
const Again = 9 * time.Minute

// lag is how long telling waits for the work that it tells about.
const lag = 10 * time.Millisecond

// New makes an outbox that publishes as writer. At is called around each publish; nil but in tests.
func New(writer string, publish func(context.Context, string, message.Message) (bus.Ack, error), log *slog.Logger, at func(string)) *Outbox {
	return &Outbox{writer: writer, publish: publish, log: log, at: at, changed: make(chan struct{})}
}

// Tell queues messages. It does not block.
func (o *Outbox) Tell(messages ...message.Message) {
	if len(messages) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, messages...)
	o.added += uint64(len(messages))
	o.wake()
}

func (o *Outbox) wake() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// Waiting is how many messages are not stored yet.
func (o *Outbox) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue)
}

// Told waits until everything queued before the call is stored.
func (o *Outbox) Told(ctx context.Context) error {
	o.mu.Lock()
	until := o.added
	for o.told < until {
		changed := o.changed
		o.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		o.mu.Lock()
	}
	o.mu.Unlock()
	return nil
}

// Run publishes until ctx ends.
func (o *Outbox) Run(ctx context.Context) error {
	for {
		o.mu.Lock()
		changed := o.changed
		var m message.Message
		if len(o.queue) > 0 {
			m = o.queue[0]
		}
		o.mu.Unlock()
		if m == nil {
			select {
			case <-changed:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if !sleep(ctx, lag) {
				return context.Cause(ctx)
			}
			continue
		}
		for _, l := range o.letters(m) {
			if err := o.send(ctx, l.subject, l.message); err != nil {
				return err
			}
		}
		o.mu.Lock()
		o.queue = o.queue[1:]
		o.told++
		o.wake()
		o.mu.Unlock()
	}
}

// send publishes one message for as long as it takes. One that can never be taken is logged and passed over: it must not keep back the
// others.
func (o *Outbox) send(ctx context.Context, subj string, m message.Message) error {
	o.mark("before tell")
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		_, err := o.publish(ctx, subj, m)
		switch {
		case err == nil:
			o.mark("after tell")
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, message.ErrInvalid), errors.Is(err, bus.ErrPermission):
			o.log.Error("cannot be told, passed over", "subject", subj, "id", m.MessageID(), "error", err)
			return nil
		}
		o.log.Warn("not told yet, trying again", "subject", subj, "error", err)
		if !sleep(ctx, pause/2+rand.N(pause/2)) {
			return context.Cause(ctx)
		}
	}
}

// sleep waits for d and says true, or false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (o *Outbox) mark(point string) {
	if o.at != nil {
		o.at(point)
	}
}
