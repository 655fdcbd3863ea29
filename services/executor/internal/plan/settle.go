package plan

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Verdict is what an attempt came to.
type Verdict int

const (
	// Done: the step is done, or was found done.
	Done Verdict = iota + 1
	// Failed: it is not done.
	Failed
	// InDoubt: nobody can tell whether it is done.
	InDoubt
	// Ends: the swap is no longer right.
	Ends
	// Cut: it was cut short because the run came to its end.
	Cut
	// Lapsed: it was cut short because another executor might have taken it over, and is not known to be done. If none has, it is taken up again.
	Lapsed
)

func (v Verdict) String() string {
	switch v {
	case Done:
		return "done"
	case Failed:
		return "failed"
	case InDoubt:
		return "in doubt"
	case Ends:
		return "ends the swap"
	case Cut:
		return "cut short"
	case Lapsed:
		return "lapsed"
	}
	return fmt.Sprintf("Verdict(%d)", int(v))
}

// Outcome is what became of one piece of this executor's work.
type Outcome struct {
	Step          string // "" for held
	Attempt, Take int
	Verdict       Verdict
	Applied       bool
	// Doubt: it failed, and an earlier try may have been applied.
	Doubt                            bool
	Found, Wanted, Evidence, Problem string
	Took                             time.Duration
}

// Take takes in an outcome of own work. It counts from the next move on.
func (r *Run) Take(o Outcome) {
	if o.Step == "" {
		delete(r.busy, heldWork)
		return // what became of held is seen in the chain
	}
	delete(r.busy, o.Step)
	r.outcomes = append(r.outcomes, o)
}

// Instruct takes in what a person wants. It counts when, and only when, its step is paused in the attempt that it names.
func (r *Run) Instruct(in *message.Instruction) { r.orders = append(r.orders, in) }

// settle writes an outcome into the record, unless the claim was lost meanwhile.
func (r *Run) settle(rec *Record, o Outcome, see Seen) {
	s, ok := rec.Steps[o.Step]
	if !ok || s.State != message.StateStarted || s.Attempt != o.Attempt || s.Take != o.Take || s.Boot != r.me.Boot || s.Executor != r.me.Name {
		return
	}
	step := r.step(o.Step)
	s.Found, s.Wanted, s.Evidence, s.Problem = clip(o.Found), clip(o.Wanted), clip(o.Evidence), clip(o.Problem)
	s.Applied, s.Doubt, s.TookMicros, s.At = o.Applied, o.Doubt, o.Took.Microseconds(), see.Wall
	switch v := o.Verdict; {
	case v == Done:
		s.State, s.Doubt = message.StateDone, false
	case v == Ends && step.Phase == message.PhaseLook && !see.Held && !rec.Over():
		s.State, s.Final = message.StateFailed, true
		rec.finish(message.StateEnded, o.Step, fmt.Sprintf("the %s of %s to %s is no longer right and was ended before anything was changed: %s",
			r.Command.Kind, rec.Group, r.Command.Primary, cmp.Or(s.Problem, s.Found)))
	case rec.Over() || v == Cut:
		s.State, s.Final = message.StateFailed, true
	case v == Lapsed:
		s.Take, s.Doubt = s.Take+1, true // still started, by this executor: begin takes it up
	case v == InDoubt && r.Command.Kind == message.KindRemedy:
		s.State, s.Final = message.StateFailed, true // nobody waits for a person: whatever it did, the ladder is over
	case v == InDoubt:
		s.State, s.Doubt = message.StatePaused, true
	case s.Attempt <= step.Retries:
		s.State = message.StateFailed
	case step.OnFailure == message.FailGoOn:
		s.State, s.Final = message.StateFailed, true
	case step.OnFailure == message.FailAbort:
		s.State, s.Final = message.StateFailed, true
		rec.finish(message.StateAborted, o.Step, fmt.Sprintf("step %s failed, and the plan aborts on that: %s; %s", o.Step, s.Problem, r.whatNow(rec, see)))
	default:
		s.State = message.StatePaused
	}
	rec.set(o.Step, s)
}

// obey follows an instruction.
//
// Invariant: it counts only for a step that is paused, or waits for approval, in the very attempt that it names: hearing it twice, late or out of order
// changes nothing.
func (r *Run) obey(rec *Record, in *message.Instruction, now time.Duration, see Seen) {
	s := rec.Steps[in.Step]
	if in.Epoch != rec.Epoch || s.State != message.StatePaused && s.State != message.StateWaiting || s.Attempt != in.Attempt {
		return
	}
	by := "by " + in.Actor
	if in.Reason != "" {
		by += ": " + in.Reason
	}
	step := r.step(in.Step)
	if s.State == message.StateWaiting {
		r.answer(rec, in, s, by, now, see)
		return
	}
	s.Executor, s.Boot, s.At = r.me.Name, r.me.Boot, see.Wall
	switch in.Verb {
	case message.VerbRetry:
		s.State, s.Again, s.Doubt = message.StateFailed, true, false
	case message.VerbSkip:
		if step.Unskippable {
			return
		}
		s.State, s.Evidence = message.StateSkipped, clip("skipped "+by)
	case message.VerbApprove:
		if step.Unskippable {
			return
		}
		s.State, s.Doubt, s.Evidence = message.StateDone, false, clip("said to be done "+by)
	case message.VerbReject:
		s.State, s.Final = message.StateFailed, true
		rec.finish(message.StateAborted, in.Step, fmt.Sprintf("aborted at step %s %s; %s", in.Step, by, r.whatNow(rec, see)))
	default:
		return
	}
	rec.set(in.Step, s)
}

func (r *Run) step(name string) *message.Step {
	for i := range r.Command.Plan.Steps {
		if r.Command.Plan.Steps[i].Name == name {
			return &r.Command.Plan.Steps[i]
		}
	}
	return &message.Step{Name: name}
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText-3], "") + "…"
}
