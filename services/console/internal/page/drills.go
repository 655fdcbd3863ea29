package page

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/board"
	"github.com/isacloud/ha-manager/services/console/internal/plot"
)

const (
	// calendarCell is how many entries one day shows; calendarPlanned how many times of one drill are worked out for a month.
	calendarCell    = 4
	calendarPlanned = 300
	// calendarEvery is how often a page that follows has its calendar and its drawings made anew.
	calendarEvery = 10 * time.Second
	// calendarYears is how far from now a month may be.
	calendarYears = 5
)

// drillsPage is what is rehearsed.
type drillsPage struct {
	Frame
	Said     *said
	Coming   []coming
	Quiet    []string // groups for which nothing is planned
	Calendar calendar
	Plots    []figure
	Past     past
}

// coming is what is planned for one group.
type coming struct {
	Name   string
	Mark   Mark
	MayAct bool
	CSRF   string
	Agenda Agenda
	Now    *DrillNow
}

// past is what was rehearsed, and what was to be and was not.
type past struct {
	Read     bool
	Rows     []DrillRow
	NotBegun []LineView
}

// calendar is one month.
type calendar struct {
	Month, Name, Before, After string
	Year                       int
	Days                       [7]string
	Weeks                      [][]day
	Blocked                    bool
}

// day is one day of it, by UTC.
type day struct {
	N                   int
	Date                string
	Out, Today, Blocked bool
	Why                 []string
	Items               []dayItem
	More                int
}

type dayItem struct {
	At, Group string
	Mark      Mark
	sort      time.Time
}

func (p *Pages) drills(w http.ResponseWriter, r *http.Request) {
	p.freshly(r.Context())
	person, now := who.PersonOf(r.Context()), p.o.Now()
	month := monthOf(r.URL.Query().Get("month"), now)
	id, said := p.saidOf(r, person)
	live := "at=drills&month=" + month.Format("2006-01")
	if id != "" {
		live += "&rq=" + id
	}
	next, quiet := p.coming(person)
	p.render(w, r, http.StatusOK, "drills", drillsPage{
		Frame: p.frame(r, in(r).T("Drills"), "drills", live), Said: said, Coming: next, Quiet: quiet, Calendar: p.calendar(person, month, now), Plots: p.recoveryPlots(person), Past: p.drillList(person),
	})
}

// monthOf reads a month; anything else, or one that is far away, is that of now.
func monthOf(text string, now time.Time) time.Time {
	now = now.UTC()
	t, err := time.Parse("2006-01", text)
	if err != nil || t.Year() < now.Year()-calendarYears || t.Year() > now.Year()+calendarYears {
		t = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	return t
}

// coming are the groups for which something is planned, blocked, wanted or under way, the soonest first; quiet are the others.
func (p *Pages) coming(person *who.Person) (next []coming, quiet []string) {
	now := p.o.Now()
	groups := p.seen(person)
	slices.SortStableFunc(groups, func(a, b board.Group) int { return cmp.Compare(nextDrill(&a), nextDrill(&b)) })
	for i := range groups {
		g := &groups[i]
		v := coming{Name: g.Name, Mark: mark(g, now), MayAct: person.May(g.Name, who.Operator), CSRF: person.CSRF, Agenda: *agenda(g, now)}
		if g.Status != nil && g.Status.Drill != nil {
			v.Now = drillNow(g.Status.Drill, now)
		}
		if a := &v.Agenda; v.Now == nil && len(a.Next) == 0 && len(a.Windows) == 0 && a.Within == "" {
			if g.Status == nil || g.Status.Pool == nil { // a pool has nothing to rehearse
				quiet = append(quiet, g.Name)
			}
			continue
		}
		next = append(next, v)
	}
	return next, quiet
}

// nextDrill is when the next one is due, far away where none is.
func nextDrill(g *board.Group) int64 {
	if g.Status == nil || len(g.Status.Agenda) == 0 {
		return 1 << 62
	}
	return g.Status.Agenda[0].At
}

func (p *Pages) drillList(person *who.Person) past {
	type one struct {
		group string
		board.Drill
	}
	now := p.o.Now()
	var all []one
	var lines []*board.Line
	out := past{Read: p.o.Board.Read()}
	for _, g := range p.seen(person) {
		for _, d := range g.Drills {
			all = append(all, one{g.Name, d})
		}
		lines = append(lines, g.NotBegun...)
	}
	slices.SortFunc(all, func(a, b one) int { return b.At.Compare(a.At) })
	for _, d := range all[:min(len(all), 200)] {
		out.Rows = append(out.Rows, drillRow(d.group, d.Drill, now))
	}
	slices.SortFunc(lines, func(a, b *board.Line) int { return b.At.Compare(a.At) })
	for _, l := range lines[:min(len(lines), 50)] {
		out.NotBegun = append(out.NotBegun, lineView(l, now))
	}
	return out
}

func (p *Pages) recoveryPlots(person *who.Person) []figure {
	var out []figure
	for _, g := range p.seen(person) {
		if f := recoveryPlot(g, p.o.Now()); f.SVG != "" {
			out = append(out, f)
		}
	}
	return out
}

// recoveryPlot draws how long the group's swaps took, each at its time, where there are at least two.
func recoveryPlot(g board.Group, now time.Time) figure {
	goal := time.Duration(0)
	if g.Spec != nil {
		goal = g.Spec.Objectives.RTO
	}
	var dots []plot.Dot
	for _, d := range slices.Backward(g.Runs) {
		if d.DryRun {
			continue
		}
		b := plot.Dot{At: d.At, Took: d.Took(), Label: string(d.Kind) + " to " + d.To + ", " + stamp(d.At) + ": " + took(d.Took()), Tone: "info", Hollow: d.Drill}
		if goal > 0 && d.Took() > goal {
			b.Tone = "bad"
		}
		dots = append(dots, b)
	}
	if len(dots) < 2 {
		return figure{}
	}
	return figure{Group: g.Name, SVG: plot.Over("recovery times of "+g.Name, dots, goal, now)}
}

// calendar puts a month together: what was rehearsed, what is planned, and what is blocked.
func (p *Pages) calendar(person *who.Person, month, now time.Time) calendar {
	end := month.AddDate(0, 1, 0)
	c := calendar{Month: month.Format("2006-01"), Name: month.Month().String(), Year: month.Year(), Before: month.AddDate(0, -1, 0).Format("2006-01"), After: end.Format("2006-01")}
	first := month.AddDate(0, 0, -int(month.Weekday()+6)%7) // a week begins on Monday
	days := make([]day, 0, 42)
	for d := first; d.Before(end) || d.Weekday() != time.Monday; d = d.AddDate(0, 0, 1) {
		days = append(days, day{N: d.Day(), Date: d.Format("Mon 2 Jan"), Out: d.Before(month) || !d.Before(end), Today: d.Equal(now.UTC().Truncate(24 * time.Hour))})
	}
	for i := range 7 {
		c.Days[i] = time.Weekday((i + 1) % 7).String()[:3]
	}
	put := func(at time.Time, group string, m Mark) {
		if i := int(at.Sub(first) / (24 * time.Hour)); !at.Before(first) && i < len(days) {
			days[i].Items = append(days[i].Items, dayItem{At: at.UTC().Format("15:04"), Group: group, Mark: m, sort: at})
		}
	}
	last := first.AddDate(0, 0, len(days))
	for _, g := range p.seen(person) {
		for _, d := range g.Drills {
			put(d.At, g.Name, drillMark(d.Status))
		}
		for _, l := range g.NotBegun {
			put(l.At, g.Name, notBegun)
		}
		if g.Status != nil {
			for _, e := range g.Status.Agenda { // what somebody planned once; what the spec plans is worked out below for the whole month
				if e.Name != "" {
					put(time.UnixMicro(e.At), g.Name, plannedMark(g.Spec, time.UnixMicro(e.At)))
				}
			}
		}
		if g.Spec == nil {
			continue
		}
		from := first.Add(-1)
		if from.Before(now) {
			from = now
		}
		for i := range g.Spec.Drills {
			t := from
			for range calendarPlanned {
				next, ok := g.Spec.Drills[i].Next(t)
				if !ok || !next.Before(last) {
					break
				}
				put(next, g.Name, plannedMark(g.Spec, next))
				t = next
			}
		}
		for i := range g.Spec.Blocked {
			blocks(&g.Spec.Blocked[i], g.Name, first, days)
		}
		for i := range g.Spec.Freezes {
			blocks(&g.Spec.Freezes[i], g.Name, first, days)
		}
	}
	for i := range days {
		d := &days[i]
		slices.SortStableFunc(d.Items, func(a, b dayItem) int { return a.sort.Compare(b.sort) })
		if d.More = len(d.Items) - calendarCell; d.More > 0 {
			d.Items = d.Items[:calendarCell]
		}
		c.Blocked = c.Blocked || d.Blocked
		if i%7 == 0 {
			c.Weeks = append(c.Weeks, nil)
		}
		c.Weeks[i/7] = append(c.Weeks[i/7], *d)
	}
	return c
}

var (
	isPlanned  = Mark{"planned", "dot", "info"}
	isBlocked  = Mark{"planned, blocked", "gone", "warn"}
	notBegun   = Mark{"not begun", "skip", "warn"}
	mostReason = 6
)

func plannedMark(s *spec.Group, at time.Time) Mark {
	if s != nil && (s.BlockedAt(at) != nil || s.FrozenAt(at) != nil) {
		return isBlocked
	}
	return isPlanned
}

// blocks marks the days in which the window covers any hour.
func blocks(b *spec.Blocked, group string, first time.Time, days []day) {
	for i := range days {
		for hour := range 24 {
			if !b.Covers(first.AddDate(0, 0, i).Add(time.Duration(hour) * time.Hour)) {
				continue
			}
			d := &days[i]
			d.Blocked = true
			if why := group + ": " + b.Why; len(d.Why) < mostReason && !slices.Contains(d.Why, why) {
				d.Why = append(d.Why, why)
			}
			break
		}
	}
}

// shadowPage is the shadow ledger of every group that has one.
type shadowPage struct {
	Frame
	Said   *said
	Groups shadowGroups
}

type shadowGroups struct {
	Read   bool
	Groups []*Group
}

func (p *Pages) shadow(w http.ResponseWriter, r *http.Request) {
	p.freshly(r.Context())
	person := who.PersonOf(r.Context())
	id, said := p.saidOf(r, person)
	live := "at=shadow"
	if id != "" {
		live += "&rq=" + id
	}
	p.render(w, r, http.StatusOK, "shadow", shadowPage{Frame: p.frame(r, in(r).T("Shadow ledger"), "shadow", live), Said: said, Groups: p.shadows(person)})
}

// shadows are the groups with a shadow ledger, those with something to judge first.
func (p *Pages) shadows(person *who.Person) shadowGroups {
	out := shadowGroups{Read: p.o.Board.Read()}
	groups, now := p.seen(person), p.o.Now()
	for i := range groups {
		if t := trust(&groups[i], now); t != nil {
			out.Groups = append(out.Groups, &Group{Name: groups[i].Name, Mark: mark(&groups[i], now), Fresh: !groups[i].Stale(now), MayAct: person.May(groups[i].Name, who.Operator), CSRF: person.CSRF, Trust: t})
		}
	}
	slices.SortStableFunc(out.Groups, func(a, b *Group) int { return cmp.Compare(min(b.Trust.Open, 1), min(a.Trust.Open, 1)) })
	return out
}

// saidOf is what became of the request that led to a page of no group.
func (p *Pages) saidOf(r *http.Request, person *who.Person) (string, *said) {
	id := r.URL.Query().Get("rq")
	if !validRequest(id) {
		return "", nil
	}
	if e := p.o.Board.Outcome(id); e != nil && person.May(e.Group, who.Viewer) {
		return p.said(r, e.Group)
	}
	return id, &said{Pending: true, Accepted: true, Sentence: "Asked. What became of it is not told yet."}
}
