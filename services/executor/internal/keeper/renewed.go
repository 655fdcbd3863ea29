package keeper

import (
	"context"
)

// Renewed is part of driver.Lease. A member that acts asks every other one for its promise four times in each lease, whether it needs it or not:
// so its executor lives where this one was asked meanwhile. The deciders could not tell, since they renew nothing of an older epoch.
func (k *Keeper) Renewed(ctx context.Context, member string) bool {
	k.mu.Lock()
	c, began := k.view.Command, k.o.Now()
	k.mu.Unlock()
	if c == nil || c.Lease == nil {
		return true // nothing is known: whoever is up stays
	}
	if b, ok := c.Lease.Of(member); !ok || b.Peer == "" || k.o.Peers == nil {
		return true
	}
	ttl := c.Lease.TTL.Std()
	sleep(ctx, ttl/4+ttl/8)
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wished[member] > began || ctx.Err() != nil // cut short: not known
}
