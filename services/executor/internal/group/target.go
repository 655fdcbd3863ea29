package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// WaitSwap is what is waited for while a run sees to everything.
const WaitSwap = "a swap is under way"

// WaitFirst is what is waited for before the first epoch: roles are as somebody has left them, and nothing is set right.
const WaitFirst = "no epoch is held yet"

// Target is how the group's routes should be.
type Target struct {
	Group string
	// Spec is nil where none is known.
	Spec *spec.Group
	// Epoch and Primary are those of the newest held epoch; 0 and "" before the first.
	Epoch   uint64
	Primary string
	// Pool says that the members serve side by side, but for those in Out: they are in maintenance.
	Pool bool
	Out  []string
	// Order tells one order of the routes from another: the epoch, or in a pool the entry of the chain that last changed who is out. It only grows;
	// 0: there is none yet.
	Order uint64
	// Wait says why routes must be left as they are now; "" where they may be set right.
	Wait string
}

// Target tells how the routes should be, and whether they may be set right now.
//
// Invariant: no route is led to a primary that does not act any more. After a break-glass the chain names the old one until a swap
// says what was vouched for, while a person has led the clients to the new one.
func (g *Group) Target() Target {
	g.mu.Lock()
	keeper := g.keeper
	g.mu.Unlock()
	vouched := keeper != nil && keeper.Vouched() // asked without the lock: a keeper may be at the guard for some milliseconds
	g.mu.Lock()
	defer g.mu.Unlock()
	t := Target{Group: g.name, Spec: g.spec}
	if g.view.Held != nil {
		t.Epoch, t.Primary = g.view.Held.Epoch, g.view.Held.Primary
	}
	t.Order = t.Epoch
	paused, _ := g.view.PausedAt(g.deps.Now())
	if g.spec != nil && g.spec.Pool != nil {
		t.Pool, t.Epoch, t.Primary, t.Out, t.Order = true, 0, "", g.view.Out, 1+g.view.OutSeq
		switch {
		case !g.live:
			t.Wait = "the chain is being read"
		case g.refused != nil:
			t.Wait = g.refused.Error()
		case g.spec.Mode == spec.DryRun:
			t.Wait = "dry run"
		case paused:
			t.Wait = "the group is paused"
		}
		return t
	}
	rec, over := g.over[t.Epoch]
	switch {
	case !g.live:
		t.Wait = "the chain is being read"
	case g.refused != nil:
		t.Wait = g.refused.Error()
	case t.Epoch == 0:
		t.Wait = WaitFirst
	case g.spec == nil:
		t.Wait = "no spec is applied"
	case g.spec.Mode == spec.DryRun:
		t.Wait = "dry run"
	case paused:
		t.Wait = "the group is paused"
	case !g.view.IsHeld():
		t.Wait = WaitSwap
	case !over, rec.State != message.StateDone && rec.State != message.StateAborted:
		t.Wait = WaitSwap
	case vouched:
		t.Wait = "a person's word stands in for the record"
	case g.fenced[t.Primary] >= t.Epoch:
		t.Wait = t.Primary + " is fenced"
	}
	return t
}

// UnderWay says that a swap of the group has begun and has not come to its end.
func (g *Group) UnderWay() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spec != nil && g.spec.Pool != nil {
		return false
	}
	if g.view.Held == nil {
		return g.view.Command != nil
	}
	rec, over := g.over[g.view.Held.Epoch]
	return !g.view.IsHeld() || !over || rec.State != message.StateDone && rec.State != message.StateAborted
}

// current waits until everything is read that the chain's leader has, and says whether cmd is the newest command there.
func (g *Group) current(ctx context.Context, cmd *message.Command) error {
	e, err := g.deps.Chain.Last(ctx, subject.StreamCommands, subject.Command(g.name))
	if err != nil {
		return fmt.Errorf("whether epoch %d is the newest of %s: %w", cmd.Epoch, g.name, err)
	}
	for {
		g.mu.Lock()
		last, newest := g.view.Last, g.view.Epoch()
		g.mu.Unlock()
		switch {
		case newest > cmd.Epoch:
			return errNewer
		case last >= e.Seq:
			return nil
		}
		timer := time.NewTimer(10 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("the newest entry of the chain of %s has not come: %w", g.name, context.Cause(ctx))
		}
	}
}

// Confirm reads the newest entry of the chain through the stream's leader: the routes may be set right for that order only if that is an
// entry known here, and nothing has changed since.
func (g *Group) Confirm(ctx context.Context, order uint64) bool {
	e, err := g.deps.Chain.Last(ctx, subject.StreamCommands, subject.Command(g.name))
	if err != nil && !errors.Is(err, bus.ErrNone) { // a pool may have no entry at all
		return false
	}
	t := g.Target()
	g.mu.Lock()
	defer g.mu.Unlock()
	return e.Seq == g.view.Last && t.Wait == "" && t.Order == order
}
