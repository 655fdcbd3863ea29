package ledger

import "fmt"

// Reason says whether a post is needed, and why.
type Reason int

// Reasons.
const (
	// New: nothing was posted yet.
	New Reason = iota
	// Again: an attempt was made and certainly not accepted.
	Again
	// Look: an attempt may have been accepted: look before it is repeated.
	Look
	// Wait: another notifier is at it.
	Wait
	// Known: it is where it belongs, alone or as a line of another post.
	Known
	// Gone: it was given up.
	Gone
)

var reasons = [...]string{
	New: "nothing was posted yet", Again: "the attempt before was not accepted", Look: "the attempt before may have been accepted",
	Wait: "another notifier is at it", Known: "it was posted", Gone: "it was given up",
}

func (r Reason) String() string {
	if r < 0 || int(r) >= len(reasons) {
		return fmt.Sprintf("reason %d", int(r))
	}
	return reasons[r]
}

// NeedsPost says what is to be done for an entry, nil where there is none. me is this notifier in this run. overdue says that
// the entry has stayed as it is for longer than its holder could be at it, by the reader's own monotonic clock.
func NeedsPost(e *Entry, me string, overdue bool) Reason {
	if e == nil {
		return New
	}
	switch e.State {
	case Failed:
		return Again
	case Unsure:
		return Look
	case Sending:
		// Our own run makes one attempt at a time and records how it ended: an entry of ours that is still sending is one
		// whose end could not be recorded.
		if e.By == me || overdue {
			return Look
		}
		return Wait
	case Sent, Folded:
		return Known
	case GivenUp:
		return Gone
	}
	// Written by a newer program: whatever it means, somebody was at it.
	if overdue {
		return Look
	}
	return Wait
}
