package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// title says in a few words what e is about. Names in it were checked when the event was decoded.
func title(e *message.Event) string {
	switch e.Kind {
	case message.EventVerdict:
		if e.Verdict != nil && e.Member != "" {
			return fmt.Sprintf("%s is %s", e.Member, e.Verdict.To)
		}
		return "a member's verdict changed"
	case message.EventReadiness:
		if len(e.Reasons) > 0 {
			return who(e.Member, "a standby") + " is not ready"
		}
		return who(e.Member, "a standby") + " is ready"
	case message.EventIncident:
		if e.Opened != nil && !*e.Opened {
			return "incident closed"
		}
		return "incident opened"
	case message.EventDecision:
		if c := e.Command; c != nil {
			return fmt.Sprintf("%s decided (epoch %d)", swap(c.Kind, c.Primary), c.Epoch)
		}
		return "a swap was decided"
	case message.EventShadow:
		if c := e.Command; c != nil {
			return fmt.Sprintf("%s would have been decided (epoch %d)", swap(c.Kind, c.Primary), c.Epoch)
		}
		return "a swap would have been decided"
	case message.EventOutcome:
		if o := e.Outcome; o != nil {
			verdict := "refused"
			if o.Accepted {
				verdict = "accepted"
			}
			return fmt.Sprintf("%s asked by %s: %s", o.Verb, who(Clean(e.Actor), "somebody"), verdict)
		}
		return "a request was answered"
	case message.EventRefused:
		return "no automatic swap"
	case message.EventStep:
		if s := e.Step; s != nil {
			return fmt.Sprintf("step %s %s (epoch %d)", s.Step, stepState(s.State), s.Epoch)
		}
		return "a step changed"
	case message.EventRun:
		if r := e.Run; r != nil {
			return fmt.Sprintf("%s %s (epoch %d)", swap(r.Kind, r.Primary), runState(r.State), r.Epoch)
		}
		return "a swap changed"
	case message.EventRoute:
		if r := e.Route; r != nil {
			if !r.Reachable {
				return fmt.Sprintf("a proxy of route %s cannot be reached", r.Route)
			}
			return fmt.Sprintf("route %s serves %s", r.Route, who(strings.Join(r.Serves, ", "), "nobody"))
		}
		return "a route changed"
	case message.EventDrift:
		return "roles or routes against the record"
	case message.EventDrill:
		return drillTitle(e.Drill)
	case message.EventMode:
		return "pause or mode changed"
	case message.EventSpec:
		return "spec applied"
	case message.EventDeadLetter:
		return "a message was put to the dead letters"
	case message.EventService:
		return "service " + e.Writer
	case message.EventNote:
		return "note by " + who(Clean(e.Actor), e.Writer)
	case message.EventNotify:
		if e.Severity.AtLeast(message.Warning) {
			return "a channel has trouble"
		}
		return "a channel is back"
	}
	return Clean(string(e.Kind))
}

func who(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

func swap(k message.Kind, primary string) string {
	switch k {
	case message.KindAdopt:
		return "adoption of " + primary + " as primary"
	case message.KindResume:
		return "return to " + primary
	case message.KindReconfigure:
		return "change of the group, primary " + primary
	}
	return string(k) + " to " + primary
}

func drillTitle(d *message.DrillStatus) string {
	if d == nil {
		return "a drill changed"
	}
	switch d.Stage {
	case message.DrillThere:
		return fmt.Sprintf("drill begins: %s for %s, then %s again", d.Away, round(d.Hold.Std()), d.Home)
	case message.DrillHolds:
		return fmt.Sprintf("drill holds: %s is primary for %s", d.Away, round(d.Hold.Std()))
	case message.DrillWaits:
		return "drill waits to go back to " + d.Home
	case message.DrillBack:
		return "drill goes back to " + d.Home
	}
	switch d.How {
	case message.DrillDone:
		return "drill done: " + d.Home + " is primary again"
	case message.DrillStayed:
		return "drill ended: " + d.Away + " stays primary"
	case message.DrillGivenUp:
		return "drill given up: it did not go back to " + d.Home
	}
	return "drill interrupted: nothing goes back by itself"
}

func stepState(s message.State) string {
	if s == message.StatePaused {
		return "waits for a person"
	}
	return string(s)
}

func runState(s message.State) string {
	switch s {
	case message.StateStarted:
		return "begun"
	case message.StateHeld:
		return "holds: from here it only goes forward"
	case message.StatePaused:
		return "waits for a person"
	case message.StateEnded:
		return "ended, nothing was applied"
	case message.StateSuperseded:
		return "superseded by a newer command"
	}
	return string(s)
}

// facts are findings and figures that the sentence may not hold.
func facts(e *message.Event) []string {
	var out []string
	add := func(name, value string) {
		if value != "" {
			out = append(out, line("%s: %s", name, value))
		}
	}
	if c := e.Command; c != nil {
		add("took", times("detect", c.DetectMicros, "decide", c.DecideMicros))
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
			add("applied", "nothing, it was done already")
		}
		add("took", times("this attempt", s.TookMicros))
	}
	if r := e.Run; r != nil {
		add("took", times("execute", r.ExecuteMicros, "verify", r.VerifyMicros))
	}
	if d := e.Drill; d != nil {
		for _, way := range []struct {
			name string
			is   *message.DrillSwap
		}{{"there", d.There}, {"back", d.Back}} {
			if way.is != nil {
				add(way.name, times("execute", way.is.ExecuteMicros, "verify", way.is.VerifyMicros))
			}
		}
		add("held", times("for", d.HeldMicros))
		for _, o := range []struct {
			name string
			is   *message.DrillObjective
		}{{"recovery objective", d.RTO}, {"loss objective", d.RPO}} {
			if o.is == nil {
				continue
			}
			met := "met"
			if !o.is.Met {
				met = "MISSED"
			}
			add(o.name, fmt.Sprintf("%s of %s, %s", round(o.is.Achieved.Std()), round(o.is.Objective.Std()), met))
		}
	}
	if r := e.Route; r != nil {
		add("proxy", r.Proxy)
		add("problem", r.Problem)
	}
	return out
}

// times says the figures that are known: "detect 240ms, decide 2ms".
func times(pairs ...any) string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if us := pairs[i+1].(int64); us > 0 {
			out = append(out, fmt.Sprintf("%s %s", pairs[i], round(time.Duration(us)*time.Microsecond)))
		}
	}
	return strings.Join(out, ", ")
}
