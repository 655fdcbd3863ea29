package lane

import (
	"time"

	"github.com/isacloud/ha-manager/services/notifier/channel"
)

// pace is a token bucket over handed-in time: so many at once, then one each interval. The zero value never makes anybody wait.
type pace struct {
	limit  channel.Limit
	tokens float64
	at     time.Time
}

func newPace(l channel.Limit) pace { return pace{limit: l, tokens: float64(l.Burst)} }

// take returns how long to wait before the next one may go; 0: it may go now and is counted.
func (p *pace) take(now time.Time) time.Duration {
	if p.limit.Every <= 0 {
		return 0
	}
	if !p.at.IsZero() {
		p.tokens = min(float64(max(1, p.limit.Burst)), p.tokens+float64(now.Sub(p.at))/float64(p.limit.Every))
	}
	p.at = now
	if p.tokens >= 1 {
		p.tokens--
		return 0
	}
	// A nanosecond more than needed: a division that rounds down would have the caller come twice.
	return time.Duration((1-p.tokens)*float64(p.limit.Every)) + 1
}
