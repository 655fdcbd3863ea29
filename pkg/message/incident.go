package message

// Incident is the record of one incident of a group, kept in a bucket and written by
// compare-and-set: whichever decider opens it first, all of them use the same number.
type Incident struct {
	Group string `json:"group" validate:"required,name"`
	// N counts the group's incidents from 1; the incident's id is "<group>-<n>".
	N    uint64 `json:"n" validate:"min=1"`
	Open bool   `json:"open"`
	// Sentence says what opened it, and after closing how it ended.
	Sentence string `json:"sentence" validate:"required,max=2048"`
	Decider  string `json:"decider" validate:"required,name"`
	OpenedAt int64  `json:"opened_at_us" validate:"min=0"`
	ClosedAt int64  `json:"closed_at_us,omitempty" validate:"min=0"`
}
