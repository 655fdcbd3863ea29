package spec_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

var update = flag.Bool("update", false, "write the golden files anew")

func load(t *testing.T, name string) *spec.Group {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	require.NoError(t, err)
	g, err := file.ParseGroup(name, string(text))
	require.NoError(t, err)
	return g
}

// TestPlans holds the plan of every kind of swap to what was reviewed.
func TestPlans(t *testing.T) {
	for _, name := range []string{"pair", "steps", "leased", "redis", "bouncer", "sites"} {
		for _, kind := range []message.Kind{message.KindAdopt, message.KindFailover, message.KindSwitchover, message.KindResume} {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				s := spec.Swap{Kind: kind, From: "a", To: "b", Observations: []string{"a down", "b up"}, PredictedRTO: 1500 * time.Millisecond}
				if kind == message.KindAdopt {
					s.From = ""
				}
				plan, err := spec.Compile(load(t, name), s)
				require.NoError(t, err)
				got, err := json.MarshalIndent(plan, "", "  ")
				require.NoError(t, err)
				path := filepath.Join("testdata", name+"."+string(kind)+".json")
				if *update {
					require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
				}
				want, err := os.ReadFile(path)
				require.NoError(t, err, "run go test -update")
				require.Equal(t, string(want), string(got)+"\n")
			})
		}
	}
}

// TestResumeOfTheSameMemberEndsNoSession: there is no other side, so nobody's sessions are shut.
func TestResumeOfTheSameMemberEndsNoSession(t *testing.T) {
	plan, err := spec.Compile(load(t, "pair"), spec.Swap{Kind: message.KindResume, From: "b", To: "b"})
	require.NoError(t, err)
	require.NotEmpty(t, plan.Steps)
	for _, s := range plan.Steps {
		require.NotContains(t, string(s.With), "shut_sessions", s.Name)
		require.NotContains(t, string(s.With), `"s2":"maint"`, s.Name)
	}
}

func TestCompileRefusesWhatASpecCannotHold(t *testing.T) {
	g := load(t, "steps")
	_, err := spec.Compile(g, spec.Swap{Kind: message.KindFailover, From: "a", To: "z"})
	require.EqualError(t, err, `compile plan: group db has no member "z"`)
	_, err = spec.Compile(g, spec.Swap{Kind: message.KindFailover, From: "z", To: "a"})
	require.EqualError(t, err, `compile plan: group db has no member "z"`)
	_, err = spec.Compile(g, spec.Swap{Kind: "move", From: "a", To: "b"})
	require.EqualError(t, err, `compile plan: unknown kind "move"`)

	g = load(t, "steps")
	delete(g.Members[1].Vars, "unit")
	_, err = spec.Compile(g, spec.Swap{Kind: message.KindFailover, From: "a", To: "b"})
	require.EqualError(t, err, "compile plan of db: step has-room: nothing is known as ${new.unit}")

	g = load(t, "steps")
	g.Steps[3].After = []string{"warm"}
	g.Steps[4].After = []string{"promote"}
	_, err = spec.Compile(g, spec.Swap{Kind: message.KindFailover, From: "a", To: "b"})
	require.EqualError(t, err, "compile plan of db: the steps wait for each other: promote after warm after promote")
}

// TestHash: the hash stands for everything that a run of the plan would do and for what it rests on, and for nothing else.
func TestHash(t *testing.T) {
	text, err := os.ReadFile("testdata/steps.yaml")
	require.NoError(t, err)
	swap := spec.Swap{Kind: message.KindFailover, From: "a", To: "b", Observations: []string{"a down", "b up"}}
	hash := func(text string, s spec.Swap) string {
		t.Helper()
		g, err := file.ParseGroup("spec", text)
		require.NoError(t, err)
		plan, err := spec.Compile(g, s)
		require.NoError(t, err)
		return plan.Hash
	}
	seen := map[string]string{hash(string(text), swap): "the plan as it is"}
	differs := func(why, h string) {
		t.Helper()
		require.NotContains(t, seen, h, "%s gives the same plan as %s", why, seen[h])
		seen[h] = why
	}
	for why, edit := range map[string][2]string{
		"another proxy":           {"tcp://192.0.2.2:9999", "tcp://192.0.2.3:9999"},
		"another backend":         {"backend: ro", "backend: ro2"},
		"another server":          {"b: r2", "b: r9"},
		"another address":         {"198.51.100.10:6432", "198.51.100.10:6433"},
		"another weight":          {"b: 20", "b: 21"},
		"another command":         {"[fence,", "[fence-it,"},
		"another var":             {"unit: pg-b", "unit: pg-B"},
		"another done":            {"[is-fenced,", "[fenced,"},
		"more retries":            {"retries: 2", "retries: 3"},
		"another way to fail":     {"when: ungraceful, retries", "when: ungraceful, on_failure: go-on, retries"},
		"another executor":        {"on: any, when: ungraceful", "on: new, when: ungraceful"},
		"a step later":            {"every: 100ms}, after: [quiesce, fence]", "every: 100ms}, after: [promote]"},
		"a step less":             {"when: ungraceful", "when: graceful"},
		"another secret":          {"${env:API_TOKEN}", "${env:API_TOKEN_2}"},
		"another wait":            {"every: 100ms", "every: 200ms"},
		"another look at the old": {"[check_pg,", "[check_pg2,"},
		"another verification":    {"verify: {tcp: {address: \"${member.name}.example.org:5432\"}, timeout: 1s}", "verify: {tcp: {}, timeout: 1s}"},
		"a longer look":           {"verify: {tcp: {address: \"${member.name}.example.org:5432\"}, timeout: 1s}", "verify: {tcp: {address: \"${member.name}.example.org:5432\"}, timeout: 2s}"},
		"another site":            {"b: {site: rj", "b: {site: bh"},
	} {
		changed := strings.ReplaceAll(string(text), edit[0], edit[1])
		require.NotEqual(t, string(text), changed, why)
		differs(why, hash(changed, swap))
	}
	for why, s := range map[string]spec.Swap{
		"another kind":        {Kind: message.KindSwitchover, From: "a", To: "b", Observations: swap.Observations},
		"another target":      {Kind: message.KindFailover, From: "a", To: "c", Observations: swap.Observations},
		"another primary":     {Kind: message.KindFailover, From: "c", To: "b", Observations: swap.Observations},
		"another observation": {Kind: message.KindFailover, From: "a", To: "b", Observations: []string{"a down", "b degraded"}},
		"one observation":     {Kind: message.KindFailover, From: "a", To: "b", Observations: []string{"a down"}},
	} {
		differs(why, hash(string(text), s))
	}
	same := swap
	same.PredictedRTO = time.Second
	require.Contains(t, seen, hash(string(text), same), "a prediction does not make another plan")
	require.Contains(t, seen, hash(string(text)+"notify: [{to: ops}]\npolicy: {fall: 5}\n", swap), "who is told, and when, does not make another plan")
}

func TestQuorum(t *testing.T) {
	g := load(t, "pair")
	require.Equal(t, 2, g.Quorum(), "a majority of three")
	g.Policy.Quorum = 3
	require.Equal(t, 3, g.Quorum(), "as declared")
	g.Policy.Quorum, g.Checks[0].From = 0, []string{"sp", "rj"}
	require.Equal(t, 2, g.Quorum(), "both of two")
	g.Checks[0].From = []string{"sp"}
	require.Equal(t, 1, g.Quorum())
}

// TestLeaseTerms: a dry run keeps no client from any member, and every declared member is named with who is beside it.
func TestLeaseTerms(t *testing.T) {
	require.Nil(t, spec.LeaseTerms(load(t, "pair")))
	g := load(t, "leased")
	want := &message.Lease{
		Deciders: []string{"ham-a", "ham-b", "ham-w"}, TTL: message.Duration(spec.DefaultTTL), Armed: true, Durability: message.NeverLose,
		Beside: []message.Beside{{Member: "a", Executor: "ham-a", Peer: "192.0.2.10:8323"}, {Member: "b", Executor: "ham-b", Peer: "198.51.100.10:8323"}},
	}
	require.Equal(t, want, spec.LeaseTerms(g))
	g.Mode = spec.Manual
	require.True(t, spec.LeaseTerms(g).Armed)
	g.Mode = spec.DryRun
	require.False(t, spec.LeaseTerms(g).Armed)
}

// TestOnlyDatabasesArePromoted: what cannot be promoted is told when the plan is made.
func TestOnlyDatabasesArePromoted(t *testing.T) {
	g := load(t, "leased")
	g.Members[1].Postgres = nil
	_, err := spec.Compile(g, spec.Swap{Kind: message.KindFailover, From: "a", To: "b"})
	require.EqualError(t, err, "compile plan of orders: member b holds nothing that can be made a primary, want postgres or redis")
}

// reaches says whether step a comes after step b, directly or not.
func reaches(plan message.Plan, a, b string) bool {
	for _, s := range plan.Steps {
		if s.Name == a {
			for _, before := range s.After {
				if before == b || reaches(plan, before, b) {
					return true
				}
			}
		}
	}
	return false
}

func find(t *testing.T, plan message.Plan, name string) message.Step {
	t.Helper()
	for _, s := range plan.Steps {
		if s.Name == name {
			return s
		}
	}
	require.Fail(t, "no step "+name)
	return message.Step{}
}

// TestOldStopsBeforeNewStarts: what only one side runs never runs on two by the plan. A planned swap asks the groups that it moves, then stops the old side
// before `held`, and is called off where that fails; a failover starts nothing before the old one is stopped, or nobody is there to stop it.
func TestOldStopsBeforeNewStarts(t *testing.T) {
	g := load(t, "sites")
	plan, err := spec.Compile(g, spec.Swap{Kind: message.KindSwitchover, From: "a", To: "b"})
	require.NoError(t, err)
	for _, ready := range []string{"ready-db", "ready-cache"} {
		require.Equal(t, message.PhaseLook, find(t, plan, ready).Phase)
		require.True(t, reaches(plan, "stop-app", ready))
	}
	for _, name := range []string{"app", "queue"} {
		stop := find(t, plan, "stop-"+name)
		require.Equal(t, message.PhaseRelease, stop.Phase)
		require.Equal(t, message.FailAbort, stop.OnFailure)
		require.Equal(t, "ham-a", stop.Executor)
		require.Equal(t, message.PhaseAct, find(t, plan, "start-"+name).Phase)
		require.True(t, reaches(plan, "start-"+name, "stop-"+name))
	}
	plan, err = spec.Compile(g, spec.Swap{Kind: message.KindFailover, From: "a", To: "b"})
	require.NoError(t, err)
	for name, unclaimed := range map[string]string{"app": message.UnclaimedGoOn, "queue": message.UnclaimedPause} {
		stop := find(t, plan, "stop-"+name)
		require.Equal(t, message.FailPause, stop.OnFailure, "one that is there and says no is known to run")
		require.Equal(t, unclaimed, stop.Unclaimed)
		require.True(t, reaches(plan, "start-"+name, "stop-"+name))
	}
	require.Contains(t, find(t, plan, "start-queue").After, "stop-queue")
	for _, s := range plan.Steps {
		require.NotContains(t, s.Name, "ready-", "a failover does not ask first")
		require.NotEqual(t, "stop-worker", s.Name, "it runs on every side")
	}
	plan, err = spec.Compile(g, spec.Swap{Kind: message.KindResume, From: "b", To: "a"})
	require.NoError(t, err)
	require.Equal(t, "ham-a", find(t, plan, "start-queue").Executor, "what was stopped for a swap that came to nothing is started again")
	for _, s := range plan.Steps {
		require.NotEqual(t, "group", s.Driver, "a resume moves no other group")
	}
}

// TestResourcesKeepTheirOrder: up in the order of after, down in its reverse.
func TestResourcesKeepTheirOrder(t *testing.T) {
	g := load(t, "sites")
	plan, err := spec.Compile(g, spec.Swap{Kind: message.KindSwitchover, From: "a", To: "b"})
	require.NoError(t, err)
	for _, c := range [][2]string{
		{"stop-queue", "stop-app"}, {"route-to-db", "move-db"}, {"start-app", "route-to-db"}, {"start-app", "move-cache"}, {"start-app", "start-queue"},
		{"up-app", "start-app"}, {"start-worker", "up-app"}, {"route-edge", "up-app"}, {"route-admin", "route-edge"}, {"verify", "route-edge"}, {"verify", "start-worker"},
	} {
		require.True(t, reaches(plan, c[0], c[1]), "%s comes after %s", c[0], c[1])
		require.False(t, reaches(plan, c[1], c[0]))
	}
	require.Contains(t, find(t, plan, "start-worker").After, "up-app")
	require.Equal(t, "executor:outside", find(t, plan, "verify").On)
	g.Resources[0].After = []string{"worker"}
	_, err = spec.Compile(g, spec.Swap{Kind: message.KindSwitchover, From: "a", To: "b"})
	require.EqualError(t, err, "compile plan of messenger: the resources wait for each other: app after worker after app")
}
