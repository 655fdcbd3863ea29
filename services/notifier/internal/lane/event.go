package lane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

const (
	// foldAfter is the age from which an event is told together with those that waited behind it.
	foldAfter = 2 * time.Minute
	// maxParts and maxPartBytes bound one such post; scanAhead how far it looks for them.
	maxParts     = 30
	maxPartBytes = 10_000
	scanAhead    = 300
)

// eventJob posts the event of a delivery, and with it those of the same incident that waited behind it, where it is late.
func (l *Lane) eventJob(d bus.Delivery, e *message.Event, inc *incident, thread *channel.Ref, first bool, again *render.Again) job {
	known := map[uint64]*message.Event{d.Seq: e}
	key := l.o.Ledger.EventKey(e.ID)
	return job{
		key: key, stored: d.Time,
		fresh: func(ctx context.Context, late bool) (ledger.Entry, error) {
			entry := ledger.Entry{Post: key, Parts: []ledger.Part{{ID: e.ID, Seq: d.Seq}}}
			if (late || time.Since(d.Time) >= foldAfter) && !route.Addressed(e) {
				more, err := l.waiting(ctx, d, e, known)
				if err != nil {
					return entry, err
				}
				entry.Parts = append(entry.Parts, more...)
			}
			return entry, nil
		},
		post: func(ctx context.Context, entry ledger.Entry) (channel.Post, error) {
			events, err := l.events(ctx, e.Group, entry.Parts, known)
			if err != nil {
				return channel.Post{}, err
			}
			p := channel.Post{ID: entry.Post, To: l.o.Target.To, Thread: thread, Texts: l.texts(events, again), Repeat: entry.Repeat, Simple: entry.Simple}
			if inc != nil {
				p.Incident, p.Closed = inc.id, inc.Summary.Stage == render.StageClosed
			}
			for _, t := range p.Texts {
				// The card was just posted for all to see; what comes later in the thread only those see who follow it.
				p.Aloud = p.Aloud || thread != nil && !first && t.Severity.AtLeast(message.Critical)
			}
			return p, nil
		},
		giveUp: func(ctx context.Context, entry ledger.Entry, why string) error {
			events, err := l.events(ctx, e.Group, entry.Parts, known)
			if err != nil {
				return err
			}
			for i, part := range entry.Parts {
				if err := l.bury(ctx, part, events[i], why); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// waiting are the events of the same incident (or, of none, of the same group) that stand behind d, belong here and were not told yet.
func (l *Lane) waiting(ctx context.Context, d bus.Delivery, e *message.Event, known map[uint64]*message.Event) ([]ledger.Part, error) {
	ahead, err := l.o.Stream.Since(ctx, subject.StreamEvents, subject.EventsOf(e.Group), d.Seq+1, scanAhead)
	if err != nil {
		return nil, fmt.Errorf("look at what waits behind event %d: %w", d.Seq, err)
	}
	table := l.o.Routing()
	size := len(render.Event(e).Line())
	seen := map[string]bool{e.ID: true}
	var out []ledger.Part
	for _, a := range ahead {
		next, ok := a.Message.(*message.Event)
		if !ok || next.Incident != e.Incident || seen[next.ID] || route.Addressed(next) || !table.For(next, l.o.Target, true).Send {
			continue
		}
		if _, silenced := table.Silenced(next.Group, route.Urgency(next), a.Time); silenced {
			continue // its own turn comes, and finds it to be held back
		}
		entry, _, err := l.o.Ledger.Entry(ctx, l.o.Ledger.EventKey(next.ID))
		if err != nil {
			return nil, err
		}
		if entry != nil {
			continue
		}
		if size += len(render.Event(next).Line()); size > maxPartBytes || len(out)+1 >= maxParts {
			break
		}
		seen[next.ID] = true
		known[a.Seq] = next
		out = append(out, ledger.Part{ID: next.ID, Seq: a.Seq})
	}
	return out, nil
}

// foldParts records that the further events of a post are told by it. It is done before each attempt: a post is
// repeated with the same events, so none of them is told alone once the first attempt began.
func (l *Lane) foldParts(ctx context.Context, e ledger.Entry) error {
	for _, part := range e.Parts[min(1, len(e.Parts)):] {
		_, err := l.o.Ledger.PutEntry(ctx, l.o.Ledger.EventKey(part.ID), ledger.Entry{State: ledger.Folded, Post: e.Post, Into: e.Post}, 0)
		if err != nil && !errors.Is(err, bus.ErrConflict) {
			return err
		}
	}
	return nil
}

// events reads the events of a post, those that are at hand from known.
func (l *Lane) events(ctx context.Context, group string, parts []ledger.Part, known map[uint64]*message.Event) ([]*message.Event, error) {
	out := make([]*message.Event, len(parts))
	for i, part := range parts {
		if e := known[part.Seq]; e != nil {
			out[i] = e
			continue
		}
		found, err := l.o.Stream.Next(ctx, subject.StreamEvents, subject.EventsOf(group), part.Seq)
		if err != nil && !errors.Is(err, bus.ErrNone) {
			return nil, fmt.Errorf("read event %d: %w", part.Seq, err)
		}
		e, ok := found.Message.(*message.Event)
		if err != nil || !ok || found.Seq != part.Seq {
			e = &message.Event{
				ID: part.ID, Group: group, Kind: message.EventNotify, Severity: message.Warning, Writer: l.o.Writer, At: time.Now().UnixMicro(),
				Sentence: fmt.Sprintf("Event %s (sequence %d) left its stream before it could be told.", part.ID, part.Seq),
			}
		}
		known[part.Seq] = e
		out[i] = e
	}
	return out, nil
}
