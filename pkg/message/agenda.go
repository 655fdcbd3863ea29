package message

// ActorSchedule is who asks for what the spec's own schedule asks for.
const (
	ActorSchedule = "schedule"
	ViaSchedule   = "schedule"
)

// What became of a planned request.
const (
	PlannedWaits     = "waits"
	PlannedCancelled = "cancelled"
)

// Planned is a request that was asked for ahead of its time, as the table of planned requests keeps it. At its time every decider that
// watches sends the same request, so that it is stored once.
type Planned struct {
	// ID is the id of the request that planned it: what a person cancels.
	ID    string `json:"id" validate:"required,max=128,id"`
	Group string `json:"group" validate:"required,name"`
	State string `json:"state" validate:"required,oneof=waits cancelled"`
	// Request is what is sent at its time: its Due says when that is.
	Request Request `json:"request"`
	// By is who planned or cancelled it, Ask the request by which.
	By  string `json:"by" validate:"required,name"`
	Ask string `json:"ask" validate:"required,max=128,id"`
	At  int64  `json:"at_us" validate:"min=0"`
}

// AgendaEntry is something that is to happen by a schedule or a plan, as the status of a group shows it.
type AgendaEntry struct {
	// ID is that of a planned request, to cancel it by; empty for the spec's own schedule.
	ID   string `json:"id,omitempty"`
	Verb Verb   `json:"verb" validate:"required,verb"`
	// At is when, in Unix microseconds of the stream's clock.
	At     int64     `json:"at_us" validate:"min=0"`
	Target string    `json:"target,omitempty"`
	Hold   *Duration `json:"hold,omitempty"`
	Actor  string    `json:"actor" validate:"required,name"`
	Reason string    `json:"reason,omitempty"`
	// Blocked is why it will be refused then, as far as the calendar alone tells; empty: nothing blocks it.
	Blocked string `json:"blocked,omitempty"`
}

func (m *Planned) MessageID() string    { return "planned." + m.ID + "." + m.State }
func (m *Planned) MessageGroup() string { return m.Group }
