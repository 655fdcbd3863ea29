package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/decider/whatif"
)

func (a *app) whatIf() *cobra.Command {
	var o whatif.Options
	var all bool
	c := &cobra.Command{
		Use: "what-if FILE...", Short: "Say what would become of each group if any single thing failed", Args: cobra.MinimumNArgs(1),
		Long: "Runs the decider over every single fault of the groups in the files: a site, a host, a process, a check, a link, the bus, a prober. It needs no bus\n" +
			"and touches nothing. Files that set up processes (ham: …) tell where probers, deciders and the bus stand: give them, too.\n" +
			"Exit code 1 where an objective would be missed, or a group in mode auto would be left without a primary.",
		Example: "  ham what-if orders.yaml node-a.yaml node-b.yaml node-witness.yaml\n  ham what-if web.yaml --accept 'host 192.0.2.2' -o json",
		RunE: func(c *cobra.Command, paths []string) error {
			for _, k := range o.Kinds {
				if !slices.Contains(whatif.Kinds, k) {
					return usagef("--only is %q, want one of %s", k, strings.Join(whatif.Kinds, ", "))
				}
			}
			var groups []*spec.Group
			from := map[string]string{}
			for _, path := range paths {
				f, err := readSpec(path)
				if err != nil {
					return err
				}
				if f.Process != nil {
					o.Processes = append(o.Processes, *f.Process)
				}
				for _, g := range f.Groups {
					if before := from[g.Name]; before != "" {
						return usagef("group %s stands in %s and in %s", g.Name, before, path)
					}
					from[g.Name] = path
					groups = append(groups, g.Group)
				}
			}
			if len(groups) == 0 {
				return usagef("no group is declared in %s: nothing can be said", strings.Join(paths, ", "))
			}
			r, err := whatif.Run(c.Context(), groups, o)
			if err != nil {
				return err
			}
			for _, known := range o.Accept {
				if !r.Has(known) {
					return usagef("--accept is %q, and no such fault was looked at: write it as the table does, such as 'site sp'", known)
				}
			}
			if a.output == "json" {
				err = a.json(r)
			} else {
				a.whatIfs(r, all)
			}
			if err == nil && r.Bad > 0 {
				err = errSilent
			}
			return err
		},
	}
	c.Flags().StringSliceVar(&o.Kinds, "only", nil, "only faults of these `kinds`: "+strings.Join(whatif.Kinds, ", "))
	c.Flags().StringArrayVar(&o.Accept, "accept", nil, "a `fault` that is known and does not count, as the table calls it: 'host 192.0.2.2'; may be repeated")
	c.Flags().BoolVarP(&all, "all", "a", false, "say of every fault why, not only of those that are bad")
	return c
}

func (a *app) whatIfs(r *whatif.Report, all bool) {
	for i := range r.Groups {
		if i > 0 {
			a.printf("")
		}
		a.whatIfGroup(&r.Groups[i], all)
	}
}

func (a *app) whatIfGroup(g *whatif.Group, all bool) {
	promise := "no objective"
	if g.RTO > 0 {
		promise = "objective " + brief(g.RTO.Std())
	}
	who := "a pool"
	if g.Primary != "" {
		who = clean(g.Primary) + " is primary"
	}
	a.printf("%s", a.paint(bold, fmt.Sprintf("%s: %s, mode %s, %s", clean(g.Group), who, g.Mode, promise)))
	if len(g.Deciders) > 0 {
		a.printf("  the lease is granted by a majority of %s; that of a lost host is waited for: %s", clean(strings.Join(g.Deciders, ", ")), brief(g.Wait.Std()))
	}
	rows := [][]string{{"FAULT", "OUTCOME", "RULE", "SERVED AGAIN", "OBJECTIVE"}}
	for i := range g.Rows {
		rows = append(rows, whatIfRow(&g.Rows[i]))
	}
	table(a.Out, "  ", rows)
	for i := range g.Rows {
		x := &g.Rows[i]
		if !all && !x.Bad() && !x.Needless {
			continue
		}
		color := ""
		switch {
		case x.Bad():
			color = red
		case x.Needless:
			color = yellow
		}
		a.printf("  %s %s", a.paint(color, clean(x.Name())+":"), a.say(x.Sentence))
		switch {
		case x.Needless && x.Kind == whatif.KindCheck:
			a.printf("    %s serves all the while: where the check itself is what is wrong, no rule can tell", clean(g.Primary))
		case x.Needless:
			a.printf("    %s serves all the while: let more vantages look, of which a quorum stands elsewhere", clean(g.Primary))
		case x.Beside:
			a.printf("    %s may go on acting there: without a lease nothing keeps it from that, and only the routes lead clients away", clean(g.Primary))
		}
		if x.Lease != "" {
			a.printf("    %s", clean(x.Lease))
		}
		if len(x.Uncounted) > 0 {
			a.printf("    nobody can know how long these take: %s", clean(strings.Join(x.Uncounted, ", ")))
		}
	}
	for _, s := range g.Assumed {
		a.printf("  assumed: %s", clean(s))
	}
	if g.Mode != spec.Auto && g.Primary != "" {
		a.printf("  %s", a.paint(yellow, fmt.Sprintf("The mode is %s: nothing swaps by itself. The table says what would be in mode auto.", g.Mode)))
	}
}

func whatIfRow(x *whatif.Row) []string {
	outcome := x.Outcome
	if x.To != "" {
		outcome += " to " + clean(x.To)
	}
	if x.Needless {
		outcome += ", needlessly"
	}
	rule := x.Rule
	if len(x.Reasons) > 0 {
		rule += " (" + strings.Join(x.Reasons, " ") + ")"
	}
	again := "stays served"
	switch {
	case !x.Served:
		again = "not by ham"
	case x.RTO > 0:
		again = brief(x.RTO.Std().Round(10 * time.Millisecond))
		if len(x.Uncounted) > 0 {
			again += " and steps of yours"
		}
	}
	objective := "–"
	if x.Kept != nil {
		switch {
		case x.Accepted && !*x.Kept:
			objective = "accepted"
		case *x.Kept:
			objective = "kept"
		default:
			objective = "MISSED"
		}
	}
	return []string{clean(x.Name()), outcome, rule, again, objective}
}
