package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// WatchOption adds to what Watch tells.
type WatchOption func(*watch)

// OnReady calls f once, from the same goroutine as tell, after everything was told that existed at the start.
func OnReady(f func()) WatchOption { return func(w *watch) { w.ready = f } }

// OnProblem calls f, from the same goroutine as tell, for each value that cannot be read; what was in force stays in force.
func OnProblem(f func(Applied)) WatchOption { return func(w *watch) { w.problem = f } }

type watch struct {
	bus     *bus.Bus
	log     *slog.Logger
	tell    func(Change)
	ready   func()
	problem func(Applied)
	// known are the groups that have a spec in force here.
	known map[string]bool
}

// Watch calls tell for what is in force now, then for each change, from one goroutine, until ctx ends. It outlives the bus being
// away: changes made meanwhile are told when it is back. A value that cannot be read is logged and becomes an event.
// It returns nil when ctx ended, else the bus's error. Log may be nil.
func Watch(ctx context.Context, b *bus.Bus, log *slog.Logger, tell func(Change), opts ...WatchOption) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &watch{bus: b, log: log, tell: tell, known: map[string]bool{}, problem: func(Applied) {}}
	for _, o := range opts {
		o(w)
	}
	if err := b.Table(subject.BucketSpec).Watch(ctx, "", func(r bus.Record) { w.take(ctx, r) }, w.ready); err != nil {
		return fmt.Errorf("watch specs: %w", err)
	}
	return nil
}

func (w *watch) take(ctx context.Context, r bus.Record) {
	a := read(r)
	switch {
	case a.Problem != nil:
		w.unreadable(ctx, a)
	case a.Deleted:
		if w.known[a.Group] {
			delete(w.known, a.Group)
			w.tell(Change{Group: a.Group, Revision: a.Revision})
		}
	default:
		w.known[a.Group] = true
		w.tell(Change{Group: a.Group, Spec: a.Spec, Revision: a.Revision})
	}
}

// unreadable keeps what is in force. At the start that is the newest revision before it that can be read.
func (w *watch) unreadable(ctx context.Context, a Applied) {
	stays := "what was in force stays in force"
	if !w.known[a.Group] {
		stays = "there is no earlier one that can be read: the group is not looked after"
		if last, ok := w.lastReadable(ctx, a); ok {
			stays = fmt.Sprintf("revision %d stays in force", last.Revision)
			w.known[a.Group] = true
			w.tell(Change{Group: a.Group, Spec: last.Spec, Revision: last.Revision})
		}
	}
	w.log.Error("a spec cannot be read; apply one that this version of ham reads, or upgrade this process",
		"group", a.Group, "revision", a.Revision, "actor", a.Written.Actor, "problem", a.Problem, "now", stays)
	w.problem(a)
	if !message.IsName(a.Group) {
		return // no subject can name it
	}
	sentence := fmt.Sprintf("%s cannot read revision %d of the spec of %s; %s. %s", w.bus.Name(), a.Revision, a.Group, stays, firstLine(a.Problem))
	err := tell(ctx, w.bus, a.Group, a.Revision, "unreadable."+w.bus.Name(), message.Warning, "", sentence)
	if err != nil && !errors.Is(err, context.Canceled) {
		w.log.Warn("an event was not stored", "group", a.Group, "error", err)
	}
}

// lastReadable looks back through the history to the last deletion.
func (w *watch) lastReadable(ctx context.Context, a Applied) (Applied, bool) {
	history, err := History(ctx, w.bus, a.Group)
	if err != nil {
		w.log.Warn("the history of a spec cannot be read", "group", a.Group, "error", err)
		return Applied{}, false
	}
	for _, h := range slices.Backward(history) {
		switch {
		case h.Revision >= a.Revision:
		case h.Deleted:
			return Applied{}, false
		case h.Spec != nil:
			return h, true
		}
	}
	return Applied{}, false
}

func sortByGroup(all []Applied) {
	slices.SortFunc(all, func(a, b Applied) int { return cmp.Compare(a.Group, b.Group) })
}
