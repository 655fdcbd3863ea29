// Package rendertest holds one event of each kind, for golden files of every way to say them.
package rendertest

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Sample is an event with the name of its golden file.
type Sample struct {
	Name  string
	Event *message.Event
}

// Start is when the story of the samples begins.
var Start = time.Date(2026, 3, 14, 2, 10, 3, 120_000_000, time.UTC)

// Hostile is text that would act on a reader's screen if it were shown as it is: mentions, links, markup of Slack,
// terminal escapes, a faked line, a changed direction of writing.
const Hostile = "<!channel> <!here|here> @here @everyone <@U024BE7LH> <https://evil.example|ham.example> `rm -rf` *bold* & &lt;b&gt;" +
	"\x1b[2J\x1b]0;owned\x07\r\n[info] web: all is well\u202e gnol"

// Samples returns fresh events, at least one of each kind, in the order of an incident.
func Samples() []Sample {
	var out []Sample
	for i, s := range story() {
		e := s.Event
		e.ID = "ev." + s.Name
		if e.Group == "" {
			e.Group = "web"
		}
		if e.Writer == "" {
			e.Writer = "witness"
		}
		e.At = Start.Add(time.Duration(i) * 250 * time.Millisecond).UnixMicro()
		out = append(out, s)
	}
	return out
}

func story() []Sample {
	opened, closed := true, false
	return []Sample{
		{"verdict-down", &message.Event{
			Kind: message.EventVerdict, Severity: message.Critical, Incident: "web-14", Epoch: 6, Member: "a", Code: "R201", Views: views(),
			Sentence: "Member a of web is down: 2 of 3 vantages say so, quorum is 2.",
			Reasons:  []message.Reason{{Code: "R201", Sentence: "sp and rj say down; none that sees it says up"}},
			Verdict:  &message.VerdictChange{From: message.VerdictUp, To: message.VerdictDown},
		}},
		{"incident-opened", &message.Event{
			Kind: message.EventIncident, Severity: message.Critical, Incident: "web-14", Epoch: 6, Opened: &opened,
			Sentence: "Incident web-14 opened: the primary a of web is down.",
		}},
		{"refused", &message.Event{
			Kind: message.EventRefused, Severity: message.Critical, Incident: "web-14", Epoch: 6, Code: "R300",
			Sentence: "web does not swap by itself: the standby b is behind, and the group is cooling down.",
			Reasons: []message.Reason{
				{Code: "R305", Sentence: "b lags 40 MB, the objective allows 10 MB (2 s old)", Overridable: true},
				{Code: "R308", Sentence: "the last swap was 3m ago, cool-down is 10m", Overridable: true},
			},
		}},
		{"decision", &message.Event{
			Kind: message.EventDecision, Severity: message.Critical, Incident: "web-14", Epoch: 7, Command: command(false),
			Sentence: "Failover of web from a to b decided, epoch 7.",
		}},
		{"shadow", &message.Event{
			Kind: message.EventShadow, Severity: message.Warning, Incident: "web-14", Command: command(true), DryRun: true,
			Sentence: "In dry run: web would have failed over from a to b, epoch 7.",
		}},
		{"run-started", run(message.StateStarted, message.Notice, "Executor rj1 began the failover of web to b, epoch 7.")},
		{"step-done", step(message.StateDone, message.Info, "Step route-front is done: clients go to b.")},
		{"step-paused", step(message.StatePaused, message.Critical, "Step route-front failed 3 times and waits for a person: 198.51.100.2:9999 does not answer.")},
		{"run-held", run(message.StateHeld, message.Notice, "b holds epoch 7 of web.")},
		{"run-done", run(message.StateDone, message.Notice, "Failover of web to b is done: clients are served by b.")},
		{"run-paused", run(message.StatePaused, message.Critical, "The failover of web to b waits for a person at step route-front.")},
		{"run-aborted", run(message.StateAborted, message.Warning, "The failover of web to b was aborted by ana at step route-front.")},
		{"readiness-not", &message.Event{
			Kind: message.EventReadiness, Severity: message.Warning, Member: "b", Epoch: 6,
			Sentence: "The standby b of web is not ready: nobody could take over from a now.",
			Reasons:  []message.Reason{{Code: "R302", Sentence: "b has been up for 12s, stable_for is 1m"}},
		}},
		{"readiness-yes", &message.Event{
			Kind: message.EventReadiness, Severity: message.Notice, Member: "b", Epoch: 6, Sentence: "The standby b of web is ready.",
		}},
		{"route-away", &message.Event{
			Kind: message.EventRoute, Severity: message.Warning, Epoch: 7, Writer: "rj1",
			Sentence: "Proxy tcp://198.51.100.2:9999 of route front cannot be reached; it is set right as soon as it can be.",
			Route:    &message.RouteSeen{Route: "front", Proxy: "tcp://198.51.100.2:9999", Serves: []string{"a"}, Problem: "connect: connection refused"},
		}},
		{"drift", &message.Event{
			Kind: message.EventDrift, Severity: message.Warning, Epoch: 7, Code: "R410", Member: "a",
			Sentence: "Route front serves a, but epoch 7 says b: no automatic swap until this is corrected or adopted.",
		}},
		{"outcome-refused", &message.Event{
			Kind: message.EventOutcome, Severity: message.Notice, Actor: "ana", Request: "rq-1",
			Sentence: "Switchover of web asked by ana is refused: b is not ready.",
			Outcome: &message.Outcome{
				Request: "rq-1", Group: "web", Verb: message.VerbSwitchover, Epoch: 7, Sentence: "refused: b is not ready",
				Reasons: []message.Reason{{Code: "R302", Sentence: "b has been up for 12s, stable_for is 1m", Overridable: true}},
			},
		}},
		{"outcome-accepted", &message.Event{
			Kind: message.EventOutcome, Severity: message.Info, Actor: "ana", Request: "rq-2",
			Sentence: "Switchover of web to b asked by ana is accepted as epoch 8.",
			Outcome:  &message.Outcome{Request: "rq-2", Group: "web", Verb: message.VerbSwitchover, Accepted: true, Epoch: 8, Sentence: "accepted as epoch 8"},
		}},
		{"mode", &message.Event{
			Kind: message.EventMode, Severity: message.Notice, Actor: "ana", Epoch: 7, Sentence: "ana paused web for 2h: maintenance of rack 4. Unpause it with: ham resume web",
		}},
		{"maintenance", &message.Event{
			Kind: message.EventMaintenance, Severity: message.Notice, Actor: "ana", Member: "b", Epoch: 7, Code: "R446", Request: "rq-3", Sentence: "ana takes b of web out for maintenance for 2h (new disk)",
		}},
		{"maintenance-reminder", &message.Event{
			Kind: message.EventMaintenance, Severity: message.Warning, Member: "b", Epoch: 7, Code: "R263",
			Sentence: "the maintenance of b by ana should be over, and lasts until b is up: b is down; mend it, or say ham undrain web b",
		}},
		{"approval", approval(message.ApprovalWaits, "", "ana asked for a switchover of web from a to b; that waits for a second person for 10m: ham approve web rq-6, or ham reject web rq-6")},
		{"approval-expired", approval(message.ApprovalExpired, "", "nobody approved it within 10m, so it does not happen: ana asked for a switchover of web from a to b")},
		{"step-waits", approval(message.ApprovalWaits, "backup", "step backup of the switchover of web from a to b waits for a person, for 30m: the backup of a is from today; ham approve web, or ham reject web")},
		{"step-approved", approval(message.ApprovalApproved, "backup", "bob approved step backup of the switchover of web from a to b: the backup of a is from today")},
		{"step-rejected", approval(message.ApprovalRejected, "backup", "bob rejected step backup of the switchover of web from a to b: the backup of a is from today")},
		{"step-expired", approval(message.ApprovalExpired, "backup", "nobody approved step backup of the switchover of web from a to b within 30m: the backup of a is from today")},
		{"planned", planned(message.PlanStands, "R470", message.Notice, "ana planned a switchover of web for 2026-03-15 03:00:00 UTC: a standby takes over from a (new kernel)")},
		{"planned-soon", planned(message.PlanSoon, "R475", message.Notice,
			"the switchover of web that ana planned begins in 15m (new kernel): as things are, nothing refuses it; ham planned cancel web-at-20260315-030000 takes it back")},
		{"planned-refused", planned(message.PlanRefused, "R322", message.Warning,
			"the switchover of web that ana planned for 2026-03-15 03:00:00 UTC does not happen, and is not tried again: refused: web was paused by bob, until somebody resumes it: say ham resume web first")},
		{"planned-cancelled", planned(message.PlanCancelled, "R418", message.Notice, "bob took back the switchover of web planned for 2026-03-15 03:00:00 UTC (wrong night)")},
		{"spec", &message.Event{
			Kind: message.EventSpec, Severity: message.Info, Actor: "ana", Sentence: "ana applied revision 12 of the spec of web: mode dry-run became auto.",
		}},
		{"threshold", threshold(message.ThresholdOver, "R490", message.Warning,
			"disk /var of a is at 93.1%, the bound is 90% (check machine, from sp); it resolves at 81%")},
		{"threshold-well", threshold(message.ThresholdWell, "R492", message.Notice, "disk /var of a is well again: 54% (check machine, from sp)")},
		{"threshold-unmeasured", threshold(message.ThresholdUnmeasured, "R493", message.Warning,
			"disk /var of a is not watched: check machine from sp: cannot measure disk /var: no such file or directory")},
		{"expiry", &message.Event{
			Kind: message.EventThreshold, Severity: message.Warning, Group: subject.NoGroup, Writer: "up-sp", Code: "R494",
			Sentence: "the certificate of the bus's server (bus.example.org, /etc/ham/bus.crt) ends in 6 days, on 2026-03-08 12:00 UTC: renew it",
		}},
		{"deadletter", &message.Event{
			Kind: message.EventDeadLetter, Severity: message.Warning,
			Sentence: "A message on ham.v1.request.web.failover.ana (HAM_REQUESTS, sequence 12) was put to the dead letters: invalid message: request.for: want a duration.",
		}},
		{"service", &message.Event{
			Kind: message.EventService, Severity: message.Warning, Group: subject.NoGroup, Writer: "prober-rj",
			Sentence: "Prober prober-rj lost the bus for 3.2s; it went on looking and dropped 14 observations.",
		}},
		{"note", &message.Event{
			Kind: message.EventNote, Severity: message.Info, Actor: "ana", Incident: "web-14", Sentence: "ana: the switch in rack 4 was replaced.",
		}},
		{"notify", &message.Event{
			Kind: message.EventNotify, Severity: message.Critical, Group: subject.NoGroup, Writer: "notifier-sp", Code: "N102",
			Sentence: "slack:#ops does not take messages: invalid_auth, the token is not valid. Nothing is lost yet: put a valid token in place, it is tried again each minute.",
		}},
		{"incident-closed", &message.Event{
			Kind: message.EventIncident, Severity: message.Notice, Incident: "web-14", Epoch: 7, Opened: &closed,
			Sentence: "Incident web-14 closed after 4m12s: b serves web, a is back as its standby.",
		}},
		{"unknown-kind", &message.Event{
			Kind: "weather", Severity: message.Notice, Sentence: "It rains in Rio.",
		}},
		{"hostile", &message.Event{
			Kind: message.EventVerdict, Severity: message.Warning, Incident: "web-14", Epoch: 7, Member: "a", Code: "<!here>", Actor: "ana",
			Sentence: Hostile,
			Reasons:  []message.Reason{{Code: "`R1`", Sentence: "because " + Hostile, Overridable: true}},
			Views:    []message.View{{Member: "a", Vantage: "sp", Check: "alive", Says: "<!here>", AgoMS: 10, Evidence: Hostile}},
			Verdict:  &message.VerdictChange{From: message.VerdictUp, To: message.VerdictSuspect},
		}},
		{"drill-decision", decisionOfDrill()},
		{"drill-begins", drill(message.DrillThere, "", message.Notice, "Drill web-drill-8: ana has b take over from a (every month); b is primary for 2m, then a again.")},
		{"drill-holds", drill(message.DrillHolds, "", message.Notice, "Drill web-drill-8: b is primary since epoch 8, in 239ms; it goes back to a in 2m.")},
		{"drill-waits", drill(message.DrillWaits, "", message.Warning, "Drill web-drill-8: it is time to go back to a, and that waits, because a is not ready.")},
		{"drill-returns", drill(message.DrillBack, "", message.Notice, "Drill web-drill-8: a takes back over from b, which was primary for 2m.")},
		{"drill-over", drill(message.DrillOver, message.DrillDone, message.Warning, "Drill web-drill-8 is over: b took over from a in 239ms, was primary for 2m, and a took back over in 6.2s; the recovery objective of 5s is MISSED (6.2s).")},
		{"drill-interrupted", drill(message.DrillOver, message.DrillInterrupted, message.Warning, "Drill web-drill-8 is over before its way back, interrupted by epoch 9: a takes over from b.")},
		{"drill-given-up", drill(message.DrillOver, message.DrillGivenUp, message.Warning, "Drill web-drill-8 is over before its way back: it is given up, because a is not ready; b stays primary.")},
		{"drill-run-there", runOfDrill(message.WayThere)},
		{"drill-run-back", runOfDrill(message.WayBack)},
		{"clients", &message.Event{
			Kind: message.EventClients, Severity: message.Warning, Incident: "web-14", Epoch: 6, Code: "R495",
			Sentence: "clients of web are not served, asked from outside (GET https://www.example.org/alive: 503 Service Unavailable, want 200-299)",
			Clients:  lostByClients(0),
		}},
		{"clients-over", &message.Event{
			Kind: message.EventClients, Severity: message.Warning, Incident: "web-14", Epoch: 7, Code: "R496",
			Sentence: "clients of web are served again: 9 of 9 looks failed within 1.8s, asked from outside", Clients: lostByClients(1_795_312_920_100_000),
		}},
	}
}

func views() []message.View {
	return []message.View{
		{Member: "a", Vantage: "sp", Check: "alive", Says: "down", Hard: true, InARow: 1, AgoMS: 12, Evidence: "connect 192.0.2.10:8080: connection refused"},
		{Member: "a", Vantage: "rj", Check: "alive", Says: "down", InARow: 3, AgoMS: 240, Evidence: "GET /alive: no answer within 300ms"},
		{Member: "b", Vantage: "rj", Check: "alive", Says: "up", AgoMS: 400},
	}
}

func command(dry bool) *message.Command {
	return &message.Command{
		ID: "cmd-web-7", Group: "web", Epoch: 7, Kind: message.KindFailover, Primary: "b", From: "a", Members: []string{"a", "b"},
		Rule: "R210", Sentence: "a is down for 2 of 3 vantages, quorum is 2; b is ready.", Evidence: views(), Incident: "web-14", DryRun: dry,
		Plan:    message.Plan{Hash: "9f86d081", PredictedRTO: message.Duration(420 * time.Millisecond), Limit: message.Duration(2 * time.Minute)},
		Decider: "witness", DetectMicros: 243_000, DecideMicros: 1_900,
	}
}

// runOfDrill is the end of one of its two swaps.
func runOfDrill(way string) *message.Event {
	e := run(message.StateDone, message.Notice, "Switchover of web is done, as part of a drill.")
	e.Incident, e.Run.Incident = "web-15", "web-15"
	e.Run.Kind, e.Run.Drill = message.KindSwitchover, &message.Drill{ID: "web-drill-8", Way: way, Home: "a", Hold: message.DefaultHold, Actor: "ana", Why: "every month"}
	return e
}

// decisionOfDrill is the command that a drill begins with.
func decisionOfDrill() *message.Event {
	c := command(false)
	c.Kind, c.Epoch = message.KindSwitchover, 8
	c.Drill = &message.Drill{ID: "web-drill-8", Way: message.WayThere, Home: c.From, Hold: message.DefaultHold, Actor: "ana", Why: "every month"}
	return &message.Event{
		Kind: message.EventDecision, Severity: message.Warning, Incident: "web-15", Epoch: 8, Command: c, Actor: "ana",
		Sentence: "Epoch 8 of web: ana asked for a drill of web: b takes over from a, is primary for 2m, then a again.",
	}
}

// drill is an event of a drill, with what is known of it at that stage.
func drill(stage message.DrillStage, how string, severity message.Severity, sentence string) *message.Event {
	d := &message.DrillStatus{
		ID: "web-drill-8", Stage: stage, How: how, Home: "a", Away: "b", Hold: message.DefaultHold, Actor: "ana", Why: "every month",
		There: &message.DrillSwap{Epoch: 8, Command: "web.8.x"},
	}
	if stage != message.DrillThere {
		d.There.Done, d.There.ExecuteMicros, d.There.VerifyMicros = true, 31_000, 208_000
		d.BackAt = Start.Add(2 * time.Minute).UnixMicro()
	}
	e := &message.Event{Kind: message.EventDrill, Severity: severity, Incident: "web-15", Epoch: 8, Member: "b", Sentence: sentence, Actor: "ana", Drill: d}
	if stage == message.DrillWaits {
		e.Reasons = []message.Reason{{Code: "R323", Sentence: "a is not ready: it has been steady for 12s of 1m", Overridable: true}}
	}
	if stage == message.DrillBack || how == message.DrillDone {
		d.Back, d.HeldMicros, e.Epoch = &message.DrillSwap{Epoch: 9, Command: "web.9.x"}, 120_010_000, 9
	}
	if how == message.DrillDone {
		d.Back.Done, d.Back.ExecuteMicros, d.Back.VerifyMicros = true, 6_000_000, 200_000
		d.RTO = &message.DrillObjective{Objective: message.Duration(5 * time.Second), Achieved: message.Duration(6200 * time.Millisecond)}
		d.RPO = &message.DrillObjective{Objective: message.Duration(time.Second), Met: true}
	}
	return e
}

func threshold(condition message.ThresholdCondition, code string, severity message.Severity, sentence string) *message.Event {
	return &message.Event{
		Kind: message.EventThreshold, Severity: severity, Member: "a", Code: code, Sentence: sentence,
		Threshold: &message.ThresholdState{
			Member: "a", Check: "machine", Figure: "disk /var", Condition: condition, N: 7, At: Start.UnixMicro(), Code: code, Sentence: sentence,
		},
	}
}

func run(state message.State, severity message.Severity, sentence string) *message.Event {
	r := &message.RunResult{
		ID: "run-7-" + string(state), Group: "web", Epoch: 7, Command: "cmd-web-7", Kind: message.KindFailover, Primary: "b", Incident: "web-14",
		State: state, Executor: "rj1", Sentence: sentence,
	}
	if state == message.StateDone {
		r.ExecuteMicros, r.VerifyMicros = 31_000, 208_000
	}
	return &message.Event{Kind: message.EventRun, Severity: severity, Incident: "web-14", Epoch: 7, Writer: "rj1", Sentence: sentence, Run: r}
}

func step(state message.State, severity message.Severity, sentence string) *message.Event {
	s := &message.StepResult{
		ID: "step-7-" + string(state), Group: "web", Epoch: 7, Command: "cmd-web-7", Incident: "web-14", Step: "route-front", Driver: "haproxy",
		State: state, Attempt: 1, Executor: "rj1", Found: "web/s1 ready, web/s2 maint", Wanted: "web/s1 maint, web/s2 ready", Applied: true, TookMicros: 6_400,
	}
	if state == message.StatePaused {
		s.Attempt, s.Applied, s.Problem = 3, false, "connect 198.51.100.2:9999: connection refused"
		s.Evidence = "tcp://192.0.2.2:9999: set\ntcp://198.51.100.2:9999: not reached"
	}
	return &message.Event{Kind: message.EventStep, Severity: severity, Incident: "web-14", Epoch: 7, Writer: "rj1", Sentence: sentence, Step: s}
}

// lostByClients is an outage as a canary sees it, over at that time; 0: it lasts.
func lostByClients(until int64) *message.ClientsOutage {
	const target = "https://www.example.org/alive"
	v := message.ClientsLoss{Vantage: "outside", From: 1_795_312_918_300_000, Until: until, Looks: 1, Failed: 1, Boot: "b1", Seq: 4711, Evidence: "GET " + target + ": 503 Service Unavailable, want 200-299"}
	if until > 0 {
		v.Looks, v.Failed = 9, 9
	}
	return &message.ClientsOutage{ID: "web.clients.5f0c1d2e", Target: target, From: v.From, Until: until, Vantages: []message.ClientsLoss{v}}
}

// planned is an event about what ana planned; bob took it back.
func planned(stage, code string, severity message.Severity, sentence string) *message.Event {
	e := &message.Event{
		Kind: message.EventPlanned, Severity: severity, Epoch: 7, Code: code, Sentence: sentence,
		Planned: &message.PlanChange{
			Name: "web-at-20260315-030000", Stage: stage, Verb: message.VerbSwitchover, Planner: "ana", Due: time.Date(2026, 3, 15, 3, 0, 0, 0, time.UTC).UnixMicro(),
		},
	}
	switch stage {
	case message.PlanStands:
		e.Actor, e.Request = "ana", "rq-4"
	case message.PlanCancelled:
		e.Actor, e.Request = "bob", "rq-5"
	}
	return e
}

// approval is an event about what ana asked for, and bob answered: the whole switchover, or one step of it.
func approval(state, step, sentence string) *message.Event {
	a := &message.ApprovalStatus{
		Request: "rq-6", State: state, Verb: message.VerbSwitchover, From: "a", Target: "b", Actor: "ana", Step: step, Sentence: "ana asked for a switchover of web from a to b",
		Since: Start.UnixMicro(), Until: Start.Add(10 * time.Minute).UnixMicro(),
	}
	e := &message.Event{Kind: message.EventApproval, Severity: message.Warning, Member: "a", Epoch: 7, Code: "R360", Sentence: sentence, Approval: a}
	if step != "" {
		e.Code, a.Request, a.Sentence, a.Until = "R465", message.StepApproval("web", 7, step), "step backup of the switchover of web from a to b asks: the backup of a is from today", Start.Add(30*time.Minute).UnixMicro()
	}
	if state == message.ApprovalApproved || state == message.ApprovalRejected {
		a.By, e.Severity = "bob", message.Notice
	}
	e.Request = a.Request
	return e
}
