package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/lease"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/guard"
)

// Hold takes the lease of the command's epoch, arms the guard by it and then has `held` written. It waits as long as that takes: for the
// earlier holder's grants to run out, unless they are ended by the proof that it is fenced.
//
// Invariant: `held` is written only while the guard is armed for its epoch and has not lapsed.
func (k *Keeper) Hold(ctx context.Context, cmd *message.Command, write func(context.Context) error) error {
	if cmd.Primary != k.o.Member.Name {
		return fmt.Errorf("epoch %d makes %s primary, and this is the executor beside %s", cmd.Epoch, cmd.Primary, k.o.Member.Name)
	}
	if !cmd.Lease.Armed {
		return write(ctx)
	}
	if err := k.take(ctx, cmd); err != nil {
		return err
	}
	if err := k.awaitSynchronous(ctx, cmd); err != nil {
		return err
	}
	if err := write(ctx); err != nil {
		return err
	}
	return k.open(cmd.Epoch)
}

// open lets the resource act at an epoch that is held. It may come again.
func (k *Keeper) open(epoch uint64) error {
	if err := k.o.Store.Act(k.o.Group, epoch); err != nil { // on disk before the resource may act
		return err
	}
	k.mu.Lock()
	k.holder.SawHeld(epoch)
	if err := k.holder.Open(k.o.Now(), epoch); err != nil {
		k.mu.Unlock()
		return err
	}
	was := k.unvouch()
	k.changedLocked()
	k.mu.Unlock()
	wake(k.tend)
	if was {
		if err := k.o.Store.SetVouched(k.o.Group, nil); err != nil {
			k.log.Error("what was vouched for cannot be taken off the disk", "error", err)
		}
	}
	return nil
}

func (k *Keeper) take(ctx context.Context, cmd *message.Command) error {
	said := ""
	wake(k.asks)
	for {
		k.sayTake(ctx, cmd)
		k.mu.Lock()
		changed := k.changed
		now := k.o.Now()
		if k.fencedFor(cmd) { // also where that came about while it waited
			k.mu.Unlock()
			k.log.Warn("the member was fenced, and an epoch that only changes its terms does not make it primary again", "epoch", cmd.Epoch)
			<-ctx.Done() // until a newer command comes
			return context.Cause(ctx)
		}
		if e, ok := k.holder.MayHold(now); ok && e == cmd.Epoch {
			k.mu.Unlock()
			return nil
		}
		epoch, err := k.holder.MayTake(now)
		if err == nil && !k.written(epoch) {
			k.mu.Unlock()
			if err := k.write(epoch); err != nil {
				return fmt.Errorf("the lease of epoch %d is not taken: %w", epoch, err)
			}
			continue // what was so before the disk took it may not be any more
		}
		var deadline time.Duration
		if err == nil {
			epoch, deadline, err = k.holder.Take(now)
		}
		if err == nil {
			var shut error
			epoch, shut, err = k.arm(epoch, deadline)
			unvouched := err != nil && k.unvouch()
			k.mu.Unlock()
			if err != nil {
				k.finishBeside(ctx, epoch, shut, unvouched, true, err.Error())
			}
			if err == nil && epoch != cmd.Epoch {
				err = fmt.Errorf("epoch %d is overtaken by %d", cmd.Epoch, epoch)
			}
			return err
		}
		retry := k.retry
		k.mu.Unlock()
		var notYet lease.NotYet
		if !errors.As(err, &notYet) {
			return err
		}
		if notYet.Reason != said {
			said = notYet.Reason
			k.log.Info("waiting for the lease", "epoch", cmd.Epoch, "reason", notYet.Reason, "retry", notYet.Retry)
		}
		wait := notYet.Retry
		if r := retry - now; r > 0 && (wait <= 0 || r < wait) {
			wait = r
		}
		if wait <= 0 || wait > cmd.Lease.TTL.Std()/4 {
			wait = cmd.Lease.TTL.Std() / 4
		}
		timer := time.NewTimer(wait + time.Millisecond)
		select {
		case <-changed:
		case <-timer.C:
			wake(k.asks)
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// fencedFor: the command changes the terms of a primary that has stopped acting since it last held. Only a command with a plan that starts it again
// makes it one.
//
// Called with k.mu held.
func (k *Keeper) fencedFor(cmd *message.Command) bool {
	held := k.view.HeldCommand
	return cmd.Kind == message.KindReconfigure && held != nil && held.Lease != nil && held.Lease.Armed && k.holder.State(k.o.Now()).Acting == 0
}

// awaitSynchronous waits until every member that the command makes promotable is proven to have all that was acknowledged, and nothing is
// acknowledged without it any more.
//
// Invariant: in a group that must never lose, a member is promotable only once the primary waits for it. What the primary's executor said of it
// before the command was decided may not be so any more.
func (k *Keeper) awaitSynchronous(ctx context.Context, cmd *message.Command) error {
	if cmd.Lease.Durability != message.NeverLose || cmd.Kind != message.KindReconfigure || k.o.Resource == nil {
		return nil
	}
	for {
		k.mu.Lock()
		changed, missing := k.changed, ""
		for _, m := range cmd.Members {
			known := k.view.HeldCommand != nil && slices.Contains(k.view.HeldCommand.Members, m)
			if m != k.o.Member.Name && !known && k.proven[m] != cmd.Epoch {
				missing = m
			}
		}
		k.mu.Unlock()
		if missing == "" {
			return nil
		}
		wake(k.tend)
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s is not synchronous: %w", missing, context.Cause(ctx))
		}
	}
}

// sayTake tells the old primary of a failover that its time is over.
func (k *Keeper) sayTake(ctx context.Context, cmd *message.Command) {
	b, ok := cmd.Lease.Of(cmd.From)
	if !ok || b.Peer == "" || k.o.Peers == nil || cmd.Kind != message.KindFailover || cmd.From == k.o.Member.Name {
		return
	}
	k.asked.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, cmd.Lease.TTL.Std()/4)
		defer cancel()
		_, _ = k.o.Peers.Ask(ctx, b.Peer, Wish{Group: k.o.Group, Member: k.o.Member.Name, Take: cmd.Epoch})
	})
}

// written says that the disk has what must be there before the guard opens for the epoch: that its lease is taken, so that another life knows what
// the guard is open for, and that there is a guard.
func (k *Keeper) written(epoch uint64) bool {
	return k.o.Store.Taken(k.o.Group) >= epoch && k.o.Store.Guarded(k.o.Group)
}

// write has the disk take that. Never called with k.mu held: the lease that the member has is renewed meanwhile.
func (k *Keeper) write(epoch uint64) error {
	return errors.Join(k.o.Store.Take(k.o.Group, epoch), k.o.Store.Guard(k.o.Group, epoch, true))
}

// arm opens the guard for an epoch whose lease was taken. Called with k.mu held.
//
// Where that fails the epoch is lost, and the member fenced up to the one that is returned; shut says why the guard may be open yet.
func (k *Keeper) arm(epoch uint64, deadline time.Duration) (reached uint64, shut, err error) {
	if !k.guarded { // the first epoch ever: clients reach the member as they did before there was a guard
		err = k.o.Guard.Prepare()
	}
	if err == nil {
		err = k.o.Guard.Arm(deadline)
	}
	if err != nil {
		k.fencing++
		k.saying++
		shut = k.o.Guard.Shut() // an older epoch's may still be open
		return k.holder.Fence(k.o.Now()), shut, fmt.Errorf("the guard cannot be armed, so epoch %d is lost for %s: %w", epoch, k.o.Member.Name, err)
	}
	k.guarded, k.lost = true, nil
	k.log.Info("holds the lease, guard armed", "epoch", epoch, "left", deadline-k.o.Now())
	wake(k.poke)
	return epoch, nil, nil
}

// renew asks the deciders for grants all the time that there is a reason to.
func (k *Keeper) renew(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-k.asks:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Stop()
		timer.Reset(k.askAll(ctx))
	}
}

// askAll asks every decider once, each on its own, and says when to ask again.
func (k *Keeper) askAll(ctx context.Context) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.view.Command
	if c == nil || c.Lease == nil || !c.Lease.Armed {
		return time.Second
	}
	epoch, deciders, ok := k.holder.Asks()
	if !ok {
		return time.Second
	}
	every := c.Lease.TTL.Std() / 4
	r := &message.LeaseRequest{
		Group: k.o.Group, Member: k.o.Member.Name, Executor: k.o.Executor, Epoch: epoch, TTL: c.Lease.TTL, Fenced: k.o.Store.Fenced(k.o.Group),
	}
	for _, d := range deciders {
		k.asked.Go(func() { k.ask(ctx, d, r, 2*every) })
	}
	return every
}

func (k *Keeper) ask(ctx context.Context, decider string, r *message.LeaseRequest, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	sent := k.o.Now() // before anything of it leaves: the share counts from here
	a, err := k.o.Ask(ctx, decider, r)
	if err != nil || a.Decider != decider || a.Epoch != r.Epoch {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.o.Now()
	if !a.Granted {
		if a.Retry > 0 {
			k.retry = now + a.Retry.Std()
		}
		return
	}
	deadline, renewed := k.holder.Granted(now, decider, r.Epoch, sent)
	k.changedLocked()
	if renewed {
		k.extend(deadline)
	}
}

// extend moves the guard's deadline. Called with k.mu held.
//
// Invariant: a guard that has lapsed, or is not there any more, is never renewed; the epoch is lost, and the member is fenced.
func (k *Keeper) extend(deadline time.Duration) {
	err := k.o.Guard.Renew(deadline)
	switch {
	case err == nil:
		if k.o.Lead != nil {
			k.o.Lead(deadline - k.o.Now())
		}
	case errors.Is(err, guard.ErrLapsed):
		k.lost = err
		wake(k.poke)
	default:
		k.log.Warn("the guard was not renewed; it keeps the deadline that it had", "error", err)
	}
}
