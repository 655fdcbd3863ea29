package lane

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// maxCards bounds how often a card that is gone is replaced: after that the incident's events stand alone.
const maxCards = 5

// incident is what the ledger holds of an incident here, as read or last written.
type incident struct {
	id string
	ledger.Incident
	rev uint64
}

func (l *Lane) incident(ctx context.Context, id string) (*incident, error) {
	known, rev, err := l.o.Ledger.Incident(ctx, id)
	if err != nil {
		return nil, err
	}
	inc := &incident{id: id, rev: rev}
	if known != nil {
		inc.Incident = *known
	}
	return inc, nil
}

func (l *Lane) write(ctx context.Context, inc *incident) error {
	rev, err := l.o.Ledger.PutIncident(ctx, inc.id, inc.Incident, inc.rev)
	if err != nil {
		return err
	}
	inc.rev = rev
	return nil
}

// apply takes an event into the incident's summary. An event that was taken in before, or says nothing lasting, changes nothing.
func (l *Lane) apply(ctx context.Context, inc *incident, seq uint64, e *message.Event) error {
	if seq <= inc.Seq {
		return nil
	}
	next := inc.Summary.Apply(e)
	if inc.rev > 0 && same(next, inc.Summary) {
		return nil
	}
	inc.Summary, inc.Seq = next, seq
	return l.write(ctx, inc)
}

func same(a, b render.Summary) bool {
	do := slices.Equal(a.Do, b.Do)
	a.Do, b.Do = nil, nil
	return do && fmt.Sprint(a) == fmt.Sprint(b)
}

// card makes sure that the incident has its message, where the channel can keep one current, and returns it; nil where
// there is none. first says that it was posted just now.
func (l *Lane) card(ctx context.Context, d bus.Delivery, inc *incident) (thread *channel.Ref, first bool, err error) {
	if _, ok := l.o.Channel.(channel.Updater); !ok || inc == nil || inc.Card >= maxCards {
		return nil, false, nil
	}
	key := l.o.Ledger.CardKey(inc.id, inc.Card)
	done, err := l.settle(ctx, job{
		key: key, stored: d.Time,
		fresh: func(context.Context, bool) (ledger.Entry, error) {
			return ledger.Entry{Post: key}, nil
		},
		post: func(_ context.Context, e ledger.Entry) (channel.Post, error) {
			summary := inc.Summary.In(l.o.Lang)
			return channel.Post{ID: e.Post, To: l.o.Target.To, Card: &summary, Repeat: e.Repeat, Simple: e.Simple}, nil
		},
		// A card tells nothing that its events do not tell; they then stand alone.
		giveUp: func(context.Context, ledger.Entry, string) error { return nil },
	})
	if err != nil {
		return nil, false, err
	}
	if done.now {
		inc.Shown = inc.Seq
		if err := l.write(ctx, inc); err != nil {
			return nil, false, err
		}
	}
	return done.entry.Ref, done.now, nil
}

// dropCard has the next post of the incident begin a new thread.
func (l *Lane) dropCard(ctx context.Context, inc *incident) error {
	l.o.Log.Info("the message of the incident is gone from the channel; a new one follows", "incident", inc.id)
	inc.Card, inc.Shown, inc.Frozen = inc.Card+1, 0, false
	return l.write(ctx, inc)
}

// refreshAhead is how far refresh looks for a later event of the same incident.
const refreshAhead = 20

// refresh shows the incident's summary on its card, unless an event of the same incident comes close behind and will do it.
func (l *Lane) refresh(ctx context.Context, d bus.Delivery, e *message.Event, inc *incident) error {
	updater, ok := l.o.Channel.(channel.Updater)
	if !ok || inc == nil || inc.Frozen || inc.Shown >= inc.Seq {
		return nil
	}
	entry, _, err := l.o.Ledger.Entry(ctx, l.o.Ledger.CardKey(inc.id, inc.Card))
	if err != nil {
		return err
	}
	if entry == nil || entry.Ref == nil {
		return nil // none was posted, or it was given up: the next event that is told here sees to it
	}
	ahead, err := l.o.Stream.Since(ctx, subject.StreamEvents, subject.EventsOf(e.Group), d.Seq+1, refreshAhead)
	if err != nil {
		return fmt.Errorf("look at what waits behind event %d: %w", d.Seq, err)
	}
	for _, a := range ahead {
		if next, ok := a.Message.(*message.Event); ok && next.Incident == inc.id {
			return nil
		}
	}
	for wait := l.pace.take(time.Now()); wait > 0; wait = l.pace.take(time.Now()) {
		if err := l.wait(ctx, wait); err != nil {
			return err
		}
	}
	summary := inc.Summary.In(l.o.Lang)
	post := channel.Post{ID: entry.Post, To: l.o.Target.To, Card: &summary}
	err = l.call(ctx, func(ctx context.Context) error { return updater.Update(ctx, *entry.Ref, post) })
	var failed *channel.Error
	if err != nil {
		failed = channel.As(err)
	}
	switch {
	case failed == nil:
		l.took(ctx)
		inc.Shown = inc.Seq
	case failed.Class == channel.Gone && failed.Code == "message_not_found":
		return l.dropCard(ctx, inc)
	case failed.Class == channel.Gone, failed.Class == channel.Refused:
		l.o.Log.Warn("the message of the incident can no longer be changed", "incident", inc.id, "error", failed)
		inc.Frozen = true
	case failed.Class == channel.Denied && time.Since(d.Time) >= giveUpAfter:
		long, err := l.deniedLong(ctx)
		if err != nil || !long {
			return cmp.Or(err, error(failed))
		}
		inc.Frozen = true
	default:
		return failed
	}
	return l.write(ctx, inc)
}
