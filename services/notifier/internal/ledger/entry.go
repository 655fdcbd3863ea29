// Package ledger is the memory of what was posted where: one entry for each post at each target, written by
// compare-and-set before the post and after it. It is what makes one post of one event, over retries, restarts and
// several notifiers.
//
// An entry goes
//
//	(none) ─▶ sending ─▶ sent
//	             │  ▲
//	             ▼  │
//	     failed, unsure ─▶ given up
//
// and a post that is told as a line of another one is folded at once. Whoever finds sending of somebody else waits until
// that one can no longer be at it, and then looks.
package ledger

import (
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel"
)

// State of an entry.
type State string

// States. Sent, Folded and GivenUp are final.
const (
	// Sending: By is at it, for at most Hold.
	Sending State = "sending"
	// Failed: certainly not accepted so far.
	Failed State = "failed"
	// Unsure: the last attempt may have been accepted.
	Unsure State = "unsure"
	// Sent: accepted.
	Sent State = "sent"
	// Folded: told as a line of the post Into.
	Folded State = "folded"
	// GivenUp: put to the dead letters.
	GivenUp State = "given-up"
)

// Part is an event that a post tells.
type Part struct {
	ID  string `json:"id"`
	Seq uint64 `json:"seq"`
}

// Entry is one post at one target. Times are Unix microseconds by the clock of who wrote them, for people and for bounds of hours.
type Entry struct {
	State State `json:"state"`
	// Post is the id that the post carries.
	Post string `json:"post"`
	// Parts are the events that it tells, in order. A repetition tells the same.
	Parts []Part `json:"parts,omitempty"`
	// By is the notifier and its run that holds the entry while it is Sending; Hold is how long at most.
	By      string           `json:"by,omitempty"`
	Hold    message.Duration `json:"hold,omitempty"`
	Attempt int              `json:"attempt,omitempty"`
	// BegunAt is when the first attempt began.
	BegunAt int64 `json:"begun_us,omitempty"`
	// Problem is what the last attempt said. Simple and Repeat are as in channel.Post.
	Problem string `json:"problem,omitempty"`
	Simple  bool   `json:"simple,omitempty"`
	Repeat  bool   `json:"repeat,omitempty"`
	// Into is the post that tells a folded event.
	Into string `json:"into,omitempty"`
	// Ref is where the post is, in the channel's own terms.
	Ref *channel.Ref `json:"ref,omitempty"`
}

// Final says that nothing is left to be done.
func (e Entry) Final() bool { return e.State == Sent || e.State == Folded || e.State == GivenUp }
