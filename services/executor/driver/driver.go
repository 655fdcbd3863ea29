package driver

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Grace is how long after its context has ended a driver may take to return: time to end what it began.
const Grace = 3 * time.Second

// Kind is one kind of driver: a value in an explicit list.
type Kind struct {
	// Name is what Step.Driver says.
	Name string
	// Summary says in one line what a step of this kind does.
	Summary string
	// Example is a configuration that New accepts, as JSON.
	Example string
	// Guarantee is what an operator may rely on.
	Guarantee Guarantee
	// New makes the driver of one step out of its configuration. It does no I/O. The error names the wrong key.
	New func(with json.RawMessage) (Driver, error)
}

// Driver is the driver of one step, bound to its configuration. Safe for concurrent use.
type Driver interface {
	// Look says what is there now. It changes nothing. The error is one of those in errors.go.
	Look(ctx context.Context, in Input) (Sight, error)
	// Do does the step and returns when it is done. The error is one of those in errors.go; without one the
	// driver knows no reason why it should not have worked, and Look tells.
	Do(ctx context.Context, in Input) (Deed, error)
}

// Closer is a driver that keeps something of its own, such as a connection, from one call to the next. Whoever had it bound calls [Close] once it
// asks nothing more of it; a call that hangs may still run then.
type Closer interface{ Close() }

// Close ends what the driver keeps between calls, if it is one that does.
func Close(d Driver) {
	if c, ok := d.(Closer); ok {
		c.Close()
	}
}

// Preparer is a driver that can make ready what its calls will need, such as a connection, before it is their turn: they come when clients wait. It
// changes nothing, ends with ctx at the latest, and may still run when Look is called. What it could not make ready costs time then, and nothing else.
type Preparer interface {
	Prepare(ctx context.Context, in Input)
}

// Prepare lets the driver make ready what it needs, if it is one that does.
func Prepare(ctx context.Context, d Driver, in Input) {
	if p, ok := d.(Preparer); ok {
		p.Prepare(ctx, in)
	}
}

// Input is all that a driver is told beside its configuration.
type Input struct {
	Command *message.Command // group, epoch, kind, From (old primary), Primary (new one)
	Step    *message.Step
	// Executor is the name of the one that works.
	Executor string
	// Secrets resolves references, and masks what it resolved.
	Secrets *Secrets
	Log     *slog.Logger
	// Now is the clock: what it returns has a monotonic reading.
	Now func() time.Time
	// Attempt counts how often the step was begun anew, from 1.
	Attempt int
	// Current says, by the chain as its leader has it, that the command is the newest of its group: an error where it is not, or where nobody can say. It
	// is asked before something whose late effect nobody takes back by itself. Nil where there is no chain.
	Current func(ctx context.Context) error
	// Groups asks the deciders about other groups. Nil where nobody can be asked.
	Groups Groups
	// Lease is what may be done about the lease of the group. Nil where it has none, or where another executor keeps it.
	Lease Lease
}

// Groups asks the deciders, as any client does. See ask.Client, which says what its errors mean.
type Groups interface {
	Status(ctx context.Context, group string) (*message.GroupStatus, error)
	Preview(ctx context.Context, r *message.Request) (*message.Preview, error)
	Send(ctx context.Context, r *message.Request) (*message.Outcome, error)
}

// Lease is one member's, as its executor keeps it.
type Lease interface {
	// Holds says that the member holds the lease of the epoch, its guard is armed, and for how long that is sure.
	Holds(epoch uint64) (left time.Duration, ok bool)
	// Armed says that the guard is open, for whatever epoch. What destroys data refuses while it is.
	Armed() bool
	// Shut shuts the guard at once and for good: the member is fenced up to epoch, which is on disk when Shut returns. It is not yet said.
	Shut(ctx context.Context, epoch uint64) error
	// Say tells deciders and members that the member is fenced up to epoch. Able: it could serve again at a newer one.
	Say(ctx context.Context, epoch uint64, able bool, sentence string) error
	// Renewed says whether the executor beside another member, which acts as primary, does its work: it waits for a sign of that for longer than
	// there is between two. False: nobody renews that member's lease, whatever else lives there.
	Renewed(ctx context.Context, member string) bool
	// Busy keeps the resource for the driver alone until release is called: it is not settled meanwhile.
	Busy(ctx context.Context) (release func(), err error)
}

// Own says that the step may be done beside its member: by this executor, because the step names it, and for the newest command. The error is [ErrUnasked].
//
// Invariant: nothing is started or stopped on a host for a command that has been overtaken, or by an executor that was not named for it, however long the one
// that begins to had stood still.
func (in Input) Own(ctx context.Context) error {
	if in.Step.Executor != in.Executor {
		return Unasked("the step is executor %q's, and this one is %s: members name the executor on their host (members.%s.executor)", in.Step.Executor, in.Executor, in.Member())
	}
	if in.Current == nil {
		return nil
	}
	if err := in.Current(ctx); err != nil {
		return Unasked("%w", err)
	}
	return nil
}

// Role is what the member that the step is about becomes: primary, standby, or "" where the step is about no member.
func (in Input) Role() string {
	switch in.Step.On {
	case "new":
		return "primary"
	case "old":
		return "standby"
	case "member": // it stays what it is
		if in.Member() == in.Command.Primary {
			return "primary"
		}
		return "standby"
	}
	return ""
}

// Member is the member that the step is about, or "".
func (in Input) Member() string {
	switch in.Step.On {
	case "new":
		return in.Command.Primary
	case "old":
		return in.Command.From
	case "member":
		if r := in.Command.Remedy; r != nil {
			return r.Member
		}
	}
	return ""
}

// Done answers whether a step is done already.
type Done string

// The answers.
const (
	Yes     Done = "yes"
	No      Done = "no"
	Unknown Done = "unknown" // the target cannot tell
)

// Sight is what a Look saw.
type Sight struct {
	// Found is what is there, Wanted what shall be: the difference that a dry run prints.
	Found, Wanted string
	Done          Done
	// Repeat: where Done is unknown, doing it again does no harm, so that nobody has to be asked whether it was done.
	Repeat bool
	// Ends: the swap as a whole is no longer right. It counts only before anything was applied.
	Ends bool
	// Evidence is what was seen in more words.
	Evidence string
}

// Deed is what a Do did.
type Deed struct {
	// Applied: something was changed, or may have been.
	Applied  bool
	Evidence string
	// Fenced is a member that is proven to be unable to act as primary at the command's epoch or below until it is started anew. Whoever runs
	// the step tells deciders and members so. Empty: nothing was proven. It counts whatever the error says.
	Fenced string
}

// Guarantee is what a kind of driver promises, for people: it stands in the plan, in the manual and in the safety argument.
type Guarantee struct {
	// Fences says what it keeps the old primary from; "nothing" where it fences nothing.
	Fences string
	// FailsClosedWithin is the longest time after which what it fences is shut although this driver died; "never" where it does not.
	FailsClosedWithin string
	// HoldsEpoch: the resource itself keeps the epoch and refuses an older one. Where it does not, a late effect of an
	// older epoch is possible, and LateEffect says how it is found and corrected.
	HoldsEpoch bool
	LateEffect string
	// LeavesToAPerson is what somebody has to vouch for or look after.
	LeavesToAPerson string
}
