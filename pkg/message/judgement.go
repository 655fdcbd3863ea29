package message

// How a person judges what stands in the shadow ledger.
const (
	JudgeRight = "right" // the swap would have been right
	JudgeWrong = "wrong" // it would not
	JudgeMiss  = "miss"  // there should have been one, and there was none
)

// Judgement is what a person says of one entry of the shadow ledger, or that one is missing. The newest about an entry counts.
type Judgement struct {
	// Entry is the id of the swap that would have happened; of a miss, its own.
	Entry string `json:"entry" validate:"required,max=128,id"`
	Judge string `json:"judge" validate:"required,oneof=right wrong miss"`
	Actor string `json:"actor" validate:"required,name"`
	// Reason is why, in the person's words.
	Reason string `json:"reason,omitempty" validate:"max=1024"`
}

// LedgerStatus is how far the shadow ledger goes in showing that a group may be trusted to swap by itself.
type LedgerStatus struct {
	// Entries are the swaps that would have happened by themselves; Right, Wrong and Open how they were judged; Missed those that should have.
	Entries int `json:"entries"`
	Right   int `json:"right"`
	Wrong   int `json:"wrong"`
	Open    int `json:"open"`
	Missed  int `json:"missed"`
	// Precision is Right of those judged, Recall Right of those that should have been: 0 to 1, of use where there were any.
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}
