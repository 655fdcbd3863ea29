package incident

import (
	"cmp"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Record is one message as a stream holds it.
type Record struct {
	Stream  string
	Seq     uint64
	Time    time.Time
	Message message.Message
}

// Report is what happened, put together.
type Report struct {
	ID       string    `json:"id"`
	Group    string    `json:"group"`
	Open     bool      `json:"open"`
	DryRun   bool      `json:"dry_run,omitempty"` // nothing in it was real
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"` // of the last record
	Summary  string    `json:"summary"`
	Swaps    []Swap    `json:"swaps"`
	Refused  []Refusal `json:"refused"`
	Timeline []Line    `json:"timeline"`
	// Drills are the rehearsals in it, as far as they were told.
	Drills []*message.DrillStatus `json:"drills,omitempty"`
	// Asked is what people and schedules asked for, and how it was answered; Notes what they wrote down.
	Asked []Asked `json:"asked,omitempty"`
	Notes []Line  `json:"notes,omitempty"`
	// Items are the action items that people added, in their order.
	Items []Item `json:"items,omitempty"`
	// Links lead to where people talk about it, each place once.
	Links []Link `json:"links,omitempty"`
	// Gathered is what executors found on their hosts: see [Report.Gather].
	Gathered []Gathered `json:"gathered,omitempty"`
	// Clients is what clients lost meanwhile, as a canary saw it from outside.
	Clients []message.ClientsOutage `json:"clients,omitempty"`
	// Specs are those that its decisions rested on, Version is that of the ham that wrote the report: see [Report.InForce].
	Specs   []Spec `json:"specs,omitempty"`
	Version string `json:"version,omitempty"`
	// Objective is the declared RTO; zero: none.
	Objective time.Duration `json:"objective_ns,omitempty"`
}

// Item is an action item, and whether it is done.
type Item struct {
	ID    string    `json:"id"`
	Text  string    `json:"text"`
	Actor string    `json:"actor"`
	At    time.Time `json:"at"`
	// DoneBy and DoneAt are empty while it is to be done.
	DoneBy string    `json:"done_by,omitempty"`
	DoneAt time.Time `json:"done_at,omitzero"`
}

// Asked is one request and its answer.
type Asked struct {
	At       time.Time    `json:"at"`
	Actor    string       `json:"actor"`
	Via      string       `json:"via,omitempty"`  // cli, console, chat, schedule, nats
	From     string       `json:"from,omitempty"` // an address, or a chat's user id
	Verb     message.Verb `json:"verb"`
	Accepted bool         `json:"accepted"`
	Sentence string       `json:"sentence"`
}

// Link leads to where something else of the incident is.
type Link struct {
	At   time.Time `json:"at"`
	What string    `json:"what"` // message.LinkThread
	Name string    `json:"name"` // the channel's
	URL  string    `json:"url"`  // http or https
}

// where says how it came, and from where: "console, 192.0.2.7".
func (a Asked) where() string {
	if a.Via != "" && a.From != "" {
		return a.Via + ", " + a.From
	}
	return cmp.Or(a.Via, a.From, "–")
}

// Spec is one revision of the group's spec, as somebody applied it. It holds no secret: specs name files and variables for those.
type Spec struct {
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Text     string    `json:"text"`
}

// InForce adds what the decisions rested on: of the group's history those specs that its commands name; where there is no
// command, the newest one that was applied before the end. Version is that of this program.
func (r *Report) InForce(history []Spec, version string) {
	r.Version, r.Specs = version, nil
	named := map[uint64]bool{}
	for _, s := range r.Swaps {
		named[s.Command.SpecRevision] = true
	}
	var newest *Spec
	for i := range history {
		s := &history[i]
		if named[s.Revision] {
			r.Specs = append(r.Specs, *s)
		}
		if !s.At.After(r.Until) && (newest == nil || s.Revision > newest.Revision) {
			newest = s
		}
	}
	if len(named) == 0 && newest != nil {
		r.Specs = []Spec{*newest}
	}
	slices.SortFunc(r.Specs, func(a, b Spec) int { return cmp.Compare(a.Revision, b.Revision) })
}

// Swap is one command and what became of it.
type Swap struct {
	// DryRun: it was only rehearsed.
	DryRun   bool             `json:"dry_run,omitempty"`
	Command  *message.Command `json:"command"`
	At       time.Time        `json:"at"`
	State    message.State    `json:"state"` // of the run, as last told; "" where no executor told anything
	Sentence string           `json:"sentence"`
	Executor string           `json:"executor,omitempty"`
	Times    Times            `json:"times"`
	Steps    []StepRow        `json:"steps"`
	// HeldAt is when the record that it took effect was stored; zero: it never was.
	HeldAt time.Time `json:"held_at,omitzero"`
	// Clients is what clients lost by it; nil: nothing, or nobody looked.
	Clients *message.ClientsOutage `json:"clients,omitempty"`
}

// Times is the recovery time, split. A part that is not known is zero.
type Times struct {
	Detect  time.Duration `json:"detect_ns"`  // first failing observation to the verdict
	Decide  time.Duration `json:"decide_ns"`  // verdict to the command
	Execute time.Duration `json:"execute_ns"` // command to the last step that changes something
	Verify  time.Duration `json:"verify_ns"`  // to the last look that it worked
}

// Total is the recovery time achieved.
func (t Times) Total() time.Duration { return t.Detect + t.Decide + t.Execute + t.Verify }

// StepRow is one step and what became of it.
type StepRow struct {
	Name     string        `json:"name"`
	Says     string        `json:"says"`
	Driver   string        `json:"driver"`
	State    message.State `json:"state,omitempty"`
	Attempts int           `json:"attempts"`
	Took     time.Duration `json:"took_ns"`
	Executor string        `json:"executor,omitempty"`
	Applied  bool          `json:"applied"`
	Found    string        `json:"found,omitempty"`
	Wanted   string        `json:"wanted,omitempty"`
	Evidence string        `json:"evidence,omitempty"`
	Problem  string        `json:"problem,omitempty"`
	// Began and Ended are by the streams' clock: when its first attempt began and the last word about it was stored. Zero: nobody told.
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
}

// Refusal is a swap that did not happen, and why.
type Refusal struct {
	At       time.Time        `json:"at"`
	Sentence string           `json:"sentence"`
	Reasons  []message.Reason `json:"reasons"`
}

// Line is one line of the timeline.
type Line struct {
	At       time.Time        `json:"at"`
	Severity message.Severity `json:"severity"`
	What     string           `json:"what"`
	Sentence string           `json:"sentence"`
	Writer   string           `json:"writer,omitempty"`
	Views    []message.View   `json:"views,omitempty"`
}

// Build puts the records of incident id together. Records of other incidents are ignored, so that a caller may hand in
// everything it has of the group; their order does not matter. Objective is the group's declared RTO, zero for none.
func Build(id string, objective time.Duration, records []Record) Report {
	mine := belonging(id, records)
	r := Report{ID: id, Objective: objective, Open: true, Swaps: []Swap{}, Refused: []Refusal{}, Timeline: []Line{}}
	swaps := swapList{}
	for _, rec := range mine {
		if l, ok := rec.Message.(*message.Link); ok { // a thread that was opened late makes no incident longer
			r.link(rec, l)
			continue
		}
		r.span(rec)
		switch m := rec.Message.(type) {
		case *message.Command:
			swaps.add(m, rec.Time)
			r.line(rec, message.Warning, "decided", m.Rule+": "+m.Sentence, m.Decider, m.Evidence)
		case *message.Held:
			if s := swaps.of(m.Command); s != nil {
				s.HeldAt = rec.Time
			}
			r.line(rec, message.Info, "held", m.Primary+" holds the epoch; the swap only goes forward", m.Executor, nil)
		case *message.StepResult:
			if s := swaps.of(m.Command); s != nil {
				s.step(m, rec.Time)
			}
			r.stepLine(rec, m)
		case *message.RunResult:
			if s := swaps.of(m.Command); s != nil {
				s.run(m)
			}
			r.line(rec, runSeverity(m.State), "run "+string(m.State), m.Sentence, m.Executor, nil)
		case *message.Instruction:
			r.line(rec, message.Notice, string(m.Verb), m.Actor+" said "+string(m.Verb)+" for step "+m.Step+because(m.Reason), m.Decider, nil)
		case *message.Event:
			r.event(rec, m, &swaps)
		}
	}
	for _, s := range swaps {
		r.Swaps = append(r.Swaps, *s)
	}
	r.lost(mine)
	r.DryRun = len(r.Swaps) > 0 && !slices.ContainsFunc(r.Swaps, func(s Swap) bool { return !s.DryRun })
	r.Summary = summarize(r)
	return r
}

// swapList are the swaps of a report in their order, each once: a rehearsal and the real swap may have the same epoch, but
// never the same command.
type swapList []*Swap

func (l swapList) of(command string) *Swap {
	for _, s := range l {
		if s.Command.ID == command {
			return s
		}
	}
	return nil
}

func (l *swapList) add(c *message.Command, at time.Time) {
	if l.of(c.ID) == nil {
		*l = append(*l, newSwap(c, at))
	}
}

// event takes one event into the report. Events that copy what safety rests on are left out: the original is there.
func (r *Report) event(rec Record, m *message.Event, swaps *swapList) {
	switch m.Kind {
	case message.EventIncident:
		if m.Opened != nil && !*m.Opened {
			r.Open = false
		}
	case message.EventDrill:
		r.drill(m.Drill)
	case message.EventRefused:
		r.Refused = append(r.Refused, Refusal{At: rec.Time, Sentence: m.Sentence, Reasons: m.Reasons})
	case message.EventNote:
		if m.Item != nil {
			r.item(m, rec.Time)
		} else {
			r.Notes = append(r.Notes, Line{At: rec.Time, Severity: m.Severity, What: string(m.Kind), Sentence: m.Sentence, Writer: m.Writer})
		}
	case message.EventOutcome:
		if written(m) {
			return // the note itself is there
		}
		if o := m.Outcome; o != nil && m.Actor != "" {
			r.Asked = append(r.Asked, Asked{At: rec.Time, Actor: m.Actor, Via: m.Via, From: m.From, Verb: o.Verb, Accepted: o.Accepted, Sentence: o.Sentence})
		}
	case message.EventShadow:
		if m.Command != nil {
			swaps.add(m.Command, rec.Time)
		}
	case message.EventStep:
		if m.Step == nil || !m.Step.DryRun {
			return
		}
		if s := swaps.of(m.Step.Command); s != nil {
			s.step(m.Step, rec.Time)
		}
		r.stepLine(rec, m.Step)
		return
	case message.EventRun:
		if m.Run == nil || !m.Run.DryRun {
			return
		}
		if s := swaps.of(m.Run.Command); s != nil {
			s.run(m.Run)
		}
	case message.EventDecision:
		// The command itself is in the record; its event knows how long it took until it was stored.
		if m.Command != nil {
			if s := swaps.of(m.Command.ID); s != nil {
				s.Times.Decide = max(s.Times.Decide, time.Duration(m.Command.DecideMicros)*time.Microsecond)
			}
		}
		return
	}
	r.line(rec, m.Severity, string(m.Kind), m.Sentence, m.Writer, m.Views)
}

// link keeps the newest link to each channel's thread: one whose first message was deleted has another.
func (r *Report) link(rec Record, m *message.Link) {
	l := Link{At: rec.Time, What: m.What, Name: m.Name, URL: m.URL}
	if i := slices.IndexFunc(r.Links, func(k Link) bool { return k.What == m.What && k.Name == m.Name }); i >= 0 {
		r.Links[i] = l
		return
	}
	r.Links = append(r.Links, l)
}

// drill keeps the newest word about each drill: a word that it is over is the last, whenever it was stored.
func (r *Report) drill(d *message.DrillStatus) {
	if d == nil {
		return
	}
	for i, known := range r.Drills {
		if known.ID == d.ID {
			if known.Stage != message.DrillOver {
				r.Drills[i] = d
			}
			return
		}
	}
	r.Drills = append(r.Drills, d)
}

// item keeps what is to be done, and marks it once it is done.
func (r *Report) item(m *message.Event, at time.Time) {
	i := slices.IndexFunc(r.Items, func(k Item) bool { return k.ID == m.Item.ID })
	switch {
	case m.Item.State == message.ItemTodo && i < 0:
		r.Items = append(r.Items, Item{ID: m.Item.ID, Text: m.Item.Text, Actor: m.Actor, At: at})
	case m.Item.State == message.ItemDone && i >= 0 && r.Items[i].DoneBy == "":
		r.Items[i].DoneBy, r.Items[i].DoneAt = cmp.Or(m.Actor, "somebody"), at
	}
}

// written says whether the event is the answer to a note that was taken.
func written(m *message.Event) bool {
	return m.Outcome != nil && m.Outcome.Verb == message.VerbNote && m.Outcome.Accepted
}

// afterwards says whether the record is what people wrote down, which they also do long after the end: it lengthens no incident.
func afterwards(rec Record) bool {
	m, ok := rec.Message.(*message.Event)
	return ok && (m.Kind == message.EventNote || written(m))
}

func (r *Report) span(rec Record) {
	if afterwards(rec) {
		return
	}
	if r.From.IsZero() || rec.Time.Before(r.From) {
		r.From = rec.Time
	}
	if rec.Time.After(r.Until) {
		r.Until = rec.Time
	}
	if g := rec.Message.MessageGroup(); g != "" {
		r.Group = g
	}
}

func (r *Report) line(rec Record, sev message.Severity, what, sentence, writer string, views []message.View) {
	r.Timeline = append(r.Timeline, Line{At: rec.Time, Severity: sev, What: what, Sentence: sentence, Writer: writer, Views: views})
}

func (r *Report) stepLine(rec Record, m *message.StepResult) {
	sentence := m.Step
	switch m.State {
	case message.StateDone:
		sentence += ": " + cmp.Or(m.Evidence, m.Found, "done")
	case message.StateFailed, message.StatePaused:
		sentence += ": " + cmp.Or(m.Problem, "no reason was told")
	case message.StateStarted:
		sentence += " begun"
		if m.Found != "" {
			sentence += ": found " + m.Found
		}
	case message.StateSkipped:
		sentence += " skipped"
	}
	r.line(rec, stepSeverity(m.State), "step "+string(m.State), sentence, m.By(), nil)
}

func newSwap(c *message.Command, at time.Time) *Swap {
	s := &Swap{DryRun: c.DryRun, Command: c, At: at, Sentence: c.Sentence, Times: Times{
		Detect: time.Duration(c.DetectMicros) * time.Microsecond,
		Decide: time.Duration(c.DecideMicros) * time.Microsecond,
	}}
	for _, step := range c.Plan.Steps {
		s.Steps = append(s.Steps, StepRow{Name: step.Name, Says: step.Says, Driver: step.Driver})
	}
	return s
}

func (s *Swap) step(m *message.StepResult, at time.Time) {
	i := slices.IndexFunc(s.Steps, func(r StepRow) bool { return r.Name == m.Step })
	if i < 0 {
		return
	}
	row := &s.Steps[i]
	if began := at.Add(-time.Duration(m.TookMicros) * time.Microsecond); row.Began.IsZero() || began.Before(row.Began) {
		row.Began = began
	}
	if at.After(row.Ended) {
		row.Ended = at
	}
	if m.Attempt < row.Attempts {
		return // an older attempt, told late
	}
	row.State, row.Attempts, row.Executor = m.State, m.Attempt, m.By()
	row.Took = time.Duration(m.TookMicros) * time.Microsecond
	row.Applied = row.Applied || m.Applied
	row.Found, row.Wanted = cmp.Or(m.Found, row.Found), cmp.Or(m.Wanted, row.Wanted)
	row.Evidence, row.Problem = cmp.Or(m.Evidence, row.Evidence), m.Problem
}

func (s *Swap) run(m *message.RunResult) {
	s.State, s.Sentence, s.Executor = m.State, m.Sentence, m.Executor
	if m.State == message.StateDone {
		s.Times.Execute = time.Duration(m.ExecuteMicros) * time.Microsecond
		s.Times.Verify = time.Duration(m.VerifyMicros) * time.Microsecond
	}
}

// belonging returns the records of incident id in the order of their time: those that name it, and those that
// belong to an epoch or a request of it.
func belonging(id string, records []Record) []Record {
	epochs, requests := map[uint64]bool{}, map[string]bool{}
	for _, r := range records {
		switch m := r.Message.(type) {
		case *message.Command:
			if m.Incident == id {
				epochs[m.Epoch] = true
				if m.Request != "" {
					requests[m.Request] = true
				}
			}
		case *message.Event:
			if m.Incident == id && m.Request != "" {
				requests[m.Request] = true
			}
		}
	}
	var mine []Record
	seen := map[string]bool{}
	for _, r := range records {
		if !belongs(r.Message, id, epochs, requests) {
			continue
		}
		key := message.NameOf(r.Message) + r.Message.MessageID()
		if seen[key] {
			continue // the same happening, told twice
		}
		seen[key] = true
		mine = append(mine, r)
	}
	order := func(a, b Record) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Seq, b.Seq))
	}
	slices.SortStableFunc(mine, order)
	mine = withClients(mine, records)
	slices.SortStableFunc(mine, order)
	return mine
}

func belongs(m message.Message, id string, epochs map[uint64]bool, requests map[string]bool) bool {
	switch m := m.(type) {
	case *message.Command:
		return m.Incident == id
	case *message.Link:
		return m.Incident == id
	case *message.Held:
		return epochs[m.Epoch]
	case *message.Instruction:
		return epochs[m.Epoch]
	case *message.StepResult:
		return m.Incident == id || (m.Incident == "" && epochs[m.Epoch])
	case *message.RunResult:
		return m.Incident == id || (m.Incident == "" && epochs[m.Epoch])
	case *message.Event:
		return m.Incident == id || (m.Incident == "" && m.Request != "" && requests[m.Request])
	}
	return false
}

func runSeverity(s message.State) message.Severity {
	switch s {
	case message.StatePaused, message.StateAborted:
		return message.Critical
	case message.StateEnded, message.StateSuperseded:
		return message.Warning
	}
	return message.Info
}

func stepSeverity(s message.State) message.Severity {
	switch s {
	case message.StatePaused:
		return message.Critical
	case message.StateFailed:
		return message.Warning
	case message.StateStarted:
		return message.Debug
	}
	return message.Info
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ", because " + reason
}
