package message

// Severity of an event: how soon a person should look.
type Severity string

// From the least to the most urgent.
const (
	Debug    Severity = "debug"
	Info     Severity = "info"
	Notice   Severity = "notice"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

var severities = [...]Severity{Debug, Info, Notice, Warning, Critical}

// AtLeast says whether s is as urgent as min, or more. An unknown severity counts as critical:
// what nobody understands must not be hidden.
func (s Severity) AtLeast(min Severity) bool { return s.rank() >= min.rank() }

func (s Severity) rank() int {
	for i, v := range severities {
		if s == v {
			return i
		}
	}
	return len(severities)
}

// EventKind says what happened; it is a token of the event's subject.
type EventKind string

// The kinds.
const (
	EventVerdict   EventKind = "verdict"   // a member's verdict changed
	EventReadiness EventKind = "readiness" // a standby became ready, or not, with the reasons
	EventIncident  EventKind = "incident"  // an incident opened or closed
	EventDecision  EventKind = "decision"  // a command was decided and stored
	EventOutcome   EventKind = "outcome"   // a request was accepted or refused
	EventRefused   EventKind = "refused"   // an automatic swap did not happen, with every reason
	EventShadow    EventKind = "shadow"    // dry run: what would have been done
	EventStep      EventKind = "step"      // a step changed its state (copied from what safety rests on)
	EventRun       EventKind = "run"       // a run changed its state
	EventRoute     EventKind = "route"     // what a route's proxy was seen to do
	EventDrift     EventKind = "drift"     // roles or routes no longer match the record, or match again
	EventDrill     EventKind = "drill"     // a drill began, holds, waits, goes back, is over
	EventRemedy    EventKind = "remedy"    // a try to mend a member helped, or its ladder is over
	EventApproval  EventKind = "approval"  // a swap waits for a second person, was approved, rejected, or expired
	EventJudged    EventKind = "judged"    // a person judged an entry of the shadow ledger
	EventMode      EventKind = "mode"      // paused, unpaused, mode changed
	// EventMaintenance: a member was taken out for maintenance or put back, or that is to be remembered.
	EventMaintenance EventKind = "maintenance"
	EventSpec        EventKind = "spec"       // a spec was applied
	EventDeadLetter  EventKind = "deadletter" // a message was put to the dead letters
	EventService     EventKind = "service"    // a service started, stopped, lost or found the bus
	EventNote        EventKind = "note"       // what a person wrote down
	EventNotify      EventKind = "notify"     // a channel failed, recovered, or gave a message up
	EventClients     EventKind = "clients"    // the clients' canary begins to fail, or is served again
	EventPlanned     EventKind = "planned"    // something was planned for a time, taken back, begins soon, or was refused when it was due
	EventThreshold   EventKind = "threshold"  // a measured figure went too far, resolved, or cannot be measured; a certificate ends soon
)

// EventKinds lists every kind, in the order above.
var EventKinds = []EventKind{
	EventVerdict, EventReadiness, EventIncident, EventDecision, EventOutcome, EventRefused, EventShadow, EventStep, EventRun, EventRoute,
	EventDrift, EventDrill, EventRemedy, EventApproval, EventJudged, EventMode, EventMaintenance, EventSpec, EventDeadLetter, EventService, EventNote, EventNotify,
	EventClients, EventPlanned,
	EventThreshold,
}

// Event is something that happened, with its evidence. All events together are the audit log.
type Event struct {
	// ID is the same for the same happening, whoever tells it: the stream keeps one copy.
	ID       string    `json:"id" validate:"required,max=192,id"`
	Group    string    `json:"group" validate:"required,name"`
	Kind     EventKind `json:"kind" validate:"required,name"`
	Severity Severity  `json:"severity" validate:"required,oneof=debug info notice warning critical"`
	// Sentence says what happened, why, and what to do, in one line of plain text.
	Sentence string `json:"sentence" validate:"required,max=2048"`
	Incident string `json:"incident,omitempty" validate:"max=128"`
	Epoch    uint64 `json:"epoch,omitempty"`
	Member   string `json:"member,omitempty" validate:"omitempty,name"`
	// Code is the rule's code where a rule speaks.
	Code    string   `json:"code,omitempty" validate:"max=16"`
	Reasons []Reason `json:"reasons,omitempty" validate:"max=64,dive"`
	Views   []View   `json:"views,omitempty" validate:"max=256,dive"`
	Request string   `json:"request,omitempty" validate:"max=128"`
	Actor   string   `json:"actor,omitempty" validate:"max=64"`
	// Via and From are those of the request that an outcome answers: how it came, and from where.
	Via    string `json:"via,omitempty" validate:"max=32"`
	From   string `json:"from,omitempty" validate:"max=128"`
	DryRun bool   `json:"dry_run,omitempty"`
	Writer string `json:"writer" validate:"required,name"`
	At     int64  `json:"at_us" validate:"min=0"`

	// At most one of these is set, as the kind says.
	Verdict *VerdictChange `json:"verdict,omitempty"`
	Command *Command       `json:"command,omitempty"` // decision, shadow
	Step    *StepResult    `json:"step,omitempty"`
	Run     *RunResult     `json:"run,omitempty"`
	Route   *RouteSeen     `json:"route,omitempty"`
	Outcome *Outcome       `json:"outcome,omitempty"`
	Drill   *DrillStatus   `json:"drill,omitempty"`
	Opened  *bool          `json:"opened,omitempty"` // incident: opened or closed
	// Approval and Judged are set in events of those kinds.
	Approval *ApprovalStatus `json:"approval,omitempty"`
	Judged   *Judgement      `json:"judged,omitempty"`
	// Clients is what clients lost, in an event of that kind: Until is 0 where it has only begun.
	Clients *ClientsOutage `json:"clients,omitempty"`
	// Planned is set in an event of that kind.
	Planned *PlanChange `json:"planned,omitempty"`
	// Item is set in a note that is about an action item.
	Item *Item `json:"item,omitempty"`
	// Threshold is set in an event of that kind that is about a figure of a member.
	Threshold *ThresholdState `json:"threshold,omitempty"`
}

// Verdict is what the decider concludes of a member from all vantages.
type Verdict string

const (
	VerdictUp       Verdict = "up"
	VerdictSuspect  Verdict = "suspect"  // something failed, not yet enough to say down
	VerdictDown     Verdict = "down"     // a quorum of seeing vantages says so and none contradicts
	VerdictUnknown  Verdict = "unknown"  // too few vantages see
	VerdictDisputed Verdict = "disputed" // those who can see it disagree
)

// VerdictChange is the payload of a verdict event.
type VerdictChange struct {
	From Verdict `json:"from" validate:"required,oneof=up suspect down unknown disputed"`
	To   Verdict `json:"to" validate:"required,oneof=up suspect down unknown disputed"`
}

// RouteSeen is what an executor saw of one proxy of a route, told when it changes and when the executor starts.
type RouteSeen struct {
	Route string `json:"route" validate:"required,name"`
	Proxy string `json:"proxy" validate:"required,max=256"`
	// Reachable is false where the proxy could not be asked; Serves is then what was last seen.
	Reachable bool `json:"reachable"`
	// Serves are the members that get new traffic there, sorted.
	Serves []string `json:"serves" validate:"max=64,dive,name"`
	// Servers are the route's servers there, by member, as the proxy has them.
	Servers []ServerSeen `json:"servers,omitempty" validate:"max=64,dive"`
	Problem string       `json:"problem,omitempty" validate:"max=1024"`
}

// DeadLetter keeps whole what was invalid or given up, with the reason.
type DeadLetter struct {
	ID      string              `json:"id" validate:"required,max=192,id"`
	Stream  string              `json:"stream" validate:"required,max=128"`
	Subject string              `json:"subject" validate:"required,max=512"`
	Seq     uint64              `json:"seq,omitempty"`
	Reason  string              `json:"reason" validate:"required,max=2048"`
	Headers map[string][]string `json:"headers,omitempty"`
	Body    []byte              `json:"body,omitempty"`
	Writer  string              `json:"writer" validate:"required,name"`
	At      int64               `json:"at_us" validate:"min=0"`
}

// Spec is what an operator applied for one group: the text itself, so that history shows what was written.
type Spec struct {
	Group string `json:"group" validate:"required,name"`
	// Text is one YAML document, as pkg/spec/file reads it.
	Text   string `json:"text" validate:"required,max=262144"`
	File   string `json:"file,omitempty" validate:"max=512"`
	Actor  string `json:"actor" validate:"required,name"`
	Reason string `json:"reason,omitempty" validate:"max=1024"`
	At     int64  `json:"at_us" validate:"min=0"`
}
