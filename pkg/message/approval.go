package message

import (
	"strconv"
	"strings"
	"time"
)

// ApprovalPatience is how long a swap waits for a second person.
const ApprovalPatience = Duration(10 * time.Minute)

// Approval is an entry of the group's chain: a swap that a person asked for in a group with two_person waits for another person, or somebody
// rejected it. It stands in the chain, so that a decider that has not read the rejection proposes the swap in vain.
type Approval struct {
	ID    string `json:"id" validate:"required,max=128,id"`
	Group string `json:"group" validate:"required,name"`
	State string `json:"state" validate:"required,oneof=waits rejected"`
	// Of is the id of the request that waits.
	Of string `json:"of" validate:"required,max=128,id"`
	// Waits is that request, with the hash of the plan as it was when it was asked for: exactly that plan is fired, or none. Set where State is waits.
	Waits *Request `json:"waits,omitempty"`
	// From and To are who gives up and who takes over; For is how long it waits, from this entry's stream timestamp.
	From string   `json:"from,omitempty" validate:"omitempty,name"`
	To   string   `json:"to,omitempty" validate:"omitempty,name"`
	For  Duration `json:"for,omitempty" validate:"min=0"`
	// Sentence says what would happen, or who rejected it.
	Sentence string `json:"sentence" validate:"required,max=1024"`
	// Actor is who asked for it, or rejected it; Request is by which request.
	Actor   string `json:"actor" validate:"required,name"`
	Reason  string `json:"reason,omitempty" validate:"max=1024"`
	Request string `json:"request" validate:"required,max=128,id"`
	Decider string `json:"decider" validate:"required,name"`
	At      int64  `json:"at_us" validate:"min=0"`
}

// DriverApprove is what an approval step names as its driver. No driver does it: the step is done once a person approves it.
const DriverApprove = "approve"

// stepApproval begins the id of an approval step.
const stepApproval = "step."

// StepApproval is the id under which an approval step of a swap is approved or rejected.
func StepApproval(group string, epoch uint64, step string) string {
	return stepApproval + group + "." + strconv.FormatUint(epoch, 10) + "." + step
}

// IsStepApproval says whether the id is that of an approval step.
func IsStepApproval(id string) bool { return strings.HasPrefix(id, stepApproval) }

// What becomes of a swap that waits for a second person, and of an approval step.
const (
	ApprovalWaits    = "waits"
	ApprovalApproved = "approved"
	ApprovalRejected = "rejected"
	ApprovalExpired  = "expired"
)

// ApprovalStatus is a swap that waits for a second person, or an approval step of a swap that is under way, as the status of a group and an event of
// kind approval show it.
type ApprovalStatus struct {
	// Request is the id to approve or reject.
	Request string `json:"request" validate:"required,max=128,id"`
	State   string `json:"state" validate:"required,oneof=waits approved rejected expired"`
	Verb    Verb   `json:"verb" validate:"required,verb"`
	From    string `json:"from,omitempty"`
	Target  string `json:"target,omitempty"`
	// Actor is who asked for it, Via how, Reason why.
	Actor    string `json:"actor" validate:"required,name"`
	Via      string `json:"via,omitempty"`
	Reason   string `json:"reason,omitempty"`
	PlanHash string `json:"plan_hash,omitempty"`
	// Sentence says what would happen.
	Sentence string `json:"sentence" validate:"required,max=1024"`
	// Since and Until are when it was asked for and when it expires, in Unix microseconds of the stream's clock.
	Since int64 `json:"since_us" validate:"min=0"`
	Until int64 `json:"until_us" validate:"min=0"`
	// By is who approved or rejected it.
	By string `json:"by,omitempty"`
	// Step is the approval step that waits; empty: a swap waits for a second person.
	Step string `json:"step,omitempty"`
}

// consistent: what waits is told whole, and it is that request.
func (m *Approval) consistent() *Invalid {
	switch {
	case m.State != ApprovalWaits:
		return nil
	case m.Waits == nil:
		return &Invalid{Type: "approval", Field: "waits", Want: "the request that waits"}
	case m.Waits.ID != m.Of:
		return &Invalid{Type: "approval", Field: "waits.id", Got: m.Waits.ID, Want: m.Of + ", as of says"}
	case m.Waits.Group != m.Group:
		return &Invalid{Type: "approval", Field: "waits.group", Got: m.Waits.Group, Want: m.Group}
	}
	return m.Waits.consistent().within("approval", "waits")
}
