package incident

import (
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Markdown writes the report as a post-mortem: what a person needs to read it without any other tool, and blanks for
// what only people know.
func (r Report) Markdown() string {
	var w strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&w, format+"\n", args...) }

	p("# Post-mortem %s", r.ID)
	p("")
	if r.DryRun {
		p("> **DRY RUN.** Nothing was changed. This is what would have happened.")
		p("")
	}
	p("%s", r.Summary)
	p("")
	p("| | |")
	p("|---|---|")
	p("| group | %s |", cell(r.Group))
	p("| began | %s |", stamp(r.From))
	if r.Open {
		p("| ended | still open, last record %s |", stamp(r.Until))
	} else {
		p("| ended | %s, after %s |", stamp(r.Until), round(r.Until.Sub(r.From)))
	}
	if r.Objective > 0 {
		p("| objective | recovery within %s |", r.Objective)
	}
	for _, d := range r.Drills {
		drill(p, d)
	}
	for _, s := range r.Swaps {
		r.swap(p, s)
	}
	if len(r.Refused) > 0 {
		p("")
		p("## What was refused, and why")
		p("")
		for _, f := range r.Refused {
			p("- %s %s", clock(f.At), text(f.Sentence))
			for _, reason := range f.Reasons {
				p("  - `%s` %s", reason.Code, text(reason.Sentence))
			}
		}
	}
	p("")
	p("## Timeline")
	p("")
	p("Times are UTC, as the streams stored the messages.")
	p("")
	p("| time | after | severity | what | |")
	p("|---|---|---|---|---|")
	for _, l := range r.Timeline {
		p("| %s | %s | %s | %s | %s |", clock(l.At), round(l.At.Sub(r.From)), l.Severity, cell(l.What), cell(l.Sentence+by(l.Writer)))
	}
	p("")
	p("## To be written by people")
	p("")
	p("- What did users notice, and who told us?")
	p("- What was the cause?")
	p("- What went well, what did not?")
	p("- Action items, each with a name and a date:")
	p("")
	return w.String()
}

// drill writes what was rehearsed, and what it took.
func drill(p func(string, ...any), d *message.DrillStatus) {
	p("")
	p("## Drill %s: %s → %s → %s", d.ID, d.Home, d.Away, d.Home)
	p("")
	p("| | |")
	p("|---|---|")
	p("| asked by | %s%s |", cell(d.Actor), cell(because(d.Why)))
	p("| outcome | %s |", outcome(d))
	p("| hold | %s asked, %s held |", d.Hold, known(d.HeldMicros))
	for _, o := range []struct {
		name string
		is   *message.DrillObjective
	}{{"recovery", d.RTO}, {"loss", d.RPO}} {
		switch {
		case o.is == nil:
			p("| objective: %s | not declared, or not measured |", o.name)
		case o.is.Met:
			p("| objective: %s | met: %s of %s |", o.name, round(o.is.Achieved.Std()), o.is.Objective)
		default:
			p("| objective: %s | **missed**: %s of %s |", o.name, round(o.is.Achieved.Std()), o.is.Objective)
		}
	}
	p("")
	p("| way | epoch | execute | verify | together |")
	p("|---|---|---|---|---|")
	for _, w := range []struct {
		name string
		is   *message.DrillSwap
	}{{"there", d.There}, {"back", d.Back}} {
		switch {
		case w.is == nil:
			p("| %s | – | – | – | – |", w.name)
		case !w.is.Done:
			p("| %s | %d | not done | not done | – |", w.name, w.is.Epoch)
		default:
			p("| %s | %d | %s | %s | **%s** |", w.name, w.is.Epoch, known(w.is.ExecuteMicros), known(w.is.VerifyMicros), known(w.is.TookMicros()))
		}
	}
}

// outcome says how a drill was over, for a table.
func outcome(d *message.DrillStatus) string {
	switch d.How {
	case message.DrillDone:
		return "done: there, held, and back"
	case message.DrillStayed:
		return "ended by a person where the roles were: " + d.Away + " stayed primary"
	case message.DrillGivenUp:
		return "**given up**: the way back was not possible for too long"
	case message.DrillInterrupted:
		return "**interrupted**: something else moved the roles, or a swap of it came to nothing"
	}
	return "not over yet: " + string(d.Stage)
}

func known(micros int64) string { return round(time.Duration(micros) * time.Microsecond).String() }

func (r Report) swap(p func(string, ...any), s Swap) {
	c := s.Command
	p("")
	rehearsed := ""
	if s.DryRun {
		rehearsed = " (dry run: only rehearsed)"
	}
	p("## %s of epoch %d: %s%s", title(c.Kind), c.Epoch, direction(c), rehearsed)
	p("")
	p("%s", text(s.Sentence))
	p("")
	p("| | |")
	p("|---|---|")
	p("| decided | %s by %s, rule `%s`: %s |", stamp(s.At), cell(c.Decider), c.Rule, cell(c.Sentence))
	if c.Actor != "" {
		p("| asked by | %s%s |", cell(c.Actor), cell(because(c.Why)))
	}
	for _, o := range c.Reasons {
		p("| overridden | `%s` %s |", o.Code, cell(o.Sentence))
	}
	p("| spec | revision %d |", c.SpecRevision)
	p("| plan | `%s` |", c.Plan.Hash)
	state := string(s.State)
	if state == "" {
		state = "no executor told anything"
	}
	p("| outcome | %s |", state)
	p("")
	p("| detect | decide | execute | verify | together | objective |")
	p("|---|---|---|---|---|---|")
	p("| %s | %s | %s | %s | **%s** | %s |", round(s.Times.Detect), round(s.Times.Decide), round(s.Times.Execute), round(s.Times.Verify),
		round(s.Times.Total()), r.verdict(s))
	if len(c.Evidence) > 0 {
		p("")
		p("What was seen when it was decided:")
		p("")
		p("| member | vantage | check | says | since | evidence |")
		p("|---|---|---|---|---|---|")
		for _, v := range c.Evidence {
			says := v.Says
			if v.Hard {
				says += " (hard)"
			}
			p("| %s | %s | %s | %s | %d ms before | %s |", cell(v.Member), cell(v.Vantage), cell(v.Check), cell(says), v.AgoMS, cell(v.Evidence))
		}
	}
	if len(s.Steps) > 0 {
		p("")
		p("| step | what | state | took | tries | by | found → wanted, evidence |")
		p("|---|---|---|---|---|---|---|")
		for _, row := range s.Steps {
			state := string(row.State)
			if state == "" {
				state = "not begun"
			}
			p("| %s | %s | %s | %s | %d | %s | %s |", cell(row.Name), cell(row.Says), state, round(row.Took), row.Attempts, cell(row.Executor), cell(row.detail()))
		}
	}
}

func (row StepRow) detail() string {
	var parts []string
	if row.Found != "" || row.Wanted != "" {
		parts = append(parts, row.Found+" → "+row.Wanted)
	}
	if row.Evidence != "" {
		parts = append(parts, row.Evidence)
	}
	if row.Problem != "" {
		parts = append(parts, "problem: "+row.Problem)
	}
	return strings.Join(parts, "; ")
}

func (r Report) verdict(s Swap) string {
	if r.Objective == 0 || s.State != message.StateDone {
		return "–"
	}
	if s.Times.Total() <= r.Objective {
		return "met (" + r.Objective.String() + ")"
	}
	return "**missed** (" + r.Objective.String() + ")"
}

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
		return "A swap was decided and did not complete. See below."
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

func title(k message.Kind) string {
	s := string(k)
	return strings.ToUpper(s[:1]) + s[1:]
}

func direction(c *message.Command) string {
	if c.From == "" || c.From == c.Primary {
		return c.Primary
	}
	return c.From + " → " + c.Primary
}

func by(writer string) string {
	if writer == "" {
		return ""
	}
	return " (" + writer + ")"
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }
func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

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

var cellEscapes = strings.NewReplacer("|", "\\|", "\r", "", "\n", " ⏎ ", "<", "&lt;", "`", "'")

// cell makes s safe inside a table: evidence is what somebody's server said.
func cell(s string) string { return cellEscapes.Replace(s) }

// text makes s safe as a line of its own.
func text(s string) string { return strings.NewReplacer("\n", " ", "\r", "", "<", "&lt;").Replace(s) }
