package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
)

// A pool has no roles to adopt: it is well while enough serve, and its proxies are looked at like those of a pair.
func TestDoctorKnowsAPool(t *testing.T) {
	pool := &message.GroupStatus{
		Group: "web", Mode: "auto", Sentence: "3 of 3 serve; 1 may be taken out.",
		Pool:   &message.PoolStatus{Minimum: 2, Active: 3, Serve: []string{"w1", "w2", "w3"}, Free: 1},
		Routes: []message.RouteSeen{{Route: "front", Proxy: "px1", Reachable: true, Serves: []string{"w1"}}},
	}
	judge := func() []string {
		k := &checkup{}
		k.group(pool)
		return said(k)
	}
	require.Equal(t, []string{"ok: 3 of 3 serve; 1 may be taken out."}, judge())

	pool.Routes[0].Serves = nil
	require.Equal(t, []string{"ok: 3 of 3 serve; 1 may be taken out.", "bad: route front on px1 serves nobody: its clients get errors"}, judge())
	pool.Routes[0] = message.RouteSeen{Route: "front", Proxy: "px1", Problem: "connection refused"}
	require.Equal(t, "bad: no executor reaches px1 of route front: connection refused", judge()[1])

	pool.Routes, pool.Pool.Serve, pool.Sentence = nil, []string{"w1"}, "1 of 3 serve, fewer than the minimum of 2: w2 is down; w3 is down."
	require.Equal(t, []string{"bad: " + pool.Sentence}, judge())

	pool.Mode = "dry-run"
	require.Contains(t, judge()[1], "warn: in dry run")
}
