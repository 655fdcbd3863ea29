package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

// maxLook bounds a look beside the step's own time-out.
const maxLook = 10 * time.Second

// attempt makes one attempt of a step: look, do, look. Report is false where the executor stops: the attempt is then left to be
// taken up again, as after a crash. Ready is the driver that was prepared for it, if one was.
func (e *Engine) attempt(ctx context.Context, job Job, w plan.Work, ready prepared) (o plan.Outcome, report bool) {
	began := e.Clock.Mono()
	if ready.driver == nil {
		ready.secrets = driver.NewSecrets(e.Secrets)
	}
	a := attempt{engine: e, step: w.Step, doubt: w.Doubt, out: plan.Outcome{Step: w.Step.Name, Attempt: w.Attempt, Take: w.Take}}
	a.in = e.input(job.Command, w.Step, ready.secrets)
	a.in.Attempt, a.in.Current = w.Attempt, job.Current
	a.in.Log = a.in.Log.With("attempt", w.Attempt)
	a.make(ctx, ready.driver, ready.glance)
	a.out.Took = e.Clock.Mono() - began
	if errors.Is(context.Cause(ctx), errLapsed) && a.out.Verdict != plan.Done {
		a.out.Verdict = plan.Lapsed
	}
	return a.out, !errors.Is(context.Cause(ctx), ErrStopped)
}

// input is what a step's driver is told.
func (e *Engine) input(cmd *message.Command, step *message.Step, secrets *driver.Secrets) driver.Input {
	in := driver.Input{
		Command: cmd, Step: step, Executor: e.Me.Name, Secrets: secrets, Now: e.Clock.Wall, Groups: e.Groups,
		Log: e.Log.With("group", cmd.Group, "epoch", cmd.Epoch, "step", step.Name),
	}
	if e.Lease != nil {
		in.Lease = e.Lease(cmd.Group)
	}
	return in
}

type attempt struct {
	engine *Engine
	step   *message.Step
	in     driver.Input
	doubt  bool // it may have been applied, and nobody has seen since whether it was
	out    plan.Outcome
}

func (a *attempt) make(ctx context.Context, d driver.Driver, g *glance) {
	defer func() {
		if d != nil {
			driver.Close(d)
		}
	}()
	if ctx.Err() != nil {
		if g != nil {
			g.cancel(context.Cause(ctx))
		}
		a.end(plan.Cut, context.Cause(ctx))
		return
	}
	if d == nil {
		var err error
		if d, err = a.engine.Bind(a.step); err != nil {
			a.end(plan.Failed, err)
			return
		}
	}
	if !a.kept(ctx) {
		return
	}
	a.engine.Point("before look")
	sight, err := a.first(ctx, d, g)
	a.engine.Point("after look")
	if err != nil {
		a.end(plan.Failed, fmt.Errorf("look: %w", err))
		return
	}
	if sight.Ends && a.unleased(ctx) {
		sight.Ends, sight.Done = false, driver.Yes
		sight.Evidence = "it lives, and nobody renews its lease: the executor beside it does not work, and its guard is shut to clients"
	}
	if done := a.judge(sight); done {
		return
	}
	a.engine.Point("before do")
	deed, did := a.do(ctx, d)
	if deed.Fenced != "" && a.engine.Fenced != nil {
		if err := a.engine.Fenced(context.WithoutCancel(ctx), a.in.Command, deed.Fenced, a.in.Secrets.Mask(deed.Evidence)); err != nil {
			a.in.Log.Error("that a member is fenced is not stored, so its lease is waited for", "member", deed.Fenced, "error", err)
		}
	}
	a.engine.Point("after do")
	a.out.Applied = deed.Applied
	if deed.Evidence != "" {
		a.out.Evidence = deed.Evidence
	}
	if errors.Is(context.Cause(ctx), ErrStopped) {
		return // left to be taken up again: nobody waits for a look
	}
	a.check(ctx, d, did)
	a.engine.Point("after check")
}

// kept waits until this executor keeps the member that the step changes, for as long as the step may take: an executor that has just started takes up what
// its earlier life left behind before it has read the spec. False: the attempt is over.
func (a *attempt) kept(ctx context.Context) bool {
	e, l := a.engine, a.in.Command.Lease
	if l == nil || a.in.Lease != nil || e.Kept == nil || a.in.Command.DryRun || a.step.Executor != e.Me.Name ||
		!slices.ContainsFunc(l.Beside, func(b message.Beside) bool { return b.Executor == e.Me.Name }) {
		return true
	}
	timer := time.NewTimer(a.step.Timeout.Std())
	defer timer.Stop()
	select {
	case <-e.Kept(a.in.Command.Group):
		a.in.Lease = e.Lease(a.in.Command.Group)
		return true
	case <-ctx.Done():
		a.end(plan.Cut, context.Cause(ctx))
	case <-timer.C:
		a.end(plan.Failed, fmt.Errorf("executor %s keeps no member of %s: its spec has not come, or names another executor, or the member cannot be kept, which its log says", e.Me.Name, a.in.Command.Group))
	}
	return false
}

// unleased: the old primary of a failover was seen up, and without a lease nevertheless. Only one that is up and leased ends the failover.
func (a *attempt) unleased(ctx context.Context) bool {
	cmd := a.in.Command
	return cmd.Kind == message.KindFailover && cmd.Lease != nil && cmd.Lease.Armed && !cmd.DryRun && a.in.Lease != nil && !a.in.Lease.Renewed(ctx, cmd.From)
}

// judge ends the attempt where the first look suffices.
func (a *attempt) judge(sight driver.Sight) bool {
	a.out.Found, a.out.Wanted, a.out.Evidence = sight.Found, sight.Wanted, sight.Evidence
	switch {
	case sight.Ends:
		a.end(plan.Ends, nil)
	case sight.Done == driver.Yes:
		a.end(plan.Done, nil)
	case sight.Done == driver.No, sight.Repeat:
		a.doubt = false
		return false
	case a.doubt:
		a.end(plan.InDoubt, errors.New("it was begun before, and its driver cannot tell whether it was done"))
	default:
		return false
	}
	return true
}

// check looks whether it worked; did is what Do said.
func (a *attempt) check(ctx context.Context, d driver.Driver, did error) {
	if errors.Is(did, driver.ErrRehearsed) {
		a.out.Applied = false
		a.end(plan.Done, nil)
		return
	}
	known := did == nil || errors.Is(did, driver.ErrRefused) || errors.Is(did, driver.ErrUnasked)
	sight, err := a.look(context.WithoutCancel(ctx), d)
	switch {
	case err != nil && did == nil:
		a.doubt = true
		a.end(plan.Failed, fmt.Errorf("done, but it could not be looked at afterwards: %w", err))
	case err != nil:
		a.doubt = a.doubt || !known
		a.end(plan.Failed, did)
	case sight.Done == driver.Yes, sight.Done == driver.Unknown && did == nil:
		a.end(plan.Done, nil)
	case sight.Done == driver.No:
		a.doubt = false
		if did == nil {
			did = fmt.Errorf("done, and yet it is not as it should be: found %s", sight.Found)
		}
		a.end(plan.Failed, did)
	case known, sight.Repeat:
		a.doubt = a.doubt && !sight.Repeat
		a.end(plan.Failed, did)
	default:
		a.end(plan.InDoubt, did)
	}
}

func (a *attempt) end(v plan.Verdict, problem error) {
	a.out.Verdict, a.out.Doubt = v, a.doubt
	if problem != nil {
		a.out.Problem = a.in.Secrets.Mask(problem.Error())
	}
}

func (a *attempt) look(ctx context.Context, d driver.Driver) (driver.Sight, error) {
	limit := min(a.step.Timeout.Std(), maxLook)
	return bounded(ctx, a, "look", limit, func(ctx context.Context) (driver.Sight, error) { return d.Look(ctx, a.in) })
}

func (a *attempt) do(ctx context.Context, d driver.Driver) (driver.Deed, error) {
	return bounded(ctx, a, "do", a.step.Timeout.Std(), func(ctx context.Context) (driver.Deed, error) { return d.Do(ctx, a.in) })
}

// bounded calls a driver and returns when it does, or a grace after its time was over: a driver that hangs or panics must not
// hang or end the executor.
func bounded[T any](ctx context.Context, a *attempt, what string, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no end within its time-out of %s", limit))
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		var r answer
		defer func() {
			if p := recover(); p != nil {
				r.err = driver.InDoubt("driver %s panicked in %s: %v", a.step.Driver, what, p)
			}
			answers <- r
		}()
		r.value, r.err = f(ctx)
	}()
	select {
	case r := <-answers:
		return r.value, r.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(driver.Grace)
	defer timer.Stop()
	select {
	case r := <-answers:
		return r.value, r.err
	case <-timer.C:
		a.in.Log.Error("driver does not return, going on without it", "driver", a.step.Driver, "in", what)
		var none T
		return none, driver.InDoubt("driver %s did not return from %s within %s after its time", a.step.Driver, what, driver.Grace)
	}
}
