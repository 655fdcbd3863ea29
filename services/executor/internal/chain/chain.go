// Package chain reads a group's chain: its commands, which of them is held, and whether the group is paused. Pure.
package chain

import (
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// View is what the entries read so far say. The zero View has read nothing.
type View struct {
	// Last is the sequence of the newest entry read.
	Last uint64
	// Command is the newest one; nil: none yet.
	Command *message.Command
	// Earlier is the command before it.
	Earlier *message.Command
	// Held is the newest held, and HeldCommand what it held.
	Held        *message.Held
	HeldCommand *message.Command
	// Mark is the newest pause or unpause, MarkedAt when the stream stored it.
	Mark     *message.Mark
	MarkedAt time.Time
	// Out are the members in maintenance, sorted; OutSeq is the entry that last said so, 0: none ever did.
	Out    []string
	OutSeq uint64
}

// Add takes in the entry with that sequence; nil stands for a message that is none, and only holds its place. It returns false for one that
// was read before; entries must come in order.
func (v *View) Add(seq uint64, at time.Time, m message.Message) bool {
	if seq <= v.Last {
		return false
	}
	v.Last = seq
	switch m := m.(type) {
	case *message.Command:
		if v.Command != nil && m.Epoch <= v.Command.Epoch {
			return true // no epoch goes back: an entry that does is not ours to follow
		}
		v.Earlier, v.Command = v.Command, m
	case *message.Held:
		if v.Command == nil || m.Epoch != v.Command.Epoch {
			return true // never after a newer command
		}
		v.Held, v.HeldCommand = m, v.Command
		v.out(m.Primary, false) // who is primary is in no maintenance
	case *message.Mark:
		v.Mark, v.MarkedAt = m, at
	case *message.Maintenance:
		v.OutSeq = seq
		v.out(m.Member, m.Begins)
	}
	return true
}

func (v *View) out(member string, begins bool) {
	v.Out = slices.DeleteFunc(slices.Clone(v.Out), func(name string) bool { return name == member })
	if begins {
		v.Out = append(v.Out, member)
		slices.Sort(v.Out)
	}
}

// Epoch is that of the newest command, 0 if there is none.
func (v *View) Epoch() uint64 {
	if v.Command == nil {
		return 0
	}
	return v.Command.Epoch
}

// IsHeld says whether the newest command is held.
func (v *View) IsHeld() bool { return v.Held != nil && v.Held.Epoch == v.Epoch() }

// PausedAt says whether the group is paused at that time of the stream's clock, and until when; the zero time: until somebody unpauses it.
func (v *View) PausedAt(now time.Time) (bool, time.Time) {
	if v.Mark == nil || !v.Mark.Paused {
		return false, time.Time{}
	}
	if v.Mark.For == 0 {
		return true, time.Time{}
	}
	until := v.MarkedAt.Add(v.Mark.For.Std())
	return now.Before(until), until
}
