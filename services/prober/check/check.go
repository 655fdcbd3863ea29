package check

import (
	"context"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// Kind is one way of looking. It is a value without state; each kind's package exports one.
type Kind struct {
	Name spec.CheckKind
	// Summary is one line for people.
	Summary string
	// Open prepares to look at one target. It does no I/O. An error says what of the target makes looking impossible.
	Open func(Target) (Looker, error)
}

// Target is what is looked at, from where, with what.
type Target struct {
	// Group, Member and Vantage name it; they reach the environment of a command.
	Group, Member, Vantage string
	// Check is complete, as spec.Check.For makes it: addresses are absolute, and no ${member.…} is left.
	Check spec.Check
	// Secrets resolves references at each look, so that a rotated secret is taken without restart.
	Secrets spec.Lookup
	// Groups asks a decider for the status of a group; nil: nobody can be asked.
	Groups func(ctx context.Context, group string) (*message.GroupStatus, error)
	// Wake asks for a look soon, because a connection that was kept open has ended. It never blocks and may be called
	// from any goroutine, at any time between Open and Close.
	Wake func()
}

// Looker looks at one target. Look and Close are never called at the same time.
type Looker interface {
	// Look looks once. ctx has a deadline, which is the check's time-out. What it returns after ctx was cancelled
	// (not: timed out) is thrown away.
	Look(ctx context.Context) Result
	// Close ends what is kept open between looks. No look follows.
	Close()
}

// Result is what one look said.
type Result struct {
	Answer message.Answer
	// Hard marks a down that needs no repetition: see the package's promises.
	Hard bool
	// Silent marks a down for which nothing came back from the target itself: silence until the deadline, or a router's word. It is
	// worth nothing from a prober that hears nobody else either.
	Silent bool
	// Evidence is one line for people, already through [Mask.Clean].
	Evidence string
	// Perf holds the check's own figures, at most 64; nil: none. It is not changed after Look returned.
	Perf map[string]float64
}

// Unable is a Looker for a target that cannot be looked at: it answers unknown, with the reason.
func Unable(why string) Looker { return unable(why) }

type unable string

func (u unable) Look(context.Context) Result {
	return Result{Answer: message.Unknown, Evidence: new(Mask).Clean(string(u))}
}
func (unable) Close() {}
