package message

// ActorSchedule is who asks for what the spec's own schedule asks for.
const (
	ActorSchedule = "schedule"
	ViaSchedule   = "schedule"
)

// Actors who are not told from others: nobody said who it is, or a console without sign-in let in whoever is on its machine.
const (
	ActorAnonymous = "anonymous"
	ActorLoopback  = "loopback"
)

// AgendaEntry is something that is to happen by the calendar, as the status of a group shows it.
type AgendaEntry struct {
	Verb Verb `json:"verb" validate:"required,verb"`
	// At is when, in Unix microseconds of the stream's clock.
	At     int64     `json:"at_us" validate:"min=0"`
	Target string    `json:"target,omitempty"`
	Hold   *Duration `json:"hold,omitempty" validate:"omitempty,min=0"`
	Actor  string    `json:"actor" validate:"required,name"`
	Reason string    `json:"reason,omitempty"`
	// Blocked is why it will be refused then, as far as the calendar alone tells; empty: nothing blocks it.
	Blocked string `json:"blocked,omitempty"`
	// Name is that of what a person planned for this time: ham planned cancel takes it back. Empty: the spec's calendar has it.
	Name string `json:"name,omitempty"`
	// Refusals are what would refuse it if it were due now; of the soonest entry alone.
	Refusals []Reason `json:"refusals,omitempty" validate:"max=64,dive"`
}

// BlockedWindow is a time in which nothing planned begins, as the status of a group shows it.
type BlockedWindow struct {
	// From and Until are in Unix microseconds: From belongs to it, Until does not.
	From  int64  `json:"from_us"`
	Until int64  `json:"until_us"`
	Why   string `json:"why"`
	// Freeze: what a person asks for at the time is refused too, until they set that aside. No window stops a failover.
	Freeze bool `json:"freeze,omitempty"`
}

// What an entry of the chain says of something planned.
const (
	PlanStands    = "planned"
	PlanCancelled = "cancelled"
)

// What an event says of something planned: that it stands, that it was taken back, and besides these.
const (
	PlanSoon    = "soon"    // it begins soon
	PlanRefused = "refused" // its time came, and it does not happen
)

// PlanChange is the payload of a planned event. That it began is told by the decision that it led to.
type PlanChange struct {
	Name  string `json:"name" validate:"required,max=128,id"`
	Stage string `json:"stage" validate:"required,oneof=planned cancelled soon refused"`
	Verb  Verb   `json:"verb" validate:"required,verb"`
	// Due is when it begins, in Unix microseconds of the stream's clock.
	Due int64 `json:"due_us" validate:"min=0"`
	// Planner is who planned it.
	Planner string `json:"planner" validate:"required,name"`
}

// Planned is an entry of the group's chain: a person planned a drill, a switchover or a failback for a time, or somebody took it back. It stands in
// the chain, so that whichever decider runs then asks for it, and a decider that has not read that it was taken back proposes it in vain. Nothing is
// decided by it: that happens when it is due, with everything that refuses what is asked for then.
type Planned struct {
	ID    string `json:"id" validate:"required,max=128,id"`
	Group string `json:"group" validate:"required,name"`
	// Name is its own, "<group>-at-<date>-<time of UTC>".
	Name  string `json:"name" validate:"required,max=128,id"`
	State string `json:"state" validate:"required,oneof=planned cancelled"`
	// Asks is the request that planned it, with Due. Set where State is planned.
	Asks *Request `json:"asks,omitempty"`
	// From is who was primary when a swap was planned, Epoch which epoch that was: once another is primary it is not what was meant. Empty for a drill.
	From  string `json:"from,omitempty" validate:"omitempty,name"`
	Epoch uint64 `json:"epoch,omitempty"`
	// Sentence says what is to happen, or who took it back.
	Sentence string `json:"sentence" validate:"required,max=1024"`
	// Actor is who planned it, or took it back; Approver the second person where there was one; Request by which request.
	Actor    string `json:"actor" validate:"required,name"`
	Approver string `json:"approver,omitempty" validate:"omitempty,name"`
	Reason   string `json:"reason,omitempty" validate:"max=1024"`
	Request  string `json:"request" validate:"required,max=128,id"`
	Decider  string `json:"decider" validate:"required,name"`
	At       int64  `json:"at_us" validate:"min=0"`
}

// consistent: what is planned is a drill or a planned swap of that group, for a time.
func (m *Planned) consistent() *Invalid {
	switch {
	case m.State != PlanStands:
		return nil
	case m.Asks == nil:
		return &Invalid{Type: "planned", Field: "asks", Want: "the request that planned it"}
	case m.Asks.Group != m.Group:
		return &Invalid{Type: "planned", Field: "asks.group", Got: m.Asks.Group, Want: m.Group}
	case !plannable(m.Asks.Verb) || m.Asks.End != "" || m.Asks.Due == 0:
		return &Invalid{Type: "planned", Field: "asks.due_us", Want: "the time of a drill, a switchover or a failback"}
	}
	return m.Asks.consistent().within("planned", "asks")
}
