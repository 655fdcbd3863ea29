package cli

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

func pairGroup(t *testing.T) *spec.Group {
	t.Helper()
	g, err := file.ParseGroup("spec.yaml", `
group: orders
use: postgres-pair
with:
  members: {a: {site: sp, host: 192.0.2.10}, b: {site: rj, host: 198.51.100.10}}
  witness: {host: 203.0.113.5}
  service: cluster:15/main
  durability: never-lose
  route: {haproxy: "tcp://proxy.example.org:9999", backend: orders}
`)
	require.NoError(t, err)
	return g
}

func said(k *checkup) (out []string) {
	for _, f := range k.findings {
		out = append(out, f.Level+": "+f.Found)
	}
	return out
}

// TestDoctorMissesWhoKeepsALease: executors and deciders by the names that the spec calls them.
func TestDoctorMissesWhoKeepsALease(t *testing.T) {
	g := pairGroup(t)
	judge := func(up running) []string {
		k := &checkup{}
		k.processes(g, up)
		return said(k)
	}
	require.Equal(t, []string{"ok: deciders that grant the lease: a, b, witness"}, judge(running{[]string{"a", "b"}, []string{"a", "b", "witness"}}))
	require.Equal(t, []string{
		"bad: the executor b beside member b does not answer: nobody can make b primary, and it cannot follow", "warn: deciders that do not answer: b",
	}, judge(running{[]string{"a", "other"}, []string{"a", "witness"}}))
	require.Contains(t, judge(running{[]string{"a", "b"}, []string{"a"}})[0], "bad: no majority of the deciders answers, missing: b, witness")
}

// TestDoctorLooksAtWhomTheGuardLetsPast: members must pass, proxies must not, also those that the spec calls by a name.
func TestDoctorLooksAtWhomTheGuardLetsPast(t *testing.T) {
	g := pairGroup(t)
	proxy := "203.0.113.20"
	resolve := func(host string) []netip.Addr {
		if host == "proxy.example.org" {
			host = proxy
		}
		return []netip.Addr{netip.MustParseAddr(host)}
	}
	judge := func() []string {
		k := &checkup{}
		k.guards(g, resolve)
		return said(k)
	}
	require.Empty(t, judge())
	proxy = "203.0.113.5" // that of the witness
	require.Equal(t, []string{
		"bad: the guard of a lets 203.0.113.5 past, where a proxy of route clients stands: its clients are not kept out",
		"bad: the guard of b lets 203.0.113.5 past, where a proxy of route clients stands: its clients are not kept out",
	}, judge())
	proxy = "203.0.113.20"
	g.Members[0].Allow = []string{"192.0.2.0/24"}
	require.Equal(t, []string{"bad: the guard of a does not let 198.51.100.10 (b) past: it cannot replicate or look while the guard is shut"}, judge())
	g.Lease.Guard = spec.GuardNone
	require.Contains(t, judge()[0], "warn: guard: none")
}

// TestDoctorSaysWhatIsNotProtected: what would be lost, what is not armed, and a member that nobody sees from its own place.
func TestDoctorSaysWhatIsNotProtected(t *testing.T) {
	g := pairGroup(t)
	s := &message.GroupStatus{Group: "orders", Lease: &message.LeaseStatus{Armed: true, Protected: true, Protection: "nothing would be lost"}, Members: []message.MemberStatus{
		{Name: "a", Site: "sp", Views: []message.View{{Vantage: "sp", Says: "up"}}},
		{Name: "b", Site: "rj", Views: []message.View{{Vantage: "sp", Says: "up"}, {Vantage: "rj", Says: "silent"}}},
	}}
	k := &checkup{}
	k.protected(g, s)
	k.ownProbers(g, s)
	require.Equal(t, []string{
		"ok: nothing would be lost",
		"warn: no prober at rj looks at member b, which stands there: its loss is told by silence alone, which takes longer",
	}, said(k))
	for want, l := range map[string]*message.LeaseStatus{
		"warn: the lease is not armed: in dry run no guard keeps clients from any member": {Protection: "x"},
		"warn: b runs alone": {Armed: true, Protection: "b runs alone"},
		"warn: the spec has a lease, and the last command has none yet": nil,
	} {
		s.Lease = l
		k := &checkup{}
		k.protected(g, s)
		require.Equal(t, []string{want}, said(k))
	}
}
