package whatif

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

// web is a pair of web servers seen from three places.
const web = `group: web
mode: auto
objectives: {rto: 5s}
members:
  a: {site: sp, url: "http://192.0.2.10:8080"}
  b: {site: rj, url: "http://198.51.100.10:8080"}
adopt: a
checks:
  alive: {http: /alive, every: 1s, timeout: 300ms, from: [sp, rj, witness]}
  deep: {http: /ready, every: 5s, timeout: 2s, effect: ready, from: [sp, rj, witness]}
routes:
  front: {haproxy: ["tcp://192.0.2.2:9999", "tcp://198.51.100.2:9999"], backend: web, servers: {a: s1, b: s2}}
policy: {quorum: 2}
`

// db is a leased pair with a witness.
const db = `group: db
mode: auto
use: postgres-pair
with:
  members: {a: {site: sp, host: 192.0.2.10}, b: {site: rj, host: 198.51.100.10}}
  witness: {site: mg, host: 203.0.113.5}
  service: systemd:postgresql@15-main
  durability: never-lose
adopt: a
`

// ask looks at the groups of a text; it returns the first.
func ask(t *testing.T, o Options, text string, edit ...string) Group {
	t.Helper()
	f, err := file.Parse("test.yaml", []byte(strings.NewReplacer(edit...).Replace(text)))
	require.NoError(t, err)
	var groups []*spec.Group
	for _, g := range f.Groups {
		groups = append(groups, g.Group)
	}
	r, err := Run(t.Context(), groups, o)
	require.NoError(t, err)
	return r.Groups[0]
}

// row is a fault's, as text: outcome, rule and refusals, served or not.
func (g *Group) row(t *testing.T, name string) *Row {
	t.Helper()
	i := slices.IndexFunc(g.Rows, func(r Row) bool { return r.Name() == name })
	require.GreaterOrEqual(t, i, 0, "no fault %q of %d", name, len(g.Rows))
	return &g.Rows[i]
}

func (r *Row) text() string {
	out := r.Outcome
	if r.To != "" {
		out += " to " + r.To
	}
	out += " " + r.Rule
	for _, code := range r.Reasons {
		out += " " + code
	}
	if r.Needless {
		out += ", needlessly"
	}
	if !r.Served {
		out += ", not served"
	}
	return out
}

func (g *Group) says(t *testing.T, want map[string]string) {
	t.Helper()
	for name, text := range want {
		require.Equal(t, text, g.row(t, name).text(), name)
	}
}

func TestAPairOfWebServers(t *testing.T) {
	g := ask(t, Options{}, web)
	g.says(t, map[string]string{
		"site sp":                "swapped to b R240",
		"site rj":                "nothing R244",
		"host 192.0.2.10":        "swapped to b R240",
		"host 192.0.2.2":         "nothing R244", // another proxy is left
		"process a":              "swapped to b R240",
		"process b":              "nothing R244",
		"check alive at a":       "swapped to b R240",
		"check alive everywhere": "refused R240 R322", // nobody would be better
		"check deep at a":        "nothing R244",
		"link rj – sp":           "refused R241 R311 R322",
		"link sp cut off":        "swapped to b R240",
		"bus all of it":          "nothing R201",
		"prober sp gone":         "nothing R244",
		"prober sp sees nothing": "refused R241 R311 R322",
	})
	require.Zero(t, g.Bad)
	require.NotEmpty(t, g.Assumed)

	lost, process := g.row(t, "site sp").RTO.Std(), g.row(t, "process a").RTO.Std()
	require.GreaterOrEqual(t, lost, 3*time.Second+2*300*time.Millisecond, "three looks of silence, and the look before the swap")
	require.Less(t, lost, 5*time.Second)
	require.Less(t, process, time.Second, "a connection that ends is noticed at once")
}

// TestAnObjectiveThatIsMissed: what CI is told.
func TestAnObjectiveThatIsMissed(t *testing.T) {
	g := ask(t, Options{}, web, "rto: 5s", "rto: 2s")
	require.True(t, g.row(t, "site sp").Bad())
	require.False(t, g.row(t, "process a").Bad())
	require.False(t, g.row(t, "site rj").Bad(), "the standby's loss costs nobody anything")

	// One proxy is a single point of failure that no swap mends.
	g = ask(t, Options{}, web, `, "tcp://198.51.100.2:9999"`, "")
	require.Equal(t, "stuck R244, not served", g.row(t, "host 192.0.2.2").text())
	require.Equal(t, 1, g.Bad)
	g = ask(t, Options{Accept: []string{"host 192.0.2.2"}}, web, `, "tcp://198.51.100.2:9999"`, "")
	require.Zero(t, g.Bad, "somebody knows")

	// Two vantages cannot make a quorum of two when the primary's site is lost with one of them.
	g = ask(t, Options{Kinds: []string{KindSite}}, web, ", witness]", "]")
	require.Equal(t, "stuck R242, not served", g.row(t, "site sp").text())
	require.Equal(t, 1, g.Bad)

	// Without an objective mode auto promises a primary all the same.
	g = ask(t, Options{Kinds: []string{KindSite}}, web, ", witness]", "]", "objectives: {rto: 5s}\n", "")
	require.Equal(t, 1, g.Bad)
	g = ask(t, Options{Kinds: []string{KindSite}}, web, ", witness]", "]", "objectives: {rto: 5s}\n", "", "mode: auto", "mode: manual")
	require.Zero(t, g.Bad, "and mode manual does not")
}

// TestDryRun: the table says what would be, and beside it what keeps it from being.
func TestDryRun(t *testing.T) {
	g := ask(t, Options{Kinds: []string{KindSite}}, web, "mode: auto", "mode: dry-run")
	require.Equal(t, "swapped to b R240", g.row(t, "site sp").text())
	require.Equal(t, "refused R308", g.row(t, "site sp").Declared)
	g = ask(t, Options{Kinds: []string{KindSite}}, web, "mode: auto", "mode: manual")
	require.Equal(t, "refused R307", g.row(t, "site sp").Declared)
}

// TestTheLookBeforeTheSwap: what the first step finds counts, as it does in a real one.
func TestTheLookBeforeTheSwap(t *testing.T) {
	g := ask(t, Options{Kinds: []string{KindCheck}}, web, "  deep: {http: /ready, every: 5s, timeout: 2s, effect: ready,", "  second: {http: /second, every: 1s, timeout: 300ms,")
	require.Equal(t, "swapped to b R240", g.row(t, "check alive at a").text())
	require.Equal(t, "refused R220 R313, not served", g.row(t, "check second at a").text(), "the look is made by the first check, and finds a up")
}

// TestOneProberIsMistaken: behind a link that breaks.
func TestOneProberIsMistaken(t *testing.T) {
	g := ask(t, Options{Kinds: []string{KindLink}, Processes: []spec.Process{{Name: "one", Site: "here"}}}, web, "[sp, rj, witness]", "[here]", "quorum: 2", "quorum: 1")
	require.Equal(t, "swapped to b R240, needlessly", g.row(t, "link here – sp").text())
	require.True(t, g.row(t, "link here – sp").Beside)
	g = ask(t, Options{Kinds: []string{KindLink}}, web, "[sp, rj, witness]", "[here]", "quorum: 2", "quorum: 1")
	require.Equal(t, "refused R220 R313", g.row(t, "link here – sp").text(), "an executor beside b sees a up")
}

func TestALeasedPair(t *testing.T) {
	g := ask(t, Options{}, db)
	g.says(t, map[string]string{
		"site sp":          "swapped to b R240",
		"site mg":          "nothing R244",
		"process a":        "swapped to b R240",
		"process ham of a": "swapped to b R240",
		"process ham of b": "nothing R244",
		"link rj – sp":     "refused R241 R311 R322 R326",
		"link sp cut off":  "swapped to b R240",
		"bus all of it":    "nothing R201",
	})
	require.Zero(t, g.Bad)
	wait := g.Wait.Std()
	require.Equal(t, 1705*time.Millisecond, wait)
	quick := ask(t, Options{}, db+"policy: {fall: 1}\n") // noticed long before the lease has run out
	for _, name := range []string{"site sp", "link sp cut off", "process ham of a"} {
		require.Greater(t, quick.row(t, name).RTO.Std(), wait, "%s: nobody takes over before the old lease has run out", name)
		require.Less(t, quick.row(t, name).Detect.Std(), wait)
		require.Greater(t, g.row(t, name).RTO.Std(), wait, "%s: nobody takes over before the old lease has run out", name)
	}
	require.Less(t, g.row(t, "process a").RTO.Std(), wait, "who is fenced is not waited for")
	require.Equal(t, "2 of 3 deciders are left, a majority", g.row(t, "site sp").Lease)
	require.False(t, g.row(t, "site sp").Beside, "the lease keeps it from that")
}

// TestDecidersAtOneSite: two of three at the primary's site are no majority without it.
func TestDecidersAtOneSite(t *testing.T) {
	processes := []spec.Process{{Name: "a", Site: "sp"}, {Name: "b", Site: "rj"}, {Name: "witness", Site: "sp", Prober: spec.Prober{Vantages: []string{"mg"}}}}
	for i := range processes {
		processes[i].Bus.URLs = []string{"tls://elsewhere:4222"}
	}
	g := ask(t, Options{Processes: processes[:0:0]}, db)
	require.Equal(t, "swapped to b R240", g.row(t, "site sp").text())

	f, err := file.Parse("test.yaml", []byte(db))
	require.NoError(t, err)
	declared := *f.Groups[0].Group
	declared.Checks = slices.Clone(declared.Checks)
	for i := range declared.Checks { // more probers than deciders, so that the loss is seen
		declared.Checks[i].From = append(slices.Clone(declared.Checks[i].From), "p1", "p2", "p3")
	}
	declared.Policy.Quorum = 3
	r, err := Run(t.Context(), []*spec.Group{&declared}, Options{Processes: processes, Kinds: []string{KindSite}})
	require.NoError(t, err)
	row := r.Groups[0].row(t, "site sp")
	require.Equal(t, "stuck R240, not served", row.text())
	require.Contains(t, row.Sentence, "only 1 of 3 deciders can grant b the lease")
	require.Contains(t, row.Lease, "1 of 3 deciders are left, no majority")
	require.Equal(t, "nothing R244", r.Groups[0].row(t, "site rj").text())
}

// TestTheBusStandsThere: one server of the bus at the primary's site takes every decision with it.
func TestTheBusStandsThere(t *testing.T) {
	at := func(site string) []spec.Process { return []spec.Process{{Name: "one", Site: site}} }
	g := ask(t, Options{Processes: at("sp"), Kinds: []string{KindSite}}, web)
	require.Equal(t, "stuck R201, not served", g.row(t, "site sp").text())
	g = ask(t, Options{Processes: at("witness"), Kinds: []string{KindSite}}, web)
	require.Equal(t, "swapped to b R240", g.row(t, "site sp").text())
}

// TestAPool: nothing swaps, and somebody serves as long as one of them is there.
func TestAPool(t *testing.T) {
	const pool = `group: web
mode: auto
members:
  w1: {site: sp, url: "http://192.0.2.11:8080"}
  w2: {site: rj, url: "http://192.0.2.12:8080"}
  spare: {site: rj, url: "http://192.0.2.14:8080", backup: true}
pool: {minimum: 2}
checks: {alive: {http: /alive, from: [sp, rj, witness]}}
routes: {front: {haproxy: ["tcp://192.0.2.2:9999"], backend: web, servers: {w1: s1, w2: s2, spare: s3}}}
`
	g := ask(t, Options{}, pool)
	require.Empty(t, g.Primary)
	require.Equal(t, "nothing R261", g.row(t, "site sp").text())
	require.Equal(t, "1 of 2 serve, fewer than the minimum of 2", g.row(t, "site sp").Sentence)
	require.Equal(t, "stuck R261, not served", g.row(t, "host 192.0.2.2").text())
	require.Equal(t, 1, g.Bad)
	g = ask(t, Options{Kinds: []string{KindSite}}, pool, "site: rj", "site: sp")
	require.Equal(t, "stuck R261, not served", g.row(t, "site sp").text())
	g = ask(t, Options{Kinds: []string{KindSite}}, pool, "w2: {site: rj", "w2: {site: sp")
	require.Equal(t, "spare serves alone, because none of the others does", g.row(t, "site sp").Sentence)
}

// TestAnInfrastructure: processes and groups that are moved along take a time that nobody knows, and an executor that is gone with its side is gone past.
func TestAnInfrastructure(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "pkg", "spec", "testdata", "sites.yaml"))
	require.NoError(t, err)
	g := ask(t, Options{}, string(text))
	row := g.row(t, "process a")
	require.Equal(t, "swapped to b R240", row.text())
	require.Contains(t, row.Uncounted, "start-app")
	require.Contains(t, row.Uncounted, "move-db")
	require.Equal(t, "stuck R242, not served", g.row(t, "site sp").text(), "of two vantages one is no quorum")
}

// TestALadderCostsItsTime: where an executor stands beside the primary it tries for as long as it may; where the host is gone, nobody does.
func TestALadderCostsItsTime(t *testing.T) {
	web := strings.NewReplacer("{site: sp,", "{site: sp, executor: sp1,", "{site: rj,", "{site: rj, executor: rj1,").Replace(web)
	g := ask(t, Options{}, web)
	without := g.row(t, "check alive at a")
	g = ask(t, Options{}, web+"remedy: [{restart: systemd:app, times: 2, wait: 5s}]\n")
	row := g.row(t, "check alive at a")
	require.Equal(t, "swapped to b R240", row.text())
	require.Greater(t, row.RTO.Std(), without.RTO.Std()+10*time.Second)
	require.True(t, row.Bad(), "the ladder is longer than the objective")
	require.Less(t, g.row(t, "site sp").RTO.Std(), without.RTO.Std()+10*time.Second)
}

// TestTheSameAgain: the same files give the same report, to the byte.
func TestTheSameAgain(t *testing.T) {
	once := func() string {
		b, err := json.Marshal([]Group{ask(t, Options{}, web), ask(t, Options{}, db)})
		require.NoError(t, err)
		return string(b)
	}
	require.Equal(t, once(), once())
}

func TestCancelled(t *testing.T) {
	f, err := file.Parse("test.yaml", []byte(web))
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := fmt.Errorf("enough")
	cancel(why)
	_, err = Run(ctx, []*spec.Group{f.Groups[0].Group}, Options{})
	require.ErrorIs(t, err, why)
}
