// Package ledger keeps the shadow ledger of a group: every swap that would have happened by itself, had the mode allowed it, and how people
// judged it. From it follows how far the group may be trusted to swap by itself. It is pure: no clock, no input or output.
package ledger

import (
	"slices"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Most is how many entries are kept; the oldest give way.
const Most = 1000

// Entry is one swap that would have happened, or one that should have.
type Entry struct {
	ID string
	// Command is what would have been decided; nil for a miss.
	Command *message.Command
	// At is when, in Unix microseconds.
	At int64
	// Judgement is the newest; nil: nobody has judged it.
	Judgement *message.Judgement
}

// Ledger is a group's. The zero value is empty and ready. It is owned by one goroutine.
type Ledger struct{ entries []Entry }

// Shadow takes in a swap that would have happened. One that a person asked for in dry run says nothing of what ham would do, and the same one told
// twice is one.
func (l *Ledger) Shadow(c *message.Command) {
	if c.Request != "" || c.ID == "" || l.find(c.ID) != nil {
		return
	}
	l.add(Entry{ID: c.ID, Command: c, At: c.At})
}

// Judge takes in what a person says, at in Unix microseconds. The newest about an entry counts; about one that is not known, it counts for nothing.
func (l *Ledger) Judge(j *message.Judgement, at int64) {
	e := l.find(j.Entry)
	switch {
	case e != nil && (e.Command == nil) == (j.Judge == message.JudgeMiss):
		e.Judgement = j
	case e == nil && j.Judge == message.JudgeMiss:
		l.add(Entry{ID: j.Entry, At: at, Judgement: j})
	}
}

func (l *Ledger) add(e Entry) {
	if len(l.entries) >= Most {
		l.entries = slices.Clone(l.entries[1:])
	}
	l.entries = append(l.entries, e)
}

func (l *Ledger) find(id string) *Entry {
	for i := range l.entries {
		if l.entries[i].ID == id {
			return &l.entries[i]
		}
	}
	return nil
}

// Has says whether there is such an entry.
func (l *Ledger) Has(id string) bool { return l.find(id) != nil }

// Newest are the last n of them, newest first.
func (l *Ledger) Newest(n int) []Entry {
	out := slices.Clone(l.entries[max(0, len(l.entries)-n):])
	slices.Reverse(out)
	return out
}

// Entries are all of them, oldest first.
func (l *Ledger) Entries() []Entry { return slices.Clone(l.entries) }

// Score counts: precision is the share of right ones among those judged, recall that among those that should have been; 0 where there are none.
func (l *Ledger) Score() message.LedgerStatus {
	var s message.LedgerStatus
	for _, e := range l.entries {
		switch {
		case e.Command == nil:
			s.Missed++
			continue
		case e.Judgement == nil:
			s.Open++
		case e.Judgement.Judge == message.JudgeRight:
			s.Right++
		default:
			s.Wrong++
		}
		s.Entries++
	}
	if judged := s.Right + s.Wrong; judged > 0 {
		s.Precision = float64(s.Right) / float64(judged)
	}
	if should := s.Right + s.Missed; should > 0 {
		s.Recall = float64(s.Right) / float64(should)
	}
	return s
}
