package spec

import (
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Notify is what the notifier of a process does beside telling each event.
type Notify struct {
	// Silence are times in which less is told.
	Silence []Silence
	// Alive is the sign of life; nil: none is given.
	Alive *Alive
}

// Silence is a window in which what is less severe than Below is not told at once but in one summary when the window is over.
type Silence struct {
	// Window is when. Its Why is told in the summary.
	Window Blocked
	// Groups are those it is for; empty: all, and what is about no group.
	Groups []string
	// Below is the least severity that is told all the same: warning or critical. What is critical always is.
	Below message.Severity
}

// Holds says whether an event of that group and severity is not told at t. Whatever the window says, what is critical is. It is pure.
func (s *Silence) Holds(group string, severity message.Severity, t time.Time) bool {
	if severity.AtLeast(message.Critical) || severity.AtLeast(s.Below) {
		return false
	}
	return s.Over(group, t)
}

// Over says whether the window lies over a group at t.
func (s *Silence) Over(group string, t time.Time) bool {
	return (len(s.Groups) == 0 || slices.Contains(s.Groups, group)) && s.Window.Covers(t)
}

// Alive is the sign of life that a notifier gives to somebody outside, who notices when it does not come any more.
type Alive struct {
	// URL is asked by Method (GET or POST) every so often, while all is well.
	URL    Secret
	Method string
	Every  time.Duration
}

// Schedule is a moment that comes again: a cron expression of five fields, read by the clocks of Zone.
type Schedule struct {
	At   string
	Zone Zone
}

// Next is the first time after t; false: it never comes. See [Drill.Next]. It is pure.
func (s *Schedule) Next(t time.Time) (time.Time, bool) {
	d := Drill{At: s.At, Zone: s.Zone}
	return d.Next(t)
}
