package page

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/board"
)

// What follows hands the page's own words to whoever shows the same elsewhere: a terminal must not say it differently.

// ViewOf makes a group's view out of a snapshot of the board and the time.
func ViewOf(g *board.Group, now time.Time, p *who.Person) *Group { return view(g, now, p) }

// PlanStep is one step of a plan, and what it would find.
type PlanStep = planStep

// PlanView is what a swap would do and what stands beside it.
type PlanView struct {
	RTO, RPO string
	Steps    []PlanStep
	// Unlooked: no executor answered what the steps would find; Lookers are those that did.
	Unlooked bool
	Lookers  string
}

// PlanOf makes the view of a plan: of what the deciders answered, and what the executors found.
func PlanOf(s *message.GroupStatus, v *message.Preview, looked *message.Looked) *PlanView {
	d := &PlanView{RTO: "not known yet: no such swap was measured", RPO: loss(s, v)}
	if v.Plan != nil {
		if v.Plan.PredictedRTO > 0 {
			d.RTO = took(v.Plan.PredictedRTO.Std()) + ", from past swaps"
		}
		d.Steps, d.Unlooked, d.Lookers = planSteps(v.Plan, looked), looked == nil && len(v.Plan.Steps) > 0, lookers(looked)
	}
	return d
}

// Age writes how long ago something was, Clock a time of day in UTC.
func Age(d time.Duration) string { return age(d) }
func Clock(t time.Time) string   { return clock(t) }
