// Package porttest keeps ports of 127.0.0.1 for servers that a test starts, stops and starts again.
//
// A port that was merely found free is anybody's as soon as its listener is closed: the kernel gives it to the next connection that any process opens. Here the
// port stays bound by a socket that never listens: connections are refused while the server is away, as they should be, and the kernel chooses it for nobody else.
package porttest

import "testing"

// Hold returns host:port of a port that is this test's until it ends, for a server that sets SO_REUSEADDR before it binds, as nearly all do: Go's, nats-server,
// PostgreSQL, Redis, PgBouncer. Not on Linux the port is only found, not held.
func Hold(t testing.TB) string { return keep(t, reuseAddr) }

// HoldReusePort is Hold for a server that sets SO_REUSEPORT, as HAProxy does. Nobody who does not can take the port.
func HoldReusePort(t testing.TB) string { return keep(t, reusePort) }

func keep(t testing.TB, share int) string {
	t.Helper()
	addr, release, err := bind(share)
	if err != nil {
		t.Fatalf("find a free port of 127.0.0.1: %v", err)
	}
	t.Cleanup(release)
	return addr
}
