package engine

import (
	"context"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

// glance is the first look of an attempt, made while the claim of its step is being stored: a look changes nothing, and clients wait for both. Where the
// claim is lost nothing comes of it.
type glance struct {
	began  time.Duration
	cancel context.CancelCauseFunc
	over   chan struct{} // closed once what follows is there
	sight  driver.Sight
	err    error
}

// goodFor is how old a glance may be when the claim is stored: what was seen before that is looked at again.
const goodFor = 500 * time.Millisecond

// glances begins the looks of the works whose claims are about to be stored.
//
// Invariant: what another life or executor had begun is looked at only once it is claimed: until then that one may still be at it.
func (t *turning) glances(all []plan.Work) {
	for _, w := range all {
		if w.Step == nil || w.Take > 0 || w.Doubt {
			continue
		}
		p, ok := t.prepared[w.Step.Name]
		if !ok {
			d, err := t.engine.Bind(w.Step)
			if err != nil {
				continue // its attempt tells
			}
			p = prepared{driver: d, secrets: driver.NewSecrets(t.engine.Secrets)}
		}
		p.glance = t.glance(w.Step, p)
		t.prepared[w.Step.Name] = p
	}
}

func (t *turning) glance(step *message.Step, p prepared) *glance {
	g := &glance{began: t.engine.Clock.Mono(), over: make(chan struct{})}
	var ctx context.Context
	ctx, g.cancel = context.WithCancelCause(t.alive.parent)
	a := attempt{engine: t.engine, step: step, in: t.engine.input(t.job.Command, step, p.secrets)}
	t.works.Go(func() {
		defer close(g.over)
		g.sight, g.err = a.look(ctx, p.driver)
	})
	return g
}

// forget leaves the glances at works whose claims were not stored. Their drivers are kept for the next try.
func (t *turning) forget(all []plan.Work) {
	for _, w := range all {
		if w.Step == nil {
			continue
		}
		if p, ok := t.prepared[w.Step.Name]; ok && p.glance != nil {
			p.glance.cancel(errForgotten)
			p.glance = nil
			t.prepared[w.Step.Name] = p
		}
	}
}

// first is the first look of the attempt: the glance, if there was one and it is fresh.
func (a *attempt) first(ctx context.Context, d driver.Driver, g *glance) (driver.Sight, error) {
	if g == nil {
		return a.look(ctx, d)
	}
	if a.engine.Clock.Mono()-g.began > goodFor {
		g.cancel(errForgotten)
		return a.look(ctx, d)
	}
	select {
	case <-g.over:
	case <-ctx.Done():
		g.cancel(context.Cause(ctx))
		<-g.over
	}
	g.cancel(nil)
	return g.sight, g.err
}
