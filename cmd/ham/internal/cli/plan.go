package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
)

func (a *app) plan() *cobra.Command {
	k := &wish{expectEpoch: -1}
	verb := ""
	c := &cobra.Command{
		Use: "plan GROUP", Short: "Show what a swap would do now, without doing it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			group, err := groupArg(args[0])
			if err != nil {
				return err
			}
			switch message.Verb(verb) {
			case "", message.VerbFailover, message.VerbSwitchover, message.VerbFailback, message.VerbDrill:
			default:
				return usagef("--verb is %q, want failover, switchover, failback or drill", verb)
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			if verb == "" {
				s, err := a.client(b).Status(c.Context(), group)
				if err != nil {
					return unanswered(err)
				}
				verb = string(ask.Likely(s))
			}
			p, err := a.preview(c.Context(), b, group, message.Verb(verb), k)
			if err != nil {
				return err
			}
			looked := a.client(b).Look(c.Context(), p)
			if a.output == "json" {
				return a.json(planned{p, looked})
			}
			a.showPreview(p, looked)
			return nil
		},
	}
	c.Flags().StringVar(&verb, "verb", verb, "failover, switchover, failback or drill (default: failover if the primary is down, else switchover)")
	c.Flags().StringVar(&k.to, "to", "", "the `member` that shall be primary")
	return c
}

// planned is what `ham plan` prints as JSON.
type planned struct {
	*message.Preview
	// Looked is what the steps would find now; nil where no executor answered.
	Looked *message.Looked `json:"looked,omitempty"`
}

// whoLooked are the executors that looked, in the order of the plan.
func whoLooked(looked *message.Looked) string {
	var names []string
	for _, s := range looked.Steps {
		if name := cmp.Or(s.Executor, looked.Executor); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}

// finds says what a step would find, in a few words.
func (a *app) finds(looked *message.Looked, step string) string {
	for _, s := range looked.Steps {
		if s.Step != step {
			continue
		}
		switch {
		case s.Problem != "":
			return "! " + a.say(s.Problem)
		case s.State == message.StateDone:
			return a.t("is so already:") + " " + a.say(cmp.Or(s.Found, s.Evidence))
		case s.Found == "" && s.Wanted == "":
			return ""
		}
		return a.say(s.Found) + " → " + a.say(s.Wanted)
	}
	return ""
}

func (a *app) showPreview(p *message.Preview, looked *message.Looked) {
	mark := ""
	if p.DryRun {
		mark = a.paint(yellow, " "+a.t("(DRY RUN: it would only be rehearsed)"))
	}
	a.tell("%s of %s: %s → %s, epoch %d%s", a.t(string(p.Verb)), p.Group, cmp.Or(p.From, a.t("nobody")), cmp.Or(p.To, a.t("nobody")), p.Epoch, mark)
	a.printf("%s", a.say(p.Sentence))
	if !p.Accepted {
		a.printf("%s", a.paint(red, a.t("It would be refused now:")))
		a.reasons(p.Reasons)
	}
	if p.Plan == nil {
		return
	}
	rows := [][]string{}
	for i, s := range p.Plan.Steps {
		rows = append(rows, []string{fmt.Sprintf("%d", i+1), s.Name, a.t(string(s.Phase)), s.Driver, a.t("on") + " " + s.On, "≤ " + a.fig(s.Timeout.String()), a.say(s.Says)})
	}
	table(a.Out, "  ", rows)
	if looked == nil {
		a.tell("  no executor answered what the steps would find now: without one nothing is carried out")
	} else {
		a.tell("  %s looked what they would find now:", whoLooked(looked))
		rows = nil
		for _, s := range p.Plan.Steps {
			rows = append(rows, []string{s.Name, a.finds(looked, s.Name)})
		}
		table(a.Out, "    ", rows)
	}
	predicted := a.say("not known yet: no such swap was measured")
	if p.Plan.PredictedRTO > 0 {
		predicted = a.t("%s, from past swaps", a.fig(p.Plan.PredictedRTO.String()))
	}
	a.tell("  predicted recovery time: %s", predicted)
	if p.WayBack != "" {
		a.tell("  the way back: %s", a.say(p.WayBack))
	}
	a.tell("  plan %s; fire exactly this one with `ham %s %s --plan %s`", p.Plan.Hash, p.Verb, p.Group, p.Plan.Hash)
}

func (a *app) explain() *cobra.Command {
	return &cobra.Command{
		Use: "explain GROUP", Short: "Say why the group is as it is, and why no swap happens", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			group, err := groupArg(args[0])
			if err != nil {
				return err
			}
			b, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			s, err := a.client(b).Status(c.Context(), group)
			if err != nil {
				return unanswered(err)
			}
			if a.output == "json" {
				return a.json(s)
			}
			a.showStatus(s)
			a.printf("")
			a.showWhy(s)
			return nil
		},
	}
}

// showDownWhen says which of what the members hold makes them down, and how: why one that has lost something is up all the same.
func (a *app) showDownWhen(s *message.GroupStatus) {
	var of []string
	together := false
	for _, r := range s.Resources {
		if r.Down {
			of, together = append(of, r.Name), r.Together
		}
	}
	switch {
	case len(of) == 0:
	case together:
		a.tell("A member is down only when all of %s are.", strings.Join(of, ", "))
	default:
		a.tell("A member is down when any of %s is.", strings.Join(of, ", "))
	}
}

func (a *app) showWhy(s *message.GroupStatus) {
	switch {
	case s.Pool != nil:
		a.tell("A pool has no primary: nothing of it is swapped. `ham drain %s MEMBER` takes one out.", s.Group)
	case len(s.Refusals) == 0:
		a.tell("Nothing stands against an automatic swap if %s dies.", s.Primary)
	case s.Primary == "":
		a.tell("Nobody is primary, and none is adopted by itself:")
	case ask.PrimaryDown(s):
		a.tell("%s is down, and no automatic swap happens:", s.Primary)
	default:
		a.tell("If %s died now, no automatic swap would happen:", s.Primary)
	}
	a.reasons(s.Refusals)
	a.showDownWhen(s)
	for _, m := range s.Members {
		a.printf("")
		a.tell("%s is %s:", m.Name, a.t(string(m.Verdict)))
		rows := [][]string{}
		for _, v := range m.Views {
			hard := ""
			if v.Hard {
				hard = a.t("hard evidence")
			}
			row := []string{v.Vantage, v.Check, a.t(v.Says), a.t("%d in a row", v.InARow), a.t("%d ms ago", v.AgoMS), hard, a.say(v.Evidence)}
			rows = append(rows, row)
		}
		table(a.Out, "  ", rows)
		if len(m.Views) == 0 {
			a.tell("  nobody has looked yet")
		}
		if len(m.Reasons) > 0 {
			a.tell("  it is not ready to take over:")
			a.reasons(m.Reasons)
		}
	}
}
