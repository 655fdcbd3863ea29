package demo

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus/embedded"
)

// A second demo on one machine finds the usual port taken; its bus must start all the same.
func TestTheBusStartsWhereItsPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	s, err := embedded.Start(t.Context(), embedded.Options{Name: "demo", StoreDir: t.TempDir(), Listen: freeOr(taken.Addr().String())})
	require.NoError(t, err)
	require.NotContains(t, s.ClientURL(), taken.Addr().String())
	require.NoError(t, s.Shutdown(t.Context()))
}

func TestAFreePortIsKept(t *testing.T) {
	t.Parallel()
	addr, err := freeAddr()
	require.NoError(t, err)
	require.Equal(t, addr, freeOr(addr))
}
