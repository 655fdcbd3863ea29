package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Limits are the times of a run. All are measured on this executor's own monotonic clock.
type Limits struct {
	// Yield is how long an executor lets those at the preferred site go first.
	Yield time.Duration
	// TakeOver is how long a holder must have been silent, while the journal could be read all along, before another goes on in its place.
	TakeOver time.Duration
}

// Run is one executor's view of one run. Not safe for concurrent use.
type Run struct {
	Command *message.Command
	me      Me
	limits  Limits
	chance  func() float64 // 0 to 1

	stored   Record
	began    time.Duration // when the command arrived here
	base     time.Duration // what had passed before that, by the record
	outcomes []Outcome
	orders   []*message.Instruction
	busy     map[string]bool // own work in flight, by step; heldWork for held
	// heldBegan is when the writing of `held` was last begun.
	heldBegan time.Duration
	memory    map[string]memory
}

// What is done beside the steps, named where steps are named. No step can have such a name.
const (
	heldWork = "(held)"
	endWork  = "(end)"
)

// NewRun begins to follow a run. Chance is asked for the jitter of retries.
func NewRun(cmd *message.Command, me Me, limits Limits, chance func() float64, now time.Duration) *Run {
	r := &Run{Command: cmd, me: me, limits: limits, chance: chance, began: now, busy: map[string]bool{}, memory: map[string]memory{}}
	r.stored = Record{Group: cmd.Group, Epoch: cmd.Epoch, Command: cmd.ID, DryRun: cmd.DryRun, Steps: map[string]Step{}}
	return r
}

// Seen is what the executor knows of the group beside the record.
type Seen struct {
	// Newest is the newest epoch known.
	Newest uint64
	// Held: `held` of this epoch stands in the chain.
	Held   bool
	Paused bool
	// Wall is the wall clock in Unix microseconds, for people.
	Wall int64
}

// Move is what follows from all that is known.
type Move struct {
	Record Record
	// Store: the record changed and must be stored before the work is begun. If another was first, none of this move counts.
	Store bool
	Work  []Work
	// Wake is when to ask again although nothing happened; 0: no need.
	Wake time.Duration
}

// Work is one thing to be done now.
type Work struct {
	// Step is nil for writing `held`.
	Step          *message.Step
	Attempt, Take int
	// Doubt: an earlier try may have been applied. If the target cannot tell, a person must.
	Doubt bool
}

// Observe takes in what the journal holds now. Gap is the time that nobody has counted since it was written; 0 where this executor
// has followed the run all along.
func (r *Run) Observe(rec Record, now, gap time.Duration) {
	if rec.ElapsedMicros > 0 {
		r.base, r.began = time.Duration(rec.ElapsedMicros)*time.Microsecond+gap, now
	}
	r.stored = rec.clone()
}

// Stored says that the move's record is in the journal now, and its work is this executor's.
func (r *Run) Stored(m Move, now time.Duration) {
	if m.Store {
		r.stored = m.Record.clone()
		r.outcomes = nil
	}
	for _, w := range m.Work {
		r.busy[w.name()] = true
		if w.Step == nil {
			r.heldBegan = now
		}
	}
}

// Next says what follows. Until Stored is called nothing of it has happened.
func (r *Run) Next(now time.Duration, see Seen) Move {
	m := Move{Record: r.stored.clone()}
	rec := &m.Record
	// First of all: what was cut short for a newer epoch is no failure that waits for a person.
	if see.Newest > r.Command.Epoch && !rec.Over() {
		r.supersede(rec, see.Newest)
	}
	for _, o := range r.outcomes {
		r.settle(rec, o, see)
	}
	if !rec.Over() {
		for _, o := range r.orders {
			r.obey(rec, o, now, see)
		}
	}
	if !rec.Over() {
		r.expire(&m, now, see)
	}
	if !rec.Over() && !see.Paused {
		r.begin(&m, now, see)
	}
	if !rec.Over() {
		r.conclude(&m, now, see)
	}
	m.Store = rec.dirty && !m.onlyHeld() && !r.holding(&m, now)
	if rec.dirty {
		rec.Told = false // what is new is told first
		rec.Executor, rec.At, rec.ElapsedMicros = r.me.Name, see.Wall, r.elapsed(now).Microseconds()
	}
	return m
}

// onlyHeld: look steps that are done and `held` that is due wait for each other. Held shows itself in the chain, and a look
// that is lost with its executor is looked again; so the record need not be stored between the two.
func (m *Move) onlyHeld() bool {
	return len(m.Work) == 1 && m.Work[0].Step == nil
}

// holdingFor is how long what a look found may wait to be stored together with what follows `held`.
const holdingFor = 100 * time.Millisecond

// holding: this executor writes `held` and has nothing to begin meanwhile. What its looks found is stored with the claim of what comes next: clients
// wait for that one, and would for another before it. Where `held` takes long, as it does without proof, it is stored alone.
func (r *Run) holding(m *Move, now time.Duration) bool {
	if !r.busy[heldWork] || len(m.Work) > 0 || m.Record.State != r.stored.State || now >= r.heldBegan+holdingFor {
		return false
	}
	for _, o := range r.outcomes {
		if o.Verdict != Done || r.step(o.Step).Phase != message.PhaseLook {
			return false
		}
	}
	if len(r.outcomes) == 0 {
		return false
	}
	m.wake(r.heldBegan + holdingFor)
	return true
}

func (r *Run) elapsed(now time.Duration) time.Duration { return r.base + now - r.began }

// Busy says whether own work is in flight.
func (r *Run) Busy() bool { return len(r.busy) > 0 }

// Record is what the journal holds, as far as this executor knows.
func (r *Run) Record() Record { return r.stored.clone() }

func (r *Run) supersede(rec *Record, by uint64) {
	rec.finish(message.StateSuperseded, "", fmt.Sprintf("epoch %d took the place of epoch %d of %s; nothing more of it is begun", by, rec.Epoch, rec.Group))
}

// Superseded is the record of a run, begun or not, that a newer epoch has closed.
func Superseded(cmd *message.Command, rec Record, by uint64, executor string, wall int64) Record {
	r := NewRun(cmd, Me{Name: executor}, Limits{}, nil, 0)
	if rec.Exists() {
		r.stored = rec
	}
	out := r.stored.clone()
	r.supersede(&out, by)
	out.Executor, out.At = executor, wall
	return out
}

// begin claims every step whose turn it is.
func (r *Run) begin(m *Move, now time.Duration, see Seen) {
	rec := &m.Record
	if r.looked(rec) && r.released(rec) && !r.held(rec, see) && !r.busy[heldWork] {
		if at, may := r.turn(r.heldStep(), Step{}, now); may && now >= at {
			m.Work = append(m.Work, Work{})
		} else if may {
			m.wake(at)
		}
	}
	for i := range r.Command.Plan.Steps {
		step := &r.Command.Plan.Steps[i]
		s := rec.Steps[step.Name]
		if r.busy[step.Name] || s.settled() || s.State == message.StatePaused || s.State == message.StateWaiting || !r.open(rec, step, see) {
			continue
		}
		at, may := r.turn(step, s, now)
		if !may {
			r.pass(m, step, s, now, see)
			continue
		}
		if now < at {
			m.wake(at)
			continue
		}
		s = r.claim(s, see.Wall)
		rec.State = message.StateStarted
		if r.held(&m.Record, see) {
			rec.State = message.StateHeld
		}
		if approves(step) {
			r.await(m, step, s, now)
			continue
		}
		rec.set(step.Name, s)
		m.Work = append(m.Work, Work{Step: step, Attempt: s.Attempt, Take: s.Take, Doubt: s.Doubt})
	}
}

func (m *Move) wake(at time.Duration) {
	if m.Wake == 0 || at < m.Wake {
		m.Wake = at
	}
}

func (r *Run) held(rec *Record, see Seen) bool { return see.Held || rec.State == message.StateHeld }

// claim makes the step this executor's: a new attempt, or the one that its holder left behind.
func (r *Run) claim(s Step, wall int64) Step {
	next := Step{State: message.StateStarted, Attempt: s.Attempt, Executor: r.me.Name, Boot: r.me.Boot, Doubt: s.Doubt, At: wall}
	switch {
	case s.State != message.StateStarted:
		next.Attempt++
	case s.Executor == r.me.Name && s.Boot == r.me.Boot:
		// Claimed in this life and never begun: the answer of the journal came late.
		next.Take = s.Take
	default:
		next.Take, next.Doubt = s.Take+1, true
	}
	return next
}

// open: everything that the step waits for is settled.
func (r *Run) open(rec *Record, step *message.Step, see Seen) bool {
	for _, name := range step.After {
		if !rec.Steps[name].settled() {
			return false
		}
	}
	switch step.Phase {
	case message.PhaseLook:
		return true
	case message.PhaseRelease:
		return r.looked(rec)
	}
	if !r.held(rec, see) || !r.looked(rec) || !r.released(rec) {
		return false
	}
	// Held is seen in the chain before the work that wrote it is over: the executor beside the new primary has yet to put on its disk that it acts, and
	// a promotion begun before that is refused, and tried again only after a pause that clients would wait for. Without a lease there is nothing to wait for.
	if r.Command.Lease != nil && r.busy[heldWork] {
		return false
	}
	return step.Phase != message.PhaseVerify || r.settledUpTo(rec, message.PhaseAct)
}

func (r *Run) looked(rec *Record) bool { return r.settledUpTo(rec, message.PhaseLook) }

// released: the old primary has given up what the plan makes it give up before `held`.
func (r *Run) released(rec *Record) bool { return r.settledUpTo(rec, message.PhaseRelease) }

// settledUpTo: every step of the phase is settled.
func (r *Run) settledUpTo(rec *Record, phase message.Phase) bool {
	return !slices.ContainsFunc(r.Command.Plan.Steps, func(s message.Step) bool {
		return s.Phase == phase && !rec.Steps[s.Name].settled()
	})
}

// conclude ends the run once everything is settled.
func (r *Run) conclude(m *Move, now time.Duration, see Seen) {
	rec := &m.Record
	if !r.looked(rec) || !r.released(rec) || !r.held(rec, see) || !r.settledUpTo(rec, message.PhaseAct) {
		return
	}
	if rec.ExecuteMicros == 0 {
		rec.ExecuteMicros = max(1, r.elapsed(now).Microseconds())
	}
	if !r.settledUpTo(rec, message.PhaseVerify) {
		return
	}
	if at, may := r.turn(r.anyStep(endWork), Step{}, now); !may || now < at {
		m.wake(at)
		return
	}
	rec.finish(message.StateDone, "", r.doneSentence(rec, r.elapsed(now)))
}

func (w Work) name() string {
	if w.Step == nil {
		return heldWork
	}
	return w.Step.Name
}
