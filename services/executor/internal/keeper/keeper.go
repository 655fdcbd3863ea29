package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/lease"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/guard"
	"github.com/isacloud/ha-manager/services/executor/internal/chain"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

// Store is the executor's own disk, as far as a keeper needs it. What it returns without an error is on disk. The first six never wait for the
// disk, also while a write does; the others take as long as it does, and are never called with k.mu held.
type Store interface {
	Newest(group string) uint64
	Fenced(group string) uint64
	Taken(group string) uint64
	Acting(group string) uint64
	Guarded(group string) bool
	Released(group string) uint64
	Fence(group string, epoch uint64) error
	Take(group string, epoch uint64) error
	Act(group string, epoch uint64) error
	Guard(group string, epoch uint64, on bool) error
	// Release notes that what the lease made of the resource was taken back, as of an epoch.
	Release(group string, epoch uint64) error
	PrepareMember(group string) error
	// Vouched is what a person vouched for and the chain does not say yet; nil: nothing. SetVouched replaces it.
	Vouched(group string) []byte
	SetVouched(group string, what []byte) error
}

// Options of a keeper. All but Resource, Drop and Peers are required.
type Options struct {
	Group, Executor string
	Member          spec.Member
	Store           Store
	Guard           guard.Guard
	// Late is how long after its deadline the guard may let an answer out; Longest the longest wait that any lease of the group may ask for.
	Late, Longest time.Duration
	// Weak: the guard shuts nothing by itself, so that ending the resource is what fences.
	Weak bool
	// Resource is what the member holds; nil: nothing but the clients' way is kept.
	Resource resource.Resource
	// Drop takes away what else leads clients here, such as a floating address; Lead lets it stay for as long as that, at each renewal of the
	// guard; it must not block. Nil: nothing does.
	Drop func(context.Context) error
	Lead func(left time.Duration)
	// Ask asks one decider, and Peers one other member's executor; both return at the latest when ctx ends.
	Ask   func(ctx context.Context, decider string, r *message.LeaseRequest) (*message.LeaseAnswer, error)
	Peers Peers
	// Publish stores a message that safety rests on.
	Publish func(ctx context.Context, m message.Message) error
	Tell    func(...message.Message)
	// Now is a clock that goes on while the machine is suspended; Wall is for people.
	Now  func() time.Duration
	Wall func() time.Time
	Log  *slog.Logger
}

// Keeper keeps one member. Make it with New and run it once; its other methods are safe for concurrent use, and none but Hold, Shut, Say
// and Busy blocks.
type Keeper struct {
	o    Options
	log  *slog.Logger
	seq  uint64        // of the words about standbys; used by the goroutine of keepResource
	poke chan struct{} // something changed that turn has to look at
	asks chan struct{} // the deciders shall be asked now
	tend chan struct{} // the resource shall be looked at now

	// exclusive is held by whoever changes the resource: keepResource, or a driver.
	exclusive chan struct{}
	// asked are the questions under way; each ends by itself in a short time.
	asked beside

	mu     sync.Mutex
	holder *lease.Holder
	view   chain.View
	spec   *spec.Group
	paused bool
	// guarded: the guard was put in place for the armed group. changed is closed, and made anew, whenever a grant came or the chain grew.
	guarded bool
	changed chan struct{}
	retry   time.Duration // by our clock: when a decider that refused may grant; 0: unknown
	lost    error         // why the guard could not be renewed, and never will be at this epoch; nil: it could
	busy    int           // drivers that want the resource
	calm    time.Duration // by our clock: until then what a driver has just changed is left to its clients
	fencing int           // fences that have not ended the resource yet
	saying  int           // fences that are not stored yet
	settle  context.CancelFunc
	// inForce are those that the resource was last made to wait for, under which epoch; proven the members that were seen synchronous after that.
	inForce waitsFor
	proven  map[string]uint64
	resaid  bool                     // it was looked whether an earlier life did not come to say that the member is fenced
	said    saidWord                 // that the member is fenced
	yield   uint64                   // the newest epoch that another member said to take
	wished  map[string]time.Duration // when each other member last asked for a promise, which it does only while it acts
	vouched *Vouched                 // a person's word in the place of the lease; nil: none
}

// waitsFor is whom a primary waits for before it acknowledges.
type waitsFor struct {
	epoch   uint64 // of the newest command that was known
	members []string
}

// New makes a keeper out of what the disk and the guard say of earlier lives. Where the member was guarded, it is shut before New
// returns, unless the guard is open.
func New(o Options) (*Keeper, error) {
	k := &Keeper{
		o: o, log: o.Log.With("group", o.Group, "member", o.Member.Name), poke: make(chan struct{}, 1), asks: make(chan struct{}, 1), tend: make(chan struct{}, 1),
		exclusive: make(chan struct{}, 1), changed: make(chan struct{}), wished: map[string]time.Duration{}, proven: map[string]uint64{},
	}
	if err := o.Store.PrepareMember(o.Group); err != nil {
		return nil, err
	}
	past := lease.Past{
		Seen: o.Store.Newest(o.Group), Fenced: o.Store.Fenced(o.Group), Taken: o.Store.Taken(o.Group), Acting: o.Store.Acting(o.Group),
	}
	past.Fresh = past.Seen == 0
	if o.Store.Guarded(o.Group) {
		if err := o.Guard.Prepare(); err != nil {
			return nil, fmt.Errorf("guard of %s: %w", o.Member.Name, err)
		}
		k.guarded = true
	}
	deadline, open, err := o.Guard.Open()
	if err != nil && (k.guarded || !errors.Is(err, guard.ErrAbsent)) {
		return nil, fmt.Errorf("guard of %s: %w", o.Member.Name, err)
	}
	if open && k.guarded {
		past.Deadline = deadline
		k.log.Info("the guard is open", "epoch", past.Acting, "left", deadline-o.Now())
	}
	if body := o.Store.Vouched(o.Group); body != nil {
		k.vouched = new(Vouched)
		if err := json.Unmarshal(body, k.vouched); err != nil {
			return nil, fmt.Errorf("what was vouched for %s cannot be read: %w", o.Group, err)
		}
		// Cut short, it has to be vouched for again; and it is over once the member acted by the lease of a later epoch.
		if !k.vouched.Done || past.Acting > k.vouched.Epoch {
			k.vouched = nil
			if err := o.Store.SetVouched(o.Group, nil); err != nil {
				return nil, err
			}
		}
	}
	k.holder = lease.NewHolder(o.Member.Name, o.Late, o.Longest, o.Now(), past)
	if open && k.vouched == nil && k.holder.State(o.Now()).Left <= 0 {
		if err := o.Guard.Shut(); err != nil { // whatever opened it, it was not this epoch's lease
			return nil, fmt.Errorf("guard of %s: %w", o.Member.Name, err)
		}
	}
	return k, nil
}

// Chain takes in what the chain says now.
func (k *Keeper) Chain(v chain.View, paused bool) {
	k.mu.Lock()
	k.view, k.paused = v, paused
	for _, c := range []*message.Command{v.HeldCommand, v.Command} { // the one it acts at may have to be read again
		if c != nil && c.Lease != nil {
			k.holder.Saw(k.o.Now(), command(c))
		}
	}
	if v.Held != nil {
		k.holder.SawHeld(v.Held.Epoch)
	}
	k.changedLocked()
	k.mu.Unlock()
	wake(k.poke)
	wake(k.tend)
	wake(k.asks)
}

// Spec takes in the group's spec.
func (k *Keeper) Spec(g *spec.Group) {
	k.mu.Lock()
	k.spec = g
	k.mu.Unlock()
	wake(k.tend)
}

// Fenced takes in that a member is fenced: this one, said by a fence agent or a person, or another.
func (k *Keeper) Fenced(f *message.Fenced) {
	k.mu.Lock()
	if f.Member == k.o.Member.Name {
		k.holder.FencedByOthers(f.Epoch)
	} else {
		k.holder.PeerFenced(f.Member, f.Epoch)
	}
	k.changedLocked()
	k.mu.Unlock()
	wake(k.poke)
	wake(k.asks)
}

func command(c *message.Command) lease.Command {
	out := lease.Command{
		Epoch: c.Epoch, Primary: c.Primary, Members: c.Members, Deciders: c.Lease.Deciders, TTL: c.Lease.TTL.Std(), Armed: c.Lease.Armed,
	}
	if c.Kind == message.KindSwitchover {
		out.From = c.From
	}
	return out
}

func (k *Keeper) changedLocked() {
	close(k.changed)
	k.changed = make(chan struct{})
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run keeps the member until ctx ends. It leaves the guard as it is: what was open stays open to its deadline, so that another life of the
// executor can go on.
func (k *Keeper) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() { k.renew(ctx) })
	parts.Go(func() { k.keepPromises(ctx) })
	if k.o.Resource != nil {
		parts.Go(func() { k.watchResource(ctx) })
		parts.Go(func() { k.keepResource(ctx) })
	}
	if c, ok := k.o.Resource.(resource.Closer); ok {
		defer c.Close()
	}
	defer k.asked.close()
	defer parts.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Stop()
		timer.Reset(k.turn(ctx))
		select {
		case <-k.poke:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// idle is how often turn looks when nothing happens.
const idle = 500 * time.Millisecond

// turn does what is due and says when to look again.
func (k *Keeper) turn(ctx context.Context) time.Duration {
	k.mu.Lock()
	now := k.o.Now()
	state := k.holder.State(now)
	c, held, yield := k.view.Command, k.view.HeldCommand, k.yield
	lapsed, lost := k.holder.Lapsed(now), k.lost
	k.mu.Unlock()
	k.keepVouched(ctx)
	switch {
	case c != nil && (c.Lease == nil || !c.Lease.Armed):
		k.disarm(c.Epoch)
		return idle
	case lost != nil && state.Acting != 0:
		k.Fence(ctx, true, fmt.Sprintf("its guard of epoch %d cannot be renewed: %v", state.Acting, lost))
		return 0
	case lapsed:
		why := fmt.Sprintf("its lease of epoch %d has run out", state.Acting)
		if state.Waiting != "" {
			why += ": " + state.Waiting
		}
		k.Fence(ctx, true, why)
		return 0
	case c == nil:
		return idle
	}
	if held != nil && held.Primary == k.o.Member.Name && held.Epoch == state.Acting && !state.Open {
		if err := k.open(held.Epoch); err != nil { // whoever wrote held may not have come to it
			k.log.Warn("the epoch is held and cannot be acted in yet", "epoch", held.Epoch, "error", err)
		}
	}
	// A newer command alone is no reason: its first step looks whether this member is up after all, and it is resumed then. Whoever takes the
	// newer epoch says so.
	switch {
	case state.Acting != 0 && yield > state.Acting:
		k.Fence(ctx, true, fmt.Sprintf("another member takes epoch %d", yield))
		return 0
	case state.Acting != 0 && held != nil && held.Epoch > state.Acting && held.Primary != k.o.Member.Name:
		k.Fence(ctx, true, fmt.Sprintf("%s holds epoch %d", held.Primary, held.Epoch))
		return 0
	}
	if state.Acting == 0 && (c.Primary != k.o.Member.Name || held != nil && held.Lease != nil && held.Lease.Armed) {
		k.shutOut(c.Epoch)
	}
	k.sayAgain(ctx, held)
	if state.Acting != 0 && state.Left > 0 {
		return min(idle, state.Left)
	}
	return idle
}

// shutOut puts the guard in place, shut, for a member of an armed group that does not act; also where somebody has taken it away since.
func (k *Keeper) shutOut(epoch uint64) {
	var written error
	if !k.o.Store.Guarded(k.o.Group) {
		written = k.o.Store.Guard(k.o.Group, epoch, true)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.view.Command; k.vouched != nil || k.holder.State(k.o.Now()).Acting != 0 || c.Epoch != epoch {
		return
	}
	if k.guarded {
		if _, _, err := k.o.Guard.Open(); errors.Is(err, guard.ErrAbsent) {
			k.log.Error("the guard was taken away by another hand; it is put back", "result", k.o.Guard.Shut())
		}
		return
	}
	if err := errors.Join(written, k.o.Guard.Prepare()); err != nil {
		k.log.Error("the guard cannot be put in place; this member must not become primary", "error", err)
		return
	}
	k.guarded = true
	k.log.Info("guarded: clients reach this member only while it holds the lease", "epoch", epoch)
}

// disarm takes the guard away: the group is not armed any more, or has no lease, and only proof fences. What was held before is over, also for
// another life of the executor.
func (k *Keeper) disarm(epoch uint64) {
	k.mu.Lock()
	if k.view.Command.Epoch != epoch {
		k.mu.Unlock()
		return // armed again, perhaps: turn looks again
	}
	k.lost = nil
	fenced, guarded := uint64(0), k.guarded
	if k.holder.State(k.o.Now()).Acting != 0 {
		fenced = k.holder.Fence(k.o.Now())
	}
	k.mu.Unlock()
	if fenced > 0 {
		if err := k.o.Store.Fence(k.o.Group, fenced); err != nil {
			k.log.Error("it cannot be written down that the lease was given up", "error", err)
		}
	}
	if !guarded {
		return
	}
	written := k.o.Store.Guard(k.o.Group, epoch, false)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.view.Command.Epoch != epoch {
		return
	}
	if err := errors.Join(written, k.o.Guard.Remove()); err != nil {
		k.log.Error("the guard cannot be taken away", "error", err)
		return
	}
	k.guarded = false
	k.log.Info("no longer guarded: the group is not armed", "epoch", epoch)
}

// State is what the lease is now, for status and logs.
func (k *Keeper) State() lease.State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holder.State(k.o.Now())
}

// mustNotAct says that a resource that acts as primary here does so without a right to it.
func (k *Keeper) mustNotAct() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	held, newest := k.view.HeldCommand, k.view.Command
	if held == nil || held.Lease == nil || !held.Lease.Armed || newest.Lease == nil || !newest.Lease.Armed {
		return false
	}
	return k.fencing == 0 && k.busy == 0 && k.vouched == nil && k.holder.State(k.o.Now()).Acting == 0
}

// role is what the chain gives the resource to be now, with the epoch of the newest command; not known: nothing may be changed.
func (k *Keeper) role() (role resource.Role, newestEpoch uint64, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	held, newest := k.view.HeldCommand, k.view.Command
	if held == nil || held.Lease == nil || !held.Lease.Armed || newest.Lease == nil || !newest.Lease.Armed || k.spec == nil || k.vouched != nil {
		return resource.Role{}, 0, false
	}
	me := k.o.Member.Name
	role = resource.Role{Epoch: held.Epoch}
	for _, m := range k.spec.Members {
		if m.Name != me {
			role.Standbys = append(role.Standbys, m)
		}
	}
	state := k.holder.State(k.o.Now())
	switch {
	case held.Primary == me && state.Open:
		role.Primary = true
		if held.Lease.Durability == message.NeverLose {
			role.Synchronous = union(me, held.Members, newest.Members)
			for _, m := range role.Standbys {
				role.Wanted = append(role.Wanted, m.Name)
			}
			role.Wanted = union(me, role.Wanted, role.Synchronous)
		}
	case held.Primary == me && state.Acting != 0:
		// Between held and what has to be on disk before it may act: for a moment it is neither primary nor none. One that is adopted acts already, and no
		// step would make it act again if it were made to stand down now.
		return resource.Role{}, 0, false
	case held.Primary == me, newest.Primary == me, k.paused:
		// It waits for its own epoch, or nothing may be changed now.
	default:
		if m, ok := k.spec.Member(held.Primary); ok {
			role.Upstream = &m
		}
	}
	return role, newest.Epoch, true
}

func union(but string, lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(s string) bool { return s == but })
}
