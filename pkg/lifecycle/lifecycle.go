// Package lifecycle runs the parts of one process together: they start side by side, stop together, in bounded
// time, and say how they are.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrStopTimeout says that a part had not returned when the time for an orderly stop was over.
var ErrStopTimeout = errors.New("did not stop in time")

// Part is one thing that runs: a service, a server. Run returns when ctx ends, or with the error that ended it.
type Part struct {
	Name string
	Run  func(ctx context.Context) error
}

// Run runs all parts until ctx ends or the first of them returns, then stops the others and waits for them,
// at most for stopWithin. It returns the error of the first part that failed, with its name; nil after an orderly stop.
//
// A part that returns nil before ctx ended counts as failed: a service that has nothing to do any more would be silence.
func Run(ctx context.Context, log *slog.Logger, stopWithin time.Duration, parts ...Part) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type end struct {
		part string
		err  error
	}
	ends := make(chan end, len(parts))
	running := map[string]bool{}
	for _, p := range parts {
		running[p.Name] = true
		go func() { ends <- end{p.Name, p.Run(ctx)} }()
	}
	var first error
	var deadline <-chan time.Time
	done := ctx.Done()
	for len(running) > 0 {
		select {
		case <-done:
			done = nil
			timer := time.NewTimer(stopWithin)
			defer timer.Stop()
			deadline = timer.C
		case e := <-ends:
			delete(running, e.part)
			asked := ctx.Err() != nil
			switch {
			case e.err != nil && (!asked || !errors.Is(e.err, context.Canceled)):
				log.Error("part failed", "part", e.part, "error", e.err)
				first = cmpErr(first, fmt.Errorf("%s: %w", e.part, e.err))
			case !asked:
				first = cmpErr(first, fmt.Errorf("%s: returned without being asked to stop", e.part))
			}
			stop()
		case <-deadline:
			for name := range running {
				log.Error("part did not stop in time", "part", name, "limit", stopWithin)
				first = cmpErr(first, fmt.Errorf("%s: %w (%s)", name, ErrStopTimeout, stopWithin))
			}
			return first
		}
	}
	return first
}

func cmpErr(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

// Ready collects the names of what is not ready yet, and why. Safe for concurrent use.
type Ready struct {
	mu      sync.Mutex
	waiting map[string]string
}

// Set records that part is not ready for that reason; an empty reason: it is ready.
func (r *Ready) Set(part, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = map[string]string{}
	}
	if reason == "" {
		delete(r.waiting, part)
		return
	}
	r.waiting[part] = reason
}

// Waiting returns a copy of what is not ready, with the reasons; empty: all is ready.
func (r *Ready) Waiting() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]string, len(r.waiting))
	for k, v := range r.waiting {
		out[k] = v
	}
	return out
}
