package incident

import (
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// summarize says in a sentence or two how it ended. What was only rehearsed is told where nothing real happened.
func summarize(r Report) string {
	var last *Swap // the newest that was done; a real one before a rehearsal, one that was about roles before what only changed terms after it
	undone, tried := 0, false
	for i := range r.Swaps {
		s := &r.Swaps[i]
		switch {
		case s.State != message.StateDone:
			if !s.DryRun {
				undone++
			}
		case last == nil, last.DryRun && !s.DryRun,
			last.DryRun == s.DryRun && (s.Command.Kind != message.KindReconfigure || last.Command.Kind == message.KindReconfigure):
			last, tried = s, undone > 0
		}
	}
	if n := len(r.Drills); n > 0 && r.endsInDrill() {
		return rehearsed(r.Drills[n-1])
	}
	switch {
	case last != nil && last.Command.Kind == message.KindResume:
		again := fmt.Sprintf("%s is primary again as of epoch %d, rule %s: %s.",
			last.Command.Primary, last.Command.Epoch, last.Command.Rule, text(strings.TrimSuffix(last.Command.Sentence, ".")))
		if tried {
			again += " What was tried before did not complete; see below."
		}
		return again
	case last != nil:
		return took(last)
	case undone > 0:
		return "A swap was decided and did not complete."
	case len(r.Refused) > 0:
		return "No swap happened. What was refused, and why, is below."
	}
	return "No swap happened and none was refused."
}

// endsInDrill says that the last swap was part of a drill. What changed no roles came after it as a matter of course.
func (r Report) endsInDrill() bool {
	for i := len(r.Swaps) - 1; i >= 0; i-- {
		switch c := r.Swaps[i].Command; c.Kind {
		case message.KindFailover, message.KindSwitchover:
			return c.Drill != nil && !c.DryRun
		}
	}
	return false
}

// rehearsed says in a sentence how a drill went.
func rehearsed(d *message.DrillStatus) string {
	text := fmt.Sprintf("A drill by %s: %s took over from %s", d.Actor, d.Away, d.Home)
	if d.There != nil && d.There.Done {
		text += " in " + known(d.There.TookMicros())
	}
	switch d.How {
	case message.DrillDone:
		text += fmt.Sprintf(", was primary for %s, and %s took back over in %s.", known(d.HeldMicros), d.Home, known(d.Back.TookMicros()))
		if d.RTO != nil && !d.RTO.Met {
			text += " The recovery objective was missed."
		}
		return text
	case "":
		return text + "; it is not over yet."
	}
	return text + "; it was " + strings.ReplaceAll(d.How, "-", " ") + "."
}

func took(s *Swap) string {
	c := s.Command
	what := "took over from " + c.From
	if c.From == "" || c.From == c.Primary {
		what = "is primary"
	}
	text := fmt.Sprintf("%s %s in %s (detect %s, decide %s, execute %s, verify %s), epoch %d, rule %s.", c.Primary, what, round(s.Times.Total()),
		round(s.Times.Detect), round(s.Times.Decide), round(s.Times.Execute), round(s.Times.Verify), c.Epoch, c.Rule)
	if s.DryRun {
		return "It would have been so: " + text
	}
	return text
}

func known(micros int64) string { return round(time.Duration(micros) * time.Microsecond).String() }

// round keeps three digits or so: nobody reads microseconds of a minute.
func round(d time.Duration) time.Duration {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond)
	case d < time.Second:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// text makes s safe as a line of its own.
func text(s string) string {
	return strings.NewReplacer("\n", " ", "\r", "", "<", "&lt;", "[", "\\[").Replace(s)
}
