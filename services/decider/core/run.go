package core

import (
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// run is what the executors say about the newest command.
type run struct {
	state    message.State // "" before anybody said anything
	step     string
	sentence string
	executor string
	seq      uint64
	at       moment // when the state became what it is
	steps    []stepRun
	// early are messages of an epoch whose command was not read yet.
	early []SafetyRead
	// ended is the last failover that a look step ended: an executor saw the primary up after all.
	ended *ended
	seen  uint64 // newest safety message
	done  uint64 // newest one that taught how long a swap takes
}

type stepRun struct {
	name, executor, problem string
	state                   message.State
	attempt                 int
	seq                     uint64
	at                      moment // when the state became what it is
	by                      string // who answered it, where it waits for approval
}

type ended struct {
	member, executor, sentence string
	at                         moment
}

// pastRun is a swap that was carried through, to predict the next one by.
type pastRun struct {
	kind message.Kind
	took time.Duration // from the command's arrival at an executor to the end of the last verify step
}

func terminal(st message.State) bool {
	switch st {
	case message.StateDone, message.StateEnded, message.StateAborted, message.StateSuperseded:
		return true
	}
	return false
}

// underWay says that the newest command has not come to its end. One that changes the terms of a lease has no steps: it ends with being held,
// whether or not its executor lives to say so.
func (s *State) underWay() bool {
	c := s.chain.command
	return c != nil && !terminal(s.run.state) && !(c.Lease != nil && c.Kind == message.KindReconfigure && s.chain.held)
}

// begin starts the record of a new command.
func (r *run) begin() {
	*r = run{early: r.early, ended: r.ended, seen: r.seen, done: r.done}
}

// safety takes one message of HAM_SAFETY. Results of other epochs than the newest change nothing here, but that a swap which
// was done teaches how long one takes.
func (s *State) safety(at Time, in SafetyRead) {
	if in.Seq > s.run.seen {
		s.run.seen, s.safetyHeard = in.Seq, at.Mono
	}
	epoch, command := uint64(0), ""
	switch m := in.Message.(type) {
	case *message.StepResult:
		epoch, command = m.Epoch, m.Command
		if m.DryRun {
			return
		}
		s.remedyTold(at, m, in)
	case *message.RunResult:
		epoch, command = m.Epoch, m.Command
		if m.DryRun {
			return
		}
		if swaps := m.Kind == message.KindFailover || m.Kind == message.KindSwitchover; swaps && m.State == message.StateDone && in.Seq > s.run.done {
			s.run.done = in.Seq
			s.past = remember(s.past, pastRun{m.Kind, time.Duration(m.ExecuteMicros+m.VerifyMicros) * time.Microsecond})
			s.drillFinish(at, m, in)
		}
	case *message.Instruction:
		s.instructed(at, m)
		s.stepAnswered(m)
		return
	case *message.Fenced:
		s.fencedRead(at, m, in)
		return
	case *message.Replication:
		s.replicationRead(at, m, in)
		return
	case *message.Evaluation:
		s.evaluationRead(at, m, in)
		return
	default:
		return
	}
	switch c := s.chain.command; {
	case c == nil || epoch > c.Epoch:
		s.run.early = remember(s.run.early, in)
		return
	case epoch < c.Epoch || command != c.ID:
		return
	}
	switch m := in.Message.(type) {
	case *message.StepResult:
		if s.run.stepped(at, m, in) {
			s.tellStepApproval(at, m, in)
		}
	case *message.RunResult:
		s.run.moved(at, m, in)
		if s.run.state == message.StateEnded && s.chain.command.Kind == message.KindFailover {
			s.run.ended = &ended{s.chain.command.From, s.run.executor, s.run.sentence, s.run.at}
		}
	}
}

// late takes what came before its command.
func (s *State) late(at Time) {
	early := s.run.early
	s.run.early = nil
	for _, in := range early {
		s.safety(at, in)
	}
}

// stepped says whether the word is new.
func (r *run) stepped(at Time, m *message.StepResult, in SafetyRead) bool {
	i := slices.IndexFunc(r.steps, func(t stepRun) bool { return t.name == m.Step })
	if i < 0 {
		r.steps = append(r.steps, stepRun{name: m.Step})
		i = len(r.steps) - 1
	}
	t := &r.steps[i]
	if in.Seq <= t.seq {
		return false
	}
	*t = stepRun{name: m.Step, executor: m.By(), problem: m.Problem, state: m.State, attempt: m.Attempt, seq: in.Seq, at: moment{in.Stored, at.Mono}, by: t.by}
	return true
}

// moved: the newest word counts, and the end is the end.
func (r *run) moved(at Time, m *message.RunResult, in SafetyRead) {
	if in.Seq <= r.seq || terminal(r.state) {
		return
	}
	r.state, r.step, r.sentence, r.executor, r.seq, r.at = m.State, m.Step, m.Sentence, m.Executor, in.Seq, moment{in.Stored, at.Mono}
}

// paused returns the step that waits for a person: the named one, or the first.
func (r *run) paused(name string) (stepRun, bool) {
	for _, t := range r.steps {
		if t.state == message.StatePaused && (name == "" || t.name == name) {
			return t, true
		}
	}
	return stepRun{}, false
}

// predict is what a swap of this kind took in the past: the median of the last 15; 0: none was measured.
func (s *State) predict(kind message.Kind) (d time.Duration, of int) {
	var took []time.Duration
	for i := len(s.past) - 1; i >= 0 && len(took) < 15; i-- {
		if s.past[i].kind == kind {
			took = append(took, s.past[i].took)
		}
	}
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)/2], len(took)
}
