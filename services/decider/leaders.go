package decider

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
)

// placeEvery is about how often the bus's leaders are looked at, placeSoon how soon after the roles of a group have come to rest. Every
// decider does it, at moments of its own: what one has done the next one finds done.
const (
	placeEvery = 5 * time.Second
	placeSoon  = time.Second
	placeLimit = 5 * time.Second
)

// place keeps the leaders of the bus away from the servers beside the primaries of leased groups: where such a host is lost, its
// successor would otherwise wait for an election of 4 to 9 s before its command and its `held` can be stored.
func (d *Decider) place(ctx context.Context) error {
	wait := jitter(placeEvery)
	for {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-d.rested:
			t.Stop()
			wait = jitter(placeSoon)
			continue
		case <-t.C:
		}
		wait = jitter(placeEvery)
		if up, _ := d.bus.Link(); !up || d.bus.Conn().ConnectedClusterName() == "" {
			continue
		}
		burden, _ := d.burden()
		if len(burden) == 0 {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, placeLimit)
		_, err := d.bus.PlaceLeaders(limited, func(server string) int { return burden[server] })
		cancel()
		if errors.Is(err, bus.ErrPermission) {
			d.log.Warn("this decider may not move the bus's leaders: a lost host that leads a stream costs its successor an election of 4 to 9 s", "error", err)
			return nil
		}
	}
}

// burden is what each server bears: most beside a primary, a little beside a standby, which is the next one. Servers are named like the
// processes that hold them. None: no group has a lease, or roles are on the move, when moving a leader would cost them time.
func (d *Decider) burden() (burden map[string]int, leased bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	burden = map[string]int{}
	for _, g := range d.groups {
		primary, others, moving := g.state.Beside()
		leased = leased || primary != "" || len(others) > 0
		if moving {
			burden = nil
		}
		if burden == nil {
			continue
		}
		if primary != "" {
			burden[primary] += 100
		}
		for _, name := range others {
			burden[name]++
		}
	}
	return burden, leased
}

// jitter is d, give or take a third.
func jitter(d time.Duration) time.Duration { return d*2/3 + rand.N(d*2/3) }
