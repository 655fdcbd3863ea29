package executor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/gather"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

// lookLimit bounds one step's look in a preview.
const lookLimit = 5 * time.Second

// serve answers what a plan would find, and is how others see that this executor is there.
func (x *Executor) serve() (*bus.Service, error) {
	answer := func(ctx context.Context, a bus.Ask) (message.Message, error) {
		var p message.Preview
		if err := message.DecodeAs(a.Header, a.Body, &p); err != nil {
			return nil, err
		}
		return x.Look(ctx, &p)
	}
	return x.bus.Serve("ham-executor", x.opts.Version, "carries out what was decided",
		bus.Endpoint{Name: "look", Subject: subject.Look(x.name), Limit: 2 * lookLimit, Handler: answer},
		bus.Endpoint{Name: "gather", Subject: subject.AllGathers, Limit: 2 * gather.Limit, Handler: x.answerGather},
		bus.Endpoint{Name: "look-any", Subject: subject.LookAny, Queue: "executors", Limit: 2 * lookLimit, Handler: answer},
	)
}

// Look says what each step of a previewed plan would find now. It changes nothing. Steps are looked at side by side.
func (x *Executor) Look(ctx context.Context, p *message.Preview) (*message.Looked, error) {
	if p.Plan == nil {
		return nil, &message.Invalid{Type: "preview", Field: "plan", Want: "a plan to look at"}
	}
	kind := message.KindSwitchover
	if !p.Plan.Graceful {
		kind = message.KindFailover
	}
	cmd := &message.Command{ID: "look", Group: p.Group, Epoch: max(1, p.Epoch), Kind: kind, From: p.From, Primary: p.To, DryRun: true, Plan: *p.Plan}
	out := &message.Looked{Group: p.Group, Executor: x.name, Steps: make([]message.StepResult, len(p.Plan.Steps))}
	var all sync.WaitGroup
	for i := range p.Plan.Steps {
		all.Go(func() { out.Steps[i] = x.lookAt(ctx, cmd, &p.Plan.Steps[i]) })
	}
	all.Wait()
	return out, nil
}

func (x *Executor) lookAt(ctx context.Context, cmd *message.Command, step *message.Step) message.StepResult {
	began := time.Now()
	r := message.StepResult{
		ID: fmt.Sprintf("look.%s.%s", cmd.Group, step.Name), Group: cmd.Group, Epoch: cmd.Epoch, Command: cmd.ID, Step: step.Name, Driver: step.Driver,
		State: message.StateFailed, Attempt: 1, Executor: x.name, DryRun: true, At: began.UnixMicro(),
	}
	if me := (plan.Me{Name: x.name, Sites: x.opts.Sites}); !me.May(step) {
		r.State, r.Problem = message.StateSkipped, fmt.Sprintf("this executor may not run it: it runs on %s, site %s", step.On, cmp.Or(step.Site, "unknown"))
		return r
	}
	if step.Driver == message.DriverApprove { // there is nothing to look at
		r.State, r.Found, r.Wanted = message.StateDone, "nobody was asked yet", cut(step.Says)
		return r
	}
	d, err := driver.Rehearse(x.bind)(step)
	if err != nil {
		r.Problem = cut(err.Error())
		return r
	}
	defer driver.Close(d)
	ctx, cancel := context.WithTimeout(ctx, min(lookLimit, max(step.Timeout.Std(), time.Millisecond)))
	defer cancel()
	sight, err := d.Look(ctx, driver.Input{
		Command: cmd, Step: step, Executor: x.name, Secrets: driver.NewSecrets(x.opts.Secrets), Now: time.Now, Groups: ask.Client{Bus: x.bus},
		Log: x.opts.Log.With("group", cmd.Group, "step", step.Name, "look", true),
	})
	r.TookMicros = time.Since(began).Microseconds()
	r.Found, r.Wanted, r.Evidence = cut(sight.Found), cut(sight.Wanted), cut(sight.Evidence)
	switch {
	case err != nil:
		r.Problem = cut(err.Error())
	case sight.Ends:
		r.Problem = "the swap would end here: it would not be right now"
	case sight.Done == driver.Yes:
		r.State = message.StateDone
	default:
		r.State = message.StateStarted
	}
	return r
}

func cut(s string) string {
	if len(s) <= 2000 {
		return s
	}
	return strings.ToValidUTF8(s[:2000], "") + "…"
}
