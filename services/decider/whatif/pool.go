package whatif

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// rulePool is the rule by which nothing swaps in a pool.
const rulePool = "R261"

// pool looks at a group whose members serve side by side: HAProxy's own checks lead clients past whoever is down, with ham or without.
func pool(g, declared *spec.Group, o Options) Group {
	out := Group{Group: g.Name, Mode: declared.Mode, RTO: message.Duration(g.Objectives.RTO), Rows: []Row{}}
	p := survey(g, o.Processes)
	p.assume("HAProxy balances and checks by its own configuration, and knows the backups as the spec does: how soon it notices stands there")
	for _, f := range p.faults("") {
		if len(o.Kinds) > 0 && !slices.Contains(o.Kinds, f.kind) {
			continue
		}
		w := &world{places: p, fault: &f}
		r := Row{Kind: f.kind, Fault: f.name, Outcome: Nothing, Rule: rulePool}
		active, all, backups := 0, 0, 0
		for _, m := range g.Members {
			works := w.works(m.Name)
			switch {
			case m.Backup && works:
				backups++
			case !m.Backup:
				if all++; works {
					active++
				} else {
					r.Uncounted = []string{"HAProxy's own checks"}
				}
			}
		}
		r.Served = active+backups > 0 && w.cutClients() == ""
		r.Sentence = fmt.Sprintf("%d of %d serve", active, all)
		switch {
		case w.cutClients() != "":
			r.Outcome, r.Sentence = Stuck, w.cutClients()
		case active == 0 && backups > 0:
			r.Sentence = fmt.Sprintf("%s serves alone, because none of the others does", strings.Join(p.backups(w), ", "))
		case active == 0:
			r.Outcome, r.Sentence = Stuck, "nobody serves, and no backup is left"
		case active < g.Pool.Minimum:
			r.Sentence += fmt.Sprintf(", fewer than the minimum of %d", g.Pool.Minimum)
		}
		r.Accepted = slices.Contains(o.Accept, r.Name())
		r.judge(declared)
		if r.Bad() {
			out.Bad++
		}
		out.Rows = append(out.Rows, r)
	}
	out.Assumed = p.assumed
	return out
}

// backups are those that work.
func (p *places) backups(w *world) (out []string) {
	for _, m := range p.group.Members {
		if m.Backup && w.works(m.Name) {
			out = append(out, m.Name)
		}
	}
	return out
}
