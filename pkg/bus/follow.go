package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/message"
)

// From says where a Follow begins.
type From struct {
	policy jetstream.DeliverPolicy
	seq    uint64
	time   time.Time
}

// FromAll begins with the oldest message of the stream.
func FromAll() From { return From{policy: jetstream.DeliverAllPolicy} }

// FromNew begins with the first message stored after Follow was called.
func FromNew() From { return From{policy: jetstream.DeliverNewPolicy} }

// FromSeq begins with this sequence, or the first one after it.
func FromSeq(seq uint64) From {
	return From{policy: jetstream.DeliverByStartSequencePolicy, seq: max(seq, 1)}
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
	// CaughtUp is called once, from the handler's goroutine, after everything was handed over that the stream held when Follow began.
	CaughtUp func()
	// Lost is called when the flow was interrupted (true) and when it goes on (false); no message is lost by it. May be nil.
	Lost func(lost bool)
}

// Follow hands every message of a stream to handler, in order, each once for as long as Follow runs, until ctx ends. It
// survives lost links and restarted servers by going on after the last sequence seen. It is a view of one's own: nothing is acknowledged,
// other followers see everything too. Invalid messages go to the dead letters and are passed over.
//
// handler is called from one goroutine; while it works nothing else is handed over. Follow returns nil when ctx ends,
// [ErrClosed] when the Bus was closed, [ErrPermission], or an error when the stream does not exist at the start.
func (b *Bus) Follow(ctx context.Context, o FollowOptions, handler func(Delivery)) error {
	f := flow{bus: b, stream: o.Stream, subjects: o.Subjects, from: o.From, caughtUp: o.CaughtUp, lost: o.Lost}
	f.handle = func(msg jetstream.Msg, at *jetstream.MsgMetadata) {
		h, body := message.Header(msg.Headers()), msg.Data()
		m, parts, err := decode(msg.Subject(), h, body, o.Stream, at.Sequence.Stream, at.Timestamp)
		if err != nil {
			b.reject(ctx, rejected{Stream: o.Stream, Subject: msg.Subject(), Seq: at.Sequence.Stream, Time: at.Timestamp, Header: h, Body: body, Reason: err})
			return
		}
		handler(Delivery{Subject: msg.Subject(), Parts: parts, Stream: o.Stream, Seq: at.Sequence.Stream, Time: at.Timestamp, Header: h, Message: m})
	}
	return f.run(ctx)
}

// flow is an ordered consumer that begins again after the last sequence seen, for ever.
type flow struct {
	bus      *Bus
	stream   string
	subjects []string
	from     From
	caughtUp func()
	lost     func(bool)
	handle   func(jetstream.Msg, *jetstream.MsgMetadata)

	last   uint64 // highest stream sequence handed over
	caught bool
	broken bool
}

func (f *flow) run(ctx context.Context) error {
	ctx, cancel := f.bus.with(ctx)
	defer cancel()
	started := false
	for try := 0; ; try++ {
		err := f.once(ctx, &started)
		if ctx.Err() != nil {
			if errors.Is(context.Cause(ctx), ErrClosed) {
				return ErrClosed
			}
			return nil
		}
		if perm := f.bus.Err(); perm != nil {
			return perm
		}
		if !started && errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("follow %s: %w: provision the bus first", f.stream, err)
		}
		if !f.broken && started {
			f.broken = true
			f.bus.log.Warn("stream interrupted, going on after the last message seen", "stream", f.stream, "after", f.last, "error", err)
			if f.lost != nil {
				f.lost(true)
			}
		}
		if !sleep(ctx, backoff(try)) {
			continue
		}
	}
}

// once runs one ordered consumer until it fails or ctx ends.
func (f *flow) once(ctx context.Context, started *bool) error {
	cfg := jetstream.OrderedConsumerConfig{
		FilterSubjects: slices.Clone(f.subjects), DeliverPolicy: f.from.policy, OptStartSeq: f.from.seq,
		InactiveThreshold: 30 * time.Second, MaxResetAttempts: 1,
	}
	if f.from.policy == jetstream.DeliverByStartTimePolicy {
		cfg.OptStartTime = &f.from.time
	}
	if f.last > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, f.last+1, nil
	}
	c, err := f.bus.js.OrderedConsumer(ctx, f.stream, cfg)
	if err != nil {
		return err
	}
	it, err := c.Messages(jetstream.PullMaxMessages(2048), jetstream.PullHeartbeat(time.Second), jetstream.PullExpiry(5*time.Second))
	if err != nil {
		return err
	}
	defer it.Stop()
	stop := context.AfterFunc(ctx, it.Stop)
	defer stop()
	pending := c.CachedInfo().NumPending
	if pending == 0 {
		f.catch()
	}
	*started = true
	for {
		msg, err := it.Next()
		if err != nil {
			return err
		}
		at, err := msg.Metadata()
		if err != nil {
			return err
		}
		if f.broken {
			f.broken = false
			f.bus.log.Info("stream goes on", "stream", f.stream, "seq", at.Sequence.Stream)
			if f.lost != nil {
				f.lost(false)
			}
		}
		if at.Sequence.Stream <= f.last {
			continue
		}
		f.handle(msg, at)
		f.last = at.Sequence.Stream
		if at.NumPending == 0 {
			f.catch()
		}
	}
}

func (f *flow) catch() {
	if !f.caught {
		f.caught = true
		if f.caughtUp != nil {
			f.caughtUp()
		}
	}
}
