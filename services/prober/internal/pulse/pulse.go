// Package pulse measures how much time this process loses: stopped, starved of processor time, or collecting garbage.
//
// A prober that stood still while an answer was waiting in its socket must not take that for silence of the target.
package pulse

import (
	"context"
	"sync"
	"time"
)

// beat is how often the pulse is felt.
const beat = 10 * time.Millisecond

// Pulse counts lost time while Run runs. Safe for concurrent use.
type Pulse struct {
	mu   sync.Mutex
	last time.Time // of the latest beat; zero: it does not run
	lost time.Duration
}

// Run feels the pulse until ctx ends, and returns nil.
func (p *Pulse) Run(ctx context.Context) error {
	p.set(time.Now())
	defer p.set(time.Time{})
	timer := time.NewTimer(beat)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			p.set(time.Now())
			timer.Reset(beat)
		}
	}
}

func (p *Pulse) set(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !now.IsZero() {
		p.lost += p.overdue(now)
	}
	p.last = now
}

// overdue is how long ago the next beat should have been. The caller holds mu.
func (p *Pulse) overdue(now time.Time) time.Duration {
	if p.last.IsZero() {
		return 0
	}
	return max(0, now.Sub(p.last)-beat)
}

// Lost is how much time was lost up to now, since the process began; only differences mean something. It includes a beat that is
// overdue: who asks may have been woken before it.
func (p *Pulse) Lost() time.Duration {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost + p.overdue(now)
}
