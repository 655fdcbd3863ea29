package decider

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// streamClock estimates the bus's clock: cool-down, budget and pauses are counted in stream timestamps, and time must
// pass on that clock between messages too. It is right within half a round trip when it is read: at each link-up, and every half minute.
type streamClock struct {
	// base is the last reading; from there on this machine's monotonic clock counts.
	base atomic.Pointer[reading]
}

type reading struct {
	local  time.Time // with its monotonic part
	stream int64     // Unix microseconds
}

// set reads the bus's clock.
func (c *streamClock) set(ctx context.Context, b *bus.Bus) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	began := time.Now()
	s, err := b.JS().Stream(ctx, subject.StreamCommands)
	if err != nil {
		return err
	}
	ended := time.Now()
	half := ended.Sub(began) / 2
	c.base.Store(&reading{local: ended.Add(-half), stream: s.CachedInfo().TimeStamp.UnixMicro()})
	return nil
}

// readEvery is how often the bus's clock is read anew: machines' clocks drift, and the stream's leader moves.
const readEvery = 30 * time.Second

// keepClock reads the bus's clock again and again while the link is up.
func (d *Decider) keepClock(ctx context.Context) error {
	t := time.NewTicker(readEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if up, _ := d.bus.Link(); up {
			if err := d.clock.set(ctx, d.bus); err != nil {
				d.log.Debug("the bus's clock could not be read", "error", err)
			}
		}
	}
}

// at is the bus's clock in Unix microseconds when this machine's shows local. A step of this machine's wall clock does not matter.
func (c *streamClock) at(local time.Time) int64 {
	r := c.base.Load()
	if r == nil {
		return local.UnixMicro()
	}
	return r.stream + local.Sub(r.local).Microseconds()
}

// known is the bus's clock now; false: it was never read.
func (c *streamClock) known() (int64, bool) {
	return c.at(time.Now()), c.base.Load() != nil
}
