package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Vouched is a person's statement that stands in for a fence that cannot be proven, made on the surviving host while no majority of
// deciders can be reached. It is kept on disk until the chain has an epoch that says the same.
type Vouched struct {
	Group string `json:"group"`
	// Member was promoted; Old is the primary that the person vouches for, at Epoch the newest known.
	Member string `json:"member"`
	Old    string `json:"old"`
	Epoch  uint64 `json:"epoch"`
	// Held is the newest epoch that was held then. Done: the member was promoted.
	Held  uint64 `json:"held"`
	Done  bool   `json:"done"`
	Words string `json:"words"`
	Actor string `json:"actor"`
	At    int64  `json:"at_us"`
}

// ErrWords says that the words given are not those that must be vouched for.
var ErrWords = errors.New("these are not the words")

// vouchSpan is for how long the guard of a vouched primary is opened at a time: when the executor dies it shuts, as any guard does.
const vouchSpan = 5 * time.Second

// Words are what a person must say, exactly, for this member to be promoted without a lease. The error says why it must not be.
func (k *Keeper) Words() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.words()
}

func (k *Keeper) words() (string, error) {
	me, held, newest := k.o.Member.Name, k.view.HeldCommand, k.view.Command
	switch {
	case held == nil || held.Lease == nil:
		return "", fmt.Errorf("this executor does not know who was primary of %s: it has not read the record since it started", k.o.Group)
	case !held.Lease.Armed || newest.Lease == nil || !newest.Lease.Armed:
		return "", fmt.Errorf("%s is not armed, in dry run as a rule: ham keeps nobody from its members, and promotes none of them; promote %s by the means of its own", k.o.Group, me)
	case k.vouched != nil:
		return "", fmt.Errorf("%s was promoted already, on the word of %s; if its server does not run, start it by hand: nobody else does before the bus is back", me, k.vouched.Actor)
	case k.holder.State(k.o.Now()).Acting != 0 || held.Primary == me:
		return "", fmt.Errorf("%s is primary of %s by the record: bring the bus back, or start its executor", me, k.o.Group)
	}
	// A member asks for promises only while it acts: whoever says that it does not is wrong, or early.
	if asked, ok := k.wished[held.Primary]; ok && k.o.Now()-asked < held.Lease.TTL.Std() {
		return "", fmt.Errorf("%s acts as primary of %s: it asked this executor %s ago to let it go on. Bring the bus back and ask for a switchover; or stop ham on the host of %s, and then its server, and ask again",
			held.Primary, k.o.Group, (k.o.Now() - asked).Round(time.Millisecond), held.Primary)
	}
	words := fmt.Sprintf("I vouch that %s acknowledges no write from now on and will not be started but by ham", held.Primary)
	if !slices.Contains(held.Members, me) || !slices.Contains(newest.Members, me) {
		words += fmt.Sprintf(", and that what %s does not have is lost", me)
	}
	return words, nil
}

// Sides are the group's spec, the primary by the record, and the own member.
func (k *Keeper) Sides() (g *spec.Group, primary, own string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.view.HeldCommand != nil {
		primary = k.view.HeldCommand.Primary
	}
	return k.spec, primary, k.o.Member.Name
}

// Vouch promotes the member on a person's word, without a lease, by promote. It ends when the resource acts as primary and its guard is open.
//
// It is the one way past the rules of pkg/lease: two primaries are then kept apart by that word alone. It is told as soon as the bus takes it.
func (k *Keeper) Vouch(ctx context.Context, words, actor string, promote func(context.Context, driver.Lease) error) error {
	k.mu.Lock()
	want, err := k.words()
	if err == nil && words != want {
		err = fmt.Errorf("%w that must be vouched for: %q", ErrWords, want)
	}
	if err != nil {
		k.mu.Unlock()
		return err
	}
	v := &Vouched{
		Group: k.o.Group, Member: k.o.Member.Name, Old: k.view.HeldCommand.Primary, Epoch: k.view.Epoch(), Held: k.view.HeldCommand.Epoch, Words: words, Actor: actor, At: k.o.Wall().UnixMicro(),
	}
	k.vouched = v // under the lock that looked: a second word waits for the end of this one
	k.mu.Unlock()
	if err := k.writeVouched(v); err != nil {
		k.dropVouched(v, "it could not be written down: "+err.Error())
		return err
	}
	k.log.Warn("promoted on a person's word, without a lease", "actor", actor, "words", words)
	written := k.o.Store.Guard(k.o.Group, v.Epoch, true)
	k.mu.Lock()
	err = errors.Join(written, k.o.Guard.Prepare(), k.armVouched())
	k.guarded = k.guarded || err == nil
	k.cancelSettle()
	k.mu.Unlock()
	if err == nil {
		err = promote(ctx, vouchedLease{k})
	}
	if err == nil {
		done := *v
		done.Done = true
		k.mu.Lock()
		still := k.vouched == v
		if still {
			k.vouched = &done
		}
		k.mu.Unlock()
		if still { // else an epoch of the record carries it by now, or has ended it
			err = k.writeVouched(&done)
			v = &done
			k.mu.Lock()
			still = k.vouched == v
			k.mu.Unlock()
			if !still { // meanwhile: what has ended is not left on the disk
				err = k.o.Store.SetVouched(k.o.Group, nil)
			}
		}
	}
	if err != nil {
		k.dropVouched(v, "it could not be promoted: "+err.Error())
		return err
	}
	wake(k.poke)
	k.event(message.Critical, fmt.Sprintf("vouched.%d", v.At), fmt.Sprintf("%s was promoted on the word of %s, without a lease, while the bus was gone: %q", v.Member, v.Actor, v.Words))
	return nil
}

// armVouched opens the guard for as long as a person's word does at a time. Called with k.mu held.
//
// Invariant: never once the lease of an epoch is taken. From then on others count on its guard to shut when that lease ends.
func (k *Keeper) armVouched() error {
	if k.holder.State(k.o.Now()).Acting != 0 {
		return nil
	}
	return k.o.Guard.Arm(k.o.Now() + vouchSpan)
}

// Vouched says whether the member acts on a person's word.
func (k *Keeper) Vouched() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.vouched != nil
}

// keepVouched holds the guard of a vouched primary open, and tells the record of it until it is there. Called by turn.
func (k *Keeper) keepVouched(ctx context.Context) {
	k.mu.Lock()
	v, held := k.vouched, k.view.HeldCommand
	if v == nil {
		k.mu.Unlock()
		return
	}
	overtaken := held != nil && held.Epoch > v.Held && held.Primary != v.Member
	if !overtaken {
		if err := k.armVouched(); err != nil {
			k.log.Error("the guard of a vouched primary cannot be held open", "error", err)
		}
	}
	k.mu.Unlock()
	if overtaken {
		k.dropVouched(v, fmt.Sprintf("epoch %d made %s primary meanwhile: both may have taken writes, which nobody can join but a person", held.Epoch, held.Primary))
		return
	}
	word := &message.Fenced{
		ID: fmt.Sprintf("vouched.%s.%s.%d", v.Group, v.Old, v.At), Group: v.Group, Member: v.Old, Epoch: v.Epoch, How: message.FencedVouch,
		Executor: k.o.Executor, Actor: v.Actor, Sentence: fmt.Sprintf("%s vouched on the host of %s: %q", v.Actor, v.Member, v.Words), At: v.At,
	}
	ctx, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	if err := k.o.Publish(ctx, word); err != nil {
		k.log.Debug("the record cannot be told yet of what was vouched for", "error", err)
	}
}

func (k *Keeper) writeVouched(v *Vouched) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return k.o.Store.SetVouched(k.o.Group, body)
}

// dropVouched ends what a person's word began, unless it has ended: the lease of an epoch may carry the member by now.
func (k *Keeper) dropVouched(v *Vouched, why string) {
	k.mu.Lock()
	if k.vouched != v {
		k.mu.Unlock()
		return
	}
	k.vouched = nil
	if err := k.o.Guard.Shut(); err != nil {
		k.log.Error("the guard cannot be shut", "error", err)
	}
	k.mu.Unlock()
	if err := k.o.Store.SetVouched(k.o.Group, nil); err != nil {
		k.log.Error("what was vouched for cannot be taken off the disk", "error", err)
	}
	k.kill(context.Background())
	k.event(message.Critical, fmt.Sprintf("unvouched.%d", v.At), fmt.Sprintf("%s, promoted on the word of %s, was stopped: %s", v.Member, v.Actor, why))
}

// unvouch ends the vouched time: the lease of an epoch of the chain carries the member from now on, or has ended. It says whether there was one, which
// is to be taken off the disk then. Called with k.mu held.
func (k *Keeper) unvouch() bool {
	was := k.vouched != nil
	k.vouched = nil
	return was
}

// vouchedLease is what the driver that promotes is shown: a person's word in the place of a lease.
type vouchedLease struct{ *Keeper }

func (l vouchedLease) Holds(uint64) (time.Duration, bool) { return vouchSpan, true }
func (l vouchedLease) Armed() bool                        { return true }
