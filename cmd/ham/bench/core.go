package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// newStates are the cores of groups whose roles are adopted, with two members and three checks each that one vantage makes.
func newStates(groups []string) (map[string]*core.State, error) {
	states := make(map[string]*core.State, len(groups))
	for _, g := range groups {
		s, err := newState(g)
		if err != nil {
			return nil, err
		}
		states[g] = s
	}
	return states, nil
}

func groupText(name string) string {
	checks := make([]string, len(lookChecks))
	for i, c := range lookChecks {
		checks[i] = fmt.Sprintf("  %s: {http: /%s, every: 1s, timeout: 300ms, from: [p1]}\n", c, c)
	}
	return fmt.Sprintf(`group: %s
mode: auto
members:
  a: {site: sp, url: "http://192.0.2.10:8080"}
  b: {site: rj, url: "http://198.51.100.10:8080"}
adopt: a
policy: {quorum: 1, stable_for: 0s}
checks:
%s`, name, strings.Join(checks, ""))
}

func newState(group string) (*core.State, error) {
	g, err := file.ParseGroup(group, groupText(group))
	if err != nil {
		return nil, err
	}
	plan, err := spec.Compile(g, spec.Swap{Kind: message.KindAdopt, To: "a"})
	if err != nil {
		return nil, err
	}
	s := core.New(group, "bench")
	at := core.Time{Stream: 1, Wall: 1}
	s.Step(at, core.SpecChanged{Spec: g})
	s.Step(at, core.ChainRead{Seq: 1, Stored: 1, InOrder: true, Entry: &message.Command{
		ID: group + "-1", Group: group, Epoch: 1, Kind: message.KindAdopt, Primary: "a", Members: []string{"a", "b"},
		Rule: "R000", Sentence: "adopted", Plan: plan, Decider: "bench", At: 1,
	}})
	s.Step(at, core.ChainRead{Seq: 2, Stored: 1, InOrder: true, Entry: &message.Held{
		ID: group + "-1-held", Group: group, Epoch: 1, Primary: "a", Command: group + "-1", Executor: "bench", At: 1,
	}})
	s.Step(at, core.LinkChanged{Up: true})
	return s, nil
}

// judged says whether the heartbeats were taken for what they are: both members up, the standby ready.
func judged(s *core.State, at core.Time) error {
	for _, m := range s.Status(at).Members {
		if m.Verdict != message.VerdictUp || !m.Ready {
			return fmt.Errorf("after all those heartbeats member %s of %s is %s, ready: %t %v", m.Name, s.Group(), m.Verdict, m.Ready, m.Reasons)
		}
	}
	return nil
}

// measureCore: one core, one thread, heartbeats that change nothing, as nearly all do.
func measureCore(ctx context.Context, b *bench) ([]figure, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const group, warm, per = "group-0", 60, 500_000
	s, err := newState(group)
	if err != nil {
		return nil, err
	}
	looks := newLooks(1)
	targets := len(lookMembers) * len(lookChecks)
	now := core.Time{Stream: 2, Wall: 2}
	var seen core.HeartbeatSeen
	step := func() int {
		now.Mono += time.Second / time.Duration(targets)
		now.Stream, now.Wall = now.Stream+1, now.Wall+1
		seen = core.HeartbeatSeen{Heartbeat: looks.next(), Seq: looks.n, Stored: now.Stream}
		return len(s.Step(now, &seen))
	}
	for range warm * targets {
		step() // until verdicts and readiness are settled
	}
	rate := figure{What: "decider core, one thread: heartbeats that change nothing", Unit: "/s", Goal: atLeast("median", 1_000_000, "/s"),
		Note: "one group of 2 members with 3 checks; each value is the mean of 500 000"}
	allocs := figure{What: "allocations for one of them", Unit: "each", Goal: atMost("max", 0.001, "each"), Note: "the Go runtime's own are in it"}
	var before, after runtime.MemStats
	for range b.runs(20, 3) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		said := 0
		runtime.ReadMemStats(&before)
		began := time.Now()
		for range per {
			said += step()
		}
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if said > 0 {
			return nil, fmt.Errorf("the core had %d things to say of heartbeats that change nothing", said)
		}
		if err := judged(s, now); err != nil {
			return nil, err
		}
		rate.Values = append(rate.Values, per/took.Seconds())
		allocs.Values = append(allocs.Values, float64(after.Mallocs-before.Mallocs)/per)
	}
	return []figure{rate, allocs}, nil
}
