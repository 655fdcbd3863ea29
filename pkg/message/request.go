package message

// Verb is what a request asks for.
type Verb string

// The verbs. Their meaning is told in the operator's manual.
const (
	VerbFailover   Verb = "failover"
	VerbSwitchover Verb = "switchover"
	VerbFailback   Verb = "failback"
	VerbDrill      Verb = "drill"
	VerbPause      Verb = "pause"
	VerbResume     Verb = "resume"
	VerbApprove    Verb = "approve"
	VerbReject     Verb = "reject"
	VerbRetry      Verb = "retry"
	VerbSkip       Verb = "skip"
	VerbAbort      Verb = "abort"
	VerbAdopt      Verb = "adopt"
	VerbNote       Verb = "note"
	VerbJudge      Verb = "judge" // of an entry of the shadow ledger
	// VerbDrain takes a member out of service for maintenance, VerbUndrain puts it back.
	VerbDrain   Verb = "drain"
	VerbUndrain Verb = "undrain"
)

// Verbs lists every verb, in the order of the manual.
var Verbs = []Verb{
	VerbFailover, VerbSwitchover, VerbFailback, VerbDrill, VerbPause, VerbResume,
	VerbApprove, VerbReject, VerbRetry, VerbSkip, VerbAbort, VerbAdopt, VerbNote,
	VerbJudge, VerbDrain, VerbUndrain,
}

// Request is what a person, a schedule or a program asks for. Every field but
// the group and the verb may be empty, and those two are in the subject: an empty body is a
// valid request from any stock NATS client.
type Request struct {
	ID    string `json:"id" validate:"required,max=128,id"`
	Group string `json:"group" validate:"required,name"`
	Verb  Verb   `json:"verb" validate:"required,verb"`
	// Actor is who asks: a person's or a program's name. "anonymous" where nobody said.
	Actor string `json:"actor" validate:"required,name"`
	// Via is how it came: cli, console, chat, schedule, nats.
	Via string `json:"via,omitempty" validate:"max=32"`
	// From is where the asker was: an address, or a chat's user id. For the record alone.
	From string `json:"from,omitempty" validate:"max=128"`
	// Target is the member that shall become primary; empty: the decider chooses. Of drain and undrain it is the member in question.
	Target string `json:"target,omitempty" validate:"omitempty,name"`
	// Reason is why, in the asker's words.
	Reason string `json:"reason,omitempty" validate:"max=1024"`
	// ExpectEpoch refuses the request unless the group is at this epoch.
	ExpectEpoch *uint64 `json:"expect_epoch,omitempty"`
	// PlanHash fires exactly the plan that was shown, or is refused with what has changed.
	PlanHash string `json:"plan_hash,omitempty" validate:"max=64"`
	// Override lists the codes of refusals that the asker knowingly sets aside. A Reason is then required.
	Override []string `json:"override,omitempty" validate:"max=16,dive,required,max=16"`
	// Epoch and Step name the paused step for retry and skip; empty: the one that is paused.
	Epoch uint64 `json:"epoch,omitempty"`
	Step  string `json:"step,omitempty" validate:"omitempty,name"`
	// For is how long a pause lasts; zero: until resume. A drain ends after that time, once its member is up; zero: with undrain.
	For Duration `json:"for,omitempty" validate:"min=0"`
	// Hold is how long a drill stays on the other member before it goes back: 0s to 24h. Nobody says: 2m.
	Hold *Duration `json:"hold,omitempty" validate:"omitempty,min=0"`
	// End ends the drill that runs: "back" at once, "stay" as the roles are now; "cancel" takes back the planned one that Of names. Empty: the drill begins.
	End string `json:"end,omitempty" validate:"omitempty,oneof=back stay cancel"`
	// Of is the id of what approve, reject and judge are about: a request that waits, an approval step (empty: the one that waits), an entry of the shadow ledger; or the name of a planned drill. A
	// note is about the incident that Of names, or an action item of one; empty: the one that is open. What renews a maintenance renews the one that Of
	// names (MaintenanceStatus.ID) and no other, to do more at that member; empty: whichever there is.
	Of string `json:"of,omitempty" validate:"omitempty,max=128,id"`
	// Due plans a drill for that time, in Unix microseconds, instead of beginning it. In a request of the schedule, which the deciders send, it is when
	// that was to happen.
	Due int64 `json:"due_us,omitempty" validate:"min=0"`
	// Renew lets drain renew the maintenance of a member that is out: by this actor, for this reason and this time from now on. Without it that is refused.
	Renew bool `json:"renew,omitempty"`
	// Item makes a note an action item: todo adds one to the incident that Of names, done says that the item that Of names is done.
	Item string `json:"item,omitempty" validate:"omitempty,oneof=todo done"`
	// Judge is how an entry of the shadow ledger is judged: right or wrong; miss adds one that should have been.
	Judge string `json:"judge,omitempty" validate:"omitempty,oneof=right wrong miss"`
}

// Reason is one "no", or one circumstance of a "yes", that a person can read and a program can match.
type Reason struct {
	// Code is the rule's code, such as "R302".
	Code string `json:"code" validate:"required,max=16"`
	// Sentence says what holds, with figures, and what to do.
	Sentence string `json:"sentence" validate:"required,max=1024"`
	// Overridable says that an operator may set it aside by naming the code, giving a reason.
	Overridable bool `json:"overridable,omitempty"`
}

// Outcome answers a request: accepted with an epoch, or refused with every reason.
type Outcome struct {
	Request  string `json:"request" validate:"required,max=128,id"`
	Group    string `json:"group" validate:"required,name"`
	Verb     Verb   `json:"verb" validate:"required,verb"`
	Accepted bool   `json:"accepted"`
	// DryRun says that what was accepted is only rehearsed.
	DryRun bool `json:"dry_run,omitempty"`
	// Epoch is the epoch of the command that the request led to; the current one where it led to none.
	Epoch uint64 `json:"epoch"`
	// Command is the id of that command.
	Command  string `json:"command,omitempty" validate:"max=128"`
	Incident string `json:"incident,omitempty" validate:"max=128"`
	// Sentence says it in one line.
	Sentence string   `json:"sentence" validate:"required,max=2048"`
	Reasons  []Reason `json:"reasons,omitempty" validate:"max=64,dive"`
}
