package engine

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

// turning is one run that is being turned. One goroutine owns it; works report to it over outcomes.
type turning struct {
	engine *Engine
	job    Job
	key    string
	log    *slog.Logger
	run    *plan.Run

	revision uint64
	warned   map[string]bool
	untold   bool  // an earlier life may not have told what it did
	ended    bool  // it was this life that ended it
	foreign  error // the journal holds something else under this key

	cut      context.CancelCauseFunc // ends all work
	alive    *alive
	works    sync.WaitGroup
	prepared map[string]prepared // drivers that make ready what they need, by step
	outcomes chan plan.Outcome
	wake     *time.Timer
}

func (e *Engine) turning(ctx context.Context, job Job) *turning {
	now := e.Clock.Mono()
	t := &turning{
		engine: e, job: job, key: journal.Key(job.Command), warned: map[string]bool{},
		log:      e.Log.With("group", job.Command.Group, "epoch", job.Command.Epoch),
		run:      plan.NewRun(job.Command, e.Me, e.Limits, e.Chance, now),
		outcomes: make(chan plan.Outcome, len(job.Command.Plan.Steps)+1), // a work never waits to report
		wake:     time.NewTimer(time.Hour),
	}
	t.wake.Stop()
	t.prepared = map[string]prepared{}
	work, cut := context.WithCancelCause(ctx)
	t.cut, t.alive = cut, newAlive(work, e.Limits.TakeOver*4/5)
	job.News.onSupersede(t.cut)
	return t
}

// prepared is a step's driver, bound before its turn.
type prepared struct {
	driver  driver.Driver
	secrets *driver.Secrets
	glance  *glance // nil: it was not looked at yet
}

// prepare has the drivers of what this executor alone will do, once the new primary holds its lease, make ready what they need.
func (t *turning) prepare() {
	for i := range t.job.Command.Plan.Steps {
		step := &t.job.Command.Plan.Steps[i]
		if step.Phase != message.PhaseAct || step.Executor != t.engine.Me.Name || t.job.Command.DryRun {
			continue
		}
		d, err := t.engine.Bind(step)
		if err != nil {
			continue // its turn tells
		}
		p := prepared{driver: d, secrets: driver.NewSecrets(t.engine.Secrets)}
		t.prepared[step.Name] = p
		ctx := t.alive.claim()
		t.works.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, min(step.Timeout.Std(), maxLook))
			defer cancel()
			driver.Prepare(ctx, d, t.engine.input(t.job.Command, step, p.secrets))
		})
	}
}

// begin starts one work.
func (t *turning) begin(w plan.Work) {
	ctx := t.alive.claim()
	var ready prepared
	if w.Step != nil {
		ready = t.prepared[w.Step.Name]
		delete(t.prepared, w.Step.Name)
	}
	t.works.Go(func() {
		if w.Step == nil {
			t.engine.Point("before held")
			if err := t.job.Hold(ctx); err != nil {
				t.log.Warn("held is not written", "error", err)
				t.rest() // also where the claim has ended, which the next try would then fail of at once
			}
			t.engine.Point("after held")
			t.outcomes <- plan.Outcome{}
			return
		}
		log := t.log.With("step", w.Step.Name, "attempt", w.Attempt)
		log.Info("step begun")
		o, report := t.engine.attempt(ctx, t.job, w, ready)
		log.Info("step ended", "result", o.Verdict, "took", o.Took, "problem", o.Problem)
		if report {
			t.outcomes <- o
		}
	})
}

// holdAgain is the shortest pause before another try at `held`, which may fail at once and for long.
const holdAgain = 50 * time.Millisecond

// rest lets that pause pass, drawn out by up to as much again, so that nobody tries in step. It is cut short by the end of the run alone.
func (t *turning) rest() {
	pause := time.NewTimer(holdAgain + time.Duration(t.engine.Chance()*float64(holdAgain)))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-t.alive.parent.Done():
	}
}

func (t *turning) wakeAt(at time.Duration) {
	t.wake.Stop()
	if at > 0 {
		t.wake.Reset(max(0, at-t.engine.Clock.Mono()))
	}
}

func (t *turning) over() bool {
	rec := t.run.Record()
	return rec.Over()
}

// finish makes sure that the end was told, by whoever wrote it, or by this executor if that one does not come to it.
func (t *turning) finish(ctx context.Context) error {
	rec := t.run.Record()
	// An end that was written beside this run, by whoever closed it, is told by that one, also where it is this executor.
	beside := rec.Executor != t.engine.Me.Name || !t.ended && !t.untold
	if !rec.Told && beside {
		t.waitTold(ctx)
		rec = t.run.Record()
	}
	if rec.Told || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// What other executors did is told again: one of them may have died before it came to it. The ids are the same.
	t.job.Tell(plan.Tell(t.job.Command, t.key, t.engine.Me.Name, rec.Without(t.engine.Me.Name, t.untold || beside), rec)...)
	if err := t.job.Told(ctx); err != nil {
		return err
	}
	rec.Told = true
	if _, err := t.engine.Journal.Store(ctx, t.key, rec, t.revision); err != nil {
		t.log.Debug("not recorded that the run was told; it may be told once more", "error", err)
	}
	return nil
}

// waitTold waits until the record says that it was told, at most as long as a holder may be silent.
func (t *turning) waitTold(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, t.engine.Limits.TakeOver)
	defer cancel()
	for {
		if rec := t.run.Record(); rec.Told {
			return
		}
		select {
		case <-t.job.News.changed:
			t.hear()
		case <-ctx.Done():
			// What the journal says now decides: the last word may have been missed.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.engine.Every)
			defer cancel()
			if e, err := t.engine.Journal.Load(ctx, t.key); err == nil {
				t.observe(e)
			}
			return
		}
	}
}

// stop ends the work in flight and waits for it.
func (t *turning) stop() {
	t.cut(ErrStopped)
	t.alive.stop()
	t.wake.Stop()
	t.works.Wait()
	for _, p := range t.prepared {
		driver.Close(p.driver)
	}
}

// insist does f until it works, with pauses that grow to a second, until ctx ends.
func insist(ctx context.Context, log *slog.Logger, what string, f func(context.Context) error) error {
	said := ""
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err.Error() != said {
			said = err.Error()
			log.Warn("cannot "+what+", trying again", "error", err)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}
