package lane

import (
	"context"
	"errors"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// job is one post to be brought to its end.
type job struct {
	key string
	// stored is when the event was stored that the post is about.
	stored time.Time
	// fresh is the entry to begin with; late says that the post had to wait for its turn.
	fresh func(ctx context.Context, late bool) (ledger.Entry, error)
	// post is what to post for an entry: the same for every repetition of it.
	post func(ctx context.Context, e ledger.Entry) (channel.Post, error)
	// giveUp puts what the post tells to the dead letters.
	giveUp func(ctx context.Context, e ledger.Entry, why string) error
}

// settled is the end of a post.
type settled struct {
	entry ledger.Entry
	// now says that it was posted by this very call.
	now bool
}

// settle brings a post to its end: sent, folded or given up. It returns the channel's error after each attempt that failed;
// called again, it goes on from what the ledger says.
//
// Invariant: nothing is posted that the ledger does not hold as sending by us, and nothing is posted again while it may
// have been accepted, without having looked.
func (l *Lane) settle(ctx context.Context, j job) (settled, error) {
	var other vigil
	late := false
	for {
		e, rev, err := l.o.Ledger.Entry(ctx, j.key)
		if err != nil {
			return settled{}, err
		}
		switch reason := ledger.NeedsPost(e, l.me, other.overdue(e, rev, time.Now())); reason {
		case ledger.Known, ledger.Gone:
			return settled{entry: *e}, nil
		case ledger.Wait:
			if err := l.wait(ctx, other.left(time.Now())); err != nil {
				return settled{}, err
			}
			continue
		case ledger.Look:
			found, err := l.look(ctx, j, *e, rev)
			if err != nil || found.entry.Final() {
				return found, err
			}
			continue
		}
		if wait := l.pace.take(time.Now()); wait > 0 {
			late = true
			if err := l.wait(ctx, wait); err != nil {
				return settled{}, err
			}
			continue
		}
		if e == nil {
			fresh, err := j.fresh(ctx, late)
			if err != nil {
				return settled{}, err
			}
			e = &fresh
		}
		done, err := l.attempt(ctx, j, *e, rev)
		if err != nil || done.entry.Final() {
			return done, err
		}
	}
}

// attempt claims the entry, posts once and records how it ended. An entry that is not final and no error: come again at once.
func (l *Lane) attempt(ctx context.Context, j job, e ledger.Entry, rev uint64) (settled, error) {
	post, err := j.post(ctx, e)
	if err != nil {
		return settled{}, err
	}
	e.State, e.By, e.Hold, e.Attempt = ledger.Sending, l.me, message.Duration(attemptLimit), e.Attempt+1
	if e.BegunAt == 0 {
		e.BegunAt = time.Now().UnixMicro()
	}
	if rev, err = l.o.Ledger.PutEntry(ctx, j.key, e, rev); err != nil {
		return settled{}, err
	}
	if err := l.foldParts(ctx, e); err != nil {
		return settled{}, err
	}
	var ref channel.Ref
	err = l.call(ctx, func(ctx context.Context) (err error) {
		ref, err = l.o.Channel.Send(ctx, post)
		return err
	})
	if err == nil {
		e.State, e.Ref, e.Problem = ledger.Sent, &ref, ""
		err = l.record(ctx, j.key, e, rev)
		l.took(ctx)
		return settled{e, true}, err
	}
	cause := channel.As(err)
	if cause.Class == channel.Gone && post.Thread == nil {
		// It belongs under nothing that could be gone: the channel refuses for a reason of its own.
		denied := *cause
		denied.Class = channel.Denied
		cause = &denied
	}
	return l.failed(ctx, j, e, rev, cause)
}

// look asks the channel whether a post of unknown outcome is there.
func (l *Lane) look(ctx context.Context, j job, e ledger.Entry, rev uint64) (settled, error) {
	post, err := j.post(ctx, e)
	if err != nil {
		return settled{}, err
	}
	var ref channel.Ref
	found := false
	err = l.call(ctx, func(ctx context.Context) (err error) {
		ref, err = l.o.Channel.Find(ctx, post, time.UnixMicro(e.BegunAt))
		return err
	})
	switch {
	case err == nil:
		l.o.Log.Info("a post of unknown outcome was found in the channel", "post", e.Post)
		e.State, e.Ref, e.Problem = ledger.Sent, &ref, ""
		found = true
	case errors.Is(err, channel.ErrNotFound):
		e.State = ledger.Failed
	case errors.Is(err, channel.ErrCannotLook):
		// Nobody can know: it is repeated, and says so.
		e.State, e.Repeat = ledger.Failed, true
	default:
		// A look that failed leaves the post as uncertain as it was.
		return settled{}, channel.As(err)
	}
	err = l.record(ctx, j.key, e, rev)
	if found {
		l.took(ctx)
	}
	return settled{entry: e}, err
}

// failed records an attempt that was not accepted, or of which nobody knows.
func (l *Lane) failed(ctx context.Context, j job, e ledger.Entry, rev uint64, cause *channel.Error) (settled, error) {
	e.State, e.Problem = ledger.Failed, render.Cut(cause.Error(), 500)
	if cause.Class == channel.Unsure {
		e.State = ledger.Unsure
	}
	again := false
	why := ""
	switch {
	case cause.Class == channel.Refused && !e.Simple:
		// The form may be what it refuses: once more in the simplest one.
		e.Simple, again = true, true
	case cause.Class == channel.Refused:
		why = "the channel refuses this message, also in its simplest form"
	case cause.Class == channel.Denied && time.Since(j.stored) >= giveUpAfter:
		long, err := l.deniedLong(ctx)
		if err != nil {
			return settled{}, err
		}
		if long {
			why = "the channel has denied every attempt for " + giveUpAfter.String()
		}
	}
	if why != "" {
		// The letter first: a crash in between writes it again under the same id, never not at all.
		if err := j.giveUp(ctx, e, why+": "+cause.Error()); err != nil {
			return settled{}, err
		}
		e.State = ledger.GivenUp
	}
	if err := l.record(ctx, j.key, e, rev); err != nil {
		return settled{}, err
	}
	if again || e.State == ledger.GivenUp {
		return settled{entry: e}, nil
	}
	return settled{}, cause
}

// record writes how an attempt ended. It goes on trying, also after being told to stop, because what was posted and is not
// recorded has to be looked up by the next one. A conflict says that another notifier took the entry over.
func (l *Lane) record(ctx context.Context, key string, e ledger.Entry, rev uint64) error {
	var b backoff
	for {
		wctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
		_, err := l.o.Ledger.PutEntry(wctx, key, e, rev)
		cancel()
		if err == nil || errors.Is(err, bus.ErrConflict) || ctx.Err() != nil {
			return err
		}
		l.o.Log.Warn("the ledger cannot be written; trying again", "post", e.Post, "state", e.State, "error", err)
		if err := l.wait(ctx, b.next(0)); err != nil {
			return err
		}
	}
}

// vigil watches an entry that somebody else holds, by our own monotonic clock: another's clock says nothing.
type vigil struct {
	rev  uint64
	till time.Time
}

// overdue says that the entry has not changed for longer than its holder could be at it.
func (v *vigil) overdue(e *ledger.Entry, rev uint64, now time.Time) bool {
	if e == nil || e.Final() {
		return false
	}
	if rev != v.rev || v.till.IsZero() {
		hold := max(e.Hold.Std(), attemptLimit)
		v.rev, v.till = rev, now.Add(min(hold, 10*attemptLimit)+holdMargin)
	}
	return !now.Before(v.till)
}

func (v *vigil) left(now time.Time) time.Duration { return max(time.Millisecond, v.till.Sub(now)) }
