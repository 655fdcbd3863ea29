package ask

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Look asks what the steps of the plan would find now: an executor that is quick to answer, and for steps that only another may run, that
// one. It changes nothing. Nil where no executor answers, which is to be said where it matters: then nothing would be carried out.
func (c Client) Look(ctx context.Context, p *message.Preview) *message.Looked {
	if p.Plan == nil || len(p.Plan.Steps) == 0 {
		return nil
	}
	header, body, err := message.Encode(p, c.Bus.Source(), time.Now())
	if err != nil {
		return nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	ask := func(to string) *message.Looked {
		msg, err := c.Bus.Conn().RequestMsgWithContext(ctx, &nats.Msg{Subject: to, Header: nats.Header(header), Data: body})
		if err != nil || msg.Header.Get("Nats-Service-Error") != "" {
			return nil
		}
		looked := new(message.Looked)
		if message.DecodeAs(message.Header(msg.Header), msg.Data, looked) != nil || len(looked.Steps) != len(p.Plan.Steps) {
			return nil
		}
		return looked
	}
	looked := ask(subject.LookAny)
	if looked == nil {
		return nil
	}
	var all sync.WaitGroup
	for name, steps := range otherExecutors(p.Plan, looked) {
		all.Go(func() {
			other := ask(subject.Look(name))
			for _, i := range steps { // each step is one executor's alone
				if other == nil {
					looked.Steps[i].State, looked.Steps[i].Problem = message.StateFailed, "the executor "+name+", which alone may run it, does not answer"
				} else {
					looked.Steps[i] = other.Steps[i]
				}
			}
		})
	}
	all.Wait()
	return looked
}

// otherExecutors lists the steps that only another executor may run, by its name.
func otherExecutors(plan *message.Plan, looked *message.Looked) map[string][]int {
	others := map[string][]int{}
	for i, step := range plan.Steps {
		name := step.Executor
		if by, ok := strings.CutPrefix(step.On, "executor:"); ok && name == "" {
			name = by
		}
		if name != "" && name != looked.Executor {
			others[name] = append(others[name], i)
		}
	}
	return others
}
