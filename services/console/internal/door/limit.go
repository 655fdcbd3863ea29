package door

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// limiterCells is how many keys are told apart. Those that share a cell share its limit, which does no harm but to make it come a little
// sooner; which do so, nobody outside can tell.
const limiterCells = 4096

// limiter lets each key do something so many times at once, and once more after each interval. Its memory is fixed, whatever the keys are.
type limiter struct {
	burst int
	every time.Duration
	seed  maphash.Seed

	mu sync.Mutex
	// free is when all of a cell's tries would be given back.
	free [limiterCells]time.Time
}

func newLimiter(burst int, every time.Duration) *limiter {
	return &limiter{burst: burst, every: every, seed: maphash.MakeSeed()}
}

func (l *limiter) cell(key string) *time.Time {
	return &l.free[maphash.String(l.seed, key)%limiterCells]
}

// take uses up one try, or says how long it is until there is one.
func (l *limiter) take(key string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, c := time.Now(), l.cell(key)
	if c.Before(now) {
		*c = now
	}
	if wait = c.Sub(now) - time.Duration(l.burst-1)*l.every; wait > 0 {
		return wait
	}
	*c = c.Add(l.every)
	return 0
}

// back gives a try back: it was a good one.
func (l *limiter) back(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.cell(key)
	*c = c.Add(-l.every)
}

// addressKey is the address as limits count it: of IPv6 the network that one household or host has, in which it can change its address at will.
func addressKey(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
