package cli

import (
	"testing"
	"time"

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

// Doctor says of a figure what its check declares, and nothing of what is well.
func TestDoctorTellsOfThresholds(t *testing.T) {
	k := &checkup{}
	k.group(&message.GroupStatus{Group: "web", Mode: "auto", Epoch: 1, Primary: "a", Sentence: "all is well", Thresholds: []message.ThresholdStatus{
		{Member: "a", Check: "tls", Condition: message.ThresholdOver, Sentence: "certificate of a: 20 days, the bound is 30 days (check tls): too far"},
		{Member: "a", Check: "machine", Condition: message.ThresholdWell, Sentence: "cpu of a: 20%"},
		{Member: "b", Check: "machine", Condition: message.ThresholdUnmeasured, Sentence: "cpu of b has no value"},
	}})
	lines := said(k)
	require.Contains(t, lines, "warn: certificate of a: 20 days, the bound is 30 days (check tls): too far")
	require.Contains(t, lines, "warn: cpu of b has no value")
	require.NotContains(t, lines, "warn: cpu of a: 20%")
}

// Each certificate of ham's own is said once; those of a process that is gone are not.
func TestDoctorTellsOfCertificates(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ends := func(what, print string, days int) message.Certificate {
		return message.Certificate{What: what, Where: "/etc/" + print + ".pem", Name: print, Fingerprint: print, NotAfter: now.AddDate(0, 0, days).UnixMicro()}
	}
	k := &checkup{}
	k.expiring([]message.Expiries{
		{Writer: "sp", At: now.Add(-time.Hour).UnixMicro(), Certificates: []message.Certificate{
			ends("the bus", "ended", -1), ends("the bus", "soon", 14), ends("the bus", "fine", 15), ends("the bus", "later", 90),
			{What: "the console", Where: "/etc/none.pem", Problem: "no such file"},
		}},
		{Writer: "rj", At: now.UnixMicro(), Certificates: []message.Certificate{ends("the bus", "soon", 14), ends("the bus", "fine", 15)}},
		{Writer: "gone", At: now.Add(-24 * time.Hour).UnixMicro(), Certificates: []message.Certificate{ends("the old bus", "old", -3)}},
	}, now)
	require.Equal(t, []string{
		"bad: the bus (ended, /etc/ended.pem) has ended on 2026-02-28 12:00 UTC",
		"warn: the bus (soon, /etc/soon.pem) ends in 14 days, on 2026-03-15 12:00 UTC",
		"warn: the console: no such file",
		"ok: 2 of ham's own are valid for more than 14 days, the first until 2026-03-16",
	}, said(k))
}

// A swap that waits for a person and clients that are not served are bad, whatever the members' checks say.
func TestDoctorTellsWhatWaitsAndWhatClientsLose(t *testing.T) {
	k := &checkup{}
	k.group(&message.GroupStatus{
		Group: "site", Mode: "manual", Epoch: 2, Primary: "rj", Sentence: "The switchover is under way (epoch 2, step start-app waits for a person), paused by there.",
		Swap:    &message.SwapStatus{State: message.StatePaused},
		Clients: &message.ClientsStatus{Sentence: "clients of site are not served", Outage: &message.ClientsOutage{}},
	})
	require.Equal(t, []string{"bad: The switchover is under way (epoch 2, step start-app waits for a person), paused by there.", "bad: clients of site are not served"}, said(k))
	require.Contains(t, k.findings[0].Do, "`ham retry site`")
}
