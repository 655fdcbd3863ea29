package incident

import (
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
)

// Markdown writes the report as a post-mortem in English: what a person needs to read it without any other tool, and blanks for
// what only people know. Times are UTC.
func (r Report) Markdown() string { return r.MarkdownIn(words.English, nil) }

// MarkdownIn writes it in a language, with times by the clock of zone; nil is UTC.
func (r Report) MarkdownIn(lang words.Lang, zone *time.Location) string {
	p := &paper{Speaker: words.Of(lang), zone: zone}
	p.line("# %s %s", p.T("Post-mortem"), text(r.ID))
	p.line("")
	if r.DryRun {
		p.line("> **%s** %s", p.T("DRY RUN."), p.T("Nothing was changed. This is what would have happened."))
		p.line("")
	}
	p.line("%s", p.say(r.Summary))
	p.line("")
	p.table("", "")
	p.row(p.T("group"), cell(r.Group))
	p.row(p.T("began"), p.Time(r.From, zone))
	if r.Open {
		p.row(p.T("ended"), p.T("still open, last record %s", p.Time(r.Until, zone)))
	} else {
		p.row(p.T("ended"), p.T("%s, after %s", p.Time(r.Until, zone), r.Until.Sub(r.From)))
	}
	if r.Objective > 0 {
		p.row(p.T("objective"), p.T("recovery within %s", r.Objective))
	}
	for i := range r.Clients {
		p.row(p.T("clients lost"), asClientsSaw(p.Speaker, &r.Clients[i]))
	}
	for _, l := range r.Links {
		p.row(p.T("talked about in"), "["+cell(l.Name)+"](<"+address(l.URL)+">)")
	}
	for _, d := range r.Drills {
		p.drill(d)
	}
	for _, s := range r.Swaps {
		p.swap(r, s)
	}
	p.clients(r)
	p.refused(r)
	p.people(r)
	p.heading("Timeline")
	if zone == nil || zone == time.UTC {
		p.line("%s", p.T("Times are UTC, as the streams stored the messages."))
	} else {
		p.line("%s", p.T("Times are those of %s, as the streams stored the messages.", cell(zone.String())))
	}
	p.line("")
	p.table(p.T("time"), p.T("after"), p.T("severity"), p.T("what"), "")
	for _, l := range r.Timeline {
		p.row(p.Clock(l.At, zone), p.Duration(l.At.Sub(r.From)), p.T(string(l.Severity)), cell(p.T(l.What)), cell(p.Say(l.Sentence)+by(l.Writer)))
	}
	p.inForce(r)
	p.heading("To be written by people")
	for _, question := range questions {
		p.line("- %s", p.T(question))
	}
	p.line("")
	p.table(p.T("action"), p.T("who"), p.T("until"), p.T("done"))
	for _, i := range r.Items {
		done := "[ ]"
		if i.DoneBy != "" {
			done = "[x] " + cell(i.DoneBy+", "+p.Time(i.DoneAt, p.zone))
		}
		p.row(cell(i.Text), cell(i.Actor), "", done)
	}
	for range blanks {
		p.row("", "", "", "[ ]")
	}
	p.gathered(r)
	return p.String()
}

// questions are what only people can answer; behind the last one stand as many blanks.
var questions = []string{
	"What did users notice, and who told us?",
	"What was the cause?",
	"What went well, what did not?",
	"Action items, each with a name and a date:",
}

const blanks = 3

// paper is a page of Markdown in a language.
type paper struct {
	*words.Speaker
	strings.Builder
	zone *time.Location
}

func (p *paper) line(format string, args ...any) { fmt.Fprintf(&p.Builder, format+"\n", args...) }

func (p *paper) heading(text string) {
	p.line("")
	p.line("## %s", p.T(text))
	p.line("")
}

func (p *paper) row(cells ...string) {
	p.WriteString("|")
	for _, c := range cells {
		if c != "" {
			p.WriteString(" " + c)
		}
		p.WriteString(" |")
	}
	p.WriteString("\n")
}

func (p *paper) table(head ...string) {
	if strings.Join(head, "") == "" {
		p.line("|%s", strings.Repeat(" |", len(head)))
	} else {
		p.row(head...)
	}
	p.line("|%s", strings.Repeat("---|", len(head)))
}

// say translates a sentence and makes it safe as a line of its own, cell as a cell of a table.
func (p *paper) say(sentence string) string  { return text(p.Say(sentence)) }
func (p *paper) cell(sentence string) string { return cell(p.Say(sentence)) }

func (p *paper) micros(us int64) string { return p.Duration(time.Duration(us) * time.Microsecond) }

// drill writes what was rehearsed, and what it took.
func (p *paper) drill(d *message.DrillStatus) {
	p.line("")
	p.line("## %s %s: %s → %s → %s", p.T("Drill"), d.ID, d.Home, d.Away, d.Home)
	p.line("")
	p.table("", "")
	p.row(p.T("asked by"), cell(d.Actor)+p.because(d.Why))
	p.row(p.T("outcome"), outcome(p.Speaker, d))
	p.row(p.T("hold"), p.T("%s asked, %s held", d.Hold.Std(), time.Duration(d.HeldMicros)*time.Microsecond))
	for _, o := range []struct {
		name string
		is   *message.DrillObjective
	}{{"objective: recovery", d.RTO}, {"objective: loss", d.RPO}} {
		switch {
		case o.is == nil:
			p.row(p.T(o.name), p.T("not declared, or not measured"))
		case o.is.Met:
			p.row(p.T(o.name), p.T("met: %s of %s", o.is.Achieved.Std(), o.is.Objective.Std()))
		default:
			p.row(p.T(o.name), p.T("**missed**: %s of %s", o.is.Achieved.Std(), o.is.Objective.Std()))
		}
	}
	p.line("")
	p.table(p.T("way"), p.T("epoch"), p.T("execute"), p.T("verify"), p.T("together"))
	for _, w := range []struct {
		name string
		is   *message.DrillSwap
	}{{"there", d.There}, {"back", d.Back}} {
		switch name := p.T(w.name); {
		case w.is == nil:
			p.row(name, "–", "–", "–", "–")
		case !w.is.Done:
			p.row(name, fmt.Sprint(w.is.Epoch), p.T("not done"), p.T("not done"), "–")
		default:
			p.row(name, fmt.Sprint(w.is.Epoch), p.micros(w.is.ExecuteMicros), p.micros(w.is.VerifyMicros), "**"+p.micros(w.is.TookMicros())+"**")
		}
	}
}

// outcome says how a drill was over, for a table.
func outcome(s *words.Speaker, d *message.DrillStatus) string {
	switch d.How {
	case message.DrillDone:
		return s.T("done: there, held, and back")
	case message.DrillStayed:
		return s.T("ended by a person where the roles were: %s stayed primary", d.Away)
	case message.DrillGivenUp:
		return s.T("**given up**: the way back was not possible for too long")
	case message.DrillInterrupted:
		return s.T("**interrupted**: something else moved the roles, or a swap of it came to nothing")
	}
	return s.T("not over yet: %s", s.T(string(d.Stage)))
}

func (p *paper) swap(r Report, s Swap) {
	c := s.Command
	rehearsed := ""
	if s.DryRun {
		rehearsed = " (" + p.T("dry run: only rehearsed") + ")"
	}
	p.line("")
	p.line("## %s: %s%s", p.T("%s of epoch %d", p.T(title(c.Kind)), c.Epoch), direction(c), rehearsed)
	p.line("")
	p.line("%s", p.say(s.Sentence))
	p.line("")
	p.table("", "")
	p.row(p.T("decided"), p.T("%s by %s, rule `%s`: %s", p.Time(s.At, p.zone), cell(c.Decider), c.Rule, p.cell(c.Sentence)))
	if c.Actor != "" {
		p.row(p.T("asked by"), cell(c.Actor)+p.because(c.Why))
	}
	for _, o := range c.Reasons {
		p.row(p.T("overridden"), "`"+o.Code+"` "+p.cell(o.Sentence))
	}
	p.row(p.T("spec"), p.T("revision %d", c.SpecRevision))
	p.row(p.T("plan"), "`"+c.Plan.Hash+"`")
	p.row(p.T("outcome"), cell(p.T(state(s.State, "no executor told anything"))))
	p.line("")
	p.table(p.T("detect"), p.T("decide"), p.T("execute"), p.T("verify"), p.T("together"), p.T("objective"))
	p.row(p.Duration(s.Times.Detect), p.Duration(s.Times.Decide), p.Duration(s.Times.Execute), p.Duration(s.Times.Verify),
		"**"+p.Duration(s.Times.Total())+"**", r.verdict(p.Speaker, s, "**"))
	if s.Clients != nil {
		p.line("")
		p.line("%s", p.T("As clients saw it: %s.", asClientsSaw(p.Speaker, s.Clients)))
	}
	if len(c.Evidence) > 0 {
		p.line("")
		p.line("%s", p.T("What was seen when it was decided:"))
		p.line("")
		p.table(p.T("member"), p.T("vantage"), p.T("check"), p.T("says"), p.T("since"), p.T("evidence"))
		for _, v := range c.Evidence {
			p.row(cell(v.Member), cell(v.Vantage), cell(v.Check), cell(says(p.Speaker, v)), p.T("%d ms before", v.AgoMS), p.cell(v.Evidence))
		}
	}
	if len(s.Steps) > 0 {
		p.line("")
		p.table(p.T("step"), p.T("what"), p.T("state"), p.T("took"), p.T("tries"), p.T("by"), p.T("found → wanted, evidence"))
		for _, row := range s.Steps {
			p.row(cell(row.Name), p.cell(row.Says), cell(p.T(state(row.State, "not begun"))), p.Duration(row.Took), fmt.Sprint(row.Attempts), cell(row.Executor), cell(row.detail(p.Speaker)))
		}
	}
}

func (p *paper) refused(r Report) {
	if len(r.Refused) == 0 {
		return
	}
	p.heading("What was refused, and why")
	for _, f := range r.Refused {
		p.line("- %s %s", p.Clock(f.At, p.zone), p.say(f.Sentence))
		for _, reason := range f.Reasons {
			p.line("  - `%s` %s", reason.Code, p.say(reason.Sentence))
		}
	}
}

// people writes who asked for what and from where, and what they wrote down.
func (p *paper) people(r Report) {
	if len(r.Asked) > 0 {
		p.heading("Who asked for what")
		p.table(p.T("time"), p.T("who"), p.T("from where"), p.T("what"), p.T("answer"))
		for _, a := range r.Asked {
			p.row(p.Clock(a.At, p.zone), cell(a.Actor), cell(a.where()), cell(p.T(string(a.Verb))), p.cell(a.Sentence))
		}
	}
	if len(r.Notes) > 0 {
		p.heading("What people wrote down")
		for _, n := range r.Notes {
			p.line("- %s %s", p.Clock(n.At, p.zone), p.say(n.Sentence))
		}
	}
}

// inForce writes what the decisions rested on: the specs as they were applied, and ham's own version.
func (p *paper) inForce(r Report) {
	if len(r.Specs) == 0 && r.Version == "" {
		return
	}
	p.heading("In force at the time")
	if r.Version != "" {
		p.line("%s", p.T("This report was written by ham %s.", cell(r.Version)))
	}
	for i, s := range r.Specs {
		if i > 0 || r.Version != "" {
			p.line("")
		}
		p.line("%s%s", p.T("Spec, revision %d, applied %s by %s", s.Revision, p.Time(s.At, p.zone), cell(s.Actor)), p.because(s.Reason))
		p.line("")
		p.fenced("yaml", s.Text)
	}
}

func (p *paper) because(why string) string {
	if why == "" {
		return ""
	}
	return ", " + p.T("because %s", cell(why))
}

func state(s message.State, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return string(s)
}

func says(s *words.Speaker, v message.View) string {
	if v.Hard {
		return s.T(v.Says) + " (" + s.T("hard") + ")"
	}
	return s.T(v.Says)
}

func (row StepRow) detail(s *words.Speaker) string {
	var parts []string
	if row.Found != "" || row.Wanted != "" {
		parts = append(parts, s.Say(row.Found)+" → "+s.Say(row.Wanted))
	}
	if row.Evidence != "" {
		parts = append(parts, s.Say(row.Evidence))
	}
	if row.Problem != "" {
		parts = append(parts, s.T("problem: %s", s.Say(row.Problem)))
	}
	return strings.Join(parts, "; ")
}

// judged: the objective is about what the swap did. A try to mend a member moves no role, and is over also where it was in vain.
func (r Report) judged(swap Swap) bool {
	return r.Objective > 0 && swap.State == message.StateDone && swap.Command.Kind != message.KindRemedy
}

func (r Report) missed(swap Swap) bool { return r.judged(swap) && swap.Times.Total() > r.Objective }

// verdict says whether a swap met the objective; what was missed is marked.
func (r Report) verdict(s *words.Speaker, swap Swap, mark string) string {
	switch {
	case !r.judged(swap):
		return "–"
	case !r.missed(swap):
		return s.T("met (%s)", r.Objective)
	}
	return mark + s.T("missed") + mark + " (" + s.Duration(r.Objective) + ")"
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

var cellEscapes = strings.NewReplacer("|", "\\|", "\r", "", "\n", " ⏎ ", "<", "&lt;", "`", "'", "[", "\\[")

// address makes an address safe between the angle brackets of a link in a table.
func address(s string) string {
	return strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", "\n", "", "\r", "", "\\", "%5C").Replace(s)
}

// cell makes s safe inside a table: evidence is what somebody's server said.
func cell(s string) string { return cellEscapes.Replace(s) }
