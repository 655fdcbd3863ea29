package keeper

import (
	"context"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Wish asks the executor beside another member, directly and not over the bus, to take no lease for a while. With Epoch 0 it only
// tells that the asker is fenced.
type Wish struct {
	Group  string           `json:"group"`
	Member string           `json:"member"`
	Epoch  uint64           `json:"epoch,omitempty"`
	Wait   message.Duration `json:"wait,omitempty"`
	Fenced uint64           `json:"fenced,omitempty"`
	// Take tells that the asker is about to take the lease of this epoch, after it looked: who acts at an older one gives up at once, so that nobody
	// has to wait for its lease.
	Take uint64 `json:"take,omitempty"`
}

// Answer promises or refuses.
type Answer struct {
	Member   string `json:"member"`
	Promised bool   `json:"promised"`
	Epoch    uint64 `json:"epoch,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Peers reaches the executors beside other members. It returns at the latest when ctx ends.
type Peers interface {
	Ask(ctx context.Context, address string, w Wish) (Answer, error)
}

// Promise answers another member's wish. It does not block.
func (k *Keeper) Promise(w Wish) Answer {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := Answer{Member: k.o.Member.Name, Epoch: w.Epoch}
	if w.Fenced > 0 {
		k.holder.PeerFenced(w.Member, w.Fenced)
		k.changedLocked()
		wake(k.asks)
	}
	if w.Take > k.yield {
		k.yield = w.Take
		wake(k.poke)
	}
	switch {
	case w.Epoch == 0:
	case k.vouched != nil: // a person said that nobody else takes a write: whoever does stops
		k.wished[w.Member] = k.o.Now()
		out.Reason = fmt.Sprintf("%s was promoted on the word of %s", k.o.Member.Name, k.vouched.Actor)
	default:
		k.wished[w.Member] = k.o.Now()
		out.Promised, out.Reason = k.holder.Promise(k.o.Now(), w.Member, w.Epoch, w.Wait.Std())
	}
	return out
}

// keepPromises asks the other members for their promises all the time that this one acts: they carry it where the deciders are lost.
func (k *Keeper) keepPromises(ctx context.Context) {
	for ctx.Err() == nil {
		every := k.askPeers(ctx)
		sleep(ctx, every)
	}
}

func (k *Keeper) askPeers(ctx context.Context) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.view.Command
	epoch, members, ok := k.holder.AsksPromises()
	if c == nil || c.Lease == nil || k.o.Peers == nil || !ok {
		return idle
	}
	ttl := c.Lease.TTL.Std()
	wait, known := k.holder.Wait(epoch) // by the ttl of that epoch: the newest command may have a shorter one
	if !known {
		return ttl / 4
	}
	w := Wish{Group: k.o.Group, Member: k.o.Member.Name, Epoch: epoch, Wait: message.Duration(wait)}
	for _, m := range members {
		if b, ok := c.Lease.Of(m); ok && b.Peer != "" {
			k.asked.Go(func() { k.askPeer(ctx, b, w, ttl/2) })
		}
	}
	return ttl / 4
}

func (k *Keeper) askPeer(ctx context.Context, b message.Beside, w Wish, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	sent := k.o.Now() // the promise counts from here
	a, err := k.o.Peers.Ask(ctx, b.Peer, w)
	if err != nil || !a.Promised || a.Member != b.Member || a.Epoch != w.Epoch {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if deadline, renewed := k.holder.Promised(k.o.Now(), b.Member, w.Epoch, sent); renewed {
		k.extend(deadline)
	}
}
