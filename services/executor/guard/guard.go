// Package guard keeps clients from a member that holds no lease.
//
// A guard lets clients in until a deadline and shuts by itself then, whatever became of the process that armed it. Established
// connections are cut with it. Whatever boots finds it shut.
package guard

import (
	"errors"
	"time"
)

// ErrLapsed says that the guard had shut before it could be renewed: it stays shut, and only a newer epoch opens it again.
var ErrLapsed = errors.New("the guard has shut")

// Late is how long after its deadline a guard of the kernel may still let an answer out.
const Late = 50 * time.Millisecond

// Guard is one member's. Safe for concurrent use. Deadlines are on the clock that New was given.
type Guard interface {
	// Prepare installs it, shut, unless it is there already; one that is open stays as it is.
	Prepare() error
	// Arm opens it until the deadline, whatever it was before: also when that shortens it.
	Arm(deadline time.Duration) error
	// Renew moves the deadline of an open guard. ErrLapsed: it had shut, also where that happened between reading the clock and writing.
	Renew(deadline time.Duration) error
	// Shut shuts it now.
	Shut() error
	// Open says until when it is open; false: it is shut.
	Open() (deadline time.Duration, open bool, err error)
	// Remove takes it away: clients are let in. For groups that are not armed.
	Remove() error
	// Close frees what it uses of this process, and leaves the guard as it is.
	Close() error
}
