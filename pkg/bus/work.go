package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
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
// The queue is made if it does not exist, and brought to these options if it differs. When ctx ends the handlers' contexts end too, and what they return with an error is left to others at once.
//
// Errors: [ErrClosed], [ErrPermission], [ErrRefused] (the stream does not exist), [ErrIncompatible] for a queue of that name that ham did not make.
func (b *Bus) Work(ctx context.Context, o WorkOptions, handler func(context.Context, Delivery) error) error {
	o.complete()
	ctx, cancel := b.with(ctx)
	defer cancel()
	w := worker{bus: b, o: o, handler: handler, slots: make(chan struct{}, o.Concurrency)}
	defer w.running.Wait()
	for try := 0; ; try++ {
		err := w.once(ctx, &try)
		switch {
		case errors.Is(context.Cause(ctx), ErrClosed):
			return ErrClosed
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrIncompatible), errors.Is(err, ErrPermission):
			return fmt.Errorf("work on %s as %s: %w", o.Stream, o.Durable, err)
		case apiCode(err) != 0 && !transient(err) && apiCode(err) != codeNoResources && try == 0: // see flow.run
			return fmt.Errorf("work on %s as %s: %w", o.Stream, o.Durable, refused("queue", err))
		}
		b.log.Warn("work queue interrupted, will go on", "stream", o.Stream, "durable", o.Durable, "error", err)
		if up, changed := b.Link(); !up {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		sleep(ctx, backoff(try))
	}
}

type worker struct {
	bus     *Bus
	o       WorkOptions
	handler func(context.Context, Delivery) error
	slots   chan struct{}
	running sync.WaitGroup
}

// once works until the link, the queue or ctx ends.
func (w *worker) once(ctx context.Context, try *int) error {
	qctx, cancel := context.WithTimeout(ctx, w.bus.opts.Timeout)
	defer cancel()
	if err := w.bus.queue(qctx, w.o); err != nil {
		return err
	}
	// One message is asked for when there is a free slot, never ahead: what waits in a client's buffer would be late for everybody
	// if that client died.
	p, err := w.bus.pull(ctx, w.o.Stream, w.o.Durable, 1, false)
	if err != nil {
		return err
	}
	defer p.stop()
	for {
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		msg, err := p.receive()
		if err != nil {
			<-w.slots
			return err
		}
		*try = 1 // it works: later trouble begins with short waits again
		w.running.Go(func() {
			defer func() { <-w.slots }()
			w.workOn(ctx, msg)
		})
	}
}

func (w *worker) workOn(ctx context.Context, msg *nats.Msg) {
	at, ok := positionOf(msg.Reply)
	if !ok {
		w.bus.log.Error("message without a position in a work queue", "stream", w.o.Stream, "reply", msg.Reply)
		return
	}
	attempt := int(at.Attempt)
	h := message.Header(msg.Header)
	m, parts, err := decode(msg.Subject, h, msg.Data, at.Seq, at.Time())
	if err != nil {
		w.giveUp(ctx, msg, at, err.Error())
		return
	}
	if w.o.MaxDeliver > 0 && attempt > w.o.MaxDeliver {
		w.giveUp(ctx, msg, at, fmt.Sprintf("given up by %s: delivered %d times, and each time the worker died or was silent for %s", w.o.Durable, attempt-1, w.o.AckWait))
		return
	}
	err = w.handle(ctx, msg, Delivery{
		Subject: msg.Subject, Parts: parts, Stream: w.o.Stream, Seq: at.Seq, Time: at.Time(), Header: h, Message: m, Attempt: attempt,
	})
	var no *rejection
	switch {
	case err == nil:
		w.done(ctx, msg, at)
	case errors.As(err, &no):
		w.giveUp(ctx, msg, at, no.reason)
	case ctx.Err() != nil:
		w.say(msg, "-NAK") // this worker stops: another may have it at once
	case w.o.MaxDeliver > 0 && attempt >= w.o.MaxDeliver:
		w.giveUp(ctx, msg, at, fmt.Sprintf("given up by %s after %d deliveries: %s", w.o.Durable, attempt, err))
	default:
		wait := w.o.Backoff[min(attempt, len(w.o.Backoff))-1]
		wait = jitter(wait, wait+wait/4+1)
		w.bus.log.Warn("message not handled, trying again", "stream", w.o.Stream, "seq", at.Seq, "attempt", attempt, "in", wait, "error", err)
		w.later(msg, wait)
	}
}

// handle calls the handler and keeps the message while it works.
func (w *worker) handle(ctx context.Context, msg *nats.Msg, d Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, w.o.Limit)
	defer cancel()
	alive := make(chan struct{})
	defer func() { cancel(); <-alive }()
	go func() {
		defer close(alive)
		t := time.NewTicker(w.o.AckWait / 3)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				w.say(msg, "+WPI")
			}
		}
	}()
	return w.handler(ctx, d)
}

// done acknowledges and waits for the server to confirm it. If it does not, the message comes again: handlers are idempotent.
func (w *worker) done(ctx context.Context, msg *nats.Msg, at position) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.o.AckWait)
	defer cancel()
	for try := 0; ; try++ {
		_, err := w.bus.request(ctx, &nats.Msg{Subject: msg.Reply, Data: []byte("+ACK")})
		if err == nil {
			return
		}
		if !sleep(ctx, backoff(try)) || w.bus.life.Err() != nil {
			w.bus.log.Warn("acknowledgement not confirmed; the message will be delivered again", "stream", w.o.Stream, "seq", at.Seq, "error", err)
			return
		}
	}
}

// giveUp writes the dead letter, then ends the message: a crash in between writes the letter twice under one id, never not at all.
func (w *worker) giveUp(ctx context.Context, msg *nats.Msg, at position, reason string) {
	w.bus.stats.invalid.Add(1)
	w.bus.log.Warn("message given up", "stream", w.o.Stream, "subject", msg.Subject, "seq", at.Seq, "reason", reason)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.bus.opts.Timeout)
	defer cancel()
	err := w.bus.DeadLetter(ctx, Dead{Stream: w.o.Stream, Subject: msg.Subject, Seq: at.Seq, Header: message.Header(msg.Header), Body: msg.Data, Reason: reason})
	if err != nil {
		w.bus.log.Error("dead letter not written; the message will be delivered again", "stream", w.o.Stream, "seq", at.Seq, "error", err)
		w.later(msg, w.o.Backoff[len(w.o.Backoff)-1])
		return
	}
	w.say(msg, "+TERM "+cut(strings.ReplaceAll(reason, "\n", " "), 200))
}

// later has the message delivered again after a wait. A plain NAK would come back at once.
func (w *worker) later(msg *nats.Msg, wait time.Duration) {
	w.say(msg, fmt.Sprintf(`-NAK {"delay": %d}`, wait.Nanoseconds()))
}

// say tells the server without waiting. If it gets lost AckWait does the same, later.
func (w *worker) say(msg *nats.Msg, what string) {
	if err := w.bus.nc.Publish(msg.Reply, []byte(what)); err != nil {
		w.bus.log.Debug("could not tell the queue", "what", what, "error", err)
	}
}

// queue makes the durable consumer, or checks the one that exists and brings it to the options.
func (b *Bus) queue(ctx context.Context, o WorkOptions) error {
	want := jetstream.ConsumerConfig{
		Durable: o.Durable, Name: o.Durable, AckPolicy: jetstream.AckExplicitPolicy, AckWait: o.AckWait, MaxAckPending: o.MaxAckPending,
		// The limit of deliveries is kept by the workers: the server's own would take the message from the queue without a dead letter.
		MaxDeliver: -1, FilterSubjects: o.Subjects, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	if o.New {
		want.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	if len(o.Subjects) == 1 {
		want.FilterSubject, want.FilterSubjects = o.Subjects[0], nil
	}
	var info jetstream.ConsumerInfo
	err := b.api(ctx, "CONSUMER.INFO."+o.Stream+"."+o.Durable, nil, &info)
	action := "create"
	if err == nil {
		found := info.Config
		if found.AckPolicy != want.AckPolicy || found.DeliverSubject != "" {
			return fmt.Errorf("%w: queue %s.%s has ack_policy %s, want %s without a deliver_subject: remove it (nats consumer rm), it will be made again",
				ErrIncompatible, o.Stream, o.Durable, found.AckPolicy, want.AckPolicy)
		}
		if found.AckWait == want.AckWait && found.MaxAckPending == want.MaxAckPending && found.MaxDeliver == want.MaxDeliver &&
			found.FilterSubject == want.FilterSubject && slices.Equal(found.FilterSubjects, want.FilterSubjects) {
			return nil
		}
		action, want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = "update", found.DeliverPolicy, found.OptStartSeq, found.OptStartTime
	} else if apiCode(err) != int(jetstream.JSErrCodeConsumerNotFound) {
		return err
	}
	subj := "CONSUMER.CREATE." + o.Stream + "." + o.Durable
	if want.FilterSubject != "" {
		subj += "." + want.FilterSubject
	}
	err = b.api(ctx, subj, map[string]any{"stream_name": o.Stream, "config": want, "action": action}, nil)
	if code := apiCode(err); code == int(jetstream.JSErrCodeConsumerAlreadyExists) || code == int(jetstream.JSErrCodeConsumerExists) {
		return nil // another worker was quicker
	}
	return err
}
