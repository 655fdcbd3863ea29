package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
)

// title says in a few words what e is about. Names in it were checked when the event was decoded.
func title(sp *words.Speaker, e *message.Event) string {
	switch e.Kind {
	case message.EventVerdict:
		if e.Verdict != nil && e.Member != "" {
			return sp.T("%s is %s", e.Member, sp.T(string(e.Verdict.To)))
		}
		return sp.T("a member's verdict changed")
	case message.EventReadiness:
		if len(e.Reasons) > 0 {
			return sp.T("%s is not ready", who(e.Member, sp.T("a standby")))
		}
		return sp.T("%s is ready", who(e.Member, sp.T("a standby")))
	case message.EventIncident:
		if e.Opened != nil && !*e.Opened {
			return sp.T("incident closed")
		}
		return sp.T("incident opened")
	case message.EventDecision:
		if c := e.Command; c != nil {
			return sp.T("%s decided (epoch %d)", swap(sp, c.Kind, c.Primary), c.Epoch)
		}
		return sp.T("a swap was decided")
	case message.EventShadow:
		if c := e.Command; c != nil {
			return sp.T("%s would have been decided (epoch %d)", swap(sp, c.Kind, c.Primary), c.Epoch)
		}
		return sp.T("a swap would have been decided")
	case message.EventOutcome:
		if o := e.Outcome; o != nil {
			verdict := sp.T("refused")
			if o.Accepted {
				verdict = sp.T("accepted")
			}
			return sp.T("%s asked by %s: %s", o.Verb, who(Clean(e.Actor), sp.T("somebody")), verdict)
		}
		return sp.T("a request was answered")
	case message.EventRefused:
		return sp.T("no automatic swap")
	case message.EventStep:
		if s := e.Step; s != nil {
			return sp.T("step %s %s (epoch %d)", s.Step, stepState(sp, s.State), s.Epoch)
		}
		return sp.T("a step changed")
	case message.EventRun:
		if r := e.Run; r != nil {
			return sp.T("%s %s (epoch %d)", swap(sp, r.Kind, r.Primary), runState(sp, r.State), r.Epoch)
		}
		return sp.T("a swap changed")
	case message.EventRoute:
		if r := e.Route; r != nil {
			if !r.Reachable {
				return sp.T("a proxy of route %s cannot be reached", r.Route)
			}
			return sp.T("route %s serves %s", r.Route, who(strings.Join(r.Serves, ", "), sp.T("nobody")))
		}
		return sp.T("a route changed")
	case message.EventDrift:
		return sp.T("roles or routes against the record")
	case message.EventDrill:
		return drillTitle(sp, e.Drill)
	case message.EventRemedy:
		if e.Severity.AtLeast(message.Warning) {
			return sp.T("nothing more is tried to mend %s", Clean(e.Member))
		}
		return sp.T("%s is up again", Clean(e.Member))
	case message.EventMode:
		return sp.T("pause or mode changed")
	case message.EventMaintenance:
		return sp.T("maintenance of %s", e.Member)
	case message.EventApproval:
		return approvalTitle(sp, e.Approval)
	case message.EventPlanned:
		return planTitle(sp, e.Planned)
	case message.EventThreshold:
		return thresholdTitle(sp, e)
	case message.EventSpec:
		return sp.T("spec applied")
	case message.EventDeadLetter:
		return sp.T("a message was put to the dead letters")
	case message.EventService:
		return sp.T("service %s", e.Writer)
	case message.EventClients:
		switch c := e.Clients; {
		case c == nil || c.Until == 0:
			return sp.T("clients are not served")
		case c.Unseen:
			return sp.T("what clients lost, as far as it was seen")
		}
		return sp.T("clients are served again")
	case message.EventNote:
		return sp.T("note by %s", who(Clean(e.Actor), e.Writer))
	case message.EventNotify:
		switch e.Code {
		case "N105":
			return sp.T("what was held back")
		case "N106":
			return sp.T("what repeated itself")
		case "N107":
			return sp.T("the digest")
		case "N108":
			return sp.T("the daily line")
		}
		if e.Severity.AtLeast(message.Warning) {
			return sp.T("a channel has trouble")
		}
		return sp.T("a channel is back")
	}
	return Clean(string(e.Kind))
}

func who(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

func swap(sp *words.Speaker, k message.Kind, primary string) string {
	switch k {
	case message.KindAdopt:
		return sp.T("adoption of %s as primary", primary)
	case message.KindResume:
		return sp.T("return to %s", primary)
	case message.KindReconfigure:
		return sp.T("change of the group, primary %s", primary)
	case message.KindRemedy:
		return sp.T("try to mend a member, primary %s", primary)
	}
	return sp.T("%s to %s", string(k), primary)
}

func thresholdTitle(sp *words.Speaker, e *message.Event) string {
	st := e.Threshold
	if st == nil {
		return sp.T("a certificate ends soon")
	}
	switch figure := Clean(st.Figure); st.Condition {
	case message.ThresholdOver:
		return sp.T("%s of %s is at its bound", figure, st.Member)
	case message.ThresholdUnmeasured:
		return sp.T("%s of %s is not watched", figure, st.Member)
	default:
		return sp.T("%s of %s is well again", figure, st.Member)
	}
}

func approvalTitle(sp *words.Speaker, a *message.ApprovalStatus) string {
	if a == nil {
		return sp.T("an approval changed")
	}
	what := sp.T("the %s of %s", a.Verb, Clean(a.Actor))
	if a.Step != "" {
		what = sp.T("the step %s", Clean(a.Step))
	}
	switch a.State {
	case message.ApprovalApproved:
		return sp.T("%s was approved by %s", what, Clean(a.By))
	case message.ApprovalRejected:
		return sp.T("%s was rejected by %s", what, Clean(a.By))
	case message.ApprovalExpired:
		return sp.T("nobody approved %s in time", what)
	}
	if a.Step == "" {
		return sp.T("%s waits for a second person", what)
	}
	return sp.T("%s waits for a person", what)
}

func planTitle(sp *words.Speaker, p *message.PlanChange) string {
	if p == nil {
		return sp.T("a plan changed")
	}
	switch p.Stage {
	case message.PlanStands:
		return sp.T("%s planned", p.Verb)
	case message.PlanCancelled:
		return sp.T("%s taken back", p.Verb)
	case message.PlanSoon:
		return sp.T("%s begins soon", p.Verb)
	}
	return sp.T("planned %s does not happen", p.Verb)
}

func drillTitle(sp *words.Speaker, d *message.DrillStatus) string {
	if d == nil {
		return sp.T("a drill changed")
	}
	switch d.Stage {
	case message.DrillThere:
		return sp.T("drill begins: %s for %s, then %s again", d.Away, round(d.Hold.Std()), d.Home)
	case message.DrillHolds:
		return sp.T("drill holds: %s is primary for %s", d.Away, round(d.Hold.Std()))
	case message.DrillWaits:
		return sp.T("drill waits to go back to %s", d.Home)
	case message.DrillBack:
		return sp.T("drill goes back to %s", d.Home)
	}
	switch d.How {
	case message.DrillDone:
		return sp.T("drill done: %s is primary again", d.Home)
	case message.DrillStayed:
		return sp.T("drill ended: %s stays primary", d.Away)
	case message.DrillGivenUp:
		return sp.T("drill given up: it did not go back to %s", d.Home)
	}
	return sp.T("drill interrupted: nothing goes back by itself")
}

func stepState(sp *words.Speaker, s message.State) string {
	if s == message.StatePaused {
		return sp.T("waits for a person")
	}
	return sp.T(string(s))
}

func runState(sp *words.Speaker, s message.State) string {
	switch s {
	case message.StateStarted:
		return sp.T("begun")
	case message.StateHeld:
		return sp.T("holds: from here it only goes forward")
	case message.StatePaused:
		return sp.T("waits for a person")
	case message.StateEnded:
		return sp.T("ended, nothing was applied")
	case message.StateSuperseded:
		return sp.T("superseded by a newer command")
	}
	return sp.T(string(s))
}

// facts are findings and figures that the sentence may not hold.
func facts(sp *words.Speaker, e *message.Event) []string {
	var out []string
	add := func(name, value string) {
		if value != "" {
			out = append(out, line("%s: %s", sp.T(name), value))
		}
	}
	if c := e.Command; c != nil {
		add("took", times(sp, "detect", c.DetectMicros, "decide", c.DecideMicros))
		if c.Plan.PredictedRTO > 0 {
			add("expected to take", round(c.Plan.PredictedRTO.Std()))
		}
	}
	if s := e.Step; s != nil {
		add("found", s.Found)
		add("wanted", s.Wanted)
		add("problem", s.Problem)
		add("evidence", s.Evidence)
		if s.State == message.StateDone && !s.Applied && !s.DryRun {
			add("applied", sp.T("nothing, it was done already"))
		}
		add("took", times(sp, "this attempt", s.TookMicros))
	}
	if r := e.Run; r != nil {
		add("took", times(sp, "execute", r.ExecuteMicros, "verify", r.VerifyMicros))
	}
	if c := e.Clients; c != nil {
		add("canary asks", c.Target)
		for _, v := range c.Vantages {
			lost := sp.T("%d of %d looks failed", v.Failed, v.Looks)
			if v.Until > 0 {
				lost = sp.T("%d of %d looks failed within %s", v.Failed, v.Looks, round(time.Duration(v.Until-v.From)*time.Microsecond))
			}
			add("seen from", v.Vantage+": "+lost)
		}
	}
	if d := e.Drill; d != nil {
		for _, way := range []struct {
			name string
			is   *message.DrillSwap
		}{{"there", d.There}, {"back", d.Back}} {
			if way.is != nil {
				add(way.name, times(sp, "execute", way.is.ExecuteMicros, "verify", way.is.VerifyMicros))
			}
		}
		add("held", times(sp, "for", d.HeldMicros))
		for _, o := range []struct {
			name string
			is   *message.DrillObjective
		}{{"recovery objective", d.RTO}, {"loss objective", d.RPO}} {
			if o.is == nil {
				continue
			}
			met := sp.T("met")
			if !o.is.Met {
				met = sp.T("MISSED")
			}
			add(o.name, sp.T("%s of %s, %s", round(o.is.Achieved.Std()), round(o.is.Objective.Std()), met))
		}
	}
	if r := e.Route; r != nil {
		add("proxy", r.Proxy)
		add("problem", r.Problem)
	}
	return out
}

// times says the figures that are known: "detect 240ms, decide 2ms".
func times(sp *words.Speaker, pairs ...any) string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if us := pairs[i+1].(int64); us > 0 {
			out = append(out, fmt.Sprintf("%s %s", sp.T(pairs[i].(string)), round(time.Duration(us)*time.Microsecond)))
		}
	}
	return strings.Join(out, ", ")
}
