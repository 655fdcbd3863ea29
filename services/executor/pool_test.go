package executor

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
)

// serving is a real HAProxy with a configuration of its own: three servers in round robin and a backup, which all serve without anybody's help.
type serving struct {
	*pair
	servers map[string]*haproxytest.Site
	entries int
}

const poolConfig = `
global
    stats socket {{unix "admin"}} level admin
    stats maxconn 50
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    retries 3
    option redispatch 1
frontend front
    bind {{addr "front"}}
    default_backend web
backend web
    balance roundrobin
    default-server check inter 100ms fall 1 rise 1
    server s1 W1
    server s2 W2
    server s3 W3
    server s4 W4 backup
`

func newServing(t *testing.T, mode string) *serving {
	t.Helper()
	haproxytest.Require(t)
	p := &serving{pair: &pair{lab: newLab(t)}, servers: map[string]*haproxytest.Site{}}
	config := poolConfig
	for i, name := range []string{"w1", "w2", "w3", "spare"} {
		p.servers[name] = haproxytest.NewSite(t, name)
		config = strings.Replace(config, fmt.Sprintf("W%d", i+1), p.servers[name].Addr(), 1)
	}
	p.proxy = haproxytest.Start(t, config)
	var err error
	if p.admin, err = haproxy.New(p.proxy.Runtime("admin"), haproxy.Options{}); err != nil {
		t.Fatal(err)
	}
	p.declare(t, mode)
	return p
}

func (p *serving) declare(t *testing.T, mode string) {
	t.Helper()
	text := fmt.Sprintf(`
group: web
mode: %s
members:
  w1: {site: sp, url: "http://%s"}
  w2: {site: sp, url: "http://%s"}
  w3: {site: rj, url: "http://%s"}
  spare: {site: rj, url: "http://%s", backup: true}
pool: {minimum: 1}
checks:
  alive: {http: /, every: 6s, timeout: 5s, from: [sp, rj]}
routes:
  front: {haproxy: ["%s"], backend: web, servers: {w1: s1, w2: s2, w3: s3, spare: s4}}
`, mode, p.servers["w1"].Addr(), p.servers["w2"].Addr(), p.servers["w3"].Addr(), p.servers["spare"].Addr(), p.proxy.Runtime("admin"))
	if _, err := store.Put(t.Context(), p.bus, text, "ana", "test", store.AnyRevision); err != nil {
		t.Fatal(err)
	}
}

// maintenance writes the entry that a decider would.
func (p *serving) maintenance(member string, begins bool) {
	p.entries++
	rule := "R447"
	if begins {
		rule = "R446"
	}
	p.decide(&message.Maintenance{
		ID: fmt.Sprintf("web.maintenance.%d", p.entries), Group: "web", Member: member, Begins: begins, Rule: rule, Sentence: "asked for", Actor: "ana",
		Request: fmt.Sprintf("r%d", p.entries), Decider: "decider-1",
	})
}

// becomes waits until the proxy has its servers so. That it takes two seconds at most is measured where nothing else runs: see docs/figures.md.
func (p *serving) becomes(t *testing.T, after, want string) {
	t.Helper()
	began := time.Now()
	waitFor(t, after+": "+want, func() bool { return p.serves(t) == want })
	t.Logf("%s: right after %s", after, time.Since(began).Round(time.Millisecond))
}

// led waits until the proxy is told to lead clients to these, with the servers as they are then.
func (p *serving) led(what string, is func(*message.RouteSeen) bool) *message.RouteSeen {
	p.t.Helper()
	return await(p.lab, what, func(m *message.Event) bool { return m.Route != nil && m.Route.Reachable && is(m.Route) }).Route
}

func server(r *message.RouteSeen, member string) message.ServerSeen {
	i := slices.IndexFunc(r.Servers, func(s message.ServerSeen) bool { return s.Member == member })
	if i < 0 {
		return message.ServerSeen{}
	}
	return r.Servers[i]
}

const (
	poolWhole   = "s1 serves, s2 serves, s3 serves, s4 serves"
	poolSans1   = "s1 drains, s2 serves, s3 serves, s4 serves"
	poolSans1_2 = "s1 drains, s2 drains, s3 serves, s4 serves"
)

// Whatever happens to the proxy of a pool: who is in maintenance gets no new clients within two seconds of its being reachable, and everybody else
// does. No request fails for it.
func TestPoolIsKeptRight(t *testing.T) {
	t.Parallel()
	p := newServing(t, "auto")
	p.start("x1")
	p.led("all of them", func(r *message.RouteSeen) bool { return fmt.Sprint(r.Serves) == "[w1 w2 w3]" })
	p.stays(t, "a configuration of one's own", poolWhole)
	if n := count(p.lab, func(m *message.Event) bool { return m.Kind == message.EventDrift }); n > 0 {
		t.Errorf("a configuration of one's own was found wrong\n%s", p.story())
	}

	load := haproxytest.StartLoad(t, p.proxy.URL("front"), haproxytest.LoadOptions{Workers: 2})
	for _, who := range []string{"w1", "w2", "w3"} {
		if err := load.Await(t.Context(), who, 5); err != nil {
			t.Fatal(err)
		}
	}
	p.maintenance("w1", true)
	p.becomes(t, "w1 taken out", poolSans1)
	r := p.led("w1 drained", func(r *message.RouteSeen) bool {
		s := server(r, "w1")
		return fmt.Sprint(r.Serves) == "[w2 w3]" && s.Admin == "drain" && s.Sessions != nil && *s.Sessions == 0
	})
	if s := server(r, "w1"); s.Says != "up" || server(r, "w2").Admin != "ready" || server(r, "w2").Sessions != nil {
		t.Errorf("servers told as %+v", r.Servers)
	}
	p.maintenance("w2", true)
	p.becomes(t, "w2 taken out", poolSans1_2)
	p.maintenance("w2", false)
	p.becomes(t, "w2 put back", poolSans1)
	if err := load.Await(t.Context(), "w2", 5); err != nil {
		t.Fatal(err)
	}
	if report := load.Stop(); len(report.Failures) > 0 {
		t.Errorf("taking members out failed requests: %s", report)
	}
	if n := count(p.lab, func(m *message.Event) bool { return m.Kind == message.EventDrift }); n > 0 {
		t.Errorf("what was asked for was told as drift\n%s", p.story())
	}

	p.hand(t, "s1", haproxy.Ready)
	p.becomes(t, "a foreign hand opened s1", poolSans1)
	p.drift("foreign hand")
	p.hand(t, "s2", haproxy.Maint)
	p.becomes(t, "a foreign hand shut s2", poolSans1)
	p.hand(t, "s1", haproxy.Maint)
	p.becomes(t, "a foreign hand shut s1", poolSans1)
	p.proxy.Reload()
	p.becomes(t, "reloaded", poolSans1)
	p.proxy.Restart()
	p.becomes(t, "restarted", poolSans1)
	p.proxy.Kill()
	await(p.lab, "the proxy away", func(m *message.Event) bool { return m.Route != nil && !m.Route.Reachable })
	p.drift("as soon as it answers")
	p.maintenance("w1", false)
	p.maintenance("w3", true)
	p.proxy.Restart()
	p.becomes(t, "gone for a while", "s1 serves, s2 serves, s3 drains, s4 serves")
}

// Clients that were there when a member was taken out are counted until they have gone: whoever wants to stop it waits for that.
func TestPoolCountsSessions(t *testing.T) {
	t.Parallel()
	p := newServing(t, "auto")
	p.start("x1")
	p.led("all of them", func(r *message.RouteSeen) bool { return fmt.Sprint(r.Serves) == "[w1 w2 w3]" })
	for _, name := range []string{"w2", "w3"} { // so that the request is on w1
		p.maintenance(name, true)
	}
	p.becomes(t, "w2 and w3 taken out", "s1 serves, s2 drains, s3 drains, s4 serves")
	answered := make(chan error, 1)
	go func() {
		resp, err := http.Get(p.proxy.URL("front") + "/hold")
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	waitFor(t, "the request", func() bool { return p.servers["w1"].Held() == 1 })
	for _, name := range []string{"w2", "w3"} {
		p.maintenance(name, false)
	}
	p.maintenance("w1", true)
	sessions := func(n int) func(*message.RouteSeen) bool {
		return func(r *message.RouteSeen) bool {
			s := server(r, "w1").Sessions
			return server(r, "w1").Admin == "drain" && s != nil && *s == n
		}
	}
	p.led("one session on w1", sessions(1))
	p.servers["w1"].Release()
	if err := <-answered; err != nil {
		t.Errorf("the request in flight failed: %v", err)
	}
	p.led("none on w1", sessions(0))
}

// The backup serves when all others are down, by HAProxy's own configuration, and is told so; that HAProxy and the spec disagree about it is told too.
func TestPoolBackup(t *testing.T) {
	t.Parallel()
	p := newServing(t, "auto")
	p.start("x1")
	for _, name := range []string{"w1", "w2", "w3"} {
		p.servers[name].Kill()
	}
	r := p.led("the spare alone", func(r *message.RouteSeen) bool { return fmt.Sprint(r.Serves) == "[spare]" })
	if s := server(r, "w1"); s.Says != "down" || s.Admin != "ready" {
		t.Errorf("w1 is told as %+v", s)
	}
	resp, err := http.Get(p.proxy.URL("front"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the spare answers %s", resp.Status)
	}
	config := poolConfig
	for i, name := range []string{"w1", "w2", "w3", "spare"} {
		config = strings.Replace(config, fmt.Sprintf("W%d", i+1), p.servers[name].Addr(), 1)
	}
	p.proxy.Configure(strings.Replace(config, " backup", "", 1))
	p.proxy.Reload()
	p.led("that they disagree", func(r *message.RouteSeen) bool {
		return r.Problem == "spare is a backup by the spec and server s4 is none by HAProxy's configuration"
	})
}

// In dry run, and while the pool is paused, no proxy is touched; at once afterwards it is.
func TestPoolIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := newServing(t, "dry-run")
	p.start("x1")
	p.maintenance("w1", true)
	p.led("all of them", func(r *message.RouteSeen) bool { return fmt.Sprint(r.Serves) == "[w1 w2 w3]" })
	p.stays(t, "dry run", poolWhole)
	p.declare(t, "auto")
	p.becomes(t, "mode auto", poolSans1)
	p.decide(&message.Mark{ID: "m1", Group: "web", Paused: true, Actor: "ana", Decider: "decider-1"})
	p.decide(p.command("other", 1))
	p.run("other", 1, message.StateDone) // the mark was heard by then
	p.hand(t, "s1", haproxy.Ready)
	p.stays(t, "paused", poolWhole)
	p.decide(&message.Mark{ID: "m2", Group: "web", Paused: false, Actor: "ana", Decider: "decider-1"})
	p.becomes(t, "unpaused", poolSans1)
}

// waitFor waits for something that happens elsewhere, with the patience of two busy cores.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%s did not come", what)
		}
	}
}
