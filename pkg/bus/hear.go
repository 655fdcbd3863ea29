package bus

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Hear hands over what passes on the subjects, at most once and nothing of the past: the quick copy of what a
// Follow brings for sure. On ham.v1.stored.… it hears what was stored a moment ago, with its sequence. Invalid messages are counted and passed
// over; whoever follows the stream puts them to the dead letters. handler is called one call at a time and must not block for long: a slow
// listener loses messages. What passes
// after Hear has returned is heard; after cancel has returned handler is not called any more. It must not call cancel itself.
func (b *Bus) Hear(subjects []string, handler func(Delivery)) (cancel func(), err error) {
	var mu sync.Mutex // one handler call at a time over all subjects
	ended := false
	subs := make([]*nats.Subscription, 0, len(subjects))
	cancel = func() {
		for _, s := range subs {
			_ = s.Unsubscribe() // fails only where the link is gone for good
		}
		mu.Lock()
		defer mu.Unlock()
		ended = true
	}
	for _, s := range subjects {
		sub, err := b.nc.Subscribe(s, func(msg *nats.Msg) {
			d, err := b.heard(msg)
			if err != nil {
				b.stats.invalid.Add(1)
				b.log.Debug("passed over an invalid message", "subject", msg.Subject, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if !ended {
				handler(d)
			}
		})
		if err != nil {
			cancel()
			return nil, fmt.Errorf("hear %s: %w", s, err)
		}
		subs = append(subs, sub)
	}
	b.settle()
	return cancel, nil
}

// settle waits until the server knows of the subscriptions made so far. While the link is down it does not: they are made anew with the link.
func (b *Bus) settle() {
	ctx, cancel := b.bound(context.Background())
	defer cancel()
	if up, _ := b.Link(); up {
		_ = b.nc.FlushWithContext(ctx)
	}
}

func (b *Bus) heard(msg *nats.Msg) (Delivery, error) {
	h := message.Header(msg.Header)
	d := Delivery{Subject: msg.Subject, Header: h, Heard: true, Attempt: 1}
	if strings.HasPrefix(msg.Subject, storedPrefix) {
		// A republished copy carries where it was stored in the server's own headers.
		d.Stream, d.Seq, d.Time = h.Get("Nats-Stream"), headerSeq(h), headerTime(h)
		d.Subject = subject.Root + "." + msg.Subject[len(storedPrefix):]
		if d.Stream == "" || d.Seq == 0 {
			return d, fmt.Errorf("it says to be stored, but not where")
		}
	}
	var err error
	d.Message, d.Parts, err = decode(msg.Subject, h, msg.Data, d.Seq, d.Time)
	return d, err
}

const storedPrefix = subject.Root + ".stored."
