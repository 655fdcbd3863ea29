package incident

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
)

//go:embed report.css
var css string

//go:embed report.html
var page string

// parsed is the page's form; its functions are given anew for each language.
var parsed = template.Must(template.New("report").Funcs(functions(words.Of(words.English), nil)).Parse(page))

// HTML writes the report as one self-contained page in a language, to be read, mailed, printed and kept: no script, no other host, drawings
// inline. Times are UTC.
func (r Report) HTML(lang words.Lang) string { return r.HTMLIn(lang, nil) }

// HTMLIn is [Report.HTML] with times by the clock of zone; nil is UTC.
func (r Report) HTMLIn(lang words.Lang, zone *time.Location) string {
	s := words.Of(lang)
	v := view{
		Lang: s.Lang(), Policy: Policy, CSS: template.CSS(css), //nolint:gosec // the style sheet is our own file
		R: r, Lasted: r.Until.Sub(r.From), Questions: questions[:len(questions)-1], Actions: questions[len(questions)-1], Blanks: make([]struct{}, blanks), s: s,
		Clocks: s.T("Times are UTC, as the streams stored the messages."),
	}
	if zone != nil && zone != time.UTC {
		v.Clocks = s.T("Times are those of %s, as the streams stored the messages.", zone.String())
	}
	for _, swap := range r.Swaps {
		c := swap.Command
		verdict := r.verdict(s, swap, "")
		v.Swaps = append(v.Swaps, swapView{Swap: swap, Title: title(c.Kind), Direction: direction(c), Became: state(swap.State, "no executor told anything"),
			Verdict: verdict, Missed: r.missed(swap),
			Split: split(s, swap.Times), Gantt: chart(s, swap)})
	}
	var b strings.Builder
	form := template.Must(parsed.Clone()).Funcs(functions(s, zone))
	if err := form.Execute(&b, v); err != nil {
		panic("incident: " + err.Error()) // a builder takes everything: the form itself is wrong, which the golden files would have found
	}
	return b.String()
}

// Policy is the content security policy of the page, by the hash of its one style sheet. Whoever serves the page sends it as a header, too.
var Policy = func() string {
	sum := sha256.Sum256([]byte(css))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}()

// view is what the page is made of.
type view struct {
	Lang      words.Lang
	Policy    string
	CSS       template.CSS
	R         Report
	Lasted    time.Duration
	Swaps     []swapView
	Questions []string
	Actions   string
	Blanks    []struct{}
	Clocks    string
	s         *words.Speaker
}

// After is how long after the beginning something was.
func (v view) After(at time.Time) string { return v.s.Duration(at.Sub(v.R.From)) }

type swapView struct {
	Swap
	Title, Direction, Became, Verdict string
	Missed                            bool
	Split                             []bar
	Gantt                             *gantt
}

func functions(s *words.Speaker, zone *time.Location) template.FuncMap {
	return template.FuncMap{
		"t": s.T, "say": s.Say, "took": s.Duration, "micro": stamp,
		"lost": func(o any) string {
			if v, ok := o.(message.ClientsOutage); ok {
				return asClientsSaw(s, &v)
			}
			return asClientsSaw(s, o.(*message.ClientsOutage))
		},
		"lasted":   func(v message.ClientsLoss) string { return lasted(s, v) },
		"time":     func(at time.Time) string { return s.Time(at, zone) },
		"clock":    func(at time.Time) string { return s.Clock(at, zone) },
		"std":      func(d message.Duration) time.Duration { return d.Std() },
		"micros":   func(us int64) string { return s.Duration(time.Duration(us) * time.Microsecond) },
		"says":     func(v message.View) string { return says(s, v) },
		"detail":   func(r StepRow) string { return r.detail(s) },
		"where":    Asked.where,
		"verb":     func(a Asked) string { return s.T(string(a.Verb)) },
		"severity": func(l Line) string { return s.T(string(l.Severity)) },
		"drilled":  func(d *message.DrillStatus) string { return strings.ReplaceAll(outcome(s, d), "**", "") },
		"held": func(d *message.DrillStatus) string {
			return s.T("%s asked, %s held", d.Hold.Std(), time.Duration(d.HeldMicros)*time.Microsecond)
		},
		"stepstate": func(r StepRow) string { return s.T(state(r.State, "not begun")) },
	}
}

// bar is a length of time in a drawing.
type bar struct {
	Label, Note, Class, Anchor string
	X, W, Y, TextY, NoteX      float64
}

const (
	wide   = 800.0 // of a drawing, in its own units
	labels = 190.0 // kept for names at its left
	rowOf  = 22.0  // height of a row
	thin   = 2.0   // no bar is thinner
)

// split draws the recovery time as its four parts, to scale.
func split(s *words.Speaker, t Times) []bar {
	all := t.Total()
	if all <= 0 {
		return nil
	}
	var out []bar
	x := 0.0
	for _, part := range []struct {
		name string
		took time.Duration
	}{{"detect", t.Detect}, {"decide", t.Decide}, {"execute", t.Execute}, {"verify", t.Verify}} {
		if part.took <= 0 {
			continue
		}
		w := wide * float64(part.took) / float64(all)
		out = append(out, bar{Label: s.T(part.name), Note: s.Duration(part.took), Class: part.name, X: tenth(x), W: tenth(w)})
		x += w
	}
	return out
}

// gantt is the drawing of a swap's steps over time.
type gantt struct {
	Height, Foot, Held float64
	Bars               []bar
	Ticks              []tick
}

type tick struct {
	X, Y          float64
	Label, Anchor string
}

// Bottom is where the line of a tick ends: above its label.
func (view) Bottom(label float64) float64 { return label - 14 }

// chart draws detection and decision up to the command, then the steps where the streams stored them. Stream time is stamped when a message
// is stored, so a quick step may seem to begin before its command did: nothing is drawn before the beginning. Nil: no step was told.
func chart(s *words.Speaker, swap Swap) *gantt {
	from := swap.At.Add(-swap.Times.Detect - swap.Times.Decide)
	until, any := swap.At, false
	for _, row := range swap.Steps {
		if row.Ended.IsZero() {
			continue
		}
		any = true
		if row.Began.Before(from) {
			from = row.Began
		}
		if row.Ended.After(until) {
			until = row.Ended
		}
	}
	if !any {
		return nil
	}
	if c := swap.Clients; c != nil {
		for _, at := range []time.Time{stamp(c.From), stamp(c.Until)} {
			if at.Before(from) && c.From > 0 {
				from = at
			}
			if at.After(until) {
				until = at
			}
		}
	}
	span := max(until.Sub(from), time.Microsecond)
	place := func(at time.Time) float64 { return labels + (wide-labels)*float64(at.Sub(from))/float64(span) }
	g := &gantt{}
	add := func(label, note, class string, begins, ends time.Time) {
		y := float64(len(g.Bars)) * rowOf
		b := bar{Label: label, Note: note, Class: class, X: tenth(place(begins)), Y: y + 4, TextY: y + 15, Anchor: "start"}
		b.W = tenth(max(thin, place(ends)-place(begins)))
		if b.X+thin > wide {
			b.X = wide - thin
		}
		// The note stands behind the bar, or before it where there is no room.
		if b.NoteX = b.X + b.W + 5; b.NoteX > wide-70 {
			b.NoteX, b.Anchor = b.X-5, "end"
			if b.NoteX < labels+70 {
				b.NoteX, b.Anchor = wide, "end"
			}
		}
		b.NoteX = tenth(b.NoteX)
		g.Bars = append(g.Bars, b)
	}
	verdict := swap.At.Add(-swap.Times.Decide)
	if swap.Times.Detect > 0 {
		add(s.T("detect"), s.Duration(swap.Times.Detect), "detect", verdict.Add(-swap.Times.Detect), verdict)
	}
	if swap.Times.Decide > 0 {
		add(s.T("decide"), s.Duration(swap.Times.Decide), "decide", verdict, swap.At)
	}
	if c := swap.Clients; c != nil {
		for _, v := range c.Vantages {
			ends := until
			if v.Until > 0 {
				ends = stamp(v.Until)
			}
			add(s.T("clients, %s", v.Vantage), lasted(s, v), "clients", stamp(v.From), ends)
		}
	}
	for _, row := range swap.Steps {
		if !row.Ended.IsZero() {
			add(row.Name, s.Duration(row.Took)+" "+s.T(string(row.State)), cmp.Or(string(row.State), "started"), row.Began, row.Ended)
		}
	}
	g.Foot = float64(len(g.Bars)) * rowOf
	g.Height = g.Foot + 20
	for i := range 5 {
		at := span * time.Duration(i) / 4
		anchor := "middle"
		switch i {
		case 0:
			anchor = "start"
		case 4:
			anchor = "end"
		}
		g.Ticks = append(g.Ticks, tick{X: tenth(place(from.Add(at))), Y: g.Height - 4, Label: s.Duration(at), Anchor: anchor})
	}
	if !swap.HeldAt.IsZero() && !swap.HeldAt.Before(from) && !swap.HeldAt.After(until) {
		g.Held = tenth(place(swap.HeldAt))
	}
	return g
}

// tenth rounds a place in a drawing: nobody sees more.
func tenth(v float64) float64 { return float64(int(v*10+0.5)) / 10 }
