package group

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/outbox"
)

// untold is the end of a run of which the journal does not say that it was told.
type untold struct {
	stored time.Time // by the stream's clock
	due    time.Time // when to tell it for whoever does not come to it
}

// noteTold takes in whether the end of a run was told. Whoever ended it is left as long for that as a holder may be silent; what an earlier life of this
// executor ended is told at once. Called with g.mu held.
func (g *Group) noteTold(e journal.Entry) {
	epoch := e.Record.Epoch
	switch _, known := g.untold[epoch]; {
	case e.Revision == 0: // this executor's own run, on its way to the journal
		return
	case e.Record.Told:
		delete(g.untold, epoch)
		return
	case known:
		return
	}
	u := untold{stored: e.Time, due: g.deps.Now()}
	if e.Record.Executor != g.deps.Name || g.mine[epoch] {
		u.due = u.due.Add(g.deps.Engine.Limits.TakeOver)
	}
	g.untold[epoch] = u
	g.wake()
}

// unreported takes out the runs whose end is to be told now, and says when to ask again; 0: when something comes. The run of the newest command is left to
// the engine that turns it.
func (g *Group) unreported() (due []*message.Command, next time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.live {
		return nil, 0
	}
	now := g.deps.Now()
	for epoch, u := range g.untold {
		if epoch > g.view.Epoch() || g.active != nil && g.active.cmd.Epoch == epoch {
			continue
		}
		wait := u.due.Sub(now)
		if wait > 0 {
			if next == 0 || wait < next {
				next = wait
			}
			continue
		}
		delete(g.untold, epoch)
		i := slices.IndexFunc(g.recent, func(c *message.Command) bool { return c.Epoch == epoch })
		switch {
		case i < 0:
		case now.Sub(u.stored) > outbox.Again:
			g.log.Warn("how a run ended may not have been told, and is too long ago to be told without telling it twice", "epoch", epoch)
		default:
			due = append(due, g.recent[i])
		}
	}
	return due, next
}

// report has the ends of these runs told, beside everything else.
func (g *Group) report(ctx context.Context, runs *sync.WaitGroup, ended []*message.Command) {
	for _, cmd := range ended {
		runs.Go(func() {
			if err := g.deps.Engine.Report(ctx, cmd, g.deps.Tell, g.deps.Told); err != nil && ctx.Err() == nil {
				g.log.Error("it cannot be told how a run ended", "epoch", cmd.Epoch, "error", err)
			}
		})
	}
}
