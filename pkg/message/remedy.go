package message

// KindRemedy mends a member where it is, before or instead of a swap: roles stay as they are. Each is one try of the ladder that the group's spec
// declares, or the end of that ladder.
const KindRemedy Kind = "remedy"

// StepRemedy is the one step of a try.
const StepRemedy = "remedy"

// Remedy says which try of a member's ladder a command is. The tries that were made are counted in the chain, so that all deciders count alike.
type Remedy struct {
	Member string `json:"member" validate:"required,name"`
	// Rung counts from 1, of Rungs; Try counts those of this rung from 1, of Times. In the end of a ladder they are those of the last try.
	Rung  int `json:"rung" validate:"min=1,max=16"`
	Rungs int `json:"rungs" validate:"min=1,max=16"`
	Try   int `json:"try" validate:"min=1,max=10"`
	Times int `json:"times" validate:"min=1,max=10"`
	// Does is what the try does: "restart systemd:app".
	Does string `json:"does" validate:"required,max=256"`
	// Wait is how long after it the member may take to be up.
	Wait Duration `json:"wait,omitempty" validate:"min=0"`
	// Down is what was down when it was decided: "a/alive" for check alive of member a. Whatever is down later and not here was made worse.
	Down []string `json:"down,omitempty" validate:"max=256,dive,max=140"`
	// Over, if set, says that this is no try but the end of the ladder, and why.
	Over string `json:"over,omitempty" validate:"max=1024"`
}

// RemedyStatus is where the ladder of a member stands.
type RemedyStatus struct {
	// State is ready (nothing was tried), trying, waiting (for what a try does to show), tried (it was up again) or over.
	State RemedyState `json:"state" validate:"required,max=16"`
	// Rung, Rungs, Try, Times and Does are those of the newest try; before the first, of the one that would be made.
	Rung  int    `json:"rung"`
	Rungs int    `json:"rungs"`
	Try   int    `json:"try"`
	Times int    `json:"times"`
	Does  string `json:"does"`
	// Tried counts the tries since the ladder last began anew, of Tries in all.
	Tried int `json:"tried"`
	Tries int `json:"tries"`
	// Sentence says it in words.
	Sentence string `json:"sentence" validate:"required,max=2048"`
	// AgainAt is when the ladder begins anew, in Unix microseconds of the stream's clock; 0: nothing was tried.
	AgainAt int64 `json:"again_at_us,omitempty" validate:"min=0"`
}

// RemedyState is where a ladder stands.
type RemedyState string

const (
	RemedyReady   RemedyState = "ready"
	RemedyTrying  RemedyState = "trying"
	RemedyWaiting RemedyState = "waiting"
	RemedyTried   RemedyState = "tried"
	RemedyOver    RemedyState = "over"
)
