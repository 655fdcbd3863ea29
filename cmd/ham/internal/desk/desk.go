// Package desk says in lines what of a group waits for people: a second person, the drills that come, the shadow ledger. The command line and the
// full screen show the same. Each line is a sentence that pkg/words knows, but for what people wrote.
package desk

import (
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Tone is how loud a line is.
type Tone string

const (
	Plain Tone = "plain"
	Warn  Tone = "warn"
	Faint Tone = "faint"
)

// Line is one of them. Code is that of the rule which it speaks of; empty: none.
type Line struct {
	Tone Tone
	Code string
	Text string
}

// untrusted is the code of what the shadow ledger does not yet speak for, drillTooOld that of a drill of too long ago.
const (
	untrusted   = "R366"
	drillTooOld = "R367"
)

// Waits are the swaps that wait for a second person and the steps that wait for one, one line each, in their order.
func Waits(s *message.GroupStatus) []Line {
	var out []Line
	for _, w := range s.Approvals {
		if w.Step != "" {
			out = append(out, Line{Tone: Warn, Text: "waits for a person until " + clock(w.Until) + " UTC: " + w.Sentence})
			continue
		}
		out = append(out, Line{Tone: Warn, Text: "waits for a second person until " + clock(w.Until) + " UTC: " + w.Sentence})
	}
	return out
}

// Clients is what a canary sees of the service, from outside, and what clients lost last. Nothing where no canary is declared.
func Clients(s *message.GroupStatus) []Line {
	c := s.Clients
	if c == nil {
		return nil
	}
	l := Line{Tone: Plain, Text: c.Sentence}
	if c.Outage != nil {
		l.Tone = Warn
	}
	out := []Line{l}
	if len(c.Past) > 0 {
		o := c.Past[0]
		failed, looks := o.Count()
		text := fmt.Sprintf("what clients lost last: %d of %d looks failed within %s, until %s UTC", failed, looks, span(o.Lasted(0).Std()), stamp(o.Until))
		if o.Unseen {
			text += "; nobody saw its end"
		}
		out = append(out, Line{Tone: Faint, Text: text})
	}
	return out
}

// fewFigures are shown with those that are well; of more, only how many are well is said.
const fewFigures = 8

// Figures are what is measured: each that went too far or cannot be measured, and those that are well if they are few.
func Figures(s *message.GroupStatus) []Line {
	var out []Line
	well := 0
	for _, f := range s.Thresholds {
		switch {
		case f.Condition != message.ThresholdWell:
			out = append(out, Line{Tone: Warn, Text: f.Sentence})
		case f.Beyond():
			out = append(out, Line{Tone: Plain, Text: f.Sentence})
		case len(s.Thresholds) <= fewFigures:
			out = append(out, Line{Tone: Faint, Text: f.Sentence})
		default:
			well++
		}
	}
	if well > 0 {
		out = append(out, Line{Tone: Faint, Text: fmt.Sprintf("%d more figures are well", well)})
	}
	return out
}

// span rounds to what is worth reading.
func span(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// Planned is what comes next and what would refuse it now, and the windows in which nothing begins. Now is in Unix microseconds, by the clock of
// whoever knows the status.
func Planned(s *message.GroupStatus, now int64) []Line {
	var out []Line
	for i, e := range s.Agenda {
		if i > 0 && e.Name == "" {
			continue // the calendar goes on and on; what a person planned is shown whole
		}
		text := string(e.Verb) + " at " + stamp(e.At) + " UTC, in " + until(now, e.At)
		if i == 0 {
			text = "next " + text
		}
		if e.Target != "" {
			text += ", to " + e.Target
		}
		if e.Name != "" {
			text += ", planned by " + e.Actor + " as " + e.Name
		}
		out = append(out, Line{Tone: Plain, Text: text})
		if e.Blocked != "" {
			out = append(out, Line{Tone: Warn, Text: "it would be refused then: " + e.Blocked})
		}
		for _, r := range e.Refusals {
			out = append(out, Line{Tone: Warn, Code: r.Code, Text: "it would be refused now: " + r.Sentence})
		}
	}
	for i, w := range s.Blocked {
		what := "nothing planned begins "
		if w.Freeze {
			what = "changes are frozen "
		}
		switch {
		case w.From <= now:
			out = append(out, Line{Tone: Warn, Text: what + "until " + stamp(w.Until) + " UTC: " + w.Why})
		case w.Freeze || i == 0 || s.Blocked[i-1].From <= now: // the next one, and each freeze
			out = append(out, Line{Tone: Faint, Text: what + "from " + stamp(w.From) + " to " + stamp(w.Until) + " UTC: " + w.Why})
		}
	}
	return out
}

// Drills are what is planned, and how long ago the last drill was.
func Drills(s *message.GroupStatus, now int64) []Line {
	out := Planned(s, now)
	switch {
	case s.DrilledAt > 0:
		out = append(out, Line{Tone: Plain, Text: "the last drill that went there and back ended " + until(s.DrilledAt, now) + " ago"})
	case len(s.Agenda) > 0 || has(s, drillTooOld):
		out = append(out, Line{Tone: Warn, Text: "no drill ever went there and back"})
	}
	return out
}

// Ledger is the score of the shadow ledger, and what it still refuses; none where there is neither.
func Ledger(s *message.GroupStatus) []Line {
	var out []Line
	if l := s.Ledger; l != nil {
		out = append(out, Line{Tone: Plain, Text: Score(*l)})
	}
	for _, r := range s.Refusals {
		if r.Code == untrusted {
			out = append(out, Line{Tone: Warn, Code: r.Code, Text: r.Sentence})
		}
	}
	return out
}

// Score says a ledger's figures.
func Score(l message.LedgerStatus) string {
	text := fmt.Sprintf("shadow ledger: %d right, %d wrong, %d not judged, %d missed", l.Right, l.Wrong, l.Open, l.Missed)
	if l.Right+l.Wrong > 0 {
		text += fmt.Sprintf("; precision %.0f%%", l.Precision*100)
	}
	if l.Right+l.Missed > 0 {
		text += fmt.Sprintf("; recall %.0f%%", l.Recall*100)
	}
	return text
}

func has(s *message.GroupStatus, code string) bool {
	for _, r := range s.Refusals {
		if r.Code == code {
			return true
		}
	}
	return false
}

func stamp(micros int64) string { return time.UnixMicro(micros).UTC().Format("2006-01-02 15:04:05") }
func clock(micros int64) string { return time.UnixMicro(micros).UTC().Format("15:04:05") }

// until is how long it is from one moment to a later one, in its two largest units.
func until(from, to int64) string {
	d := max(0, time.Duration(to-from)*time.Microsecond)
	day := 24 * time.Hour
	switch {
	case d >= day && d%day < time.Hour:
		return fmt.Sprintf("%dd", d/day)
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour && d%time.Hour < time.Minute:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.Round(time.Second).String()
}
