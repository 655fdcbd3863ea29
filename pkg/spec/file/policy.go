package file

import (
	"regexp"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

var policyObject = object[spec.Policy]{
	title: "policy",
	means: "When a swap may happen by itself. Each limit that holds one back is named in the refusal.",
	keys:  policyKeys(spec.DefaultPolicy()),
}

func policyKeys(def spec.Policy) []key[spec.Policy] {
	quorum := number("quorum", 0, 1, 1000, "How many vantages that can see must say down.", func(p *spec.Policy) *int { return &p.Quorum })
	quorum.def, quorum.limits = "a majority of the vantages of the group", "1 to the number of vantages"
	return append([]key[spec.Policy]{
		quorum,
		number("fall", def.Fall, 1, 1000, "How many looks in a row must fail for one vantage to say down. Hard evidence, such as a refused connection, needs one.",
			func(p *spec.Policy) *int { return &p.Fall }),
		number("rise", def.Rise, 1, 1000, "How many looks in a row must succeed for one vantage to say up again.", func(p *spec.Policy) *int { return &p.Rise }),
		duration("stable_for", def.StableFor, 0, day, "How long a standby must have been up to be ready.", func(p *spec.Policy) *time.Duration { return &p.StableFor }),
		duration("cooldown", def.Cooldown, 0, 7*day, "How long after a swap none happens by itself. Drills start none.", func(p *spec.Policy) *time.Duration { return &p.Cooldown }),
		{
			name: "budget", form: "<count> per <duration>", limits: "1 to 1000 per 1m to " + show(31*day),
			def:   strconv.Itoa(def.Budget) + " per " + show(def.BudgetWindow),
			means: "How many swaps may happen by themselves within the window.",
			read:  readBudget,
			fill:  func(p *spec.Policy) { p.Budget, p.BudgetWindow = def.Budget, def.BudgetWindow },
		},
		duration("undo_window", def.UndoWindow, 0, day, "How long a request that would undo the last swap is refused unless it names the epoch.",
			func(p *spec.Policy) *time.Duration { return &p.UndoWindow }),
		duration("max_late", def.MaxLate, time.Millisecond, time.Minute, "How late a vantage's own look may begin before the vantage counts as too slow to be a witness.",
			func(p *spec.Policy) *time.Duration { return &p.MaxLate }),
		duration("swap_limit", def.SwapLimit, time.Second, day, "A swap that the new primary has not taken over by then is superseded.",
			func(p *spec.Policy) *time.Duration { return &p.SwapLimit }),
	}, deskPolicyKeys()...)
}

var budget = regexp.MustCompile(`^([0-9]{1,4}) +per +([0-9a-zµ.]+)$`)

func readBudget(c cursor, p *spec.Policy) {
	const want = "<count> per <duration>, such as 2 per 24h"
	m := budget.FindStringSubmatch(c.node.Value)
	if !c.scalar() || m == nil {
		c.want(want)
		return
	}
	n, err := strconv.Atoi(m[1])
	window, err2 := time.ParseDuration(m[2])
	if err != nil || err2 != nil {
		c.want(want)
		return
	}
	if n < 1 || n > 1000 || window < time.Minute || window > 31*day {
		c.want("1 to 1000 per 1m to " + show(31*day) + "; for no swap by itself at all write mode: manual")
		return
	}
	p.Budget, p.BudgetWindow = n, window
}
