package executor

import (
	"context"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/control"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// vouch promotes the own member of a group on a person's word, where no bus can say so.
func (x *Executor) vouch(ctx context.Context, p control.Promote) control.Promoted {
	k := x.keeper(p.Group)
	if k == nil {
		return control.Promoted{Problem: fmt.Sprintf("executor %s keeps no member of %q", x.name, p.Group)}
	}
	want, err := k.Words()
	if err != nil {
		return control.Promoted{Problem: err.Error()}
	}
	if p.Words == "" {
		return control.Promoted{Want: want}
	}
	if !message.IsName(p.Actor) {
		return control.Promoted{Want: want, Problem: fmt.Sprintf("who vouches? got %q, want 1 to %d letters, digits, '-' or '_'", p.Actor, message.MaxName)}
	}
	err = k.Vouch(ctx, p.Words, p.Actor, func(ctx context.Context, l driver.Lease) error { return x.promoteAlone(ctx, p.Group, l) })
	if err != nil {
		return control.Promoted{Want: want, Problem: err.Error()}
	}
	return control.Promoted{Want: want, Done: true}
}

// promoteAlone does what the plan of a failover does to promote the own member, and nothing else of it.
func (x *Executor) promoteAlone(ctx context.Context, group string, l driver.Lease) error {
	g, from, to := x.keeper(group).Sides()
	plan, err := spec.Compile(g, spec.Swap{Kind: message.KindFailover, From: from, To: to})
	if err != nil {
		return err
	}
	cmd := &message.Command{ID: "vouched", Group: group, Epoch: max(1, x.epochs.Newest(group)), Kind: message.KindFailover, From: from, Primary: to, Plan: plan}
	for i := range plan.Steps {
		step := &plan.Steps[i]
		if step.Name != spec.StepPromote {
			continue
		}
		d, err := x.bind(step)
		if err != nil {
			return err
		}
		defer driver.Close(d)
		ctx, cancel := context.WithTimeout(ctx, step.Timeout.Std())
		defer cancel()
		_, err = d.Do(ctx, driver.Input{
			Command: cmd, Step: step, Executor: x.name, Secrets: driver.NewSecrets(x.opts.Secrets), Now: time.Now, Lease: l,
			Log: x.opts.Log.With("group", group, "step", step.Name, "vouched", true),
		})
		return err
	}
	return fmt.Errorf("the plan of %s promotes nothing", group)
}
