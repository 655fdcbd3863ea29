package bus

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Hear hands over what passes on the subjects, at most once and nothing of the past: the quick copy of what a
// Follow brings for sure. On ham.v1.stored.… it hears what was stored a moment ago. Invalid messages are counted and passed over; whoever follows
// the stream puts them to the dead letters. handler is called from one goroutine per Hear and must not block for long: a slow listener loses messages.
func (b *Bus) Hear(subjects []string, handler func(Delivery)) (cancel func(), err error) {
	in := make([]*nats.Subscription, 0, len(subjects))
	cancel = func() {
		for _, s := range in {
			_ = s.Unsubscribe() // fails only where the link is gone for good
		}
	}
	calls := make(chan struct{}, 1) // one handler call at a time over all subjects
	for _, s := range subjects {
		sub, err := b.nc.Subscribe(s, func(msg *nats.Msg) {
			h := message.Header(msg.Header)
			m, parts, err := decode(msg.Subject, h, msg.Data, "", 0, b.opts.Now())
			if err != nil {
				b.stats.invalid.Add(1)
				b.log.Debug("passed over an invalid message", "subject", msg.Subject, "error", err)
				return
			}
			d := Delivery{Subject: msg.Subject, Parts: parts, Header: h, Message: m, Heard: true}
			if parts.Stored {
				d.Stream, d.Seq = h.Get("Nats-Stream"), headerSeq(h)
				d.Time = headerTime(h)
				d.Subject = strings.Replace(msg.Subject, subject.Root+".stored.", subject.Root+".", 1)
			}
			calls <- struct{}{}
			defer func() { <-calls }()
			handler(d)
		})
		if err != nil {
			cancel()
			return nil, fmt.Errorf("hear %s: %w", s, err)
		}
		in = append(in, sub)
	}
	return cancel, nil
}
