package decider

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/core"
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

// Who keeps the record is asked so often; two answers in a row that are none, or tell of no majority, and nothing counts as storable.
const (
	askRecordEvery  = 5 * time.Second
	askRecordWithin = 2 * time.Second
)

// keepRecord tells the cores whether anybody answers for the record of decisions while the link is up.
func (d *Decider) keepRecord(ctx context.Context) error {
	t := time.NewTicker(askRecordEvery)
	defer t.Stop()
	for silent := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if up, _ := d.bus.Link(); !up {
			silent = 0
			d.recordAnswers(true) // that the link is down says more
			continue
		}
		limited, cancel := context.WithTimeout(ctx, askRecordWithin)
		stream, err := d.bus.JS().Stream(limited, subject.StreamCommands)
		cancel()
		if silent++; err == nil && majority(stream.CachedInfo().Cluster) {
			silent = 0
		}
		if silent != 1 {
			d.recordAnswers(silent == 0)
		}
	}
}

// majority says whether enough servers keep a stream together. One that was left alone answers too: first as a leader that sees the others gone, then
// as one without a leader.
func majority(c *jetstream.ClusterInfo) bool {
	if c == nil || len(c.Replicas) == 0 {
		return true // one server has it all
	}
	here := 1
	for _, r := range c.Replicas {
		if !r.Offline {
			here++
		}
	}
	return c.Leader != "" && 2*here > len(c.Replicas)+1
}

// recordAnswers tells every core, also those that are to come.
func (d *Decider) recordAnswers(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mute == !yes {
		return
	}
	if d.mute = !yes; d.mute {
		d.log.Warn("nobody answers for the record of decisions: nothing can be decided until a majority of the bus's servers is back")
	} else {
		d.log.Info("the record of decisions answers again")
	}
	for _, g := range d.groups {
		d.stepLocked(g, core.RecordChanged{Answers: yes})
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
