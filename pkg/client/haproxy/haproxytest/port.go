package haproxytest

import "testing"

// reservePort finds a free TCP port of 127.0.0.1 and keeps it from everybody but HAProxy until the test ends, so that a
// proxy can be killed and started again on the same port while other tests run. It returns host:port.
//
// On Linux the port is held by a socket that is bound, shares the port (SO_REUSEPORT) and never listens: connections
// are refused while HAProxy is away, as they should be. Elsewhere the port is only found, not held.
func reservePort(t testing.TB) string {
	t.Helper()
	addr, release, err := holdPort()
	if err != nil {
		t.Fatalf("find a free port of 127.0.0.1: %v", err)
	}
	t.Cleanup(release)
	return addr
}
