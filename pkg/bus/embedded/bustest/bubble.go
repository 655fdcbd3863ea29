package bustest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Bubble runs f in virtual time (testing/synctest), with a restartable server in the same bubble. Sleeping in f costs no real time, and
// synctest.Wait waits until server and clients are idle. Everything must end before f returns: close what was connected; the server is stopped by Bubble.
func Bubble(t *testing.T, f func(t *testing.T, s *Server)) {
	t.Helper()
	outside(t)
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
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Provision(ctx, Layout); err != nil {
		t.Fatal(err)
	}
}
