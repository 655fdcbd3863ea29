// Package guard keeps clients from a member that holds no lease.
//
// A guard lets clients in until a deadline and shuts by itself then, whatever became of the process that armed it. Established
// connections are cut with it. Whatever boots finds it shut.
package guard

import (
	"errors"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// ErrLapsed says that the guard had shut before it could be renewed: it stays shut, and only a newer epoch opens it again.
var ErrLapsed = errors.New("the guard has shut")

// ErrAbsent says that no guard is installed: clients are let in, lease or not. Prepare installs one.
var ErrAbsent = errors.New("no guard is installed: clients are let in")

// Late is how long after its deadline a guard of the kernel may still let an answer out. Deciders wait for
// it too, so there is one figure.
const Late = spec.GuardLate

// Guard is one member's. Safe for concurrent use. Deadlines are on the clock that New was given.
type Guard interface {
	// Prepare installs it, shut, unless it is there already; one that is open stays as it is.
	Prepare() error
	// Arm opens it until the deadline, whatever it was before: also when that shortens it. With a deadline that has passed it shuts, and
	// says ErrLapsed. ErrAbsent: nothing is installed, and nothing was done.
	Arm(deadline time.Duration) error
	// Renew moves the deadline of an open guard. ErrLapsed: it had shut, also where that happened between reading the clock and writing.
	// Any other error leaves it open until the deadline that it had. One that is not there any more counts as lapsed: the error is
	// ErrAbsent too, and Shut puts it back.
	Renew(deadline time.Duration) error
	// Shut shuts it now, and installs it where it is not there. It is shut when Shut returns without an error.
	Shut() error
	// Open says until when it is open; false: it is shut. ErrAbsent: nothing is installed.
	Open() (deadline time.Duration, open bool, err error)
	// Remove takes it away: clients are let in. For groups that are not armed.
	Remove() error
	// Close frees what it uses of this process, and leaves the guard as it is.
	Close() error
}
