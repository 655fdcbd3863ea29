// Package glance is what the console knows and how it says it, for a face that is no page: `ham watch` shows the same board in the same words.
//
// A [Board] is filled by its Run and safe for concurrent use; [Of] and [PlanOf] are pure.
package glance

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/who"
	"github.com/isacloud/ha-manager/services/console/internal/board"
	"github.com/isacloud/ha-manager/services/console/internal/page"
)

type (
	// Board keeps what is known now of every group, with its age.
	Board = board.Board
	// Options of a board.
	Options = board.Options
	// Known is a snapshot of one group on the board.
	Known = board.Group
	// Line is one event of a snapshot.
	Line = board.Line
	// Link is how the way to the bus is.
	Link = board.Link
	// Run is the newest swap of a snapshot, step by step; Step one of its steps.
	Run  = board.Run
	Step = board.Step

	// Group is a group as it is shown; Mark a state in a word, a shape and a tone.
	Group  = page.Group
	Mark   = page.Mark
	Member = page.Member
	// Planned is what comes next that a person planned.
	Planned = page.Planned
	// Plan is what a swap would do; PlanStep one of its steps.
	Plan     = page.PlanView
	PlanStep = page.PlanStep
)

// StaleAfter is the age from which an answer is no longer shown as what is.
const StaleAfter = board.StaleAfter

// Undoes is the code of the refusal that is set aside by meaning it: the swap would undo another of the last minutes.
const Undoes = page.Undoes

// New makes a board. Run fills it.
func New(o Options) *Board { return board.New(o) }

// Of is how the group is shown at that time to somebody of that name who may everything: who holds the key of a bus is not asked for more.
func Of(g *Known, now time.Time, name string) *Group {
	return page.ViewOf(g, now, &who.Person{Name: name, Via: who.Local, Roles: map[string]who.Role{who.Everywhere: who.Admin}})
}

// PlanOf is how a plan is shown.
func PlanOf(s *message.GroupStatus, v *message.Preview, looked *message.Looked) *Plan {
	return page.PlanOf(s, v, looked)
}

// Age writes how long ago something was; Clock a time of day in UTC.
func Age(d time.Duration) string { return page.Age(d) }
func Clock(t time.Time) string   { return page.Clock(t) }
