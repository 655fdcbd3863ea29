package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

const (
	// evaluateFirst is how long after a change of a spec its plans are evaluated: what follows it at once is one change.
	evaluateFirst = time.Second
	// mostProblems is how many one word names.
	mostProblems = 64
)

// evaluations has the drivers of each group's plans look every few minutes, and after every change of a spec: what would stand in the way of a swap
// now? It changes nothing, and rests while a swap is under way.
func (x *Executor) evaluations(ctx context.Context) error {
	told := map[string]string{}
	for next := (rounds{every: x.opts.Evaluate}); next.wait(ctx, x.applied); {
		x.mu.Lock()
		desks := make([]*group.Group, 0, len(x.desks))
		for _, g := range x.desks {
			desks = append(desks, g)
		}
		x.mu.Unlock()
		for _, g := range desks {
			x.evaluateGroup(ctx, g, told)
		}
	}
	return context.Cause(ctx)
}

// rounds says when plans are looked at: a moment after the start and after a change of a spec, and about every so often.
type rounds struct {
	every time.Duration
	begun bool
}

// wait returns when the next round is due; false: ctx ended. A change brings the round forward. It never puts it off: specs that change without a pause
// are looked at while they do.
func (r *rounds) wait(ctx context.Context, applied <-chan struct{}) bool {
	soon := min(evaluateFirst, r.every)
	left := r.every*3/4 + rand.N(r.every/2) // executors do not look in step
	if !r.begun {
		r.begun, left = true, soon
	}
	due := time.Now().Add(left)
	timer := time.NewTimer(left)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-applied:
			if time.Until(due) > soon {
				due = time.Now().Add(soon)
				timer.Reset(soon)
			}
		case <-timer.C:
			return ctx.Err() == nil
		}
	}
}

func (x *Executor) evaluateGroup(ctx context.Context, g *group.Group, told map[string]string) {
	t := g.Target()
	if t.Spec == nil || t.Epoch == 0 || g.UnderWay() || ctx.Err() != nil {
		return
	}
	for _, m := range t.Spec.Members {
		if m.Name == t.Primary {
			continue
		}
		problems := x.problems(ctx, t, m.Name)
		if now := g.Target(); g.UnderWay() || now.Epoch != t.Epoch || now.Spec != t.Spec || ctx.Err() != nil {
			return // it is about roles or a spec that are the past
		}
		key, says := t.Group+"/"+m.Name, fmt.Sprint(t.Epoch, t.Spec.Revision, problems)
		if told[key] == says && len(problems) == 0 {
			continue
		}
		at := time.Now().UnixMicro()
		e := &message.Evaluation{
			ID: fmt.Sprintf("%s.eval.%s.%s.%d", t.Group, x.name, m.Name, at), Group: t.Group, Epoch: t.Epoch, SpecRevision: t.Spec.Revision, Primary: t.Primary, To: m.Name,
			Executor: x.name, Problems: problems, At: at,
		}
		if _, err := x.bus.Publish(ctx, subject.Safety(t.Group, subject.SafetyEvaluation, x.name), e); err != nil {
			x.opts.Log.Warn("what was found of a plan is not stored; it is looked at again", "group", t.Group, "to", m.Name, "error", err)
			continue
		}
		told[key] = says
	}
}

// problems are the steps of both kinds of swap to the member that this executor may run and that would fail now. A person who is to approve is nothing that
// fails: no driver does it, and there is nothing to look at.
func (x *Executor) problems(ctx context.Context, t group.Target, to string) []message.StepProblem {
	out := []message.StepProblem{}
	for _, kind := range []message.Kind{message.KindFailover, message.KindSwitchover} {
		p, err := spec.Compile(t.Spec, spec.Swap{Kind: kind, From: t.Primary, To: to})
		if err != nil {
			continue // the decider says so itself
		}
		cmd := &message.Command{ID: "evaluation", Group: t.Group, Epoch: t.Epoch, Kind: kind, From: t.Primary, Primary: to, DryRun: true, Plan: p}
		found := make([]*message.StepProblem, len(p.Steps))
		var all sync.WaitGroup
		for i := range p.Steps {
			if step := &p.Steps[i]; (plan.Me{Name: x.name, Sites: x.opts.Sites}).May(step) && step.Phase != message.PhaseLook && step.Driver != message.DriverApprove {
				all.Go(func() { found[i] = x.problem(ctx, cmd, step) })
			}
		}
		all.Wait()
		for _, f := range found {
			if f != nil && len(out) < mostProblems {
				out = append(out, *f)
			}
		}
	}
	return out
}

// problem is what would make the step fail now; nil: nothing that its driver can see.
func (x *Executor) problem(ctx context.Context, cmd *message.Command, step *message.Step) *message.StepProblem {
	bad := func(mends bool, err error) *message.StepProblem {
		text := err.Error()
		return &message.StepProblem{Kind: cmd.Kind, Step: step.Name, Problem: strings.ToValidUTF8(text[:min(len(text), 500)], ""),
			Mends: mends || step.OnFailure == message.FailGoOn} // the swap goes on without it
	}
	d, err := driver.Rehearse(x.bind)(step)
	if err != nil {
		return bad(false, err)
	}
	defer driver.Close(d)
	if err := programs(step); err != nil {
		return bad(false, err)
	}
	ctx, cancel := context.WithTimeout(ctx, min(lookLimit, max(step.Timeout.Std(), time.Millisecond)))
	defer cancel()
	_, err = d.Look(ctx, driver.Input{
		Command: cmd, Step: step, Executor: x.name, Secrets: driver.NewSecrets(x.opts.Secrets), Now: time.Now, Groups: ask.Client{Bus: x.bus},
		Log: x.opts.Log.With("group", cmd.Group, "step", step.Name, "look", true),
	})
	if err == nil {
		return nil
	}
	// What a server of a group with a lease says is judged by its own checks, and by whoever keeps it.
	return bad(!errors.Is(err, driver.ErrRefused) || step.Driver == "postgres" || step.Driver == "redis", err)
}

// programs says which program of a command is not there. A look runs neither a command without done nor what starts and stops a process, so that nobody would
// see.
func programs(step *message.Step) error {
	var (
		args    spec.ExecArgs
		process spec.RunArgs
		dir     string
		all     [][]string
	)
	switch {
	case step.Driver == "exec" && json.Unmarshal(step.With, &args) == nil:
		dir, all = args.Dir, [][]string{args.Command, args.Done, args.Look}
	case step.Driver == "run" && json.Unmarshal(step.With, &process) == nil && process.Unit != "":
		all = [][]string{{"systemctl"}}
	case step.Driver == "run" && process.Action == "start":
		all = [][]string{process.Start, process.Running}
	case step.Driver == "run":
		all = [][]string{process.Stop, process.Running}
	}
	for _, argv := range all {
		if len(argv) == 0 {
			continue
		}
		program := argv[0]
		if strings.Contains(program, "/") && !filepath.IsAbs(program) {
			program = filepath.Join(dir, program)
		}
		if _, err := osexec.LookPath(program); err != nil {
			return fmt.Errorf("the command cannot be run: %w", err)
		}
	}
	return nil
}
