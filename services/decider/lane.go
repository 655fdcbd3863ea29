package decider

import (
	"context"
	"sync"

	"github.com/isacloud/ha-manager/services/decider/core"
)

// lane carries out outputs one after the other, so that a core never waits for the bus. What is put in after its end is left.
type lane struct {
	mu    sync.Mutex
	queue []core.Output
	more  chan struct{} // holds one token while queue may have something
}

func newLane() *lane { return &lane{more: make(chan struct{}, 1)} }

// laneLimit bounds what waits while the bus takes nothing. Deciding stops then too, so that only hours of trouble get there.
const laneLimit = 8192

// put adds out. A record for a table that waits gives way to its newer version: while the bus is away the core asks for it again and again. It
// says false where the lane was full and out is an event, which is then left out: what others wait for never is.
func (l *lane) put(out core.Output) bool {
	_, event := out.(core.Tell)
	l.mu.Lock()
	full := event && len(l.queue) >= laneLimit
	if n := len(l.queue); n > 0 && replaces(out, l.queue[n-1]) {
		l.queue[n-1] = out
	} else if !full {
		l.queue = append(l.queue, out)
	}
	l.mu.Unlock()
	if full {
		return false
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
	return true
}

// replaces says that out holds all that old does.
func replaces(out, old core.Output) bool {
	switch out.(type) {
	case core.Record:
		_, ok := old.(core.Record)
		return ok
	case core.Keep:
		_, ok := old.(core.Keep)
		return ok
	}
	return false
}

func (l *lane) take() []core.Output {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queue
	l.queue = nil
	return q
}

func (l *lane) run(ctx context.Context, do func(core.Output)) {
	for {
		for _, out := range l.take() {
			if ctx.Err() != nil {
				return
			}
			do(out)
		}
		select {
		case <-ctx.Done():
			return
		case <-l.more:
		}
	}
}
