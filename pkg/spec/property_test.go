package spec_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// TestEveryPlan draws groups at random and holds each of their plans to what executors rely on.
func TestEveryPlan(t *testing.T) {
	t.Parallel()
	const groups = 3000
	plans, cycles := 0, 0
	for seed := range uint64(groups) {
		g := draw(rand.New(rand.NewPCG(seed, 1)))
		for _, kind := range []message.Kind{message.KindFailover, message.KindSwitchover, message.KindResume, message.KindAdopt} {
			plan, err := spec.Compile(g, spec.Swap{Kind: kind, From: "m0", To: "m1"})
			swaps := kind == message.KindFailover || kind == message.KindSwitchover
			if cycle := spec.Cycle(g); cycle != nil && swaps {
				require.Error(t, err, "seed %d: a plan whose steps wait for each other", seed)
				require.Equal(t, cycle[0], cycle[len(cycle)-1])
				cycles++
				continue
			}
			require.NoError(t, err, "seed %d", seed)
			plans++
			holds(t, fmt.Sprintf("seed %d, %s", seed, kind), g, kind, plan)
		}
	}
	// A drawing that never reaches a case proves nothing about it.
	require.Greater(t, plans, groups)
	require.Greater(t, cycles, groups/20)
}

func holds(t *testing.T, where string, g *spec.Group, kind message.Kind, plan message.Plan) {
	t.Helper()
	at := map[string]int{}
	for i, s := range plan.Steps {
		_, twice := at[s.Name]
		require.False(t, twice, "%s: two steps are called %s", where, s.Name)
		at[s.Name] = i
		for _, a := range s.After {
			before, known := at[a]
			require.True(t, known && before < i, "%s: %s waits for %s, which does not come before it", where, s.Name, a)
		}
	}
	// before holds for each step everything that is done when it begins.
	before := make([]map[string]bool, len(plan.Steps))
	for i, s := range plan.Steps {
		before[i] = map[string]bool{}
		for _, a := range s.After {
			before[i][a] = true
			for b := range before[at[a]] {
				before[i][b] = true
			}
		}
	}
	rank := map[message.Phase]int{message.PhaseLook: 0, message.PhaseRelease: 1, message.PhaseAct: 2, message.PhaseVerify: 3}
	for i, s := range plan.Steps {
		for _, other := range plan.Steps {
			if rank[other.Phase] < rank[s.Phase] {
				require.True(t, before[i][other.Name], "%s: %s (%s) may begin before %s (%s) is done", where, s.Name, s.Phase, other.Name, other.Phase)
			}
		}
	}
	graceful := kind == message.KindSwitchover
	swaps := graceful || kind == message.KindFailover
	for i, s := range g.Steps {
		k, there := at[s.Name]
		wanted := swaps && (s.When == spec.WhenAlways || (s.When == spec.WhenGraceful) == graceful)
		require.Equal(t, wanted, there, "%s: %s", where, s.Name)
		for _, a := range s.After {
			if _, known := at[a]; there && known {
				require.True(t, before[k][a], "%s: %s does not wait for %s", where, s.Name, a)
			}
		}
		// Without after it waits for the step before it in the list that has its place.
		for j := i - 1; there && len(s.After) == 0 && j >= 0; j-- {
			if g.Steps[j].Place != s.Place {
				continue
			}
			if _, known := at[g.Steps[j].Name]; known {
				require.True(t, before[k][g.Steps[j].Name], "%s: %s does not wait for %s", where, s.Name, g.Steps[j].Name)
			}
			break
		}
		if !there {
			continue
		}
		require.Equal(t, s.Place == spec.First, plan.Steps[k].Phase == message.PhaseLook, "%s: %s", where, s.Name)
		for _, r := range g.Routes {
			route := "route-" + r.Name
			if s.Place == spec.AfterRoutes {
				require.True(t, before[k][route], "%s: %s comes before the routes", where, s.Name)
			} else {
				require.True(t, before[at[route]][s.Name], "%s: %s comes after the routes", where, s.Name)
			}
		}
	}
	if g.Lease != nil {
		leased(t, where, g, kind, plan, at, before)
	}
	for _, r := range g.Routes {
		if r.PgBouncer == nil || kind == message.KindAdopt {
			continue
		}
		_, paused := at["pause-"+r.Name]
		require.Equal(t, graceful, paused, "%s: clients are held back in a planned swap alone", where)
		route := plan.Steps[at["route-"+r.Name]]
		require.Contains(t, string(route.With), `"action":"resume"`, "%s: whatever was held back is let go", where)
	}
	if swaps {
		require.Contains(t, []string{spec.StepLookAgain, spec.StepReady}, plan.Steps[0].Name, "%s: a swap looks first", where)
		require.True(t, plan.Steps[0].Unskippable, where)
		last := spec.StepVerify
		if g.Lease != nil {
			last = spec.StepWritable
		}
		require.Equal(t, last, plan.Steps[len(plan.Steps)-1].Name, "%s: a swap is verified last", where)
	}
	err := message.Validate(&message.Command{
		ID: "x", Group: g.Name, Epoch: 1, Kind: kind, Primary: "m1", From: "m0", Members: g.MemberNames(), Rule: "R1", Sentence: "x", Plan: plan, Decider: "d",
	})
	require.NoError(t, err, where)
}

// leased holds a plan of a group with a lease to what its safety rests on.
func leased(t *testing.T, where string, g *spec.Group, kind message.Kind, plan message.Plan, at map[string]int, before []map[string]bool) {
	t.Helper()
	if kind == message.KindAdopt {
		require.Empty(t, plan.Steps, where)
		return
	}
	promote, ok := at[spec.StepPromote]
	require.True(t, ok, "%s: nobody is promoted", where)
	require.Equal(t, message.PhaseAct, plan.Steps[promote].Phase, "%s: nobody is promoted before the lease is held", where)
	require.True(t, plan.Steps[promote].Unskippable, "%s: a primary that was not promoted cannot be passed over", where)
	named := slices.ContainsFunc(g.Steps, func(s spec.Step) bool { return slices.Contains(s.After, "leave-v") }) // the operator wants it so
	giveUp, gives := at[spec.StepGiveUp]
	require.Equal(t, kind == message.KindSwitchover, gives, "%s: the old primary gives up when both help", where)
	if gives {
		s := plan.Steps[giveUp]
		require.Equal(t, message.PhaseRelease, s.Phase, "%s: the old primary gives up before the new one holds the lease", where)
		require.True(t, s.Unskippable, "%s: nobody takes what was not given up", where)
		require.Equal(t, message.FailAbort, s.OnFailure, "%s: clients do not wait for a person", where)
		require.True(t, before[promote][spec.StepGiveUp], where)
	}
	for i, s := range plan.Steps {
		switch s.On {
		case "new":
			require.Equal(t, "x-m1", s.Executor, "%s: %s", where, s.Name)
		case "old":
			require.Equal(t, "x-m0", s.Executor, "%s: %s", where, s.Name)
			require.False(t, kind == message.KindFailover && slices.Contains(spec.AddedSteps(g), s.Name), "%s: %s waits for a host that may be gone", where, s.Name)
		default:
			require.Empty(t, s.Executor, "%s: %s", where, s.Name)
		}
		if s.Phase != message.PhaseVerify && !named {
			require.False(t, before[i]["leave-v"], "%s: %s waits for the host that clients have left", where, s.Name)
		}
		if s.Phase == message.PhaseRelease {
			require.NotEqual(t, message.FailPause, s.OnFailure, "%s: %s holds clients back while it waits for a person", where, s.Name)
		}
		if s.Phase == message.PhaseAct && i != promote && s.Driver != "vip" {
			require.True(t, before[i][spec.StepPromote], "%s: %s comes before the promotion", where, s.Name)
		}
	}
}

// draw makes a group as spec/file accepts it, but for steps that may wait for each other.
func draw(r *rand.Rand) *spec.Group {
	g := &spec.Group{Name: "g", Policy: spec.DefaultPolicy()}
	for i := range 2 + r.IntN(3) {
		g.Members = append(g.Members, spec.Member{Name: fmt.Sprintf("m%d", i), Site: fmt.Sprintf("s%d", i%2), URL: fmt.Sprintf("http://192.0.2.%d:80", i+1)})
	}
	g.Checks = []spec.Check{{
		Name: "alive", Kind: spec.CheckHTTP, Effect: spec.EffectDown, Every: time.Second, Timeout: time.Second, From: []string{"s0"},
		HTTP: &spec.HTTPCheck{URL: "/alive"},
	}}
	for i := range r.IntN(3) {
		h := &spec.HAProxyRoute{Proxies: []string{"tcp://192.0.2.9:9999"}, Backend: fmt.Sprintf("b%d", i), Servers: map[string]string{}, Timeout: time.Second, Drain: time.Duration(r.IntN(2)) * time.Second}
		for _, m := range g.Members {
			h.Servers[m.Name] = "s-" + m.Name
		}
		g.Routes = append(g.Routes, spec.Route{Name: fmt.Sprintf("r%d", i), HAProxy: h})
	}
	for _, m := range g.Members {
		if r.IntN(8) == 0 {
			b := &spec.PgBouncerRoute{Admins: []spec.Secret{"host=192.0.2.9"}, Database: "d", On: "lb", File: "/f", Pause: time.Second, Servers: map[string]string{}}
			g.Routes = append(g.Routes, spec.Route{Name: "p" + m.Name, PgBouncer: b})
		}
	}
	if r.IntN(2) == 0 {
		g.Lease = &spec.Lease{TTL: spec.DefaultTTL, Deciders: []string{"a", "b", "c"}, Guard: spec.GuardNFTables}
		for i := range g.Members {
			g.Members[i].Executor = "x-" + g.Members[i].Name
			g.Members[i].Postgres = &spec.Postgres{DSN: "host=192.0.2.1"}
		}
		if r.IntN(2) == 0 {
			g.Routes = append(g.Routes, spec.Route{Name: "v", VIP: &spec.VIPRoute{Address: "192.0.2.100/24", Interfaces: map[string]string{}}})
		}
	}
	n := r.IntN(7)
	for i := range n {
		s := spec.Step{
			Name: fmt.Sprintf("own%d", i), On: pick(r, "any", "new", "old", "executor:x"), When: pick(r, spec.WhenAlways, spec.WhenGraceful, spec.WhenUngraceful),
			Place: pick(r, spec.First, spec.BeforeRoutes, spec.AfterRoutes), Timeout: time.Second, OnFailure: message.FailPause,
		}
		if s.Place == spec.First {
			s.Assert = &spec.AssertArgs{That: spec.LookArgs{HTTP: "${new.url}/x", Want: "up", Timeout: time.Second}}
		} else {
			s.Exec = &spec.ExecArgs{Command: []string{"do", "${old.name}", "${new.name}"}}
		}
		for range r.IntN(3) {
			if r.IntN(4) > 0 && i > 0 {
				s.After = append(s.After, fmt.Sprintf("own%d", r.IntN(i)))
			} else if r.IntN(4) == 0 {
				s.After = append(s.After, pick(r, append(spec.AddedSteps(g), fmt.Sprintf("own%d", r.IntN(n)))...))
			}
		}
		slices.Sort(s.After)
		s.After = slices.Compact(s.After)
		g.Steps = append(g.Steps, s)
	}
	return g
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }
