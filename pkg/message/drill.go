package message

import "time"

const (
	// DefaultHold is how long a drill holds where nobody says.
	DefaultHold = Duration(2 * time.Minute)
	// MaxHold is the longest that a drill may hold.
	MaxHold = Duration(24 * time.Hour)
)

// The two ways of a drill.
const (
	WayThere = "there" // the planned swap that it begins with
	WayBack  = "back"  // the swap that undoes it
)

// How a request of verb drill ends the drill that runs, or one that was planned.
const (
	EndBack = "back" // back at once
	EndStay = "stay" // the roles stay as they are now
	// EndCancel takes back a drill that was planned for a time and has not begun.
	EndCancel = "cancel"
)

// Drill says that a command is part of a rehearsal: a planned swap, a hold, and the swap back. It travels with both commands, so that
// whoever reads the chain knows what is still to come.
type Drill struct {
	// ID is the drill's own, "<group>-drill-<epoch of the way there>".
	ID  string `json:"id" validate:"required,max=128,id"`
	Way string `json:"way" validate:"required,oneof=there back"`
	// Home is the member that is primary before the drill and after it.
	Home string `json:"home" validate:"required,name"`
	// Hold is how long the other member stays primary, from when the swap there was done: 0s to 24h.
	Hold Duration `json:"hold" validate:"min=0"`
	// Actor is who asked for the drill, Why the reason given.
	Actor string `json:"actor" validate:"required,name"`
	Why   string `json:"why,omitempty" validate:"max=1024"`
}

// DrillEnd ends a drill that has not gone back: an entry of the group's chain. After it nothing goes back by itself. It stands there, so that a
// decider that has not read it proposes the way back in vain.
type DrillEnd struct {
	ID    string `json:"id" validate:"required,max=128,id"`
	Group string `json:"group" validate:"required,name"`
	// Drill is the id of the drill that ends.
	Drill string `json:"drill" validate:"required,max=128,id"`
	// How is stayed (a person wants the roles as they are) or given-up (the way back was not possible for too long).
	How string `json:"how" validate:"required,oneof=stayed given-up"`
	// Rule is the code of the rule that fired, Sentence what it says here.
	Rule     string `json:"rule" validate:"required,max=16"`
	Sentence string `json:"sentence" validate:"required,max=1024"`
	Actor    string `json:"actor,omitempty" validate:"max=64"`
	Reason   string `json:"reason,omitempty" validate:"max=1024"`
	Request  string `json:"request,omitempty" validate:"max=128"`
	Decider  string `json:"decider" validate:"required,name"`
	At       int64  `json:"at_us" validate:"min=0"`
}

// DrillStage is how far a drill is.
type DrillStage string

const (
	DrillThere DrillStage = "there" // the swap there is under way
	DrillHolds DrillStage = "holds" // it is done, and the hold has not passed
	DrillWaits DrillStage = "waits" // the hold has passed, and the way back is refused for now
	DrillBack  DrillStage = "back"  // the swap back is under way
	DrillOver  DrillStage = "over"
)

// How a drill was over. A drill that is not over has none.
const (
	DrillDone        = "done"        // there, held, and back
	DrillStayed      = "stayed"      // a person wanted the roles as they were
	DrillGivenUp     = "given-up"    // the way back was not possible for too long
	DrillHalted      = "halted"      // something unhealthy showed, so it went back before its time
	DrillInterrupted = "interrupted" // somebody or something else moved roles, or aborted a swap of it
)

// DrillStatus is how far a drill is and what was measured, as an event of kind drill and the status of a group show it.
type DrillStatus struct {
	ID    string     `json:"id" validate:"required,max=128,id"`
	Stage DrillStage `json:"stage" validate:"required,oneof=there holds waits back over"`
	How   string     `json:"how,omitempty" validate:"omitempty,oneof=done stayed given-up halted interrupted"`
	// Home is the primary before the drill, Away the one during it.
	Home  string   `json:"home" validate:"required,name"`
	Away  string   `json:"away" validate:"required,name"`
	Hold  Duration `json:"hold" validate:"min=0"`
	Actor string   `json:"actor" validate:"required,name"`
	Why   string   `json:"why,omitempty" validate:"max=1024"`
	// BackAt is when it goes back, in Unix microseconds of the stream's clock; 0 before the swap there is done.
	BackAt int64 `json:"back_at_us,omitempty" validate:"min=0"`
	// Waits are the reasons why it does not go back, where it is time.
	Waits []Reason `json:"waits,omitempty" validate:"max=64,dive"`
	// There and Back are the two swaps, as far as they are known.
	There *DrillSwap `json:"there,omitempty"`
	Back  *DrillSwap `json:"back,omitempty"`
	// HeldMicros is how long the other member was primary: from the end of the swap there to the decision to go back, by the stream's clock.
	HeldMicros int64 `json:"held_us,omitempty" validate:"min=0"`
	// RTO and RPO are the group's objectives and whether they were met; nil where none is declared, or nothing was measured.
	RTO *DrillObjective `json:"rto,omitempty"`
	RPO *DrillObjective `json:"rpo,omitempty"`
	// OverAt is when it was over, in Unix microseconds of the stream's clock; 0 before.
	OverAt int64 `json:"over_at_us,omitempty" validate:"min=0"`
}

// DrillSwap is one of the two swaps of a drill.
type DrillSwap struct {
	Epoch   uint64 `json:"epoch" validate:"min=1"`
	Command string `json:"command" validate:"required,max=128"`
	// Done says that it came to its end. The times are the executor's, from the command's arrival; 0 before it is done.
	Done          bool  `json:"done,omitempty"`
	ExecuteMicros int64 `json:"execute_us,omitempty" validate:"min=0"`
	VerifyMicros  int64 `json:"verify_us,omitempty" validate:"min=0"`
}

// TookMicros is how long the swap took together.
func (s *DrillSwap) TookMicros() int64 {
	if s == nil {
		return 0
	}
	return s.ExecuteMicros + s.VerifyMicros
}

// DrillObjective is one objective beside what the drill achieved: the slower of its swaps.
type DrillObjective struct {
	Objective Duration `json:"objective" validate:"min=0"`
	Achieved  Duration `json:"achieved" validate:"min=0"`
	Met       bool     `json:"met,omitempty"`
}
