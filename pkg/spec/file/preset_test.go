package file

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// TestPresetsExpand: what a preset amounts to is what was reviewed, and declares by itself what the group declares.
func TestPresetsExpand(t *testing.T) {
	text, err := os.ReadFile("testdata/good/presets.yaml")
	require.NoError(t, err)
	f, err := Parse("spec.yaml", text)
	require.NoError(t, err)
	used := map[string]bool{}
	var all []string
	for _, g := range f.Groups {
		require.NotContains(t, g.Expanded, "use:")
		again, err := ParseGroup("expanded", g.Expanded)
		require.NoError(t, err, g.Expanded)
		require.Equal(t, g.Group, again)
		all = append(all, g.Expanded)
		for _, p := range presets() {
			used[p.name] = used[p.name] || strings.Contains(g.GroupText, "use: "+p.name)
		}
	}
	golden(t, "testdata/expanded.yaml", strings.Join(all, "---\n"))
	for name, is := range used {
		require.True(t, is, "no good file uses %s", name)
	}
	f, err = Parse("spec.yaml", []byte(web))
	require.NoError(t, err)
	require.Empty(t, f.Groups[0].Expanded, "a group without a preset is what is written")
}

// TestDetectionCostsNothing: three looks without an answer are over before the lease of a lost host can be, whatever the lease.
func TestDetectionCostsNothing(t *testing.T) {
	for _, ttl := range []string{"600ms", "1s", "1.5s", "3s", "10s"} {
		g, err := ParseGroup("spec.yaml", `
group: orders
use: redis-pair
with:
  members: {a: {site: sp, host: 192.0.2.10}, b: {site: rj, host: 198.51.100.10}}
  witness: {host: 203.0.113.5}
  ttl: `+ttl)
		require.NoError(t, err)
		c := g.Checks[slices.IndexFunc(g.Checks, func(c spec.Check) bool { return c.Name == "server" })]
		// A grant is asked for every quarter of the lease, so that one is that old at most when the host is lost. It lasts for 1.1 times the
		// lease and the 50 ms that a guard may be late.
		runsOut := (g.Lease.TTL+50*time.Millisecond)*11/10 - g.Lease.TTL/4
		// The next look begins one interval after the last one, or 20 ms later, and each of the others when the one before is given up.
		detected := c.Every + 20*time.Millisecond + time.Duration(g.Policy.Fall)*c.Timeout
		require.Less(t, detected, runsOut, ttl)
	}
}
