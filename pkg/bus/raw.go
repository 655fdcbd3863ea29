package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Raw is a message exactly as a stream holds it, valid or not.
type Raw struct {
	Stream, Subject string
	Seq             uint64
	Time            time.Time // when the stream stored it
	Header          message.Header
	Body            []byte
}

// FollowRaw is [Bus.Follow] for evidence: nothing is decoded, and what is invalid is handed over like the rest. The Raw and what it refers
// to are the handler's own.
func (b *Bus) FollowRaw(ctx context.Context, o FollowOptions, handler func(Raw)) error {
	f := flow{
		bus: b, stream: o.Stream, subjects: o.Subjects, from: o.From, last: o.From.seen, caughtUp: o.CaughtUp, lost: o.Lost,
		forgetful: o.Stream == subject.StreamHeartbeats,
	}
	if f.forgetful {
		f.batch = 4096
	}
	f.handle = func(msg *nats.Msg, at position) {
		handler(Raw{Stream: o.Stream, Subject: msg.Subject, Seq: at.Seq, Time: at.Time(), Header: message.Header(msg.Header), Body: msg.Data})
	}
	return f.run(ctx)
}

// StreamOf is the name of the stream that holds a bucket, and SubjectOf the subject in it that holds a key of the bucket.
func StreamOf(bucket string) string { return "KV_" + bucket }

// SubjectOf is explained at [StreamOf]. Key may hold wildcards.
func SubjectOf(bucket, key string) string { return "$KV." + bucket + "." + key }
