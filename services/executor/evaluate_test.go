package executor

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/spec/store"
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
