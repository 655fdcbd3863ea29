package board

import (
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
)

// Incident is one line of the list.
type Incident struct {
	ID       string
	Group    string
	Open     bool
	Opened   time.Time
	Closed   time.Time
	Sentence string
	Swaps    int           // real ones that were done
	Refused  int           // automatic swaps that did not happen
	Took     time.Duration // recovery time of the last swap that was done; 0: none
}

// Done is a swap that came to its end.
type Done struct {
	At     time.Time
	Epoch  uint64
	Kind   message.Kind
	From   string
	To     string
	Drill  bool
	DryRun bool
	// The recovery time, split; a part that is not known is 0.
	Detect, Decide, Execute, Verify time.Duration
}

// Took is the recovery time.
func (d Done) Took() time.Duration { return d.Detect + d.Decide + d.Execute + d.Verify }

// Drill is a rehearsal as it was last told.
type Drill struct {
	At     time.Time
	Status *message.DrillStatus
}

// Run is a swap as it is told, step by step.
type Run struct {
	Command  *message.Command
	At       time.Time // of the command, by the stream's clock
	State    message.State
	Sentence string
	Step     string
	Executor string
	Ended    time.Time
	Steps    map[string]Step
}

// Step is what became of one step so far.
type Step struct {
	*message.StepResult
	Began, Until time.Time // by the stream's clock; Until is zero while it runs
}

// Over says that nothing of the run is still to come.
func (r *Run) Over() bool {
	switch r.State {
	case message.StateDone, message.StateEnded, message.StateAborted, message.StateSuperseded:
		return true
	}
	return false
}

// eventLocked puts one event on the board. The record may tell the same happening twice, by two writers.
func (b *Board) eventLocked(e *message.Event, d bus.Delivery) {
	if e.Outcome != nil {
		b.outcomeLocked(e)
	}
	g := b.entryLocked(e.Group) // also of a group whose spec is not read yet: it is shown once it is declared
	b.touchLocked(g)
	if worthALine(e) {
		g.Lines = prepend(g.Lines, &Line{At: d.Time, Seq: d.Seq, Event: e}, maxLines)
	}
	switch e.Kind {
	case message.EventIncident:
		g.incident(e, d.Time)
	case message.EventRefused:
		g.ofIncident(e.Incident, func(i *Incident) { i.Refused++ })
	case message.EventDecision, message.EventShadow:
		if e.Command != nil {
			g.decided(e.Command, d.Time)
		}
		if e.Command != nil && e.Kind == message.EventShadow {
			g.shadow(e.Command)
		}
	case message.EventJudged:
		if e.Judged != nil {
			g.ledger.Judge(e.Judged, d.Time.UnixMicro())
			g.Shadows = g.ledger.Newest(maxShadows)
		}
	case message.EventOutcome:
		if o := e.Outcome; o != nil && !o.Accepted && o.Verb == message.VerbDrill && e.Actor == message.ActorSchedule {
			g.NotBegun = prepend(g.NotBegun, &Line{At: d.Time, Seq: d.Seq, Event: e}, maxRefused)
		}
	case message.EventStep:
		if e.Step != nil {
			g.step(e.Step, d.Time)
		}
	case message.EventRun:
		if e.Run != nil {
			g.ran(e.Run, d.Time)
		}
	case message.EventDrill:
		if e.Drill != nil {
			g.drill(e.Drill, d.Time)
		}
	}
}

// worthALine says whether the event is shown among the newest: not each step that went well, and not that what somebody wrote was written.
func worthALine(e *message.Event) bool {
	if o := e.Outcome; o != nil && o.Accepted && (o.Verb == message.VerbNote || o.Verb == message.VerbJudge) {
		return false
	}
	return e.Kind != message.EventStep || e.Severity.AtLeast(message.Warning)
}

func (b *Board) outcomeLocked(e *message.Event) {
	id := e.Outcome.Request
	if b.outcomes[id] == nil {
		b.order = append(b.order, id)
	}
	b.outcomes[id] = e
	for len(b.order) > maxOutcomes {
		delete(b.outcomes, b.order[0])
		b.order = slices.Delete(b.order, 0, 1)
	}
}

// prepend makes a new slice: the old one may be in somebody's hands.
func prepend[T any](list []T, x T, limit int) []T {
	out := make([]T, 0, min(len(list)+1, limit))
	out = append(out, x)
	return append(out, list[:min(len(list), limit-1)]...)
}

func (g *entry) incident(e *message.Event, at time.Time) {
	if e.Incident == "" || e.Opened == nil {
		return
	}
	known := slices.ContainsFunc(g.Incidents, func(i Incident) bool { return i.ID == e.Incident })
	switch {
	case *e.Opened && !known:
		g.Incidents = prepend(g.Incidents, Incident{ID: e.Incident, Group: g.Name, Open: true, Opened: at, Sentence: e.Sentence}, maxIncidents)
	case !*e.Opened && !known: // its beginning has left the record
		g.Incidents = prepend(g.Incidents, Incident{ID: e.Incident, Group: g.Name, Opened: at, Closed: at, Sentence: e.Sentence}, maxIncidents)
	case !*e.Opened:
		g.ofIncident(e.Incident, func(i *Incident) { i.Open, i.Closed, i.Sentence = false, at, e.Sentence })
	}
}

// ofIncident changes a copy of the list, and puts it in the place of the old one.
func (g *entry) ofIncident(id string, f func(*Incident)) {
	at := slices.IndexFunc(g.Incidents, func(i Incident) bool { return i.ID == id })
	if id == "" || at < 0 {
		return
	}
	g.Incidents = slices.Clone(g.Incidents)
	f(&g.Incidents[at])
}

func (g *entry) decided(c *message.Command, at time.Time) {
	if g.pending[c.ID] == nil {
		g.pendingOrder = append(g.pendingOrder, c.ID)
	}
	g.pending[c.ID] = c
	for len(g.pendingOrder) > maxPending {
		delete(g.pending, g.pendingOrder[0])
		g.pendingOrder = slices.Delete(g.pendingOrder, 0, 1)
	}
	if c.Kind == message.KindReconfigure || g.Run != nil && g.Run.Command.ID == c.ID {
		return // it moves no role and follows swaps as a matter of course; or another decider tells the same
	}
	g.Run = &Run{Command: c, At: at, State: message.StateStarted, Sentence: c.Sentence, Steps: map[string]Step{}}
}

// ofRun changes a copy of the run that the command belongs to.
func (g *entry) ofRun(command string, f func(*Run)) {
	if g.Run == nil || g.Run.Command.ID != command {
		return
	}
	next := *g.Run
	next.Steps = make(map[string]Step, len(g.Run.Steps)+1)
	for name, s := range g.Run.Steps {
		next.Steps[name] = s
	}
	f(&next)
	g.Run = &next
}

func (g *entry) step(m *message.StepResult, at time.Time) {
	g.ofRun(m.Command, func(r *Run) {
		s := r.Steps[m.Step]
		if s.StepResult != nil && s.Attempt > m.Attempt {
			return // an older attempt, told late
		}
		if s.Began.IsZero() {
			s.Began = at.Add(-time.Duration(m.TookMicros) * time.Microsecond)
		}
		s.StepResult, s.Until = m, time.Time{}
		if m.State != message.StateStarted {
			s.Until = at
		}
		r.Steps[m.Step] = s
	})
}

func (g *entry) ran(m *message.RunResult, at time.Time) {
	g.ofRun(m.Command, func(r *Run) {
		if r.Over() {
			return
		}
		r.State, r.Sentence, r.Step, r.Executor = m.State, m.Sentence, m.Step, m.Executor
		if r.Over() {
			r.Ended = at
		}
	})
	if m.State != message.StateDone || (m.Kind != message.KindFailover && m.Kind != message.KindSwitchover) {
		return
	}
	c := g.pending[m.Command]
	if c == nil {
		c = &message.Command{Epoch: m.Epoch, Kind: m.Kind, Primary: m.Primary}
	}
	done := Done{
		At: at, Epoch: m.Epoch, Kind: m.Kind, From: c.From, To: m.Primary, Drill: c.Drill != nil, DryRun: m.DryRun,
		Detect: micros(c.DetectMicros), Decide: micros(c.DecideMicros), Execute: micros(m.ExecuteMicros), Verify: micros(m.VerifyMicros),
	}
	if slices.ContainsFunc(g.Runs, func(k Done) bool { return k.Epoch == done.Epoch && k.DryRun == done.DryRun && !k.DryRun }) {
		return
	}
	g.Runs = prepend(g.Runs, done, maxRuns)
	if !m.DryRun {
		g.ofIncident(m.Incident, func(i *Incident) { i.Swaps++; i.Took = done.Took() })
	}
}

func (g *entry) drill(d *message.DrillStatus, at time.Time) {
	i := slices.IndexFunc(g.Drills, func(k Drill) bool { return k.Status.ID == d.ID })
	switch {
	case i < 0:
		g.Drills = prepend(g.Drills, Drill{At: at, Status: d}, maxDrills)
	case g.Drills[i].Status.Stage != message.DrillOver: // a word that it is over is the last
		g.Drills = slices.Clone(g.Drills)
		g.Drills[i].Status = d
		if d.Stage == message.DrillOver {
			g.Drills[i].At = at
		}
	}
}

// shadow keeps of a swap that would have happened what is shown of it: a ledger is long, and a plan with its evidence is big.
func (g *entry) shadow(c *message.Command) {
	if g.ledger.Has(c.ID) {
		return
	}
	g.ledger.Shadow(&message.Command{
		ID: c.ID, Group: c.Group, Epoch: c.Epoch, Kind: c.Kind, From: c.From, Primary: c.Primary, Rule: c.Rule, Sentence: c.Sentence, Incident: c.Incident, Request: c.Request, At: c.At,
	})
	g.Shadows = g.ledger.Newest(maxShadows)
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
