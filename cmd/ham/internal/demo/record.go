package demo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// record is what the demo saw of its group on the bus, as any observer would: stored commands and safety messages, and events.
type record struct {
	mu       sync.Mutex
	commands []*message.Command
	held     map[uint64]bool
	steps    map[uint64][]*message.StepResult
	runs     map[uint64]*message.RunResult // the newest state
	outcomes []*message.Outcome
	decided  map[uint64]int64 // per epoch: microseconds from the verdict until the command was stored
	done     time.Time        // when the newest run was done
	changed  chan struct{}
	tell     func(message.Message)
}

func newRecord(tell func(message.Message)) *record {
	return &record{held: map[uint64]bool{}, steps: map[uint64][]*message.StepResult{}, runs: map[uint64]*message.RunResult{}, decided: map[uint64]int64{},
		changed: make(chan struct{}), tell: tell}
}

// follow begins to record what is stored from now on.
func (r *record) follow(ctx context.Context, b *bus.Bus, group string) error {
	for _, f := range []struct{ stream, filter string }{
		{subject.StreamCommands, subject.Command(group)},
		{subject.StreamSafety, subject.SafetyOf(group)},
		{subject.StreamEvents, subject.EventsOf(group)},
	} {
		caughtUp := make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- b.Follow(ctx, bus.FollowOptions{Stream: f.stream, Subjects: []string{f.filter}, CaughtUp: func() { close(caughtUp) }},
				func(d bus.Delivery) { r.take(d.Message) })
		}()
		select {
		case <-caughtUp:
		case err := <-ended:
			return fmt.Errorf("follow %s: %w", f.stream, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (r *record) take(m message.Message) {
	r.mu.Lock()
	switch m := m.(type) {
	case *message.Command:
		r.commands = append(r.commands, m)
	case *message.Held:
		r.held[m.Epoch] = true
	case *message.StepResult:
		if m.State != message.StateStarted {
			r.steps[m.Epoch] = append(r.steps[m.Epoch], m)
		}
	case *message.RunResult:
		r.runs[m.Epoch] = m
		if m.State == message.StateDone {
			r.done = time.Now()
		}
	case *message.Event:
		if m.Kind == message.EventDecision && m.Command != nil {
			r.decided[m.Command.Epoch] = m.Command.DecideMicros
		}
		if m.Outcome != nil {
			r.outcomes = append(r.outcomes, m.Outcome)
		}
	}
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
	r.tell(m)
}

// until waits until look, called with the record locked, says true.
func (r *record) until(ctx context.Context, what string, look func() bool) error {
	for {
		r.mu.Lock()
		ok, changed := look(), r.changed
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waited in vain until %s: %w", what, ctx.Err())
		}
	}
}

// swap waits for the command of an epoch above after that makes member primary, and for the end of its run.
func (r *record) swap(ctx context.Context, member string, after uint64) (*message.Command, *message.RunResult, []*message.StepResult, error) {
	var command *message.Command
	var run *message.RunResult
	var steps []*message.StepResult
	err := r.until(ctx, "the swap to "+member+" is done", func() bool {
		for _, c := range r.commands {
			if c.Epoch > after && c.Primary == member {
				command = c
			}
		}
		if command == nil {
			return false
		}
		run, steps = r.runs[command.Epoch], r.steps[command.Epoch]
		if _, told := r.decided[command.Epoch]; !told {
			return false
		}
		return run != nil && (run.State == message.StateDone || run.State == message.StateEnded || run.State == message.StateAborted || run.State == message.StatePaused)
	})
	if err != nil {
		return nil, nil, nil, err
	}
	if run.State != message.StateDone {
		return nil, nil, nil, fmt.Errorf("the swap to %s did not complete: %s: %s", member, run.State, run.Sentence)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	timed := *command
	timed.DecideMicros = r.decided[command.Epoch]
	return &timed, run, steps, nil
}

// of returns the command of an epoch and the results of its steps so far.
func (r *record) of(epoch uint64) (*message.Command, []*message.StepResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.commands {
		if c.Epoch == epoch {
			return c, slices.Clone(r.steps[epoch])
		}
	}
	return &message.Command{}, nil
}

// epoch is the newest one.
func (r *record) epoch() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.commands) == 0 {
		return 0
	}
	return r.commands[len(r.commands)-1].Epoch
}

// doneAt is when the newest run was done.
func (r *record) doneAt() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func microMillis(us int64) float64 { return float64(us) / 1000 }
