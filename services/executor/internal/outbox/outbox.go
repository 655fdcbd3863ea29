// Package outbox tells on the bus what happened, in order, and never makes the teller wait: what the bus does not take
// now is told when it does.
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
	"github.com/isacloud/ha-manager/pkg/subject"
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
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := o.send(ctx, m); err != nil {
			return err
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
func (o *Outbox) send(ctx context.Context, m message.Message) error {
	subj, m := o.address(m)
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
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

func (o *Outbox) mark(point string) {
	if o.at != nil {
		o.at(point)
	}
}

// address says where a message goes. What a rehearsal came to is an event; what a real run came to, safety rests on.
func (o *Outbox) address(m message.Message) (string, message.Message) {
	switch m := m.(type) {
	case *message.StepResult:
		if !m.DryRun {
			return subject.Safety(m.Group, subject.SafetyStep, o.writer), m
		}
		return o.address(&message.Event{
			ID: "dry." + m.ID, Group: m.Group, Kind: message.EventStep, Severity: message.Debug, Sentence: stepSentence(m), Incident: m.Incident,
			Epoch: m.Epoch, DryRun: true, Writer: o.writer, At: m.At, Step: m,
		})
	case *message.RunResult:
		if !m.DryRun {
			return subject.Safety(m.Group, subject.SafetyRun, o.writer), m
		}
		return o.address(&message.Event{
			ID: "dry." + m.ID, Group: m.Group, Kind: message.EventRun, Severity: message.Info, Sentence: m.Sentence, Incident: m.Incident,
			Epoch: m.Epoch, DryRun: true, Writer: o.writer, At: m.At, Run: m,
		})
	case *message.Event:
		return subject.Event(m.Group, m.Kind, o.writer), m
	}
	return "", m
}

func stepSentence(m *message.StepResult) string {
	s := "dry run: step " + m.Step + " " + string(m.State)
	if m.State == message.StateDone && m.Found != "" {
		s = "dry run: step " + m.Step + " would make it: " + m.Wanted + "; found: " + m.Found
	}
	if m.Problem != "" {
		s += ": " + m.Problem
	}
	return s
}
