// Package resource says what a resource is: what a member holds and a lease guards, as its executor keeps it in its role.
//
// Drivers do what a plan asks for, once. A resource is kept: it is watched all the time, killed when its lease ends, and brought
// into the role that the chain gives its member, whatever became of it meanwhile. Only the executor beside it touches it.
package resource

import (
	"context"
	"log/slog"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// Kind is one kind of resource: a value in the explicit list of services/executor/resources.go.
type Kind struct {
	Name string
	// Holds says whether the member holds one of this kind.
	Holds func(spec.Member) bool
	// New makes it. It does no I/O.
	New func(Options) (Resource, error)
}

// Options of a resource.
type Options struct {
	Group   string
	Member  spec.Member
	Secrets spec.Lookup
	Log     *slog.Logger
	// Armed says that the member's guard is open: what destroys data refuses while it is. Nil: it has none.
	Armed func() bool
	// Progress tells people what takes long: "base backup of a from b: 43 %". It does not block.
	Progress func(sentence string)
}

// Role is what the chain gives a member to be.
type Role struct {
	// Epoch is the newest one that is held.
	Epoch uint64
	// Primary: this member holds the lease of Epoch. It acts as primary already, or is made to by a step of the plan; Settle never promotes.
	Primary bool
	// Upstream is the member to follow; nil: nobody is known to act as primary. The resource then stays as it is, but does not act as one.
	Upstream *spec.Member
	// Standbys are the other declared members.
	Standbys []spec.Member
	// Synchronous are those that a primary must wait for before it acknowledges (never-lose): no fewer, ever. Wanted are those that
	// it should wait for as soon as they follow closely; it contains Synchronous.
	Synchronous, Wanted []string
}

// Sight is what a resource is now.
type Sight struct {
	// Running: it answers. Acting: it takes writes, or would if clients reached it.
	Running, Acting bool
	// Standbys are what the other members are to it, where it acts as primary.
	Standbys []message.Standby
	// Behind is how many bytes it has not replayed of what it knows its primary has; -1: unknown.
	Behind int64
	// Says tells it in words: "standby of b, timeline 4, 0 bytes behind".
	Says string
}

// Resource is one member's. Its methods are called by one goroutine, but for Kill, which may come at any time and ends the others.
type Resource interface {
	// Watch calls lost as soon as the resource is seen to have died, until ctx ends: within milliseconds of it, not by polling. It may be
	// called again while the resource is down, and waits until it runs.
	Watch(ctx context.Context, lost func(evidence string)) error
	// Kill ends it at once, and returns when nothing is left of it that could acknowledge a write, with what proves it.
	Kill(ctx context.Context) (proof string, err error)
	// Look says what it is now. It changes nothing, and returns within the deadline of ctx.
	Look(ctx context.Context) (Sight, error)
	// Settle brings it nearer to the role and says what it did ("" where nothing was to do). It may take long; it stops soon after ctx ends.
	Settle(ctx context.Context, role Role) (did string, err error)
}

// Closer is a resource that does something in the background, beyond the calls of its methods. Close ends that and waits for it; nothing else is
// called after it.
type Closer interface{ Close() }
