package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/message"
)

// From says where a Follow begins.
type From struct {
	policy jetstream.DeliverPolicy
	seq    uint64
	time   time.Time
	seen   uint64 // the stream is known to have held this one
}

// FromAll begins with the oldest message of the stream.
func FromAll() From { return From{policy: jetstream.DeliverAllPolicy} }

// FromNew begins with the first message stored after Follow was called.
func FromNew() From { return From{policy: jetstream.DeliverNewPolicy} }

// FromSeq begins with this sequence, or the first one after it.
func FromSeq(seq uint64) From {
	return From{policy: jetstream.DeliverByStartSequencePolicy, seq: max(seq, 1)}
}

// FromAfter goes on after this sequence, which was seen: a stream that ends before it has gone back, see [ErrRegressed]. 0: FromAll.
func FromAfter(seq uint64) From {
	if seq == 0 {
		return FromAll()
	}
	return From{policy: jetstream.DeliverByStartSequencePolicy, seq: seq + 1, seen: seq}
}

// FromTime begins with the first message stored at t or later, by the stream's clock.
func FromTime(t time.Time) From { return From{policy: jetstream.DeliverByStartTimePolicy, time: t} }

// FromLast begins with the newest message of each subject.
func FromLast() From { return From{policy: jetstream.DeliverLastPerSubjectPolicy} }

// FollowOptions say what to follow. The zero From is FromAll.
type FollowOptions struct {
	Stream string
	// Subjects filter the stream; none: all of it.
	Subjects []string
	From     From
	// CaughtUp is called once, from the handler's goroutine, after everything was handed over that the stream held when Follow began. May be nil.
	CaughtUp func()
	// Lost is called when the flow was interrupted (true) and when it goes on (false); no message is lost by it. May be nil.
	Lost func(lost bool)
}

// Follow hands every message of a stream to handler, in order, each once for as long as Follow runs, until ctx ends. It
// survives lost links and restarted servers by going on after the last sequence seen. It is a view of one's own: nothing is acknowledged,
// other followers see everything too. Invalid messages go to the dead letters and are passed over.
//
// handler is called from one goroutine; while it works nothing else is handed over. Follow returns nil when ctx ends, else
// [ErrClosed], [ErrPermission], [ErrRefused] (the stream does not exist at the start), or [ErrRegressed].
func (b *Bus) Follow(ctx context.Context, o FollowOptions, handler func(Delivery)) error {
	f := flow{bus: b, stream: o.Stream, subjects: o.Subjects, from: o.From, last: o.From.seen, caughtUp: o.CaughtUp, lost: o.Lost}
	f.handle = func(msg *nats.Msg, at position) {
		h := message.Header(msg.Header)
		m, parts, err := decode(msg.Subject, h, msg.Data, at.Seq, at.Time())
		if err != nil {
			b.reject(ctx, Dead{Stream: o.Stream, Subject: msg.Subject, Seq: at.Seq, Header: h, Body: msg.Data, Reason: err.Error()}, at.Time())
			return
		}
		handler(Delivery{Subject: msg.Subject, Parts: parts, Stream: o.Stream, Seq: at.Seq, Time: at.Time(), Header: h, Message: m, Attempt: 1})
	}
	return f.run(ctx)
}
