package executor

import (
	"context"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/engine"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

const (
	// shadowsSince is how far back a starting executor looks for rehearsals that nobody has finished. What is older would be rehearsed on what is
	// no longer so.
	shadowsSince = time.Minute
	// shadowLimit ends a rehearsal that cannot come to its end, because no executor serves one of its sites.
	shadowLimit = 2 * time.Minute
)

// followShadows rehearses what would have been done in dry run, each once: the journal says by whom.
func (x *Executor) followShadows(ctx context.Context) error {
	return x.bus.Follow(ctx, bus.FollowOptions{
		Stream: subject.StreamEvents, From: bus.FromTime(x.now().Add(-shadowsSince)),
		Subjects: []string{subject.Root + ".event.*." + string(message.EventShadow) + ".*"},
	}, func(d bus.Delivery) {
		e, ok := d.Message.(*message.Event)
		if !ok || e.Command == nil || !e.Command.DryRun || e.Command.Group != d.Parts.Group {
			return
		}
		x.running.Go(func() { x.rehearse(e.Command) })
	})
}

// rehearse turns a shadow command: the same engine, drivers that only look, a chain that is not written.
func (x *Executor) rehearse(cmd *message.Command) {
	key, news := journal.Key(cmd), engine.NewNews(cmd.Epoch)
	x.mu.Lock()
	if x.shadows[key] != nil {
		x.mu.Unlock()
		return
	}
	x.shadows[key] = news
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.shadows, key)
	}()
	ctx, cancel := context.WithTimeout(x.ctx, shadowLimit)
	defer cancel()
	dry := *x.engine
	dry.Bind = driver.Rehearse(x.bind)
	err := dry.Run(ctx, engine.Job{
		Command: cmd, News: news, Tell: x.tell, Told: x.outbox.Told,
		Hold: func(context.Context) error { news.Held(); return nil },
		Over: func(plan.Record) {},
	})
	if err != nil && x.ctx.Err() == nil {
		x.opts.Log.Warn("a rehearsal did not come to its end", "group", cmd.Group, "command", cmd.ID, "error", err)
	}
}
