package group

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// pausable: a pause stops the run. It stops swaps, never what keeps a lease: without it a primary that lost its standby, or gave its lease
// up, would stand still for as long as the pause lasts.
func pausable(cmd *message.Command) bool {
	return cmd == nil || cmd.Lease == nil || (cmd.Kind != message.KindReconfigure && cmd.Kind != message.KindResume)
}

// stopped says whether a run of the command stands still now, because the group is paused. Called with g.mu held.
func (g *Group) stopped(cmd *message.Command) bool {
	paused, _ := g.view.PausedAt(g.deps.Now())
	return paused && pausable(cmd)
}

// tellPause tells the run under way whether the group is paused now.
func (g *Group) tellPause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tellPauseLocked()
	g.tellKeeper()
	g.changed()
}

func (g *Group) tellPauseLocked() {
	if g.active != nil {
		g.active.news.Paused(g.stopped(g.active.cmd))
	}
}

// untilUnpaused is how long a pause with an end still lasts; 0 where there is none.
func (g *Group) untilUnpaused() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.deps.Now()
	paused, until := g.view.PausedAt(now)
	if !paused || until.IsZero() {
		return 0
	}
	return until.Sub(now) + time.Millisecond
}
