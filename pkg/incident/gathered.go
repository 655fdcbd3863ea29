package incident

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/mask"
	"github.com/isacloud/ha-manager/pkg/message"
)

// Gathered is what one executor found on its host and at the routes at one time. Its texts are what other programs wrote: they are clean of what
// would act on a terminal, and are evidence, no more.
type Gathered struct {
	// At is when the executor began to look, by its own clock, and not after it was stored by the streams' one.
	At       time.Time      `json:"at"`
	When     string         `json:"when"` // as in [message.Gathered]
	Epoch    uint64         `json:"epoch,omitempty"`
	Executor string         `json:"executor"`
	Site     string         `json:"site,omitempty"`
	Clues    []message.Clue `json:"clues"`
	LeftOut  int            `json:"left_out,omitempty"`
}

// Gather adds what was gathered for the incident; other records are passed over. Apart from [Build], since it is read from a stream of its own.
func (r *Report) Gather(records []Record) {
	seen := map[string]bool{}
	for _, rec := range records {
		m, ok := rec.Message.(*message.Gathered)
		if !ok || m.Incident != r.ID || seen[m.MessageID()] {
			continue
		}
		seen[m.MessageID()] = true
		r.Gathered = append(r.Gathered, NewGathered(m, rec.Time))
	}
	slices.SortStableFunc(r.Gathered, func(a, b Gathered) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Executor, b.Executor)) })
}

// NewGathered makes m fit to be shown. Stored is when the stream took it; zero: it was not stored.
func NewGathered(m *message.Gathered, stored time.Time) Gathered {
	g := Gathered{At: time.UnixMicro(m.At), When: m.When, Epoch: m.Epoch, Executor: m.Executor, Site: m.Site, LeftOut: m.LeftOut, Clues: make([]message.Clue, len(m.Clues))}
	if !stored.IsZero() && g.At.After(stored) {
		g.At = stored // its clock is ahead
	}
	for i, c := range m.Clues {
		c.Name, c.What, c.Text, c.Err = oneLine(c.Name), oneLine(c.What), mask.Clean(c.Text), oneLine(c.Err)
		g.Clues[i] = c
	}
	return g
}

func oneLine(s string) string { return strings.Join(strings.Fields(mask.Clean(s)), " ") }

// whens are the headings of what was gathered.
var whens = map[string]string{
	message.GatherOpened: "When the incident opened: %s",
	message.GatherStep:   "When a step failed: %s",
	message.GatherEnded:  "When the incident ended: %s",
	message.GatherAsked:  "When somebody asked: %s",
}

// Heading says when it was gathered, as a text with one hole for where: see [Gathered.Where].
func (g Gathered) Heading() string { return cmp.Or(whens[g.When], whens[message.GatherAsked]) }

// Where is the executor and its site.
func (g Gathered) Where() string {
	if g.Site == "" {
		return g.Executor
	}
	return g.Executor + " (" + g.Site + ")"
}

// appendixLines is how many of the newest lines of a clue a Markdown report shows.
const appendixLines = 30

// gathered writes what executors found, as an appendix: the newest lines of each clue.
func (p *paper) gathered(r Report) {
	if len(r.Gathered) == 0 {
		return
	}
	p.heading("Appendix: what was to be seen on the hosts")
	p.line("%s", p.T("Found by the executors, which changed nothing for it; secrets are masked. The newest lines of each; the whole is in the HTML report and in the evidence pack."))
	for _, g := range r.Gathered {
		p.line("")
		p.line("### %s", p.T(g.Heading(), text(g.Where())))
		p.line("")
		p.line("%s", p.Time(g.At, p.zone))
		for _, c := range g.Clues {
			p.line("")
			p.line("**%s**%s", text(c.Name), dash(text(c.What)))
			if c.Err != "" {
				p.line("")
				p.line("%s", p.T("problem: %s", text(c.Err)))
			}
			if c.Text == "" {
				continue
			}
			lines := strings.Split(strings.TrimRight(c.Text, "\n"), "\n")
			if n := len(lines) - appendixLines; n > 0 {
				lines = append([]string{"… " + p.T("%d lines before", n)}, lines[n:]...)
			}
			p.line("")
			p.fenced("", strings.Join(lines, "\n"))
		}
		if g.LeftOut > 0 {
			p.line("")
			p.line("%s", p.T("%d more had no place.", g.LeftOut))
		}
	}
}

func dash(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

// fenced writes a text as it is, within a fence that does not occur in it.
func (p *paper) fenced(language, s string) {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	fmt.Fprintf(p, "%s%s\n%s\n%s\n", fence, language, strings.TrimRight(s, "\n"), fence)
}
