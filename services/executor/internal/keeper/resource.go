package keeper

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

const (
	// lookEvery is how often the resource is looked at, lookLimit how long that may take.
	lookEvery = 250 * time.Millisecond
	lookLimit = 2 * time.Second
	// settleEvery is how often it is settled although nothing is known to have changed: somebody may have changed a setting by hand.
	settleEvery = time.Second
	// sayAgain is how often what the standbys are is told although nothing changed: an earlier word may not have been stored.
	sayAgain = 10 * time.Second
)

// watchResource fences the member as soon as its resource dies.
func (k *Keeper) watchResource(ctx context.Context) {
	for ctx.Err() == nil {
		err := k.o.Resource.Watch(ctx, func(evidence string) {
			k.log.Warn("the resource has died", "evidence", evidence)
			k.Fence(ctx, true, "its resource has died: "+evidence)
			wake(k.tend)
		})
		if err != nil && ctx.Err() == nil {
			k.log.Debug("the resource is not watched", "error", err)
		}
		sleep(ctx, 50*time.Millisecond+rand.N(50*time.Millisecond))
	}
}

// keepResource keeps the resource in the role that the chain gives it.
func (k *Keeper) keepResource(ctx context.Context) {
	var told teller
	var rest rest
	failed := ""
	for ctx.Err() == nil {
		if err := k.tendOnce(ctx, &told, &rest); err != nil && ctx.Err() == nil {
			if err.Error() != failed {
				failed = err.Error()
				k.log.Warn("the resource is not as it should be yet", "error", err)
				k.event(message.Warning, "settle."+failed, fmt.Sprintf("%s is not as it should be yet: %v", k.o.Member.Name, err))
			}
		} else if err == nil {
			failed = ""
		}
		timer := time.NewTimer(lookEvery)
		select {
		case <-k.tend:
			rest.over() // something else than the resource changed
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// rest remembers what the resource was in when there was nothing to settle.
type rest struct {
	known bool
	at    time.Duration
	role  resource.Role
	epoch uint64 // of the newest command
	sight string
}

func (r *rest) over() { r.known = false }

// still says that a resource which was settled a moment ago is as it was then, in the same role.
func (r *rest) still(now time.Duration, role resource.Role, epoch uint64, sight resource.Sight) bool {
	return r.known && now-r.at < settleEvery && r.epoch == epoch && r.sight == stands(sight) && reflect.DeepEqual(r.role, role)
}

// begin notes that there was nothing to settle. A standby that does not stream is never at rest.
func (r *rest) begin(now time.Duration, role resource.Role, epoch uint64, sight resource.Sight) {
	*r = rest{known: sight.Running && (sight.Acting || sight.Behind >= 0), at: now, role: role, epoch: epoch, sight: stands(sight)}
}

// stands is what of a sight calls for being settled when it changes.
func stands(s resource.Sight) string {
	words := []string{fmt.Sprint(s.Running, s.Acting, s.Behind >= 0)}
	for _, st := range s.Standbys {
		words = append(words, st.Member, st.State)
	}
	return strings.Join(words, " ")
}

func (k *Keeper) tendOnce(ctx context.Context, told *teller, rest *rest) error {
	select {
	case k.exclusive <- struct{}{}:
		defer func() { <-k.exclusive }()
	case <-ctx.Done():
		return nil
	}
	look, cancel := context.WithTimeout(ctx, lookLimit)
	sight, err := k.o.Resource.Look(look)
	cancel()
	if err == nil && sight.Acting && k.mustNotAct() {
		k.stopStray(ctx, sight)
		return nil
	}
	role, newest, known := k.role()
	if err == nil && known && role.Primary && sight.Acting {
		k.prove(sight)
		k.sayStandbys(role, sight, told)
	}
	if !known {
		rest.over()
		if release, epoch, due := k.release(sight); err == nil && due {
			return k.letGo(ctx, release, epoch)
		}
		return nil
	}
	if err == nil && rest.still(k.o.Now(), role, newest, sight) {
		return nil
	}
	looked := err == nil
	ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	k.mu.Lock()
	// A server that was promoted a moment ago has clients that wait for it: a slot for its next standby is made beside their first writes, not before them.
	if k.busy > 0 || k.o.Now() < k.calm {
		k.mu.Unlock()
		return nil
	}
	k.settle = cancel
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		k.settle = nil
		k.mu.Unlock()
	}()
	rest.over()
	did, err := k.o.Resource.Settle(ctx, role)
	if err == nil && role.Primary {
		k.force(newest, role.Synchronous)
	}
	if looked && err == nil && did == "" {
		rest.begin(k.o.Now(), role, newest, sight)
	}
	if did != "" {
		k.log.Info("the resource was set right", "did", did)
		k.event(message.Notice, fmt.Sprintf("settled.%d", k.o.Wall().UnixNano()), fmt.Sprintf("%s: %s", k.o.Member.Name, did))
	}
	return err
}

// release is the role of a primary that goes on without a lease, of which the one before made it wait for standbys: nobody would take one that is
// lost off that list any more, and writes would stand still for ever.
//
// Invariant: only once it is held that the group is not armed. Until then a standby may be promoted by the record of before. Arming it again makes
// no standby promotable that was not seen to have everything after that.
func (k *Keeper) release(sight resource.Sight) (role resource.Role, epoch uint64, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	held, newest, me := k.view.HeldCommand, k.view.Command, k.o.Member.Name
	switch {
	case held == nil || newest.Epoch != held.Epoch || held.Primary != me || held.Lease != nil && held.Lease.Armed:
	case k.spec == nil || k.spec.Durability != message.NeverLose || k.vouched != nil || k.busy > 0 || !sight.Acting:
	case k.o.Store.Taken(k.o.Group) > k.o.Store.Released(k.o.Group): // it was armed, and that is not taken back yet
		role = resource.Role{Epoch: held.Epoch, Primary: true}
		for _, m := range k.spec.Members {
			if m.Name != me {
				role.Standbys = append(role.Standbys, m)
			}
		}
		return role, held.Epoch, true
	}
	return role, 0, false
}

// letGo settles the resource in that role until there is nothing more to do.
func (k *Keeper) letGo(ctx context.Context, role resource.Role, epoch uint64) error {
	did, err := k.o.Resource.Settle(ctx, role)
	switch {
	case err != nil:
		return err
	case did == "":
		return k.o.Store.Release(k.o.Group, epoch)
	}
	sentence := fmt.Sprintf("%s: %s, since the group is not armed any more", k.o.Member.Name, did)
	k.log.Info(sentence, "epoch", epoch)
	k.event(message.Notice, fmt.Sprintf("released.%d", epoch), sentence)
	wake(k.tend)
	return nil
}

// force notes whom the primary was made to wait for.
func (k *Keeper) force(epoch uint64, members []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.inForce.epoch != epoch {
		wake(k.tend) // to see at once what came of it
	}
	k.inForce = waitsFor{epoch, members}
}

// prove notes who is synchronous now that the primary was made to wait for it.
func (k *Keeper) prove(sight resource.Sight) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range sight.Standbys {
		if s.State == message.StandbySynchronous && slices.Contains(k.inForce.members, s.Member) && k.proven[s.Member] < k.inForce.epoch {
			k.proven[s.Member] = k.inForce.epoch
			k.changedLocked()
		}
	}
}

// stopStray ends a resource that acts as primary without the lease, however it came to that.
func (k *Keeper) stopStray(ctx context.Context, sight resource.Sight) {
	k.event(message.Critical, fmt.Sprintf("stray.%d", k.o.Wall().UnixNano()),
		fmt.Sprintf("%s acts as primary without the lease (%s) and is stopped; its guard keeps clients from it", k.o.Member.Name, sight.Says))
	k.mu.Lock()
	if k.holder.State(k.o.Now()).Acting == 0 {
		if err := k.o.Guard.Shut(); err != nil {
			k.log.Error("the guard cannot be shut", "error", err)
		}
	}
	k.mu.Unlock()
	k.kill(context.WithoutCancel(ctx))
}

// teller remembers what was said of the standbys.
type teller struct {
	epoch uint64
	words []string
	at    time.Duration
}

// sayStandbys tells what the standbys are to the primary, when that changed.
func (k *Keeper) sayStandbys(role resource.Role, sight resource.Sight, told *teller) {
	var words []string
	for _, s := range sight.Standbys {
		words = append(words, s.Member+" "+s.State)
	}
	now := k.o.Now()
	if told.epoch == role.Epoch && slices.Equal(words, told.words) && now-told.at < sayAgain {
		return
	}
	k.seq++
	m := &message.Replication{
		ID:    fmt.Sprintf("replication.%s.%s.%d.%d", k.o.Group, k.o.Executor, k.o.Wall().UnixNano(), k.seq),
		Group: k.o.Group, Epoch: role.Epoch, Primary: k.o.Member.Name, Executor: k.o.Executor, Seq: uint64(k.o.Wall().UnixMicro()), Standbys: sight.Standbys, At: k.o.Wall().UnixMicro(),
	}
	if m.Standbys == nil {
		m.Standbys = []message.Standby{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	if err := k.o.Publish(ctx, m); err != nil {
		k.log.Debug("what the standbys are is not told yet", "error", err)
		return
	}
	told.epoch, told.words, told.at = role.Epoch, words, now
}

// event tells people. What has the same cause is told once.
func (k *Keeper) event(severity message.Severity, cause, sentence string) {
	sum := sha256.Sum256([]byte(cause))
	k.o.Tell(&message.Event{
		ID: fmt.Sprintf("%s.%s.keeper.%x", k.o.Group, k.o.Executor, sum[:8]), Group: k.o.Group, Kind: message.EventDrift, Severity: severity, Member: k.o.Member.Name,
		Sentence: clip(sentence), Writer: k.o.Executor, At: k.o.Wall().UnixMicro(),
	})
}

func clip(s string) string {
	if len(s) <= 2000 {
		return s
	}
	return strings.ToValidUTF8(s[:2000], "") + "…"
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
