package plan

import (
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// An approval step is no work: it waits in the record, and what passes it is the instruction of a person, which a decider has let through. So nobody holds it,
// and no executor that dies takes anything with it.

func approves(step *message.Step) bool { return step.Driver == message.DriverApprove }

// await has the step wait from now on.
func (r *Run) await(m *Move, step *message.Step, s Step, now time.Duration) {
	s.State, s.Take, s.Doubt = message.StateWaiting, 0, false
	s.SinceMicros = r.elapsed(now).Microseconds()
	s.Wanted, s.Evidence = clip(step.Says), ""
	if m.Record.DryRun { // nobody is asked about what does not happen
		s.State, s.Found = message.StateDone, "nobody was asked"
		m.wake(now)
	} else {
		m.wake(now + step.Timeout.Std())
	}
	m.Record.set(step.Name, s)
}

// expire ends the waiting that nobody has answered in time. Whichever executor finds that out first writes it.
//
// Invariant: time alone never passes an approval step.
func (r *Run) expire(m *Move, now time.Duration, see Seen) {
	rec := &m.Record
	for i := range r.Command.Plan.Steps {
		step := &r.Command.Plan.Steps[i]
		s := rec.Steps[step.Name]
		if s.State != message.StateWaiting || rec.Over() {
			continue
		}
		left := step.Timeout.Std() - (r.elapsed(now) - time.Duration(s.SinceMicros)*time.Microsecond)
		if left > 0 {
			m.wake(now + left)
			continue
		}
		s.Problem, s.Executor, s.Boot, s.At = fmt.Sprintf("nobody approved it within %s", step.Timeout), r.me.Name, r.me.Boot, see.Wall
		s.TookMicros = step.Timeout.Std().Microseconds()
		if r.held(rec, see) {
			s.State = message.StatePaused
		} else {
			s.State, s.Final = message.StateFailed, true
			rec.finish(message.StateAborted, step.Name, fmt.Sprintf("step %s expired: %s; %s", step.Name, s.Problem, r.whatNow(rec, see)))
		}
		rec.set(step.Name, s)
	}
}

// answer follows what a person said to an approval step that waits in the attempt that the instruction names.
//
// Invariant: approve alone passes it.
func (r *Run) answer(rec *Record, in *message.Instruction, s Step, by string, now time.Duration, see Seen) {
	s.Executor, s.Boot, s.At = r.me.Name, r.me.Boot, see.Wall
	s.TookMicros = max(0, r.elapsed(now).Microseconds()-s.SinceMicros)
	switch in.Verb {
	case message.VerbApprove:
		s.State, s.Evidence = message.StateDone, clip("approved "+by)
	case message.VerbReject:
		s.State, s.Final, s.Problem = message.StateFailed, true, clip("rejected "+by)
		rec.finish(message.StateAborted, in.Step, fmt.Sprintf("rejected at step %s %s; %s", in.Step, by, r.whatNow(rec, see)))
	default:
		return
	}
	rec.set(in.Step, s)
}
