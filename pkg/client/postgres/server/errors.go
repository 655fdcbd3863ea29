package server

import "errors"

// What callers decide by. Compare with errors.Is.
var (
	// ErrRunning: a process of the cluster lives, and what was asked for needs all of them gone.
	ErrRunning = errors.New("the server is running")
	// ErrNotRunning: no postmaster runs on the data directory.
	ErrNotRunning = errors.New("the server is not running")
	// ErrKilled: Kill came in between and ended what was being done.
	ErrKilled = errors.New("ended, because the server was killed")
	// ErrSignal: standby.signal is not as it must be for what was asked for.
	ErrSignal = errors.New("standby.signal")
	// ErrHalf: a rewind or an exchange of the data directory did not come to its end; only a base backup helps.
	ErrHalf = errors.New("the data directory is half changed")
	// ErrCannotRewind: pg_rewind looked and said that it cannot bring this cluster in line. Nothing was changed.
	ErrCannotRewind = errors.New("cannot be rewound")
	// ErrNotProven: processes may be left, or cannot be seen.
	ErrNotProven = errors.New("not proven")
	// ErrLayout: the data directory is laid out in a way that ham does not rebuild.
	ErrLayout = errors.New("layout")
)
