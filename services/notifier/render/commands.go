package render

import (
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// commands are what a person may want to type next, the most likely first. Everything in them is a checked name or a
// number, so that what is copied from chat into a shell cannot be something else.
func commands(e *message.Event) []Command {
	g := e.Group
	if g == subject.NoGroup {
		switch e.Kind {
		case message.EventDeadLetter, message.EventService, message.EventNotify, message.EventThreshold:
			return []Command{{"ham doctor", "what is wrong, and what to do"}}
		}
		return []Command{{"ham status", "how all groups are"}}
	}
	explain := Command{"ham explain " + g, "what is known, and why it swaps or does not"}
	status := Command{"ham status " + g, "who is primary, who is ready"}
	switch e.Kind {
	case message.EventVerdict:
		if e.Verdict != nil && e.Verdict.To == message.VerdictUp {
			return []Command{status}
		}
		return []Command{explain}
	case message.EventReadiness, message.EventRoute:
		if e.Severity.AtLeast(message.Warning) {
			return []Command{explain}
		}
		return nil
	case message.EventIncident:
		if e.Opened != nil && !*e.Opened {
			return postmortem(e)
		}
		return []Command{explain}
	case message.EventDecision:
		out := []Command{{"ham status " + g, "how the swap stands"}}
		if c := e.Command; c != nil {
			out = append(out, back(g, c.Epoch, c.Kind, c.Drill)...)
		}
		return out
	case message.EventShadow:
		return []Command{{"ham plan " + g, "the steps it would take"}, {"ham incidents", "the record so far: set mode: auto in the spec once you trust it"}}
	case message.EventOutcome:
		if o := e.Outcome; o != nil && !o.Accepted {
			return append(override(g, string(o.Verb), o.Epoch, o.Reasons), explain)
		}
		return []Command{status}
	case message.EventRefused:
		return append([]Command{explain}, override(g, "failover", e.Epoch, e.Reasons)...)
	case message.EventStep:
		if e.Step != nil && e.Step.State == message.StatePaused {
			return paused(g)
		}
		return nil
	case message.EventRun:
		return afterRun(e, status)
	case message.EventDrift:
		if e.Severity.AtLeast(message.Warning) {
			return []Command{explain}
		}
		return []Command{status}
	case message.EventDrill:
		return ofDrill(e, status)
	case message.EventClients:
		if c := e.Clients; c != nil && c.Until > 0 {
			return []Command{status}
		}
		return []Command{explain}
	case message.EventThreshold:
		if e.Severity.AtLeast(message.Warning) {
			return []Command{{"ham status " + g, "its figures, and their bounds"}}
		}
		return nil
	case message.EventRemedy:
		return []Command{{"ham explain " + g, "what was tried, and what follows"}}
	case message.EventApproval:
		a := e.Approval
		if a == nil || a.State != message.ApprovalWaits {
			return []Command{status}
		}
		of := ""
		if message.IsName(a.Request) {
			of = " " + a.Request // where there is one, as of a step, it need not be named
		}
		return []Command{{"ham approve " + g + of, "it goes on"}, {"ham reject " + g + of, "it ends there"}}
	case message.EventPlanned:
		planned := Command{"ham planned " + g, "what is planned, and what would refuse it now"}
		switch p := e.Planned; {
		case p == nil || p.Stage == message.PlanCancelled:
			return []Command{planned}
		case p.Stage == message.PlanRefused:
			return []Command{explain, planned}
		case message.IsName(p.Name):
			return []Command{{"ham planned cancel " + p.Name, "take it back"}, planned}
		}
		return []Command{planned}
	case message.EventMaintenance:
		if e.Request == "" && message.IsName(e.Member) && e.Code != "R260" { // a reminder
			return []Command{{"ham undrain " + g + " " + e.Member, "put it back, if it is no longer needed"}}
		}
		return nil
	case message.EventMode, message.EventSpec, message.EventNote:
		return nil
	case message.EventDeadLetter, message.EventService, message.EventNotify:
		return []Command{{"ham doctor", "what is wrong, and what to do"}}
	}
	return []Command{status}
}

func afterRun(e *message.Event, status Command) []Command {
	if e.Run == nil {
		return []Command{status}
	}
	switch e.Run.State {
	case message.StatePaused:
		return paused(e.Group)
	case message.StateDone:
		return append(postmortem(e), back(e.Group, e.Run.Epoch, e.Run.Kind, e.Run.Drill)...)
	case message.StateAborted, message.StateEnded, message.StateSuperseded:
		return []Command{status, {"ham explain " + e.Group, "what is known, and why it swaps or does not"}}
	}
	return nil
}

// ofDrill is what ends a drill by hand, and what is left to do where it did not go back.
func ofDrill(e *message.Event, status Command) []Command {
	d := e.Drill
	if d == nil {
		return []Command{status}
	}
	switch {
	case d.Stage == message.DrillWaits:
		return []Command{{"ham explain " + e.Group, "what is known, and why it does not go back"}, {"ham drill " + e.Group + " --stay", "end it: the roles stay as they are"}}
	case d.Stage == message.DrillHolds:
		return []Command{{"ham drill " + e.Group + " --back", "bring it back at once"}, {"ham drill " + e.Group + " --stay", "end it: the roles stay as they are"}}
	case d.Stage != message.DrillOver:
		return []Command{status}
	case d.How == message.DrillDone:
		return postmortem(e)
	case d.How == message.DrillGivenUp, d.How == message.DrillStayed:
		return append([]Command{failback(e.Group, e.Epoch)}, postmortem(e)...)
	}
	return append([]Command{status}, postmortem(e)...)
}

func paused(g string) []Command {
	return []Command{
		{"ham retry " + g, "try the step again"},
		{"ham skip " + g, "go on without it"},
		{"ham abort " + g, "end the swap here"},
	}
}

func postmortem(e *message.Event) []Command {
	if !message.IsName(e.Incident) {
		return nil
	}
	return []Command{{"ham postmortem " + e.Incident, "the whole record"}}
}

// back is how the roles come back after a swap. A drill goes back by itself.
func back(g string, epoch uint64, kind message.Kind, d *message.Drill) []Command {
	if kind != message.KindFailover && kind != message.KindSwitchover {
		return nil
	}
	switch {
	case d == nil:
		return []Command{failback(g, epoch)}
	case d.Way == message.WayThere:
		return []Command{{"ham drill " + g + " --back", "bring it back before the hold is over"}}
	}
	return nil // it is on its way back
}

func failback(g string, epoch uint64) Command {
	return Command{fmt.Sprintf("ham failback %s --expect-epoch %d", g, epoch), "swap back once the old primary is healthy"}
}

// override is how to ask again, naming what is set aside, where all that stands against it may be set aside.
func override(g, verb string, epoch uint64, reasons []message.Reason) []Command {
	var codes []string
	for _, r := range reasons {
		if !r.Overridable || !message.IsName(r.Code) {
			return nil
		}
		codes = append(codes, r.Code)
	}
	if len(codes) == 0 || verb == string(message.VerbAdopt) {
		return nil // an adoption names its member, which an outcome does not tell
	}
	run := "ham " + verb + " " + g
	if epoch > 0 {
		run += fmt.Sprintf(" --expect-epoch %d", epoch)
	}
	run += " --override " + strings.Join(codes, ",") + ` --reason "…"`
	return []Command{{run, "do it all the same; the loss is yours to judge"}}
}
