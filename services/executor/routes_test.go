package executor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// rightWithin is what is promised: a proxy is set right this long after it can be reached.
const rightWithin = 2 * time.Second

// pair is a real HAProxy before two sites, and a group of them.
type pair struct {
	*lab
	proxy *haproxytest.Proxy
	sites [2]*haproxytest.Site
	admin *haproxy.Client
	spec  *spec.Group
}

func newPair(t testing.TB, mode string, edit ...func(*embedded.Options)) *pair {
	haproxytest.Require(t)
	p := &pair{lab: newLab(t, edit...), sites: [2]*haproxytest.Site{haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")}}
	p.proxy = haproxytest.Start(t, haproxytest.Pair(p.sites[0].Addr(), p.sites[1].Addr()))
	var err error
	if p.admin, err = haproxy.New(p.proxy.Runtime("admin"), haproxy.Options{}); err != nil {
		t.Fatal(err)
	}
	p.apply(t, mode)
	return p
}

// apply writes the spec as an operator does.
func (p *pair) apply(t testing.TB, mode string) {
	t.Helper()
	text := fmt.Sprintf(`
group: web
mode: %s
members:
  a: {site: sp, url: "http://%s"}
  b: {site: rj, url: "http://%s"}
checks:
  alive: {http: /, every: 6s, timeout: 5s, from: [sp, rj]}
routes:
  front: {haproxy: ["%s"], backend: web, servers: {a: s1, b: s2}}
`, mode, p.sites[0].Addr(), p.sites[1].Addr(), p.proxy.Runtime("admin"))
	if _, err := store.Put(t.Context(), p.bus, text, "ana", "test", store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	g, err := file.ParseGroup("web", text)
	if err != nil {
		t.Fatal(err)
	}
	p.spec = g
}

// swap decides a swap with its compiled plan.
func (p *pair) swap(t testing.TB, epoch uint64, kind message.Kind, from, to string) {
	t.Helper()
	plan, err := spec.Compile(p.spec, spec.Swap{Kind: kind, From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.command("web", epoch)
	cmd.Kind, cmd.From, cmd.Primary, cmd.Plan = kind, from, to, plan
	p.decide(cmd)
}

// serves is what the proxy does now: "s1 serves, s2 in maintenance".
func (p *pair) serves(t *testing.T) string {
	t.Helper()
	s, err := p.admin.Snapshot(t.Context(), "web")
	if err != nil {
		return err.Error()
	}
	var words []string
	for _, server := range s.Servers {
		words = append(words, server.Name+" "+server.Serving().String())
	}
	return strings.Join(words, ", ")
}

const (
	ledToA = "s1 serves, s2 in maintenance"
	ledToB = "s1 in maintenance, s2 serves"
)

// right waits until clients are led as they should be.
func (p *pair) right(t *testing.T, after, want string) {
	t.Helper()
	got := ""
	began := time.Now()
	for time.Since(began) < rightWithin {
		if got = p.serves(t); got == want {
			t.Logf("%s: right after %s", after, time.Since(began).Round(time.Millisecond))
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Errorf("%s: after %s the proxy has %s, want %s\n%s", after, rightWithin, got, want, p.story())
}

// stays checks for a while that nothing is set right.
func (p *pair) stays(t *testing.T, while, want string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 500*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		if got := p.serves(t); got != want {
			t.Fatalf("%s: the proxy has %s, it had %s", while, got, want)
		}
	}
}

func (p *pair) hand(t *testing.T, server string, state haproxy.State) {
	t.Helper()
	if err := p.admin.SetState(t.Context(), "web", server, state); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) drift(sentence string) *message.Event {
	p.t.Helper()
	return await(p.lab, "drift: "+sentence, func(m *message.Event) bool {
		return m.Kind == message.EventDrift && strings.Contains(m.Sentence, sentence)
	})
}

func (p *pair) seen(reachable bool, serves ...string) {
	p.t.Helper()
	await(p.lab, fmt.Sprintf("route seen %t %v", reachable, serves), func(m *message.Event) bool {
		return m.Route != nil && m.Route.Reachable == reachable && fmt.Sprint(m.Route.Serves) == fmt.Sprint(serves)
	})
}

// Whatever happens to the proxy, clients are led to the primary within two seconds of its being reachable.
func TestRoutesAreKeptRight(t *testing.T) {
	t.Parallel()
	p := newPair(t, "auto")
	p.start("x1")
	p.seen(true)
	p.stays(t, "before an epoch is held", "s1 in maintenance, s2 in maintenance")
	p.swap(t, 1, message.KindAdopt, "", "a")
	p.run("web", 1, message.StateDone)
	p.right(t, "adopted", ledToA)
	p.seen(true, "a")

	p.hand(t, "s2", haproxy.Ready)
	p.right(t, "a foreign hand opened s2", ledToA)
	p.drift("foreign hand")
	p.hand(t, "s1", haproxy.Drain)
	p.right(t, "a foreign hand drained s1", ledToA)
	p.proxy.Reload()
	p.right(t, "reloaded", ledToA)
	p.proxy.Restart()
	p.right(t, "restarted", ledToA)

	p.proxy.Kill()
	await(p.lab, "the proxy away", func(m *message.Event) bool { return m.Route != nil && !m.Route.Reachable })
	p.drift("does not answer")
	p.proxy.Restart()
	p.right(t, "gone for a while", ledToA)
	p.proxy.Suspend()
	time.Sleep(300 * time.Millisecond)
	p.proxy.Resume()
	p.hand(t, "s2", haproxy.Ready)
	p.right(t, "frozen for a while", ledToA)

	p.swap(t, 2, message.KindFailover, "a", "b")
	p.sites[0].Kill()
	p.run("web", 2, message.StateDone)
	if got := p.serves(t); got != ledToB {
		t.Errorf("after the failover: %s", got)
	}
	p.proxy.Reload()
	p.right(t, "reloaded after the failover", ledToB)
}

// Nothing is set right while the group is paused, and at once afterwards.
func TestRoutesInAPause(t *testing.T) {
	t.Parallel()
	p := newPair(t, "auto")
	p.start("x1")
	p.swap(t, 1, message.KindAdopt, "", "a")
	p.right(t, "adopted", ledToA)
	p.decide(&message.Mark{ID: "m1", Group: "web", Paused: true, Actor: "ana", Decider: "decider-1"})
	p.decide(p.command("other", 1))
	p.run("other", 1, message.StateDone) // the mark was heard by then
	p.hand(t, "s2", haproxy.Ready)
	p.stays(t, "paused", "s1 serves, s2 serves")
	p.decide(&message.Mark{ID: "m2", Group: "web", Paused: false, Actor: "ana", Decider: "decider-1"})
	p.right(t, "unpaused", ledToA)
}

// While a swap is under way its run leads the clients, and nobody else.
func TestRoutesDuringASwap(t *testing.T) {
	t.Parallel()
	p := newPair(t, "auto")
	p.start("x1")
	p.swap(t, 1, message.KindAdopt, "", "a")
	p.right(t, "adopted", ledToA)
	p.decide(p.command("web", 2, p.act("one", `{"fails": 9}`)))
	p.run("web", 2, message.StatePaused)
	p.hand(t, "s1", haproxy.Maint)
	p.stays(t, "a step waits for a person", "s1 in maintenance, s2 in maintenance")
	p.instruct("web", 2, message.VerbSkip, "one", 1)
	p.run("web", 2, message.StateDone)
	p.right(t, "the swap is done", ledToB)
}

// While the primary is fenced nobody leads clients back to it: a person may have led them elsewhere, with a word that no epoch says yet.
func TestRoutesOfAFencedPrimary(t *testing.T) {
	t.Parallel()
	p := newPair(t, "auto")
	p.start("x1")
	p.swap(t, 1, message.KindAdopt, "", "a")
	p.right(t, "adopted", ledToA)
	word := &message.Fenced{
		ID: "fenced.web.a.1", Group: "web", Member: "a", Epoch: 1, How: message.FencedItself, Executor: "x1", Sentence: "a does not act", At: time.Now().UnixMicro(),
	}
	if _, err := p.bus.Publish(t.Context(), subject.Safety("web", subject.SafetyFenced, "x1"), word); err != nil {
		t.Fatal(err)
	}
	await(p.lab, "that it is told", func(m *message.Event) bool { return m.ID == "ev."+word.ID })
	p.hand(t, "s1", haproxy.Maint)
	p.hand(t, "s2", haproxy.Ready)
	p.stays(t, "the primary is fenced", ledToB)
	p.sites[0].Kill()
	p.swap(t, 2, message.KindFailover, "a", "b")
	p.run("web", 2, message.StateDone)
	p.hand(t, "s2", haproxy.Maint)
	p.right(t, "a foreign hand shut s2", ledToB)
}

// No proxy can be reached during a failover: the step is tried again, then waits for a person, and goes on when told to.
func TestProxyGoneDuringAFailover(t *testing.T) {
	t.Parallel()
	p := newPair(t, "auto")
	p.start("x1")
	p.swap(t, 1, message.KindAdopt, "", "a")
	p.right(t, "adopted", ledToA)
	p.sites[0].Kill()
	p.proxy.Kill()
	p.swap(t, 2, message.KindFailover, "a", "b")
	paused := p.step("web", 2, "route-front", message.StatePaused)
	if paused.Attempt != 3 || !strings.Contains(paused.Problem, p.proxy.Runtime("admin")) {
		t.Errorf("attempt %d: %s", paused.Attempt, paused.Problem)
	}
	p.proxy.Restart()
	p.instruct("web", 2, message.VerbRetry, "route-front", 3)
	p.run("web", 2, message.StateDone)
	if got := p.serves(t); got != ledToB {
		t.Errorf("after the retry: %s", got)
	}
}

// In dry run routes are seen and told, never set.
func TestRoutesInDryRun(t *testing.T) {
	t.Parallel()
	p := newPair(t, "dry-run")
	p.start("x1")
	p.swap(t, 1, message.KindAdopt, "", "a")
	p.run("web", 1, message.StateDone)
	p.stays(t, "dry run", "s1 in maintenance, s2 in maintenance")
	p.hand(t, "s2", haproxy.Ready)
	p.seen(true, "b")
	p.stays(t, "dry run", "s1 in maintenance, s2 serves")
	p.apply(t, "auto")
	p.right(t, "mode auto", ledToA)
}

// A failover and a switchover lead the clients over; the run says how long it took.
func TestSwapsRealRoutes(t *testing.T) {
	t.Parallel()
	p := newPair(t, "auto")
	p.start("x1")
	p.start("x2")
	p.swap(t, 1, message.KindAdopt, "", "a")
	p.right(t, "adopted", ledToA)
	load := haproxytest.StartLoad(t, p.proxy.URL("front"), haproxytest.LoadOptions{Workers: 2})
	if err := load.Await(t.Context(), "a", 10); err != nil {
		t.Fatal(err)
	}
	p.swap(t, 2, message.KindSwitchover, "a", "b")
	r := p.run("web", 2, message.StateDone)
	if err := load.Await(t.Context(), "b", 10); err != nil {
		t.Fatal(err)
	}
	if report := load.Stop(); len(report.Failures) > 0 {
		t.Errorf("a switchover failed requests: %s", report)
	}
	if got := p.serves(t); got != ledToB {
		t.Errorf("after the switchover: %s", got)
	}
	t.Logf("switchover: executed in %dus, verified in %dus", r.ExecuteMicros, r.VerifyMicros)
	p.sites[1].Kill()
	p.swap(t, 3, message.KindFailover, "b", "a")
	r = p.run("web", 3, message.StateDone)
	if got := p.serves(t); got != ledToA {
		t.Errorf("after the failover: %s", got)
	}
	t.Logf("failover: executed in %dus, verified in %dus", r.ExecuteMicros, r.VerifyMicros)
}
