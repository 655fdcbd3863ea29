package lane

import (
	"math/rand/v2"
	"time"
)

const (
	firstWait = time.Second
	maxWait   = 30 * time.Second
)

// backoff doubles from one second to half a minute, with jitter. It never ends: what waits in a lane is not lost by an
// outage, however long.
type backoff struct{ fails int }

// next is how long to wait after one more failure. What the far side asks for counts: never less, and a little more, so
// that not all come back at once.
func (b *backoff) next(asked time.Duration) time.Duration {
	wait := min(maxWait, firstWait<<min(b.fails, 10))
	b.fails++
	wait = wait/2 + rand.N(wait/2)
	if asked > 0 {
		return asked + rand.N(asked/10+50*time.Millisecond)
	}
	return wait
}

func (b *backoff) reset() { b.fails = 0 }
