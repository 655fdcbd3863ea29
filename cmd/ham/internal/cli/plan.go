package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func requestID() string { return "rq-" + nuid.Next() }

func (a *app) plan() *cobra.Command {
	k := &ask{expectEpoch: -1}
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
				if verb, err = a.likely(c.Context(), b, group); err != nil {
					return err
				}
			}
			p, err := a.preview(c.Context(), b, group, message.Verb(verb), k)
			if err != nil {
				return err
			}
			looked := a.look(c.Context(), b, p)
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

// look asks what the plan's steps would find now: an executor that is quick to answer, and for steps that only another may run, that one.
// Nil where none answers, which is said where it matters.
func (a *app) look(ctx context.Context, b *bus.Bus, p *message.Preview) *message.Looked {
	if p.Plan == nil || len(p.Plan.Steps) == 0 {
		return nil
	}
	header, body, err := message.Encode(p, b.Source(), time.Now())
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	ask := func(to string) *message.Looked {
		msg, err := b.Conn().RequestMsgWithContext(ctx, &nats.Msg{Subject: to, Header: nats.Header(header), Data: body})
		if err != nil || msg.Header.Get("Nats-Service-Error") != "" {
			return nil
		}
		looked := new(message.Looked)
		if message.DecodeAs(message.Header(msg.Header), msg.Data, looked) != nil || len(looked.Steps) != len(p.Plan.Steps) {
			return nil
		}
		return looked
	}
	looked := ask(subject.LookAny)
	if looked == nil {
		return nil
	}
	var all sync.WaitGroup
	for name, steps := range otherExecutors(p.Plan, looked) {
		all.Go(func() {
			other := ask(subject.Look(name))
			for _, i := range steps { // each step is one executor's alone
				if other == nil {
					looked.Steps[i].State, looked.Steps[i].Problem = message.StateFailed, "the executor "+name+", which alone may run it, does not answer"
				} else {
					looked.Steps[i] = other.Steps[i]
				}
			}
		})
	}
	all.Wait()
	return looked
}

// otherExecutors lists the steps that only another executor may run, by its name.
func otherExecutors(plan *message.Plan, looked *message.Looked) map[string][]int {
	others := map[string][]int{}
	for i, step := range plan.Steps {
		name := step.Executor
		if by, ok := strings.CutPrefix(step.On, "executor:"); ok && name == "" {
			name = by
		}
		if name != "" && name != looked.Executor {
			others[name] = append(others[name], i)
		}
	}
	return others
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
func finds(looked *message.Looked, step string) string {
	for _, s := range looked.Steps {
		if s.Step != step {
			continue
		}
		switch {
		case s.Problem != "":
			return "! " + clean(s.Problem)
		case s.State == message.StateDone:
			return "is so already: " + clean(cmp.Or(s.Found, s.Evidence))
		case s.Found == "" && s.Wanted == "":
			return ""
		}
		return clean(s.Found) + " → " + clean(s.Wanted)
	}
	return ""
}

// likely is the swap that a person would ask for now.
func (a *app) likely(ctx context.Context, b *bus.Bus, group string) (string, error) {
	s := new(message.GroupStatus)
	if err := a.query(ctx, b, group, subject.QueryStatus, nil, s); err != nil {
		return "", err
	}
	if primaryDown(s) {
		return string(message.VerbFailover), nil
	}
	return string(message.VerbSwitchover), nil
}

// primaryDown says whether the primary is judged to be down.
func primaryDown(s *message.GroupStatus) bool {
	return slices.ContainsFunc(s.Members, func(m message.MemberStatus) bool {
		return m.Role == message.RolePrimary && m.Verdict == message.VerdictDown
	})
}

func (a *app) showPreview(p *message.Preview, looked *message.Looked) {
	mark := ""
	if p.DryRun {
		mark = a.paint(yellow, " (DRY RUN: it would only be rehearsed)")
	}
	a.printf("%s of %s: %s → %s, epoch %d%s", p.Verb, p.Group, cmp.Or(p.From, "nobody"), cmp.Or(p.To, "nobody"), p.Epoch, mark)
	a.printf("%s", clean(p.Sentence))
	if !p.Accepted {
		a.printf("%s", a.paint(red, "It would be refused now:"))
		a.reasons(p.Reasons)
	}
	if p.Plan == nil {
		return
	}
	rows := [][]string{}
	for i, s := range p.Plan.Steps {
		rows = append(rows, []string{fmt.Sprintf("%d", i+1), s.Name, string(s.Phase), s.Driver, "on " + s.On, "≤ " + s.Timeout.String(), clean(s.Says)})
	}
	table(a.Out, "  ", rows)
	if looked == nil {
		a.printf("  no executor answered what the steps would find now: without one nothing is carried out")
	} else {
		a.printf("  %s looked what they would find now:", whoLooked(looked))
		rows = nil
		for _, s := range p.Plan.Steps {
			rows = append(rows, []string{s.Name, finds(looked, s.Name)})
		}
		table(a.Out, "    ", rows)
	}
	predicted := "not known yet: no such swap was measured"
	if p.Plan.PredictedRTO > 0 {
		predicted = p.Plan.PredictedRTO.String() + ", from past swaps"
	}
	a.printf("  predicted recovery time: %s", predicted)
	if p.WayBack != "" {
		a.printf("  the way back: %s", clean(p.WayBack))
	}
	a.printf("  plan %s; fire exactly this one with `ham %s %s --plan %s`", p.Plan.Hash, p.Verb, p.Group, p.Plan.Hash)
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
			s := new(message.GroupStatus)
			if err := a.query(c.Context(), b, group, subject.QueryStatus, nil, s); err != nil {
				return err
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

func (a *app) showWhy(s *message.GroupStatus) {
	switch {
	case len(s.Refusals) == 0:
		a.printf("Nothing stands against an automatic swap if %s dies.", s.Primary)
	case s.Primary == "":
		a.printf("Nobody is primary, and none is adopted by itself:")
	case primaryDown(s):
		a.printf("%s is down, and no automatic swap happens:", s.Primary)
	default:
		a.printf("If %s died now, no automatic swap would happen:", s.Primary)
	}
	a.reasons(s.Refusals)
	for _, m := range s.Members {
		a.printf("")
		a.printf("%s is %s:", m.Name, m.Verdict)
		rows := [][]string{}
		for _, v := range m.Views {
			hard := ""
			if v.Hard {
				hard = "hard evidence"
			}
			row := []string{v.Vantage, v.Check, v.Says, fmt.Sprintf("%d in a row", v.InARow), fmt.Sprintf("%d ms ago", v.AgoMS), hard, clean(v.Evidence)}
			rows = append(rows, row)
		}
		table(a.Out, "  ", rows)
		if len(m.Views) == 0 {
			a.printf("  nobody has looked yet")
		}
		if len(m.Reasons) > 0 {
			a.printf("  it is not ready to take over:")
			a.reasons(m.Reasons)
		}
	}
}
