package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
)

// Without a majority of the bus's servers a person is told in two lines what is wrong, and what to do.
func TestABusWithoutAMajoritySaysWhatToDo(t *testing.T) {
	servers := bustest.Cluster(t)
	bustest.Provision(t, servers[0].Connect("setup"))
	servers[1].Stop()
	servers[2].Stop()
	code, _, errs := run("status", "--server", servers[0].URL(), "--timeout", "3s")
	require.NotEqual(t, 0, code)
	require.Contains(t, errs, "ham: the bus is reached, but it has no majority of its servers")
	require.Contains(t, errs, "hint: `ham doctor` on each host says what is away: bring one back.")
	require.Contains(t, errs, "`ham promote GROUP` on the surviving host")
}
