package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/board"
	"github.com/isacloud/ha-manager/services/console/internal/tongue"
)

// Measured is a figure of a member, in a sentence. Warns: it went too far, or cannot be measured; Beyond: it is beyond its bound, and not yet for as
// long as it takes to warn.
type Measured struct {
	Sentence      string
	Warns, Beyond bool
}

// Group is a group as it is shown. It is made of a snapshot of the board and the time alone.
type Group struct {
	Name     string
	Mark     Mark
	Fresh    bool   // what is shown is what is
	Age      string // of the answer
	Problem  string // why there is no newer one
	Sentence string
	// Clients is what a canary sees; nil: none is declared.
	Clients *Clients
	// Measured are the members' figures, those that went too far or cannot be measured first.
	Measured []Measured
	Mode     string
	DryRun   bool
	Paused   string
	Epoch    uint64
	Primary  string
	Held     bool
	Incident string
	Decider  string
	Blind    bool

	Members  []Member
	Refusals []message.Reason
	Lease    *Lease
	Routes   []Route
	Run      *RunView
	Stopped  *Stopped
	// Pool is how a pool stands; nil: it is none.
	Pool *Pool
	// Resources are what each member holds, Ladder is what is tried before anybody takes over; nil: none is declared.
	Resources *Resources
	Ladder    *Ladder
	// Swap is what a person planned that comes next, Frozen the freeze that holds now, until FrozenUntil; nil: none.
	Swap        *Planned
	Frozen      string
	FrozenUntil string
	// Runbook says that there is one to show.
	Runbook bool
	Drill   *DrillNow
	Figures Figures

	Promises  []Promise
	Vouched   string
	Lines     []LineView
	Incidents []IncidentRow
	Drills    []DrillRow

	// Waiting are the swaps that wait for a second person; Agenda is what is planned, Trust what the shadow ledger shows (nil: nothing).
	Waiting []Waiting
	Agenda  *Agenda
	Trust   *Trust

	// What the person who looks may do.
	MayAct, MayAdmin bool
	Person, CSRF     string
	Standbys         []string
}

// Member is one member.
type Member struct {
	Name, Site string
	Role       string
	Primary    bool
	Mark       Mark
	Ready      string // "ready", "not ready"; "" for the primary
	ReadyMark  Mark
	Reasons    []message.Reason
	Views      []View
	Lag        string
	LagAge     string
	LagState   string
	// Maintenance says that it is in maintenance; "": it is not. Drains says of each proxy how far its server has drained.
	Maintenance string
	Drains      []string
	// Mending says what was tried on it lately, or is; "": nothing.
	Mending string
}

// View is what one vantage says.
type View struct {
	Vantage, Check string
	Mark           Mark
	Hard           bool
	InARow         int
	Age            string
	Old            string // the age again, where it is worth a word on the overview
	Evidence       string
}

// Eyes are the views where there is little room: what all checks of a vantage say alike stands there once, and what some say otherwise by its check.
func (m Member) Eyes() []View {
	var out []View
	several := map[string]bool{} // vantages whose checks differ
	for _, v := range m.Views {
		i := slices.IndexFunc(out, func(o View) bool { return o.Vantage == v.Vantage && o.Mark == v.Mark })
		switch {
		case i < 0:
			several[v.Vantage] = slices.ContainsFunc(out, func(o View) bool { return o.Vantage == v.Vantage })
			out = append(out, v)
			continue
		case out[i].Evidence == "":
			out[i].Evidence = v.Evidence
		}
		out[i].Check += ", " + v.Check
		out[i].Old = cmp.Or(out[i].Old, v.Old)
	}
	for i, v := range out {
		if several[v.Vantage] && !v.Quiet() {
			out[i].Vantage += " " + v.Check
		}
	}
	return out
}

// Quiet says that the shape is enough where there is little room: it is well, or all of it is said to be old.
func (v View) Quiet() bool { return v.Mark.Tone == "ok" || v.Mark.Icon == stale.Icon }

// Lease is who may act.
type Lease struct {
	Armed      bool
	Mark       Mark
	Holder     string
	Epoch      uint64
	Left       string
	TTL, Wait  string
	Deciders   string
	Protected  bool
	Protection string
	Fenced     []string
}

// Route is one proxy of a route.
type Route struct {
	Name, Proxy, Serves, Problem string
	Mark                         Mark
}

// RunView is a swap, step by step.
type RunView struct {
	Kind     string
	From, To string
	Epoch    uint64
	DryRun   bool
	Mark     Mark
	Over     bool
	Ago      string
	Sentence string
	Incident string
	Steps    []StepView
}

// StepView is one step of a swap.
type StepView struct {
	Name, Says, Took, Executor, Detail, Problem string
	Mark                                        Mark
	Attempt                                     int
}

// Stopped is a swap that waits for a person.
type Stopped struct {
	Step, Problem string
	Epoch         uint64
}

// DrillNow is the rehearsal that runs.
type DrillNow struct {
	ID, Actor, Why, Stage, Left, Home, Away string
	Waits                                   []message.Reason
	MayEnd                                  bool
}

// Figures are what was achieved, beside the objectives.
type Figures struct {
	RTO, RPO  string // the objectives; "" where none is declared
	LastSwap  string // "1.84 s, 3 days ago"
	LastMet   string // "met", "missed"; "" where there is nothing to compare
	LastDrill string
	DrillMark Mark
	Typical   string // median of the swaps that were done
}

// LineView is one event.
type LineView struct {
	At, Date, Moment, Kind, Sentence, Writer, Incident string
	Mark                                               Mark
}

// IncidentRow is one line of the list of incidents.
type IncidentRow struct {
	ID, Group, When, Lasted, Took, Sentence string
	Open                                    bool
	Swaps, Refused                          int
}

// DrillRow is one line of the history of drills.
type DrillRow struct {
	ID, Group, When, Actor, Why, Took, Objective, Way, How, Held string
	Mark                                                         Mark
}

// view makes a group's view.
func view(g *board.Group, now time.Time, p *who.Person) *Group {
	v := &Group{Name: g.Name, Mark: mark(g, now), Fresh: !g.Stale(now), Problem: g.Problem, MayAct: p.May(g.Name, who.Operator), MayAdmin: p.May(g.Name, who.Admin)}
	if a, known := g.Age(now); known {
		v.Age = age(a)
	}
	if v.Problem == "" && !v.Fresh {
		v.Problem = "it was not asked yet"
	}
	v.Promises, v.Vouched = promises(g), vouched(g)
	v.Figures = figures(g, now)
	for _, i := range g.Incidents {
		v.Incidents = append(v.Incidents, incidentRow(i, now))
	}
	for _, d := range g.Drills[:min(len(g.Drills), 5)] {
		v.Drills = append(v.Drills, drillRow(g.Name, d, now))
	}
	for _, l := range g.Lines {
		v.Lines = append(v.Lines, lineView(l, now))
	}
	v.Run = runView(g, now)
	v.Agenda, v.Trust = agenda(g, now), trust(g, now)
	if p != nil {
		v.Person, v.CSRF = p.Name, p.CSRF
	}
	s := g.Status
	if s == nil {
		return v
	}
	for _, warns := range []bool{true, false} {
		for _, f := range s.Thresholds {
			if warns == (f.Condition != message.ThresholdWell) {
				v.Measured = append(v.Measured, Measured{f.Sentence, warns, f.Beyond()})
			}
		}
	}
	v.Sentence, v.Mode, v.DryRun, v.Epoch, v.Primary, v.Held = s.Sentence, s.Mode, s.Mode == "dry-run", s.Epoch, s.Primary, s.Held || s.Kind == message.KindRemedy
	v.Waiting = waitings(s, now, p)
	v.Incident, v.Decider, v.Blind, v.Refusals = s.Incident, s.Decider, s.Blind, s.Refusals
	if s.Paused {
		v.Paused = pausedSince(s)
	}
	since := now.Sub(g.Answered) // ages in the answer are as of then
	v.Pool, v.Resources, v.Ladder, v.Clients = pool(s), resources(g, v.Fresh, p), ladder(g, v.Fresh), clients(s, since, v.Fresh)
	v.Swap, v.Runbook = plannedSwap(g, now), g.Spec != nil
	v.Frozen, v.FrozenUntil = frozen(s, now)
	for _, m := range s.Members {
		v.Members = append(v.Members, member(s, m, since, v.Fresh))
		if m.Role != message.RolePrimary {
			v.Standbys = append(v.Standbys, m.Name)
		}
	}
	slices.SortStableFunc(v.Members, func(a, b Member) int { return cmp.Compare(b2i(b.Primary), b2i(a.Primary)) })
	v.Lease = lease(s, v.Fresh)
	for _, r := range s.Routes {
		v.Routes = append(v.Routes, routeView(r, v.Fresh))
	}
	if w := s.Swap; w != nil && w.State == message.StatePaused {
		v.Stopped = &Stopped{Epoch: w.Epoch}
		for _, step := range w.Steps {
			if step.State == message.StatePaused {
				v.Stopped.Step, v.Stopped.Problem = step.Name, step.Problem
			}
		}
	}
	if d := s.Drill; d != nil {
		v.Drill = drillNow(d, now)
	}
	return v
}

func drillNow(d *message.DrillStatus, now time.Time) *DrillNow {
	v := &DrillNow{ID: d.ID, Actor: d.Actor, Why: d.Why, Stage: string(d.Stage), Home: d.Home, Away: d.Away, Waits: d.Waits, MayEnd: d.Stage == message.DrillHolds || d.Stage == message.DrillWaits}
	if d.BackAt > 0 {
		v.Left = age(time.UnixMicro(d.BackAt).Sub(now))
	}
	return v
}

func pausedSince(s *message.GroupStatus) string {
	text := "by " + cmp.Or(s.PausedBy, "somebody")
	if s.PausedUntil > 0 {
		text += " until " + stamp(time.UnixMicro(s.PausedUntil))
	} else {
		text += " until somebody resumes it"
	}
	if s.PauseReason != "" {
		text += ": " + s.PauseReason
	}
	return text
}

func member(s *message.GroupStatus, m message.MemberStatus, since time.Duration, fresh bool) Member {
	v := Member{Name: m.Name, Site: m.Site, Role: string(m.Role), Primary: m.Role == message.RolePrimary, Mark: verdictMark(m.Verdict, fresh), Reasons: m.Reasons}
	if !v.Primary {
		v.Ready, v.ReadyMark = "ready", Mark{"ready", "ok", "ok"}
		switch {
		case !fresh:
			v.Ready, v.ReadyMark = "not known", Mark{"not known", "gone", "off"}
		case !m.Ready:
			v.Ready, v.ReadyMark = "not ready", Mark{"not ready", "warn", "warn"}
		}
		if s.Pool != nil && fresh {
			switch {
			case m.Role == message.RoleDrained:
				v.Ready = ""
			case m.Role == message.RoleActive && m.Ready:
				v.Ready, v.ReadyMark = "serves", Mark{"serves", "ok", "ok"}
			case m.Role == message.RoleActive:
				v.Ready, v.ReadyMark = "does not serve", Mark{"does not serve", "cross", "bad"}
			case slices.Contains(s.Pool.Backups, m.Name):
				v.Ready, v.ReadyMark = "serves", Mark{"serves, as nobody else does", "warn", "warn"}
			}
		}
	}
	if m.Maintenance != nil {
		v.Maintenance = m.Maintenance.Says(m.Name)
	}
	for _, x := range m.Views {
		v.Views = append(v.Views, vantageView(x, since, fresh))
	}
	for _, r := range s.Routes {
		for _, x := range r.Servers {
			if x.Member == m.Name && r.Reachable && x.Admin != "ready" {
				v.Drains = append(v.Drains, r.Tells(x))
			}
		}
	}
	if r := m.Remedy; r != nil && r.State != message.RemedyReady && fresh {
		v.Mending = r.Sentence
	}
	if s.Lease == nil {
		return v
	}
	for _, b := range s.Lease.Standbys {
		if b.Member != m.Name {
			continue
		}
		v.LagState = cmp.Or(b.State, "nothing is known of it yet")
		if b.Why != "" {
			v.LagState += ": " + b.Why
		}
		if b.Lag {
			v.Lag = bytesOf(b.LagBytes)
			if b.LagMicros > 0 {
				v.Lag += ", " + took(time.Duration(b.LagMicros)*time.Microsecond)
			}
			v.LagAge = age(time.Duration(b.LagAgeMS)*time.Millisecond + since)
		}
	}
	return v
}

func vantageView(x message.View, since time.Duration, fresh bool) View {
	mk := saysMark(x.Says)
	if !fresh {
		mk = Mark{"was " + x.Says, "gone", "off"}
	}
	ago := time.Duration(x.AgoMS)*time.Millisecond + since
	v := View{Vantage: x.Vantage, Check: x.Check, Mark: mk, Hard: x.Hard, InARow: x.InARow, Age: age(ago), Evidence: x.Evidence}
	switch {
	case ago >= 10*time.Second: // in steps: a card is sent anew with each change
		v.Old = age(ago.Truncate(10*time.Second)) + " ago"
	case ago >= 2*time.Second:
		v.Old = v.Age + " ago"
	}
	return v
}

func lease(s *message.GroupStatus, fresh bool) *Lease {
	l := s.Lease
	if l == nil {
		return nil
	}
	v := &Lease{
		Armed: l.Armed, Holder: l.Holder, Epoch: l.HolderEpoch, Left: took(l.Left.Std()), TTL: l.TTL.String(), Wait: l.Wait.String(),
		Deciders: strings.Join(l.Deciders, ", "), Protected: l.Protected, Protection: l.Protection,
	}
	switch {
	case !fresh:
		v.Mark = Mark{"not known", "gone", "off"}
	case !l.Armed:
		v.Mark = Mark{"not armed", "warn", "warn"}
	case l.Holder == "":
		v.Mark = Mark{"nobody holds it", "warn", "warn"}
	default:
		v.Mark = Mark{"held", "ok", "ok"}
	}
	for _, f := range l.Fenced {
		if f.Now {
			v.Fenced = append(v.Fenced, fmt.Sprintf("%s is fenced up to epoch %d (%s), and acts again only at a newer one", f.Member, f.Epoch, f.How))
		}
	}
	return v
}

func routeView(r message.RouteSeen, fresh bool) Route {
	v := Route{Name: r.Route, Proxy: r.Proxy, Serves: strings.Join(r.Serves, ", "), Problem: r.Problem}
	switch {
	case !fresh:
		v.Mark = Mark{"not known", "gone", "off"}
	case !r.Reachable:
		v.Mark = Mark{"cannot be reached", "cross", "bad"}
	case len(r.Serves) == 0:
		v.Mark = Mark{"serves nobody", "cross", "bad"}
	default:
		v.Mark = Mark{"serves " + v.Serves, "ok", "ok"}
	}
	return v
}

// runView shows the newest swap: while it is under way by what the deciders say of its steps, with what the record adds.
func runView(g *board.Group, now time.Time) *RunView {
	r := g.Run
	var w *message.SwapStatus
	if g.Status != nil {
		w = g.Status.Swap
	}
	switch {
	case r == nil && w == nil:
		return nil
	case r != nil && (w == nil || w.Command == r.Command.ID):
		if w == nil && !r.Over() && g.Status != nil && g.Answered.Sub(r.At) > board.StaleAfter && !r.Command.DryRun {
			return nil // its end was not told, and no decider knows of it any more
		}
		c := r.Command
		v := &RunView{Kind: string(c.Kind), From: c.From, To: c.Primary, Epoch: c.Epoch, DryRun: c.DryRun, Mark: runMark(c.Kind, r.State, c.DryRun), Over: r.Over(), Sentence: r.Sentence, Incident: c.Incident}
		if r.Over() {
			v.Ago = age(now.Sub(r.Ended))
		}
		for _, step := range c.Plan.Steps {
			sv := StepView{Name: step.Name, Says: step.Says, Mark: stepMark("")}
			if k := r.Steps[step.Name]; k.StepResult != nil {
				sv.Mark, sv.Attempt, sv.Executor, sv.Problem = stepMark(k.State), k.Attempt, k.By(), k.Problem
				sv.Detail = cmp.Or(k.Evidence, difference(k.Found, k.Wanted))
				switch {
				case k.TookMicros > 0:
					sv.Took = took(time.Duration(k.TookMicros) * time.Microsecond)
				case k.State == message.StateStarted:
					sv.Took = "for " + age(now.Sub(k.Began))
				}
			}
			v.Steps = append(v.Steps, sv)
		}
		return v
	}
	v := &RunView{Kind: string(w.Kind), From: w.From, To: w.To, Epoch: w.Epoch, Mark: runMark(w.Kind, w.State, false)}
	for _, step := range w.Steps {
		v.Steps = append(v.Steps, StepView{Name: step.Name, Says: step.Says, Mark: stepMark(step.State), Attempt: step.Attempt, Executor: step.Executor, Problem: step.Problem})
	}
	return v
}

func difference(found, wanted string) string {
	if found == "" && wanted == "" {
		return ""
	}
	return cmp.Or(found, "nothing") + " → " + cmp.Or(wanted, "as it is")
}

// figures puts what was achieved beside what is wanted.
func figures(g *board.Group, now time.Time) Figures {
	var f Figures
	rto := time.Duration(0)
	if g.Spec != nil {
		if rto = g.Spec.Objectives.RTO; rto > 0 {
			f.RTO = took(rto)
		}
		if g.Spec.Objectives.HasRPO {
			f.RPO = took(g.Spec.Objectives.RPO)
			if g.Spec.Objectives.RPO == 0 {
				f.RPO = "nothing is lost"
			}
		}
	}
	var all []time.Duration
	for _, r := range g.Runs {
		if r.DryRun {
			continue
		}
		if f.LastSwap == "" {
			f.LastSwap = took(r.Took()) + ", " + age(now.Sub(r.At)) + " ago"
			if rto > 0 {
				f.LastMet = "met"
				if r.Took() > rto {
					f.LastMet = "missed"
				}
			}
		}
		all = append(all, r.Took())
	}
	if len(all) > 1 {
		slices.Sort(all)
		f.Typical = took(all[len(all)/2])
	}
	f.LastDrill, f.DrillMark = "never", Mark{"never", "warn", "warn"}
	for _, d := range g.Drills {
		if d.Status.Stage != message.DrillOver {
			continue
		}
		f.LastDrill = age(now.Sub(d.At)) + " ago"
		f.DrillMark = drillMark(d.Status)
		break
	}
	return f
}

// drillMark is how a drill went: succeeded, failed, interrupted, or pending.
func drillMark(d *message.DrillStatus) Mark {
	switch {
	case d.Stage != message.DrillOver:
		return Mark{"pending", "swap", "info"}
	case d.How == message.DrillDone && d.RTO != nil && !d.RTO.Met:
		return Mark{"succeeded, too slow", "warn", "warn"}
	case d.How == message.DrillDone:
		return Mark{"succeeded", "ok", "ok"}
	case d.How == message.DrillGivenUp, d.How == message.DrillHalted:
		return Mark{"failed", "cross", "bad"}
	}
	return Mark{"interrupted", "skip", "warn"}
}

// drillHow says in words what the mark leaves out.
var drillHow = map[string]string{
	message.DrillStayed: "a person left the roles as they were", message.DrillGivenUp: "the way back was not possible for too long",
	message.DrillHalted: "something unhealthy showed, so it went back before its time", message.DrillInterrupted: "somebody or something else moved roles",
}

func drillRow(group string, d board.Drill, now time.Time) DrillRow {
	s := d.Status
	v := DrillRow{ID: s.ID, Group: group, When: stamp(d.At), Actor: s.Actor, Why: s.Why, Mark: drillMark(s), Objective: "–", Took: "–", Way: s.Home + " → " + s.Away, How: drillHow[s.How]}
	if s.HeldMicros > 0 {
		v.Held = took(time.Duration(s.HeldMicros) * time.Microsecond)
	}
	if worst := max(s.There.TookMicros(), s.Back.TookMicros()); worst > 0 {
		v.Took = took(time.Duration(worst) * time.Microsecond)
	}
	if s.RTO != nil {
		v.Objective = took(s.RTO.Objective.Std())
	}
	return v
}

func incidentRow(i board.Incident, now time.Time) IncidentRow {
	v := IncidentRow{ID: i.ID, Group: i.Group, Open: i.Open, When: stamp(i.Opened), Sentence: i.Sentence, Swaps: i.Swaps, Refused: i.Refused}
	if i.Open {
		v.Lasted = "open for " + age(now.Sub(i.Opened))
	} else {
		v.Lasted = took(i.Closed.Sub(i.Opened))
	}
	if i.Took > 0 {
		v.Took = took(i.Took)
	}
	return v
}

func lineView(l *board.Line, now time.Time) LineView {
	e := l.Event
	v := LineView{At: clock(l.At), Moment: tongue.Stamp(l.At), Kind: string(e.Kind), Sentence: e.Sentence, Writer: e.Writer, Incident: e.Incident, Mark: severityMark(e.Severity)}
	if l.At.UTC().Format(time.DateOnly) != now.UTC().Format(time.DateOnly) {
		v.Date = l.At.UTC().Format("2 Jan")
	}
	return v
}
