package keeper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// killLimit bounds the end of a resource; sayLimit the storing of the word that the member is fenced, which is tried again until then.
const (
	killLimit = 30 * time.Second
	sayLimit  = 30 * time.Second
)

// Fence gives up whatever the member holds: guard first, then the disk, then the word; the resource is ended meanwhile. Where the guard cannot be
// shut the resource goes before the word. It does nothing where the member does not act. It returns once the guard was shut: the rest goes on beside,
// since neither the disk nor the bus may keep its caller from noticing the end of a later epoch.
func (k *Keeper) Fence(ctx context.Context, able bool, why string) {
	k.mu.Lock()
	acting := k.holder.State(k.o.Now()).Acting
	if acting == 0 {
		k.mu.Unlock()
		return
	}
	shut := k.o.Guard.Shut()
	epoch := max(acting, k.holder.Fence(k.o.Now()))
	unvouched := k.unvouch()
	k.cancelSettle()
	k.fencing++
	k.saying++
	k.mu.Unlock()
	k.finishBeside(ctx, epoch, shut, unvouched, able, why)
}

func (k *Keeper) finishBeside(ctx context.Context, epoch uint64, shut error, unvouched, able bool, why string) {
	finish := func() { k.finish(ctx, epoch, shut, unvouched, able, why) }
	if !k.asked.Go(finish) {
		finish() // what has to be fenced is, also where the keeper has ended
	}
}

// finish does what is left once the guard was shut, or could not be. It takes what its caller counted off k.fencing and k.saying. Unvouched: a
// person's word ended with it.
func (k *Keeper) finish(ctx context.Context, epoch uint64, shut error, unvouched, able bool, why string) {
	ctx = context.WithoutCancel(ctx) // a stop of the executor does not leave this half done
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.saying--
	}()
	sentence := fmt.Sprintf("%s is fenced up to epoch %d: %s", k.o.Member.Name, epoch, why)
	k.log.Warn(sentence)
	if k.o.Weak && shut == nil {
		shut = errors.New("it shuts nothing by itself")
	}
	var ending sync.WaitGroup
	defer ending.Wait()
	ended := false
	ending.Go(func() { ended = k.end(ctx) }) // whatever the disk does
	written := k.writeFence(epoch, unvouched)
	if shut != nil || written != nil {
		k.log.Error("the guard or the disk fails: the resource is ended before anything is said", "guard", shut, "disk", written)
		if ending.Wait(); !ended || written != nil {
			return
		}
	}
	if err := k.Say(ctx, epoch, able, sentence); err != nil {
		k.log.Error("that the member is fenced is not stored yet; every request for a lease says it again", "error", err)
	}
}

// end is the part of a fence that ends the resource, whatever becomes of the word.
func (k *Keeper) end(ctx context.Context) bool {
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.fencing--
	}()
	return k.kill(ctx)
}

// kill ends the resource and whatever else leads clients here. It says whether nothing is left that could acknowledge.
func (k *Keeper) kill(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, killLimit)
	defer cancel()
	if k.o.Drop != nil {
		if err := k.o.Drop(ctx); err != nil {
			k.log.Error("what leads clients here could not be taken down", "error", err)
		}
	}
	if k.o.Resource == nil {
		return false
	}
	proof, err := k.o.Resource.Kill(ctx)
	if err != nil {
		k.log.Error("the resource could not be ended", "error", err)
		return false
	}
	k.log.Info("the resource is ended", "proof", proof)
	wake(k.tend)
	return true
}

// Holds is part of driver.Lease.
func (k *Keeper) Holds(epoch uint64) (time.Duration, bool) {
	s := k.State()
	return s.Left, s.Open && s.Acting == epoch && s.Left > 0
}

// Lasts says whether clients may be led here at this moment, and why not.
func (k *Keeper) Lasts() (bool, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.vouched != nil {
		return true, ""
	}
	switch s := k.holder.State(k.o.Now()); {
	case s.Acting == 0:
		return false, fmt.Sprintf("%s holds no lease", k.o.Member.Name)
	case !s.Open:
		return false, fmt.Sprintf("epoch %d is not held yet", s.Acting)
	case s.Left <= 0:
		return false, fmt.Sprintf("the lease of epoch %d has run out", s.Acting)
	}
	return true, ""
}

// Armed is part of driver.Lease.
func (k *Keeper) Armed() bool { return k.State().Acting != 0 }

// Shut is part of driver.Lease: the first half of giving up. Where ctx has ended nothing is given up: a newer epoch may leave the member what it is.
func (k *Keeper) Shut(ctx context.Context, epoch uint64) error {
	k.mu.Lock()
	if ctx.Err() != nil {
		k.mu.Unlock()
		return context.Cause(ctx)
	}
	if err := k.o.Guard.Shut(); err != nil {
		k.mu.Unlock()
		return fmt.Errorf("the guard of %s cannot be shut: %w", k.o.Member.Name, err)
	}
	k.cancelSettle()
	epoch = max(epoch, k.holder.Fence(k.o.Now()))
	k.holder.FencedByOthers(epoch)
	unvouched := k.unvouch()
	k.mu.Unlock()
	return k.writeFence(epoch, unvouched)
}

// writeFence writes down that the member is fenced, after a person's word was taken off the disk that has ended with it: another life must not open the
// guard by that word once the member was said to be fenced.
func (k *Keeper) writeFence(epoch uint64, unvouched bool) error {
	if unvouched {
		if err := k.o.Store.SetVouched(k.o.Group, nil); err != nil {
			return err
		}
	}
	return k.o.Store.Fence(k.o.Group, epoch)
}

// Say is part of driver.Lease. It is said three ways at once: stored, for good; to each decider, which ends its grant; to each member, which
// ends its promise.
func (k *Keeper) Say(ctx context.Context, epoch uint64, able bool, sentence string) error {
	if k.o.Store.Fenced(k.o.Group) < epoch {
		return errors.New("not said: it is not on disk that the member is fenced")
	}
	k.mu.Lock()
	if epoch >= k.said.epoch {
		k.said = saidWord{epoch: epoch, able: able, sentence: sentence, due: k.o.Now() + sayLimit}
	}
	k.mu.Unlock()
	k.sayDirectly(ctx, epoch)
	word := &message.Fenced{
		ID: fmt.Sprintf("fenced.%s.%s.%d", k.o.Group, k.o.Member.Name, epoch), Group: k.o.Group, Member: k.o.Member.Name, Epoch: epoch,
		How: message.FencedItself, Able: able, Executor: k.o.Executor, Sentence: sentence, At: k.o.Wall().UnixMicro(),
	}
	ctx, cancel := context.WithTimeout(ctx, sayLimit)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := k.o.Publish(ctx, word)
		if err == nil {
			k.mu.Lock()
			if k.said.epoch == epoch {
				k.said.due = k.o.Now() + repeatEvery
			}
			k.mu.Unlock()
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
	}
}

// sayDirectly tells deciders and members without waiting for any of them.
func (k *Keeper) sayDirectly(ctx context.Context, epoch uint64) {
	k.mu.Lock()
	c := k.view.Command
	k.mu.Unlock()
	if c == nil || c.Lease == nil {
		return
	}
	r := &message.LeaseRequest{Group: k.o.Group, Member: k.o.Member.Name, Executor: k.o.Executor, Epoch: epoch, TTL: c.Lease.TTL, Fenced: epoch}
	for _, d := range c.Lease.Deciders {
		k.asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, _ = k.o.Ask(ctx, d, r)
		})
	}
	if k.o.Peers == nil {
		return
	}
	for _, b := range c.Lease.Beside {
		if b.Member == k.o.Member.Name || b.Peer == "" {
			continue
		}
		k.asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, _ = k.o.Peers.Ask(ctx, b.Peer, Wish{Group: k.o.Group, Member: k.o.Member.Name, Fenced: epoch})
		})
	}
}

// saidWord is the newest word of this life that the member is fenced.
type saidWord struct {
	epoch    uint64
	able     bool
	sentence string
	due      time.Duration // when to say it again, by our clock
}

// repeatEvery is how often that is said again which keeps a group without a primary, and was stored: whoever needs it may have lost it since.
const repeatEvery = time.Minute

// sayAgain says again that the member is fenced, for as long as that is what keeps its group without a primary. The word may not have been stored while
// the bus was away, an earlier life may have died between writing it down and saying it, and the stream may have been trimmed since: without it nobody
// makes the member primary again.
func (k *Keeper) sayAgain(ctx context.Context, held *message.Command) {
	epoch := k.o.Store.Fenced(k.o.Group)
	if k.o.Resource == nil || held == nil || held.Primary != k.o.Member.Name || epoch < held.Epoch {
		return
	}
	k.mu.Lock()
	w := k.said
	first := w.epoch < epoch // of this life; who cannot shut the guard has not said it either, since the resource could not be ended
	due := k.saying == 0 && k.busy == 0 && (first && !(k.o.Weak && k.resaid) || !first && k.o.Now() >= w.due)
	k.resaid = true
	k.mu.Unlock()
	if !due {
		return
	}
	if _, open, err := k.o.Guard.Open(); open || err != nil {
		return
	}
	if first {
		w = saidWord{epoch: epoch, able: true, sentence: fmt.Sprintf("%s is fenced up to epoch %d, as it was when its executor last ended", k.o.Member.Name, epoch)}
	}
	k.mu.Lock()
	k.said = w
	k.said.due = k.o.Now() + sayLimit // not again before that
	k.mu.Unlock()
	k.asked.Go(func() {
		if err := k.Say(ctx, w.epoch, w.able, w.sentence); err != nil {
			k.log.Warn("that the member is fenced is not stored yet", "error", err)
		}
	})
}

// Busy is part of driver.Lease.
func (k *Keeper) Busy(ctx context.Context) (func(), error) {
	k.mu.Lock()
	k.busy++
	k.cancelSettle()
	k.mu.Unlock()
	done := func() {
		k.mu.Lock()
		k.busy--
		k.calm = k.o.Now() + lookEvery
		k.mu.Unlock()
		wake(k.tend)
	}
	select {
	case k.exclusive <- struct{}{}:
		return func() { <-k.exclusive; done() }, nil
	case <-ctx.Done():
		done()
		return nil, context.Cause(ctx)
	}
}

// cancelSettle ends what keepResource does now. Called with k.mu held.
func (k *Keeper) cancelSettle() {
	if k.settle != nil {
		k.settle()
	}
}

var _ driver.Lease = (*Keeper)(nil)
