package bus

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// HeartbeatMeta says how a heartbeat came.
type HeartbeatMeta struct {
	Seq   uint64    // in HAM_HEARTBEATS; 0 where it was heard
	Time  time.Time // when it was stored; zero where it was heard
	Heard bool
}

// HeartbeatOptions say which heartbeats to follow.
type HeartbeatOptions struct {
	// Subjects filter; none: all.
	Subjects []string
	// From is where to begin; the zero value is FromAll. A decider that starts blind takes FromNew.
	From From
	// Hear also listens to them as they pass: the earlier copy comes at once, also while the stream elects a leader. Each heartbeat
	// then comes up to twice; (Boot, Seq) tells.
	Hear     bool
	CaughtUp func()
	Lost     func(lost bool)
}

// FollowHeartbeats is Follow for heartbeats alone, made for tens of thousands a second. handler gets a Heartbeat that is valid
// only until it returns, with or without error-free copies heard in between, one call at a time. Invalid ones go to the dead letters, at most
// one for each subject in ten seconds; the others are counted.
func (b *Bus) FollowHeartbeats(ctx context.Context, o HeartbeatOptions, handler func(*message.Heartbeat, HeartbeatMeta)) error {
	var mu sync.Mutex
	var hb message.Heartbeat
	take := func(subj string, h message.Header, body []byte, meta HeartbeatMeta) {
		mu.Lock()
		defer mu.Unlock()
		hb = message.Heartbeat{}
		err := message.DecodeAs(h, body, &hb)
		if err == nil {
			var parts subject.Parts
			if parts, err = subject.Parse(subj); err == nil {
				err = agrees(parts, &hb)
			}
		}
		if err != nil {
			if !meta.Heard {
				b.reject(ctx, rejected{Stream: subject.StreamHeartbeats, Subject: subj, Seq: meta.Seq, Time: meta.Time, Header: h, Body: body, Reason: err})
			}
			return
		}
		handler(&hb, meta)
	}
	subjects := o.Subjects
	if len(subjects) == 0 {
		subjects = []string{subject.AllHeartbeats}
	}
	if o.Hear {
		for _, s := range subjects {
			sub, err := b.nc.Subscribe(s, func(m *nats.Msg) {
				take(m.Subject, message.Header(m.Header), m.Data, HeartbeatMeta{Heard: true})
			})
			if err != nil {
				return err
			}
			defer func() { _ = sub.Unsubscribe() }()
		}
	}
	f := flow{bus: b, stream: subject.StreamHeartbeats, subjects: o.Subjects, from: o.From, caughtUp: o.CaughtUp, lost: o.Lost}
	f.handle = func(msg jetstream.Msg, at *jetstream.MsgMetadata) {
		take(msg.Subject(), message.Header(msg.Headers()), msg.Data(), HeartbeatMeta{Seq: at.Sequence.Stream, Time: at.Timestamp})
	}
	return f.run(ctx)
}
