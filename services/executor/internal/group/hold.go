package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// closeEarlier closes, in the journal, the runs of earlier epochs that are not over: whoever still turns one of them cannot begin
// another step. It goes back until one is over; whoever ended that had closed those before it. It returns those that it closed.
//
// Invariant: no step of an epoch is begun once a later one has begun.
func (g *Group) closeEarlier(ctx context.Context, cmd *message.Command) ([]*message.Command, error) {
	var earlier []*message.Command // newest first
	g.mu.Lock()
	for _, old := range slices.Backward(g.recent) {
		if _, over := g.over[old.Epoch]; over && old.Epoch < cmd.Epoch {
			break
		}
		if old.Epoch < cmd.Epoch {
			earlier, g.mine[old.Epoch] = append(earlier, old), true
		}
	}
	g.mu.Unlock()
	return g.deps.Engine.Close(ctx, earlier, cmd.Epoch)
}

var (
	errNewer  = errors.New("a newer command stands in the chain")
	errPaused = errors.New("the group is paused")
)

// hold takes the lease, where the command has one, and writes `held`.
func (g *Group) hold(ctx context.Context, cmd *message.Command) error {
	if cmd.Lease == nil {
		return g.writeHeld(ctx, cmd)
	}
	g.mu.Lock()
	keeper := g.keeper
	g.mu.Unlock()
	if keeper == nil {
		select { // whoever asks asks again at once
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
		return fmt.Errorf("executor %s keeps no member of %s: its spec has not come yet, or names another executor beside %s", g.deps.Name, g.name, cmd.Primary)
	}
	return keeper.Hold(ctx, cmd, func(ctx context.Context) error { return g.writeHeld(ctx, cmd) })
}

// writeHeld writes `held` on the chain: expecting the newest entry known, which is the command itself or marks after it.
//
// Invariant: never after a newer command. The compare-and-set sees to it, whatever this executor has not heard yet.
func (g *Group) writeHeld(ctx context.Context, cmd *message.Command) error {
	held := &message.Held{
		ID: fmt.Sprintf("held.%s.%d.%s", g.name, cmd.Epoch, g.deps.Name), Group: g.name, Epoch: cmd.Epoch, Primary: cmd.Primary,
		Command: cmd.ID, Executor: g.deps.Name, At: g.deps.Wall().UnixMicro(),
	}
	for ctx.Err() == nil {
		g.mu.Lock()
		view := g.view
		g.mu.Unlock()
		paused, _ := view.PausedAt(g.deps.Now())
		switch {
		case view.Command == nil || view.Command.ID != cmd.ID:
			return errNewer
		case view.IsHeld():
			return nil
		case paused && pausable(cmd):
			return errPaused
		}
		result, err := g.deps.Chain.Propose(ctx, subject.Command(g.name), held, view.Last)
		switch {
		case err == nil:
			if newer, ok := result.Entry.Message.(*message.Command); ok {
				return g.overtaken(newer, result.Entry)
			}
			g.take(result.Entry)
		case errors.Is(err, bus.ErrUnknownOutcome), errors.Is(err, bus.ErrUnavailable):
			g.log.Warn("held is not written yet", "epoch", cmd.Epoch, "error", err)
		default:
			return err
		}
	}
	return context.Cause(ctx)
}

// overtaken ends the run at once for a command that was met before the chain brought it, and leaves it to the desk to begin that.
func (g *Group) overtaken(by *message.Command, e bus.Entry) error {
	if _, err := g.deps.Epochs.Saw(g.name, by.Epoch); err != nil {
		return err
	}
	g.supersede(by.Epoch)
	g.add(item{entry: e})
	return errNewer
}
