package porttest_test

import (
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/porttest"
)

// While nobody listens, connections are refused; who asks for this very port gets it, again and again; one that the kernel chooses is another.
func TestHeldPortIsThisTests(t *testing.T) {
	addr := porttest.Hold(t)
	for range 3 {
		_, err := net.Dial("tcp", addr)
		require.Error(t, err)
		l, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
	}
	held := map[string]bool{addr: true}
	for range 100 {
		next := porttest.Hold(t)
		require.False(t, held[next], next)
		held[next] = true
	}
}

// What is kept for a proxy is taken by nobody who does not share as the proxy does.
func TestPortOfAProxyIsNobodyElses(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // elsewhere a port is only found
	}
	l, err := net.Listen("tcp", porttest.HoldReusePort(t))
	if err == nil {
		l.Close()
	}
	require.Error(t, err)
}
