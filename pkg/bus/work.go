package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/message"
)

// WorkOptions describe a durable queue that several workers share.
type WorkOptions struct {
	Stream  string
	Durable string
	// Subjects filter the stream; none: all of it.
	Subjects []string
	// New begins with what is stored after the queue was made, instead of with the oldest message.
	New bool
	// Since begins with what was stored at that time or later, by the stream's clock; zero: with the oldest message. Not together with New.
	Since time.Time
	// AckWait is how long a silent worker keeps a message before another gets it. Default 5 s. A worker that is alive keeps it as long as it works.
	AckWait time.Duration
	// MaxAckPending bounds what all workers hold together. Default 64; 1 keeps the order.
	MaxAckPending int
	// MaxDeliver is how often a message is tried before it goes to the dead letters. Default 10; below 0: for ever.
	MaxDeliver int
	// Backoff are the waits after the first, second, … failure; the last one repeats. Default 100 ms, 500 ms, 2 s, 10 s, 30 s.
	Backoff []time.Duration
	// Limit ends the context of a handler that works longer. Default 5 min.
	Limit time.Duration
	// Concurrency is how many messages this worker handles at once. Default 1.
	Concurrency int
}

func (o *WorkOptions) complete() {
	if o.AckWait <= 0 {
		o.AckWait = 5 * time.Second
	}
	if o.MaxAckPending <= 0 {
		o.MaxAckPending = 64
	}
	if o.MaxDeliver == 0 {
		o.MaxDeliver = 10
	}
	if len(o.Backoff) == 0 {
		o.Backoff = []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 10 * time.Second, 30 * time.Second}
	}
	if o.Limit <= 0 {
		o.Limit = 5 * time.Minute
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 1
	}
}

// Reject returns an error that gives a message up for good: it goes to the dead letters with the reason and is not delivered again.
func Reject(reason string) error { return &rejection{reason} }

type rejection struct{ reason string }

func (r *rejection) Error() string { return r.reason }

// Work takes messages from a durable queue and hands each to one worker, until ctx ends; then it waits for the handlers. Every message is
// handled at least once: a worker that dies leaves it to another after AckWait. handler's nil acknowledges it (the server confirms that), a
// [Reject] puts it to the dead letters, any other error has it delivered again after a wait; after MaxDeliver deliveries it goes to the dead letters.
// The queue is made if it does not exist. Errors: [ErrClosed], [ErrPermission], [ErrIncompatible] for a queue that exists in another form.
func (b *Bus) Work(ctx context.Context, o WorkOptions, handler func(context.Context, Delivery) error) error {
	o.complete()
	ctx, cancel := b.with(ctx)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, o.Concurrency)
	for try := 0; ; try++ {
		err := b.workOnce(ctx, o, handler, slots, &running)
		if ctx.Err() != nil {
			if errors.Is(context.Cause(ctx), ErrClosed) {
				return ErrClosed
			}
			return nil
		}
		if errors.Is(err, ErrIncompatible) || errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("work on %s as %s: %w", o.Stream, o.Durable, err)
		}
		if perm := b.Err(); perm != nil {
			return perm
		}
		b.log.Warn("work queue interrupted, trying again", "stream", o.Stream, "durable", o.Durable, "error", err)
		sleep(ctx, backoff(try))
	}
}

func (b *Bus) workOnce(ctx context.Context, o WorkOptions, handler func(context.Context, Delivery) error, slots chan struct{}, running *sync.WaitGroup) error {
	c, err := b.queue(ctx, o)
	if err != nil {
		return err
	}
	// One message is asked for at a time and slot: what waits in a client's buffer would wait for AckWait if that client died.
	it, err := c.Messages(jetstream.PullMaxMessages(1), jetstream.PullHeartbeat(time.Second), jetstream.PullExpiry(5*time.Second), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer it.Stop()
	stop := context.AfterFunc(ctx, it.Stop)
	defer stop()
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		msg, err := it.Next()
		if err != nil {
			<-slots
			return err
		}
		running.Go(func() {
			defer func() { <-slots }()
			b.workOn(ctx, o, msg, handler)
		})
	}
}

func (b *Bus) workOn(ctx context.Context, o WorkOptions, msg jetstream.Msg, handler func(context.Context, Delivery) error) {
	at, err := msg.Metadata()
	if err != nil {
		b.log.Error("message without metadata in a work queue", "stream", o.Stream, "error", err)
		return
	}
	h, body := message.Header(msg.Headers()), msg.Data()
	giveUp := func(reason string) {
		b.stats.invalid.Add(1)
		// The letter first: a crash in between writes it twice under one id, never not at all.
		dctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.opts.Timeout)
		defer cancel()
		err := b.DeadLetter(dctx, Dead{Stream: o.Stream, Subject: msg.Subject(), Seq: at.Sequence.Stream, Header: h, Body: body, Reason: reason})
		if err != nil {
			b.log.Error("dead letter not written; the message will be delivered again", "stream", o.Stream, "seq", at.Sequence.Stream, "error", err)
			_ = msg.NakWithDelay(o.Backoff[len(o.Backoff)-1])
			return
		}
		_ = msg.TermWithReason(cut(reason, 200))
	}
	attempt := int(at.NumDelivered)
	m, parts, err := decode(msg.Subject(), h, body, at.Sequence.Stream, at.Timestamp)
	if err != nil {
		giveUp(err.Error())
		return
	}
	if o.MaxDeliver > 0 && attempt > o.MaxDeliver {
		giveUp(fmt.Sprintf("given up by %s: delivered %d times, each time the worker died or was silent for %s", o.Durable, attempt-1, o.AckWait))
		return
	}
	hctx, cancel := context.WithTimeout(ctx, o.Limit)
	alive := make(chan struct{})
	go func() {
		defer close(alive)
		t := time.NewTicker(o.AckWait / 3)
		defer t.Stop()
		for {
			select {
			case <-hctx.Done():
				return
			case <-t.C:
				_ = msg.InProgress()
			}
		}
	}()
	err = handler(hctx, Delivery{
		Subject: msg.Subject(), Parts: parts, Stream: o.Stream, Seq: at.Sequence.Stream, Time: at.Timestamp, Header: h, Message: m, Attempt: attempt,
	})
	cancel()
	<-alive
	var no *rejection
	switch {
	case err == nil:
		actx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.opts.Timeout)
		defer cancel()
		if err := msg.DoubleAck(actx); err != nil {
			b.log.Warn("acknowledgement not confirmed; the message may be delivered again", "stream", o.Stream, "seq", at.Sequence.Stream, "error", err)
		}
	case errors.As(err, &no):
		giveUp(no.reason)
	case ctx.Err() != nil:
		_ = msg.NakWithDelay(0) // we stop: another worker may have it at once
	case o.MaxDeliver > 0 && attempt >= o.MaxDeliver:
		giveUp(fmt.Sprintf("given up by %s after %d deliveries: %s", o.Durable, attempt, err))
	default:
		wait := o.Backoff[min(attempt, len(o.Backoff))-1]
		b.log.Warn("message not handled, trying again", "stream", o.Stream, "seq", at.Sequence.Stream, "attempt", attempt, "in", wait, "error", err)
		_ = msg.NakWithDelay(jitter(wait, wait+wait/4+1))
	}
}

// queue makes the durable consumer, or checks that the one that exists has its form.
func (b *Bus) queue(ctx context.Context, o WorkOptions) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	want := jetstream.ConsumerConfig{
		Durable: o.Durable, AckPolicy: jetstream.AckExplicitPolicy, AckWait: o.AckWait, MaxAckPending: o.MaxAckPending,
		// The limit is kept by the workers: the server's own would drop the message from the queue without a dead letter.
		MaxDeliver: -1, FilterSubjects: o.Subjects, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	switch {
	case o.New:
		want.DeliverPolicy = jetstream.DeliverNewPolicy
	case !o.Since.IsZero():
		want.DeliverPolicy, want.OptStartTime = jetstream.DeliverByStartTimePolicy, &o.Since
	}
	if len(o.Subjects) == 1 {
		want.FilterSubject, want.FilterSubjects = o.Subjects[0], nil
	}
	c, err := b.js.Consumer(ctx, o.Stream, o.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return b.js.CreateOrUpdateConsumer(ctx, o.Stream, want)
	}
	if err != nil {
		return nil, err
	}
	found := c.CachedInfo().Config
	if found.AckPolicy != want.AckPolicy {
		return nil, fmt.Errorf("%w: queue %s.%s has ack_policy %s, want %s: delete it (nats consumer rm), it will be made again", ErrIncompatible, o.Stream, o.Durable, found.AckPolicy, want.AckPolicy)
	}
	same := found.AckWait == want.AckWait && found.MaxAckPending == want.MaxAckPending && found.MaxDeliver == want.MaxDeliver &&
		found.FilterSubject == want.FilterSubject && slices.Equal(found.FilterSubjects, want.FilterSubjects)
	if same {
		return c, nil
	}
	want.DeliverPolicy, want.OptStartTime = found.DeliverPolicy, found.OptStartTime
	return b.js.UpdateConsumer(ctx, o.Stream, want)
}
