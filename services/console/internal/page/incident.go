package page

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/board"
	"github.com/isacloud/ha-manager/services/console/internal/plot"
	"github.com/isacloud/ha-manager/services/console/internal/tongue"
)

// readFor bounds one reading of the record.
const readFor = 15 * time.Second

var errBusy = errors.New("others are reading the record just now: try again in a moment")

type listPage[T any] struct {
	Frame
	rows[T]
}

type rows[T any] struct {
	Read bool
	Rows []T
}

// figure is a drawing with what stands above it.
type figure struct {
	Group, Title string
	SVG          template.HTML
}

func (p *Pages) incidents(w http.ResponseWriter, r *http.Request) {
	p.o.Board.Look()
	p.render(w, r, http.StatusOK, "incidents", listPage[IncidentRow]{p.frame(r, in(r).T("Incidents"), "incidents", "at=incidents"), p.incidentList(who.PersonOf(r.Context()))})
}

func (p *Pages) incidentList(person *who.Person) rows[IncidentRow] {
	var all []board.Incident
	for _, g := range p.seen(person) {
		all = append(all, g.Incidents...)
	}
	slices.SortFunc(all, func(a, b board.Incident) int { return cmp.Or(b.Opened.Compare(a.Opened), cmp.Compare(a.ID, b.ID)) })
	out := rows[IncidentRow]{Read: p.o.Board.Read()}
	for _, i := range all[:min(len(all), 200)] {
		out.Rows = append(out.Rows, incidentRow(i, p.o.Now()))
	}
	return out
}

// incidentPage is one incident.
type incidentPage struct {
	Frame
	MayAct                         bool
	R                              incident.Report
	From, Until, Lasted, Objective string
	Swaps                          []swapView
	Lines, Notes                   []timelineLine
	Asked                          []askedRow
	Items                          []itemRow
}

// itemRow is an action item.
type itemRow struct{ ID, Text, Actor, Done string }

// askedRow is one thing that somebody asked for.
type askedRow struct {
	At, Actor, Where, Verb, Sentence string
	Mark                             Mark
}

type swapView struct {
	ID, Kind, Way, Sentence, At, Decider, Rule, Actor, Why string
	Epoch, Spec                                            uint64
	DryRun                                                 bool
	Mark                                                   Mark
	Overridden                                             []message.Reason
	Detect, Decide, Execute, Verify, Total, Met            string
	Steps                                                  []StepView
	Evidence                                               []message.View
	Gantt                                                  template.HTML
}

type timelineLine struct {
	At, Moment, After, What, Sentence, Writer string
	Mark                                      Mark
	Views                                     []message.View
}

// Plain are the looks that have no more to say than their word.
func (l timelineLine) Plain() []message.View {
	return slices.DeleteFunc(slices.Clone(l.Views), func(v message.View) bool { return v.Evidence != "" })
}

// report reads the record and puts the incident together. The code is that of the answer where there is an error.
func (p *Pages) report(ctx context.Context, r *http.Request, id string) (*incidentPage, int, error) {
	group, ok := incident.GroupOf(id)
	person := who.PersonOf(r.Context())
	if !ok || !person.May(group, who.Viewer) {
		return nil, http.StatusNotFound, errors.New("no incident of that name is on record")
	}
	select {
	case p.heavy <- struct{}{}:
		defer func() { <-p.heavy }()
	case <-time.After(2 * time.Second):
		return nil, http.StatusServiceUnavailable, errBusy
	case <-ctx.Done():
		return nil, http.StatusServiceUnavailable, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	records, err := p.ask.Records(ctx, group)
	if err != nil {
		return nil, http.StatusServiceUnavailable, fmt.Errorf("the record cannot be read now: %w", err)
	}
	objective, err := p.ask.Objective(ctx, group)
	if err != nil {
		objective = 0 // the report is worth having without it
	}
	rep := incident.Build(id, objective, records)
	if len(rep.Timeline) == 0 {
		return nil, http.StatusNotFound, errors.New("no incident of that name is on record")
	}
	if specs, err := p.ask.Specs(ctx, group); err == nil {
		rep.InForce(specs, p.o.Program)
	}
	live := ""
	if rep.Open {
		live = "at=incident&id=" + id
	}
	d := &incidentPage{Frame: p.frame(r, in(r).T("Incident")+" "+id, "incident", live), MayAct: person.May(group, who.Operator), R: rep, From: stamp(rep.From), Until: stamp(rep.Until), Lasted: took(rep.Until.Sub(rep.From))}
	if rep.Objective > 0 {
		d.Objective = took(rep.Objective)
	}
	for _, s := range rep.Swaps {
		d.Swaps = append(d.Swaps, swapOf(s, rep.Objective, records))
	}
	line := func(l incident.Line) timelineLine {
		return timelineLine{At: l.At.UTC().Format("15:04:05.000"), Moment: tongue.Stamp(l.At), After: took(l.At.Sub(rep.From)), Sentence: l.Sentence, Writer: l.Writer, Mark: severityMark(l.Severity), Views: l.Views}
	}
	for _, l := range rep.Notes {
		d.Notes = append(d.Notes, line(l))
	}
	for _, i := range rep.Items {
		v := itemRow{ID: i.ID, Text: i.Text, Actor: i.Actor}
		if i.DoneBy != "" {
			v.Done = i.DoneBy + ", " + stamp(i.DoneAt)
		}
		d.Items = append(d.Items, v)
	}
	for _, a := range rep.Asked {
		m := Mark{"accepted", "ok", "ok"}
		if !a.Accepted {
			m = Mark{"refused", "cross", "warn"}
		}
		where := a.Via
		if a.From != "" {
			where += ", " + a.From
		}
		d.Asked = append(d.Asked, askedRow{At: clock(a.At), Actor: a.Actor, Where: where, Verb: string(a.Verb), Sentence: a.Sentence, Mark: m})
	}
	for _, l := range rep.Timeline {
		d.Lines = append(d.Lines, timelineLine{At: l.At.UTC().Format("15:04:05.000"), Moment: tongue.Stamp(l.At), After: took(l.At.Sub(rep.From)), What: l.What, Sentence: l.Sentence, Writer: l.Writer, Mark: severityMark(l.Severity), Views: l.Views})
	}
	return d, http.StatusOK, nil
}

func swapOf(s incident.Swap, objective time.Duration, records []incident.Record) swapView {
	c := s.Command
	v := swapView{
		ID: c.ID, Kind: string(c.Kind), Way: c.Primary, Sentence: cmp.Or(s.Sentence, c.Sentence), At: stamp(s.At), Decider: c.Decider, Rule: c.Rule, Actor: c.Actor, Why: c.Why,
		Epoch: c.Epoch, Spec: c.SpecRevision, DryRun: s.DryRun, Mark: runMark(c.Kind, s.State, s.DryRun), Overridden: c.Reasons, Evidence: c.Evidence,
		Detect: part(s.Times.Detect), Decide: part(s.Times.Decide), Execute: part(s.Times.Execute), Verify: part(s.Times.Verify), Total: part(s.Times.Total()),
	}
	if c.From != "" && c.From != c.Primary {
		v.Way = c.From + " → " + c.Primary
	}
	if objective > 0 && s.State == message.StateDone && !s.DryRun && c.Kind != message.KindReconfigure && c.Kind != message.KindRemedy {
		v.Met = "objective met"
		if s.Times.Total() > objective {
			v.Met = "objective missed"
		}
	}
	for _, row := range s.Steps {
		sv := StepView{Says: row.Says, Mark: stepMark(row.State), Problem: row.Problem, Detail: cmp.Or(row.Evidence, difference(row.Found, row.Wanted))}
		if row.State != "" && row.State != message.StateStarted {
			sv.Took = took(row.Took)
		}
		v.Steps = append(v.Steps, sv)
	}
	v.Gantt = gantt(s, records)
	return v
}

func part(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return took(d)
}

// gantt draws a swap from the first failing look to its end. Detecting and deciding end at the command; steps stand where the streams stored them.
func gantt(s incident.Swap, records []incident.Record) template.HTML {
	type span struct{ from, to time.Time }
	steps := map[string]span{}
	var held time.Time
	take := func(m *message.StepResult, at time.Time) {
		k := steps[m.Step]
		began := at.Add(-time.Duration(m.TookMicros) * time.Microsecond)
		if k.from.IsZero() || began.Before(k.from) {
			k.from = began
		}
		if at.After(k.to) {
			k.to = at
		}
		steps[m.Step] = k
	}
	for _, rec := range records {
		switch m := rec.Message.(type) {
		case *message.StepResult:
			if m.Command == s.Command.ID {
				take(m, rec.Time)
			}
		case *message.Event:
			if m.Step != nil && m.Step.DryRun && m.Step.Command == s.Command.ID {
				take(m.Step, rec.Time)
			}
		case *message.Held:
			if m.Command == s.Command.ID {
				held = rec.Time
			}
		}
	}
	if len(steps) == 0 {
		return ""
	}
	// Stream time is stamped when a message is stored, so a quick step may seem to begin before its command did.
	zero := s.At.Add(-s.Times.Detect - s.Times.Decide)
	first := slices.MinFunc(slices.Collect(maps.Values(steps)), func(a, b span) int { return a.from.Compare(b.from) })
	if first.from.Before(zero) {
		zero = first.from
	}
	var bars []plot.Bar
	if s.Times.Detect > 0 {
		bars = append(bars, plot.Bar{Label: "detect", Tone: "off", To: s.Times.Detect, Note: took(s.Times.Detect)})
	}
	if s.Times.Decide > 0 {
		bars = append(bars, plot.Bar{Label: "decide", Tone: "off", From: s.Times.Detect, To: s.Times.Detect + s.Times.Decide, Note: took(s.Times.Decide)})
	}
	for _, row := range s.Steps {
		k, ok := steps[row.Name]
		if !ok {
			continue
		}
		tone := "info"
		switch row.State {
		case message.StateDone:
			tone = "ok"
		case message.StateFailed, message.StatePaused:
			tone = "bad"
		case message.StateSkipped:
			tone = "warn"
		}
		bars = append(bars, plot.Bar{Label: row.Name, Tone: tone, From: k.from.Sub(zero), To: k.to.Sub(zero), Note: took(row.Took)})
	}
	at := time.Duration(-1)
	if !held.IsZero() {
		at = held.Sub(zero)
	}
	return plot.Gantt("the steps of epoch "+fmt.Sprint(s.Command.Epoch)+" over time", bars, at)
}

func (p *Pages) incident(w http.ResponseWriter, r *http.Request) {
	d, code, err := p.report(r.Context(), r, r.PathValue("id"))
	if err != nil {
		p.Say(w, r, code, "Not shown", sentence(err), "", "/incidents")
		return
	}
	p.render(w, r, http.StatusOK, "incident", d)
}

func sentence(err error) string {
	s := err.Error()
	return string(s[0]-'a'+'A') + s[1:] + "."
}

func (p *Pages) markdown(w http.ResponseWriter, r *http.Request) {
	d, code, err := p.report(r.Context(), r, r.PathValue("id"))
	if err != nil {
		p.Say(w, r, code, "Not shown", sentence(err), "", "/incidents")
		return
	}
	_ = p.gather(r.Context(), &d.R) // the report is worth having without it
	w.Header().Set("Content-Type", "text/markdown; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="postmortem-`+d.R.ID+`.md"`)
	_, _ = w.Write(clean([]byte(d.R.MarkdownIn(tongue.Of(r), nil))))
}

// postmortem is one page that needs nothing else: it may be mailed, printed, kept. Its one style sheet is allowed by its hash.
func (p *Pages) postmortem(w http.ResponseWriter, r *http.Request) {
	d, code, err := p.report(r.Context(), r, r.PathValue("id"))
	if err != nil {
		p.Say(w, r, code, "Not shown", sentence(err), "", "/incidents")
		return
	}
	_ = p.gather(r.Context(), &d.R) // the report is worth having without it
	way := "inline"
	if r.URL.Query().Has("download") {
		way = "attachment"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", incident.Policy+"; frame-ancestors 'none'; sandbox")
	w.Header().Set("Content-Disposition", way+`; filename="postmortem-`+d.R.ID+`.html"`)
	_, _ = w.Write(clean([]byte(d.R.HTML(tongue.Of(r)))))
}

// gather reads what executors found for the incident: apart from the rest, since it is large.
func (p *Pages) gather(ctx context.Context, rep *incident.Report) error {
	select {
	case p.heavy <- struct{}{}:
		defer func() { <-p.heavy }()
	case <-time.After(2 * time.Second):
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	records, err := p.ask.Gathered(ctx, rep.Group, rep.From.Add(-time.Minute))
	if err != nil {
		return fmt.Errorf("what was gathered cannot be read now: %w", err)
	}
	rep.Gather(records)
	return nil
}

// gathered shows what executors found, folded.
func (p *Pages) gathered(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	d, code, err := p.report(r.Context(), r, id)
	if err == nil {
		code, err = http.StatusServiceUnavailable, p.gather(r.Context(), &d.R)
	}
	if err != nil {
		p.Say(w, r, code, "Not shown", sentence(err), "", "/incidents")
		return
	}
	if r.Header.Get("X-Fragment") == "1" {
		p.render(w, r, http.StatusOK, "gathered", d.R.Gathered)
		return
	}
	p.render(w, r, http.StatusOK, "gatheredpage", struct {
		Frame
		ID       string
		Gathered []incident.Gathered
	}{d.Frame, id, d.R.Gathered})
}

const (
	// buckets is how fine the figures around an incident are; around is how much of the time before and after it they show.
	buckets = 240
	around  = 30 * time.Second
	// plotSpan is the longest time that is read: heartbeats are many.
	plotSpan = 30 * time.Minute
)

// plots draws latency and lost looks around an incident, by vantage and member.
func (p *Pages) plots(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	d, code, err := p.report(r.Context(), r, id)
	if err != nil {
		p.Say(w, r, code, "Not shown", sentence(err), "", "/incidents")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readFor)
	defer cancel()
	figures, err := p.figuresAround(ctx, d.R)
	if err != nil {
		p.Say(w, r, http.StatusServiceUnavailable, "Not shown", sentence(err), "", "/i/"+id)
		return
	}
	if r.Header.Get("X-Fragment") == "1" {
		p.render(w, r, http.StatusOK, "plots", figures)
		return
	}
	p.render(w, r, http.StatusOK, "plotpage", struct {
		Frame
		ID    string
		Plots []figure
	}{d.Frame, id, figures})
}

func (p *Pages) figuresAround(ctx context.Context, rep incident.Report) ([]figure, error) {
	begins, ends := rep.From.Add(-around), rep.Until.Add(around)
	if ends.Sub(begins) > plotSpan {
		ends = begins.Add(plotSpan)
	}
	length := ends.Sub(begins)
	type key struct{ member, vantage string }
	type cell struct{ all, lost, unknown int }
	points := map[key][]plot.Point{}
	counts := map[key][]cell{}
	lags := map[string][]plot.Point{} // by member: how far it was behind, in bytes, by whoever measured it
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := false
	err := p.o.Bus.Follow(ctx, bus.FollowOptions{
		Stream: subject.StreamHeartbeats, Subjects: []string{subject.Root + ".heartbeat." + rep.Group + ".*.*"}, From: bus.FromTime(begins),
		CaughtUp: func() { done = true; stop() },
	}, func(d bus.Delivery) {
		h, ok := d.Message.(*message.Heartbeat)
		if !ok || done {
			return
		}
		if d.Time.After(ends) {
			done = true
			stop()
			return
		}
		k := key{h.Member, h.Vantage}
		if points[k] == nil {
			if len(points) >= 24 {
				return
			}
			points[k], counts[k] = make([]plot.Point, buckets), make([]cell, buckets)
		}
		i := min(buckets-1, max(0, int(float64(d.Time.Sub(begins))/float64(length)*buckets)))
		pt, c := &points[k][i], &counts[k][i]
		if lag, ok := h.Perf["lag_bytes"]; ok && lag >= 0 {
			if lags[h.Member] == nil {
				lags[h.Member] = make([]plot.Point, buckets)
			}
			l := &lags[h.Member][i]
			l.Any, l.Value = true, max(l.Value, lag)
		}
		pt.Any = true
		c.all++
		switch h.Answer {
		case message.Down:
			c.lost++
		case message.Unknown:
			c.unknown++
		default:
			pt.Value = max(pt.Value, float64(h.LatencyMicros)/1000)
		}
		pt.Lost, pt.Unknown = float64(c.lost)/float64(c.all), float64(c.unknown)/float64(c.all)
	})
	if err != nil || !done {
		return nil, cmp.Or(err, errors.New("the heartbeats of that time could not be read in time"))
	}
	keys := slices.SortedFunc(maps.Keys(points), func(a, b key) int { return cmp.Or(cmp.Compare(a.member, b.member), cmp.Compare(a.vantage, b.vantage)) })
	var out []figure
	draw := func(title string, points []plot.Point, say func(float64) string) {
		svg := plot.Series(title, points, float64(rep.From.Sub(begins))/float64(length), float64(rep.Until.Sub(begins))/float64(length), length, clock(begins)+" UTC", say)
		out = append(out, figure{Title: title, SVG: svg})
	}
	for _, k := range keys {
		draw(k.member+" as "+k.vantage+" saw it: latency, and looks that failed (from above)", points[k], plot.Millis)
	}
	for _, member := range slices.Sorted(maps.Keys(lags)) {
		draw(member+": how far it was behind", lags[member], func(v float64) string { return bytesOf(int64(v)) })
	}
	return out, nil
}
