package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/message"
)

// drill rehearses: a planned swap, a hold, and the swap back.
func (a *app) drill() *cobra.Command {
	k := &wish{}
	hold, back, stay, when := time.Duration(0), false, false, &later{}
	c := &cobra.Command{
		Use: "drill GROUP", Short: "Rehearse: swap the roles, hold, swap them back, and record the times", Args: cobra.ExactArgs(1),
		Long: "A switchover, a hold, and the way back, each with all that a switchover rests on. The times stand in the record beside the\n" +
			"group's objectives. The drill goes on without this command: end it with --back (at once) or --stay (the roles stay as they are).\n" +
			planLong,
		RunE: func(c *cobra.Command, args []string) error {
			ends := back || stay
			switch {
			case back && stay:
				return usagef("--back and --stay: want one of them")
			case ends && c.Flags().Changed("hold"), ends && k.to != "", ends && when.at != "":
				return usagef("--hold, --to and --at begin a drill, --back and --stay end the one that runs: want one of the two")
			case stay:
				k.end = message.EndStay
				return a.care(c.Context(), args[0], message.VerbDrill, k)
			case back:
				k.end = message.EndBack
			default:
				d := message.Duration(hold)
				if d < 0 || d > message.MaxHold {
					return usagef("--hold is %s, want 0s to %s", d, message.MaxHold)
				}
				k.hold = &d
			}
			due, err := when.due(k, time.Now())
			if err != nil {
				return err
			}
			if k.due != 0 {
				return a.planFor(c.Context(), args[0], message.VerbDrill, due, k)
			}
			return a.swap(c.Context(), args[0], message.VerbDrill, k)
		},
	}
	k.reasonFlag(c)
	k.epochFlag(c)
	f := c.Flags()
	f.StringVar(&k.to, "to", "", "the `member` that shall be primary meanwhile (default: the decider chooses)")
	f.DurationVar(&hold, "hold", message.DefaultHold.Std(), "how long it stays primary, 0s to 24h")
	when.flags(c)
	f.BoolVar(&back, "back", false, "bring the drill that runs back at once")
	f.BoolVar(&stay, "stay", false, "end the drill that runs where the roles are now")
	f.StringVar(&k.planHash, "plan", "", "fire exactly the plan with this `hash`")
	k.overrideFlag(c)
	f.BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&k.noWait, "no-wait", false, "do not wait for the drill to end")
	return c
}

// drillResult is what a drill prints as JSON.
type drillResult struct {
	*message.Outcome
	Drill *message.DrillStatus  `json:"drill,omitempty"`
	Runs  []*message.RunResult  `json:"runs"`
	Steps []*message.StepResult `json:"steps"`
}

// waitDrill tells how the drill goes that the outcome belongs to, until it is over, a step waits for a person, or ctx ends.
func (a *app) waitDrill(ctx context.Context, f *follower, out *message.Outcome, hold time.Duration) error {
	result := drillResult{Outcome: out, Runs: []*message.RunResult{}, Steps: []*message.StepResult{}}
	text := a.output != "json"
	end := func(err error) error {
		if !text {
			if err := a.json(result); err != nil {
				return err
			}
		}
		return err
	}
	goesOn := func(what string) error {
		return hinted{errors.New(what), fmt.Sprintf("`ham status %s` tells how it stands; `ham drill %[1]s --back` brings it back at once, `--stay` ends it where it is", out.Group)}
	}
	commands, told := map[string]bool{out.Command: true}, map[string]bool{}
	var early []message.Message // of a swap that no event has yet said to be the drill's
	over := false
	var take func(m message.Message) error
	take = func(m message.Message) error {
		switch m := m.(type) {
		case *message.StepResult:
			if !commands[m.Command] {
				early = append(early, m)
				return nil
			}
			if m.State != message.StateStarted {
				result.Steps = append(result.Steps, m)
			}
			if text {
				a.sayStep(m)
			}
		case *message.RunResult:
			if !commands[m.Command] {
				early = append(early, m)
				return nil
			}
			result.Runs = append(result.Runs, m)
			switch m.State {
			case message.StatePaused:
				over = true
				_, err := a.sayRun(m)
				return err
			case message.StateEnded, message.StateAborted, message.StateSuperseded:
				if text {
					a.printf("%s %s", a.paint(yellow, "Not done ("+string(m.State)+")."), clean(m.Sentence))
				}
			}
		case *message.Event:
			d := m.Drill
			if d == nil || told[m.ID] || !commands[command(d.There)] && !commands[command(d.Back)] {
				return nil // another decider tells the same, or it is about another drill
			}
			told[m.ID], result.Drill = true, d
			if text {
				a.printf("%s", a.paint(stageColor(d), clean(m.Sentence)))
			}
			for _, swap := range []*message.DrillSwap{d.There, d.Back} {
				if swap == nil || commands[swap.Command] {
					continue
				}
				commands[swap.Command] = true
				again := early
				early = nil
				for _, m := range again {
					if err := take(m); err != nil || over {
						return err
					}
				}
			}
			if over = d.Stage == message.DrillOver; over && d.How != message.DrillDone {
				return errSilent
			}
		}
		return nil
	}
	deadline := time.NewTimer(3*a.patience() + hold) // a way back that is refused is tried for ten minutes
	defer deadline.Stop()
	for !over {
		select {
		case <-ctx.Done():
			return goesOn("stopped watching; the drill goes on")
		case <-deadline.C:
			return goesOn("the drill has not ended yet; it goes on")
		case m := <-f.messages:
			if err := take(m); err != nil {
				return end(err)
			}
		}
	}
	return end(nil)
}

// command is the id of a swap's command, "-" where there is none.
func command(s *message.DrillSwap) string {
	if s == nil {
		return "-"
	}
	return s.Command
}

func stageColor(d *message.DrillStatus) string {
	switch {
	case d.Stage == message.DrillWaits:
		return yellow
	case d.Stage != message.DrillOver:
		return ""
	case d.How == message.DrillDone:
		return green
	}
	return red
}

// showDrill says how far the drill is, and when it goes back.
func (a *app) showDrill(group string, d *message.DrillStatus, now int64) {
	says := a.t("  drill %s of %s: ", d.ID, d.Actor)
	switch d.Stage {
	case message.DrillThere:
		says += a.t("%s is taking over from %s, for %s", d.Away, d.Home, d.Hold.String())
	case message.DrillHolds:
		left := max(0, time.Duration(d.BackAt-now)*time.Microsecond).Round(time.Second)
		says += a.t("%s is primary until %s, for another %s, then %s again", d.Away, time.UnixMicro(d.BackAt).UTC().Format("15:04:05 UTC"), left.String(), d.Home)
	case message.DrillWaits:
		says += a.t("it is time to go back to %s, and that waits", d.Home)
	case message.DrillBack:
		says += a.t("%s is taking back over from %s", d.Home, d.Away)
	}
	a.printf("%s", a.paint(stageColor(d), clean(says)))
	a.reasons(d.Waits)
	if d.Stage == message.DrillHolds || d.Stage == message.DrillWaits {
		a.tell("    at once with `ham drill %s --back`, not at all with `--stay`", group)
	}
}
