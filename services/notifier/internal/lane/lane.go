package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

// Bounds of one lane.
const (
	// attemptLimit bounds one call to the channel, and with it how long another notifier waits for one that died in it.
	attemptLimit = 8 * time.Second
	// holdMargin is what a waiter adds: a call that was cut off at its deadline may still be accepted a moment later.
	holdMargin = 2 * time.Second
	// stopGrace is how long a call that is under way may go on after the notifier was told to stop.
	stopGrace = 2 * time.Second
	// triesInRow are made before the event is handed back, so that another notifier, who may reach the channel, gets it. Once
	// that happened one try is enough, until one succeeds.
	triesInRow = 4
	// conflictsInRow bounds how often the ledger is looked at again because another notifier wrote it.
	conflictsInRow = 8
	// recordLimit bounds one write of the ledger.
	recordLimit = 5 * time.Second
	// giveUpAfter is how long a post that the channel denies (not: does not answer) stays in its lane before it goes to the dead letters.
	giveUpAfter = 24 * time.Hour
)

// Stream reads ahead in the events. bus.Bus is one.
type Stream interface {
	Next(ctx context.Context, stream, subj string, seq uint64) (bus.Entry, error)
	Since(ctx context.Context, stream, subj string, seq uint64, limit int) ([]bus.Entry, error)
}

// Options of a lane. All are required.
type Options struct {
	Target  route.Target
	Channel channel.Channel
	Limit   channel.Limit
	// Lang is the language of what is told there; empty: English.
	Lang   words.Lang
	Ledger *ledger.Ledger
	Stream Stream
	// Routing is the table as it is now; Changed is closed when it, or what the channel needs, may have changed.
	Routing func() route.Table
	Changed func() <-chan struct{}
	// Tell, Link and Dead write to the bus.
	Tell func(context.Context, *message.Event) error
	Link func(context.Context, *message.Link) error
	Dead func(context.Context, *message.DeadLetter) error
	// Writer is the notifier's name, Run tells this run of it from others.
	Writer, Run string
	Log         *slog.Logger
}

// Lane works for one target. Handle is called by one goroutine at a time; Status by anybody.
type Lane struct {
	o     Options
	me    string
	pace  pace
	back  backoff
	until time.Time // no call before

	mu     sync.Mutex
	status Status
}

// Status is how a lane is.
type Status struct {
	Target string
	// Problem is what the channel said last; "" while it takes posts. Since is when that began.
	Problem string
	Class   channel.Class
	Since   time.Time
	// Posts counts what was accepted in this run, LastPost is when last.
	Posts    uint64
	LastPost time.Time
}

// New makes a lane.
func New(o Options) *Lane {
	o.Log = o.Log.With("target", o.Target.String())
	return &Lane{o: o, me: o.Writer + "/" + o.Run, pace: newPace(o.Limit), status: Status{Target: o.Target.String()}}
}

// Status returns how the lane is. Safe for concurrent use.
func (l *Lane) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// ErrBack says that the channel does not take posts from here: the event is handed back to the queue, and this notifier
// should leave the queue to others until [Lane.Rest] returns.
var ErrBack = errors.New("handed back to the queue")

// Rest waits until it is time to try the channel again, or until the configuration changes.
func (l *Lane) Rest(ctx context.Context) error { return l.pause(ctx, time.Until(l.until)) }

// Handle tells one event at the target, if it belongs there, and returns when that is recorded. An error hands the event
// back: it is delivered again, to this notifier or to another. See [ErrBack].
func (l *Lane) Handle(ctx context.Context, d bus.Delivery) error {
	if _, ok := d.Message.(*message.Link); ok {
		return nil // it stands among the events, and is told to nobody
	}
	e, ok := d.Message.(*message.Event)
	if !ok {
		return bus.Reject(fmt.Sprintf("a %s is no event", message.NameOf(d.Message)))
	}
	conflicts := 0
	for {
		err := l.handle(ctx, d, e)
		var failed *channel.Error
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, bus.ErrConflict):
			// Another notifier wrote the ledger meanwhile: look at it again.
			if conflicts++; conflicts >= conflictsInRow {
				return err
			}
			continue
		case !errors.As(err, &failed):
			return err // the bus, not the channel
		}
		l.failing(ctx, d, failed)
		wait := l.back.next(failed.After)
		l.until = time.Now().Add(wait)
		if l.back.fails >= triesInRow {
			return fmt.Errorf("%w: %s: %w", ErrBack, l.o.Target, failed)
		}
		if err := l.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// handle makes one attempt at everything that the event asks for here.
func (l *Lane) handle(ctx context.Context, d bus.Delivery, e *message.Event) error {
	var inc *incident
	if e.Incident != "" {
		var err error
		if inc, err = l.incident(ctx, e.Incident); err != nil {
			return err
		}
	}
	told := inc != nil && inc.rev > 0
	addressed := route.Addressed(e)
	decision := l.o.Routing().For(e, l.o.Target, told)
	l.o.Log.Debug("event", "event", e.ID, "seq", d.Seq, "send", decision.Send, "why", decision.Why)
	if !told && !decision.Send {
		return nil
	}
	if inc != nil && !addressed {
		if err := l.apply(ctx, inc, d.Seq, e); err != nil {
			return err
		}
	}
	if decision.Send {
		if err := l.tellOrKeep(ctx, d, e, inc, told); err != nil {
			return err
		}
	}
	if err := l.link(ctx, e, inc); err != nil {
		return err
	}
	return l.refresh(ctx, d, e, inc)
}

// post tells the event, under its incident's card where the channel has such.
func (l *Lane) post(ctx context.Context, d bus.Delivery, e *message.Event, inc *incident, again *render.Again) error {
	for {
		thread, first, err := l.card(ctx, d, inc)
		if err != nil {
			return err
		}
		_, err = l.settle(ctx, l.eventJob(d, e, inc, thread, first, again))
		var failed *channel.Error
		if errors.As(err, &failed) && failed.Class == channel.Gone && thread != nil {
			// Somebody deleted the card: the thread begins anew.
			if err := l.dropCard(ctx, inc); err != nil {
				return err
			}
			continue
		}
		return err
	}
}

// call gives f a context with the deadline that every call has. Being told to stop does not cut it off at once: a post that
// is under way would become one of unknown outcome.
func (l *Lane) call(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-cctx.Done():
		case <-time.After(stopGrace):
			cancel()
		}
	})
	defer stop()
	return f(cctx)
}

// pause waits for d. It ends early when the configuration changes: what was denied may pass now.
func (l *Lane) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.o.Changed():
		l.back.reset()
		return nil
	case <-t.C:
		return nil
	}
}

// wait is pause for what no change of the configuration can shorten.
func (l *Lane) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// texts puts events in words.
func (l *Lane) texts(events []*message.Event, again *render.Again) []render.Text {
	out := make([]render.Text, len(events))
	for i, e := range events {
		out[i] = render.EventIn(l.o.Lang, e)
	}
	if again != nil && len(out) == 1 {
		out[0] = out[0].With(*again)
	}
	return out
}
