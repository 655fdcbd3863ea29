package roll

import (
	"context"
	"slices"
	"sync"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// looks are what probers found since a moment. Safe for concurrent use.
type looks struct {
	mu sync.Mutex
	of map[[2]string]*look // by check and vantage
}

// look is what one vantage found by one check.
type look struct {
	boot string
	seq  uint64
	// fresh: one that began after the moment was heard of; up is what the newest of those said.
	fresh, up bool
}

// take takes one in. The first of each kind may have begun before the moment: one that follows it has not.
func (l *looks) take(h *message.Heartbeat) {
	if h.Blind {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [2]string{h.Check, h.Vantage}
	have := l.of[key]
	switch {
	case have == nil || have.boot != h.Boot:
		l.of[key] = &look{boot: h.Boot, seq: h.Seq}
	case h.Seq > have.seq:
		have.seq, have.fresh, have.up = h.Seq, true, h.Answer == message.Up || h.Answer == message.Degraded
	}
}

// well says whether enough vantages have found the member up by each check that decides about it; "": they have, else what is missing.
func (l *looks) well(g *spec.Group, member string) text {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range g.Checks {
		if c.Effect != spec.EffectDown || len(c.Members) > 0 && !slices.Contains(c.Members, member) {
			continue
		}
		up := 0
		for _, vantage := range c.From {
			if have := l.of[[2]string{c.Name, vantage}]; have != nil && have.fresh && have.up {
				up++
			}
		}
		if need := min(g.Quorum(), len(c.From)); up < need {
			return say("%d of %d vantages have found it up by %s since the command ended, want %d", up, len(c.From), c.Name, need)
		}
	}
	return text{}
}

// healthy waits until the member is up: by looks that began after this call, by the deciders, and by each proxy that checks it. It gives what is
// missing when the time is over; "": nothing.
//
// Invariant: what was found before the command ended counts for nothing: a server that died of its new version was up a moment ago.
func (r *Roll) healthy(ctx context.Context, m spec.Member) text {
	ctx, cancel := context.WithTimeout(ctx, r.o.Healthy)
	defer cancel()
	found := &looks{of: map[[2]string]*look{}}
	var following sync.WaitGroup
	defer following.Wait()
	stop, end := context.WithCancel(ctx)
	defer end()
	lost := make(chan error, 1)
	following.Go(func() {
		if err := r.world.Looks(stop, m.Name, found.take); err != nil && stop.Err() == nil {
			lost <- err
		}
	})
	why := say("nothing is known of it yet")
	for {
		select {
		case err := <-lost:
			return say("what probers find cannot be followed: %v", err)
		default:
		}
		s, err := r.world.Status(ctx)
		switch {
		case ctx.Err() != nil: // what was missing before counts
		case err != nil:
			why = say("%v", err)
		default:
			why = r.missing(s, m.Name, found)
		}
		if why.format == "" {
			return text{}
		}
		if !wait(ctx) {
			return why
		}
	}
}

func (r *Roll) missing(s *message.GroupStatus, member string, found *looks) text {
	m := memberOf(s, member)
	switch {
	case m == nil:
		return say("the deciders do not know it")
	case m.Verdict != message.VerdictUp:
		return say("the deciders find it %s", string(m.Verdict))
	}
	if why := found.well(r.o.Group, member); why.format != "" {
		return why
	}
	why := text{}
	r.atProxies(s, member, func(proxy string, seen *message.ServerSeen, unknown text) {
		switch {
		case seen == nil:
			why = say("HAProxy at %s: %s", proxy, unknown)
		case seen.Says == "down":
			why = say("HAProxy at %s finds it down by its own checks", proxy)
		}
	})
	return why
}

// serves waits until every proxy leads clients to the member; the answer is what is missing when the time is over.
func (r *Roll) serves(ctx context.Context, m spec.Member) text {
	ctx, cancel := context.WithTimeout(ctx, max(settle, r.o.Healthy))
	defer cancel()
	why := say("nothing is known of it yet")
	for {
		s, err := r.world.Status(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			why = say("%v", err)
		default:
			why = text{}
			if have := memberOf(s, m.Name); have == nil || have.Maintenance != nil {
				why = say("the deciders hold it to be in maintenance")
			} else if !m.Backup && (s.Pool == nil || !slices.Contains(s.Pool.Serve, m.Name)) {
				why = say("the deciders do not count it as one that serves")
			}
			r.atProxies(s, m.Name, func(proxy string, seen *message.ServerSeen, unknown text) {
				switch {
				case seen == nil:
					why = say("HAProxy at %s: %s", proxy, unknown)
				case seen.Admin != "ready":
					why = say("HAProxy at %s still holds it back", proxy)
				case seen.Says == "down":
					why = say("HAProxy at %s finds it down by its own checks", proxy)
				}
			})
		}
		if why.format == "" {
			return text{}
		}
		if !wait(ctx) {
			return why
		}
	}
}
