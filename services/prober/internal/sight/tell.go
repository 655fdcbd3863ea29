package sight

import (
	"context"
	"time"
)

const (
	// tellAfter is how long a change must last before it is told: a single lost packet is no news. It is longer than
	// the first looks at the references take.
	tellAfter = 2 * time.Second
	// tellAgain is the pause before telling again what could not be told.
	tellAgain = time.Second
)

// Tell calls tell each time the prober has become blind or sees again, once that has lasted. A tell that fails is
// repeated while it is still true. It returns when ctx ends.
func (s *Sight) Tell(ctx context.Context, tell func(ctx context.Context, blind bool) error) {
	told := false
	for ctx.Err() == nil {
		blind, changed := s.Now()
		if blind == told {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		if !s.lasts(ctx, blind) {
			continue
		}
		if tell(ctx, blind) == nil {
			told = blind
			continue
		}
		pause(ctx, tellAgain)
	}
}

// lasts says whether the state stays as it is for tellAfter.
func (s *Sight) lasts(ctx context.Context, blind bool) bool {
	timer := time.NewTimer(tellAfter)
	defer timer.Stop()
	for {
		now, changed := s.Now()
		if now != blind {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-changed:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
