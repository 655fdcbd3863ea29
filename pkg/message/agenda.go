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
}
