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

func (l *lane) put(out core.Output) {
	l.mu.Lock()
	l.queue = append(l.queue, out)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
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
