package executor

import (
	"context"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/internal/gather"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

func (x *Executor) newGatherer() *gather.Gatherer {
	known := func() []string { return append(slices.Clone(x.opts.Known()), x.opts.PeerSecret) }
	o := gather.Options{
		Name: x.name, Serves: (plan.Me{Sites: x.opts.Sites}).Serves, StateDir: x.opts.StateDir, Secrets: x.opts.Secrets, Known: known,
		Busy: func(group string) bool {
			x.mu.Lock()
			g := x.desks[group]
			x.mu.Unlock()
			return g != nil && g.UnderWay()
		},
		Publish: func(ctx context.Context, m *message.Gathered) error {
			_, err := x.bus.Publish(ctx, subject.Gathered(m.Group, m.Executor), m)
			return err
		},
		Clock: func() (time.Time, bool) { return x.now(), true },
		Log:   x.opts.Log,
	}
	if x.opts.gather != nil {
		x.opts.gather(&o)
	}
	return gather.New(o)
}

// worthGathering is what is worth looking round for. What happens while the bus is away is not heard, and then nobody could be told either.
var worthGathering = []string{
	subject.Root + ".event.*." + string(message.EventIncident) + ".*", subject.Root + ".stored.safety.*." + subject.SafetyStep + ".*",
}

func (x *Executor) wishToGather(d bus.Delivery) {
	w := gather.Wish{Group: d.Parts.Group}
	switch m := d.Message.(type) {
	case *message.Event:
		if m.Opened == nil || m.Group != w.Group {
			return
		}
		w.Incident, w.When = m.Incident, message.GatherOpened
		if !*m.Opened {
			w.When = message.GatherEnded
		}
	case *message.StepResult:
		if m.DryRun || m.Group != w.Group || m.State != message.StateFailed && m.State != message.StatePaused {
			return
		}
		w.Incident, w.When, w.Epoch = m.Incident, message.GatherStep, m.Epoch
	default:
		return
	}
	if group, ok := incident.GroupOf(w.Incident); !ok || group != w.Group {
		return // it is about no incident, and nobody would find it
	}
	x.gatherer.Wish(w)
}

// answerGather looks round for somebody who asks. Why it cannot is an answer too: whoever asked waits for one from each executor.
func (x *Executor) answerGather(ctx context.Context, a bus.Ask) (message.Message, error) {
	m, err := x.gatherer.Now(ctx, a.Parts.Group)
	if err != nil {
		return &message.Gathered{
			Group: a.Parts.Group, When: message.GatherAsked, Executor: x.name, Clues: []message.Clue{{Name: "nothing was looked at", Err: cut(err.Error())}}, At: time.Now().UnixMicro(),
		}, nil
	}
	return m, nil
}
