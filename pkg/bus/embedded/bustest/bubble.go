package bustest

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Bubble runs f in virtual time (testing/synctest), with a restartable server in the same bubble. Sleeping in f costs no real time, and
// synctest.Wait waits until server and clients are idle. Everything must end before f returns: close what was connected; the server is stopped by
// Bubble. The test must not be parallel.
func Bubble(t *testing.T, f func(t *testing.T, s *Server)) {
	t.Helper()
	t.Setenv("HAM_BUBBLE", t.Name()) // panics in a parallel test: see forgetTimers
	outside(t)
	forgetTimers()
	defer forgetTimers()
	synctest.Test(t, func(t *testing.T) {
		s := Restartable(t)
		s.settle = synctest.Wait
		f(t, s)
	})
}

// outside starts a server out of the bubble and keeps it until the test ends. nats-server has one clock of access times in a process, which
// waits on a channel made at start-up: a bubble that starts that clock is never idle. So it is started here.
func outside(t *testing.T) {
	t.Helper()
	s := Start(t)
	b := Dial(t, s.BusOptions("outside", "test"))
	Provision(t, b)
	b.Close()
}

// forgetTimers empties the pool of timers that nats.go keeps for all connections of a process: a timer that was made in a bubble must
// not be used outside of it, nor the other way. A sync.Pool is empty after two collections.
func forgetTimers() {
	runtime.GC()
	runtime.GC()
}
