package group

import "time"

// tellPause tells the run under way whether the group is paused now.
func (g *Group) tellPause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tellPauseLocked()
	g.changed()
}

func (g *Group) tellPauseLocked() {
	if g.active != nil {
		paused, _ := g.view.PausedAt(g.deps.Now())
		g.active.news.Paused(paused)
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
