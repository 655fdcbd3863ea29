package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
)

// A real HAProxy that loses its backend, and a command that is not there, are found before anybody needs them: the word says which step would fail,
// and that it does not mend by itself. Nothing is found once both are there again.
func TestPlansAreEvaluated(t *testing.T) {
	t.Parallel()
	p := newPair(t, "auto")
	p.start("x1", func(o *Options) { o.Evaluate = 100 * time.Millisecond })
	adopt := p.command("web", 1)
	adopt.Kind, adopt.From, adopt.Primary = message.KindAdopt, "", "a"
	p.decide(adopt)
	p.run("web", 1, message.StateDone)
	found := func(what string, revision uint64, f func(*message.Evaluation) bool) uint64 {
		e := await(p.lab, what, func(m *message.Evaluation) bool {
			return m.Group == "web" && m.To == "b" && m.Primary == "a" && m.SpecRevision > revision && f(m)
		})
		return e.SpecRevision
	}
	well := func(m *message.Evaluation) bool { return len(m.Problems) == 0 }
	first := found("nothing in the way", 0, well)

	config := haproxytest.Pair(p.sites[0].Addr(), p.sites[1].Addr())
	p.proxy.Configure(strings.ReplaceAll(config, "backend web", "backend other"))
	p.proxy.Reload()
	found("the backend that is gone", first-1, func(m *message.Evaluation) bool {
		return len(m.Problems) > 0 && strings.HasPrefix(m.Problems[0].Step, "route-front") && !m.Problems[0].Mends
	})
	p.proxy.Configure(config)
	p.proxy.Reload()

	missing := filepath.Join(t.TempDir(), "promote")
	text := fmt.Sprintf(`
group: web
mode: auto
members:
  a: {site: sp, url: "http://%[1]s"}
  b: {site: rj, url: "http://%[2]s"}
checks:
  alive: {http: /, every: 6s, timeout: 5s, from: [sp, rj]}
routes:
  front: {haproxy: ["%[3]s"], backend: web, servers: {a: s1, b: s2}}
steps:
  - {name: warm, exec: [%[4]s], on: any}
  - {name: tell, exec: [%[4]s], on: any, on_failure: go-on, after: warm}
`, p.sites[0].Addr(), p.sites[1].Addr(), p.proxy.Runtime("admin"), missing)
	if _, err := file.ParseGroup("web", text); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), p.bus, text, "ana", "test", store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	second := found("the command that is not there", first, func(m *message.Evaluation) bool {
		return len(m.Problems) > 0 && m.Problems[0].Step == "warm" && !m.Problems[0].Mends && strings.Contains(m.Problems[0].Problem, missing) &&
			slices.ContainsFunc(m.Problems, func(p message.StepProblem) bool { return p.Step == "tell" && p.Mends })
	})
	p.apply(t, "auto")
	found("nothing in the way any more", second, well)
}

// Specs that change all the time do not keep plans from being looked at, and a change is looked at soon.
func TestChangesPutNoEvaluationOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		applied := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		next := rounds{every: 3 * time.Minute}
		due := func(within time.Duration) {
			t.Helper()
			if from := time.Now(); !next.wait(ctx, applied) || time.Since(from) > within {
				t.Fatalf("after %s: a round came %s after the one before, want %s at most", time.Since(begun), time.Since(from), within)
			}
		}
		due(evaluateFirst)
		due(4 * time.Minute)
		time.AfterFunc(10*time.Second, func() { applied <- struct{}{} })
		due(10*time.Second + evaluateFirst)
		var changes sync.WaitGroup
		changes.Go(func() { // more often than a round needs to begin
			for range 200 {
				select {
				case applied <- struct{}{}:
				case <-ctx.Done():
				}
				time.Sleep(evaluateFirst / 3)
			}
		})
		for range 5 {
			due(2 * evaluateFirst)
		}
		cancel()
		if next.wait(ctx, applied) {
			t.Error("a round is due after the end")
		}
		changes.Wait()
	})
}

// The deciders of a group that moves along are asked, so that what they do not answer is told as that, and not as a want of this executor.
func TestPlansOfGroupsThatMoveAlongAreEvaluated(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	x := l.start("x1")
	step := &message.Step{
		Name: "move-db", Phase: message.PhaseAct, Driver: "group", On: "any", Timeout: message.Duration(time.Second),
		With: []byte(`{"action": "move", "group": "web-db", "member": "b", "resource": "db", "timeout_ns": 1000000000}`),
	}
	cmd := l.command("web", 1, *step)
	p := x.problem(t.Context(), cmd, step)
	if p == nil || !p.Mends || strings.Contains(p.Problem, "can be asked") {
		t.Errorf("without deciders it says %+v", p)
	}
}

// A person who is to approve is nothing that would fail, wherever the step stands.
func TestAnApprovalIsNoProblem(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	x := l.start("x1")
	g, err := file.ParseGroup("web", `
group: web
members: {a: {site: sp, url: "http://127.0.0.1:1"}, b: {site: rj, url: "http://127.0.0.1:1"}}
checks:
  alive: {http: /, from: [sp]}
steps:
  - {name: told, approve: is everybody told, when: always, place: before-routes}
  - {name: seen, approve: does it work, when: always, place: after-routes}
`)
	if err != nil {
		t.Fatal(err)
	}
	if p := x.problems(t.Context(), group.Target{Group: "web", Spec: g, Epoch: 1, Primary: "a"}, "b"); len(p) != 0 {
		t.Errorf("it finds %+v", p)
	}
}

// What would start or stop a process is looked for too: a swap stops the old one first, and would stand there without a new one.
func TestProgramsOfAProcessAreLookedFor(t *testing.T) {
	t.Parallel()
	there, gone := os.Args[0], filepath.Join(t.TempDir(), "gone")
	for _, c := range []struct {
		args  spec.RunArgs
		wrong bool
	}{
		{spec.RunArgs{Action: "start", Start: []string{there}, Stop: []string{gone}, Running: []string{there}}, false},
		{spec.RunArgs{Action: "start", Start: []string{gone}, Stop: []string{there}, Running: []string{there}}, true},
		{spec.RunArgs{Action: "start", Start: []string{there}, Stop: []string{there}, Running: []string{gone}}, true},
		{spec.RunArgs{Action: "stop", Start: []string{gone}, Stop: []string{there}, Running: []string{there}}, false},
		{spec.RunArgs{Action: "stop", Start: []string{there}, Stop: []string{gone}, Running: []string{there}}, true},
	} {
		with, err := json.Marshal(c.args)
		require.NoError(t, err)
		err = programs(&message.Step{Driver: "run", With: with})
		require.Equal(t, c.wrong, err != nil, "%+v: %v", c.args, err)
	}
}
