// Package plot draws what the pages show as figures: SVG of plain shapes, coloured by the page's style sheet, every label escaped.
package plot

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

const width = 720

// Bar is one row of a Gantt chart.
type Bar struct {
	Label string
	Tone  string // ok, warn, bad, info, off
	From  time.Duration
	To    time.Duration
	Note  string // beside the bar: how long it took
}

// Gantt draws the bars over one axis of time. Held, if not negative, is drawn as a line: from there the swap only goes forward.
func Gantt(title string, bars []Bar, held time.Duration) template.HTML {
	if len(bars) == 0 {
		return ""
	}
	const left, right, row, top = 170, 90, 24, 8
	span := time.Duration(1)
	for _, b := range bars {
		span = max(span, b.To)
	}
	span = max(span, held)
	x := func(d time.Duration) float64 {
		return left + float64(max(0, min(d, span)))/float64(span)*(width-left-right)
	}
	bottom := top + row*len(bars)
	var w strings.Builder
	fmt.Fprintf(&w, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, bottom+24, esc(title))
	for i, mark := range ticks(span) {
		anchor := "middle"
		if i == 0 {
			anchor = "start"
		}
		fmt.Fprintf(&w, `<line class="axis" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text x="%.1f" y="%d" text-anchor="%s">%s</text>`, x(mark), top, x(mark), bottom, x(mark), bottom+16, anchor, esc(short(mark)))
	}
	for i, b := range bars {
		y := top + i*row
		wide := math.Max(2, x(b.To)-x(b.From))
		fmt.Fprintf(&w, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-10, y+16, esc(clip(b.Label, 26)))
		fmt.Fprintf(&w, `<rect class="bar-%s" x="%.1f" y="%d" width="%.1f" height="14" rx="3"><title>%s</title></rect>`, esc(b.Tone), x(b.From), y+5, wide, esc(b.Label+" "+b.Note))
		fmt.Fprintf(&w, `<text x="%.1f" y="%d">%s</text>`, x(b.From)+wide+6, y+16, esc(b.Note))
	}
	if held >= 0 {
		fmt.Fprintf(&w, `<line class="held" x1="%.1f" y1="%d" x2="%.1f" y2="%d"><title>held</title></line>`, x(held), top, x(held), bottom)
	}
	w.WriteString("</svg>")
	return template.HTML(w.String()) // every text in it went through esc
}

// Point is one bucket of a series: what was seen in it.
type Point struct {
	Any     bool
	Value   float64 // the worst of it
	Lost    float64 // the share of looks that failed, 0 to 1
	Unknown float64 // the share of looks that were no evidence
}

// Series draws values as a line, and lost looks as bars from above, over one axis of time. The span from..to (as shares of the axis, 0 to 1) is
// shaded; say writes a value.
func Series(title string, points []Point, from, to float64, length time.Duration, begins string, say func(float64) string) template.HTML {
	const left, right, top, height = 50, 10, 8, 110
	high := 1.0
	for _, p := range points {
		high = math.Max(high, p.Value)
	}
	n := float64(max(1, len(points)))
	x := func(i float64) float64 { return left + i/n*(width-left-right) }
	y := func(v float64) float64 { return top + height - v/high*height }
	var w strings.Builder
	fmt.Fprintf(&w, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, top+height+24, esc(title))
	fmt.Fprintf(&w, `<rect class="span" x="%.1f" y="%d" width="%.1f" height="%d"/>`, x(from*n), top, math.Max(1, x(to*n)-x(from*n)), height)
	for _, v := range []float64{0, high / 2, high} {
		fmt.Fprintf(&w, `<line class="axis" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, y(v), width-right, y(v), left-6, y(v)+4, esc(say(v)))
	}
	for i, p := range points {
		if lost := math.Max(p.Lost, 0); lost > 0 {
			fmt.Fprintf(&w, `<rect class="lossbar" x="%.1f" y="%d" width="%.1f" height="%.1f"><title>%.0f %% lost</title></rect>`, x(float64(i)), top, math.Max(1, x(1)-x(0)), lost*height, lost*100)
		}
	}
	var line strings.Builder
	pen := "M"
	for i, p := range points {
		if !p.Any || p.Lost >= 1 {
			pen = "M"
			continue
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", pen, x(float64(i)+.5), y(p.Value))
		pen = "L"
	}
	fmt.Fprintf(&w, `<path class="line" d="%s"/>`, line.String())
	fmt.Fprintf(&w, `<text x="%d" y="%d">%s</text><text x="%d" y="%d" text-anchor="end">+%s</text></svg>`, left, top+height+16, esc(begins), width-right, top+height+16, esc(short(length)))
	return template.HTML(w.String())
}

// Millis writes a value that is in milliseconds.
func Millis(v float64) string { return short(time.Duration(v * float64(time.Millisecond))) }

// Dot is one duration at its time.
type Dot struct {
	At     time.Time
	Took   time.Duration
	Label  string
	Tone   string
	Hollow bool // it was only rehearsed
}

// Over draws durations over the months, up to now, and the objective (0: none) as a line across them.
func Over(title string, dots []Dot, goal time.Duration, now time.Time) template.HTML {
	if len(dots) == 0 {
		return ""
	}
	const left, right, top, height = 60, 14, 8, 120
	high := max(goal, 1)
	from := now
	for _, d := range dots {
		high = max(high, d.Took)
		if d.At.Before(from) {
			from = d.At
		}
	}
	span := max(now.Sub(from), time.Minute)
	from = from.Add(-span / 40) // the first one does not stand on the axis
	span = now.Sub(from)
	y := func(d time.Duration) float64 { return top + height - float64(d)/float64(high)*height*.94 }
	x := func(t time.Time) float64 {
		return left + float64(max(0, min(t.Sub(from), span)))/float64(max(span, 1))*(width-left-right)
	}
	var w strings.Builder
	fmt.Fprintf(&w, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, top+height+24, esc(title))
	for _, d := range []time.Duration{0, high} {
		fmt.Fprintf(&w, `<line class="axis" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, y(d), width-right, y(d), left-6, y(d)+4, esc(short(d)))
	}
	for _, t := range dates(from, now) {
		fmt.Fprintf(&w, `<line class="axis" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(t.at), top, x(t.at), top+height, x(t.at), top+height+16, esc(t.label))
	}
	if goal > 0 {
		fmt.Fprintf(&w, `<line class="goal" x1="%d" y1="%.1f" x2="%d" y2="%.1f"><title>%s</title></line><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, y(goal), width-right, y(goal), esc("objective "+short(goal)), width-right, y(goal)-4, esc(short(goal)))
	}
	for _, d := range dots {
		class := "bar-" + d.Tone
		if d.Hollow {
			class += " hollow"
		}
		fmt.Fprintf(&w, `<line class="stem" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/><circle class="%s" cx="%.1f" cy="%.1f" r="4.5"><title>%s</title></circle>`, x(d.At), y(0), x(d.At), y(d.Took), esc(class), x(d.At), y(d.Took), esc(d.Label))
	}
	w.WriteString("</svg>")
	return template.HTML(w.String())
}

type date struct {
	at    time.Time
	label string
}

// dates are a few round places on an axis of dates: hours, days, or months.
func dates(from, until time.Time) []date {
	from, until = from.UTC(), until.UTC()
	span := until.Sub(from)
	var out []date
	add := func(t time.Time, step func(time.Time) time.Time, layout string) []date {
		for ; !t.After(until) && len(out) < 24; t = step(t) {
			if !t.Before(from) {
				out = append(out, date{t, t.Format(layout)})
			}
		}
		return out
	}
	every := func(d time.Duration) func(time.Time) time.Time {
		return func(t time.Time) time.Time { return t.Add(d) }
	}
	switch day := 24 * time.Hour; {
	case span <= 5*time.Minute:
		return add(from.Truncate(time.Minute), every(time.Minute), "15:04")
	case span <= time.Hour:
		return add(from.Truncate(10*time.Minute), every(10*time.Minute), "15:04")
	case span <= 6*time.Hour:
		return add(from.Truncate(time.Hour), every(time.Hour), "15:04")
	case span <= 2*day:
		return add(from.Truncate(6*time.Hour), every(6*time.Hour), "01-02 15:04")
	case span <= 10*day:
		return add(from.Truncate(day), every(day), "01-02")
	case span <= 60*day:
		return add(from.Truncate(day), every(7*day), "01-02")
	}
	months := 1
	for span > time.Duration(months)*9*30*24*time.Hour {
		months++
	}
	return add(time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC), func(t time.Time) time.Time { return t.AddDate(0, months, 0) }, "2006-01")
}

// ticks are a few round places on an axis that ends at span.
func ticks(span time.Duration) []time.Duration {
	unit := time.Duration(math.Pow(10, math.Floor(math.Log10(float64(span)))))
	for _, f := range []time.Duration{1, 2, 5, 10} {
		if span/(unit*f/2) <= 6 && unit*f/2 > 0 {
			unit = unit * f / 2
			break
		}
	}
	var out []time.Duration
	for d := time.Duration(0); d <= span && len(out) < 12; d += max(unit, 1) {
		out = append(out, d)
	}
	return out
}

func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return trim(float64(d)/float64(time.Millisecond)) + " ms"
	case d < 2*time.Minute:
		return trim(d.Seconds()) + " s"
	}
	return trim(d.Minutes()) + " min"
}

func trim(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func esc(s string) string { return template.HTMLEscapeString(s) }
