package haproxy_test

import (
	"errors"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

func TestStatesShowInReadBackAndTraffic(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	for _, socket := range []string{"admin", "admin-tcp"} {
		t.Run(socket, func(t *testing.T) {
			c := newClient(t, p.Runtime(socket), haproxy.Options{})
			do(t, c, haproxy.SetState("web", "s1", haproxy.Maint), haproxy.SetState("web", "s2", haproxy.Maint))
			steps := []struct {
				server string
				state  haproxy.State
				want   map[string]haproxy.Serving
				body   string
				status int
			}{
				{"s1", haproxy.Ready, map[string]haproxy.Serving{"s1": haproxy.Serves, "s2": haproxy.InMaint}, "a", 200},
				{"s1", haproxy.Drain, map[string]haproxy.Serving{"s1": haproxy.Draining, "s2": haproxy.InMaint}, "", 503},
				{"s2", haproxy.Ready, map[string]haproxy.Serving{"s1": haproxy.Draining, "s2": haproxy.Serves}, "b", 200},
				{"s1", haproxy.Maint, map[string]haproxy.Serving{"s1": haproxy.InMaint, "s2": haproxy.Serves}, "b", 200},
				{"s2", haproxy.Maint, map[string]haproxy.Serving{"s1": haproxy.InMaint, "s2": haproxy.InMaint}, "", 503},
			}
			for _, step := range steps {
				if err := c.SetState(within(t), "web", step.server, step.state); err != nil {
					t.Fatal(err)
				}
				if got := serving(t, c); !maps.Equal(got, step.want) {
					t.Errorf("after %s %s: servers %v, want %v", step.server, step.state, got, step.want)
				}
				for range 4 {
					body, status := get(t, p.URL("front"))
					if status != step.status || step.body != "" && body != step.body {
						t.Errorf("after %s %s: got %q with status %d, want %q with %d", step.server, step.state, body, status, step.body, step.status)
					}
				}
			}
		})
	}
}

func TestWeightAddressAndHealth(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	c, ctx := p.client, within(t)
	do(t, c, haproxy.SetState("web", "s1", haproxy.Ready), haproxy.SetState("web", "s2", haproxy.Ready), haproxy.SetWeight("web", "s1", 0))
	if got := serving(t, c)["s1"]; got != haproxy.Weightless || got.New() {
		t.Errorf("s1 at weight 0: %v, new traffic %v", got, got.New())
	}
	for range 6 {
		if body, _ := get(t, p.URL("front")); body != "b" {
			t.Errorf("a server of weight 0 got a request")
		}
	}
	if err := c.SetWeight(ctx, "web", "s1", 100); err != nil {
		t.Fatal(err)
	}

	// s2 is pointed at the other site, port included.
	site, err := netip.ParseAddrPort(p.a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to change, which is no error
		if err := c.SetAddr(ctx, "web", "s2", site.Addr(), site.Port()); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetState(ctx, "web", "s1", haproxy.Maint); err != nil {
		t.Fatal(err)
	}
	if body, _ := get(t, p.URL("front")); body != "a" {
		t.Errorf("after s2 was pointed at a: answered by %q", body)
	}
	servers, err := c.ServersState(ctx, "web")
	if err != nil {
		t.Fatal(err)
	}
	if s := servers[1]; s.Addr != "127.0.0.1" || s.Port != int(site.Port()) || servers[0].Weight != 100 || servers[0].InitialWeight != 1 {
		t.Errorf("read back %+v", servers)
	}

	if err := c.SetHealth(ctx, "web", "s2", haproxy.HealthDown); err != nil {
		t.Fatal(err)
	}
	if got := serving(t, c)["s2"]; got != haproxy.IsDown {
		t.Errorf("s2 after health down: %v", got)
	}
}

func TestBatchAttributesEachAnswer(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	answers, err := p.client.Do(within(t),
		haproxy.SetState("web", "s1", haproxy.Ready),
		haproxy.SetState("web", "nobody", haproxy.Maint),
		haproxy.SetState("nowhere", "s1", haproxy.Maint),
		haproxy.ShutdownSessions("web", "nobody"),
		haproxy.ShowServersState("nowhere"),
		haproxy.ShowServersState("web"),
		haproxy.SetState("web", "s2", haproxy.Ready),
		haproxy.ShowStat("nowhere"),
	)
	want := []error{nil, haproxy.ErrNoSuchServer, haproxy.ErrNoSuchBackend, haproxy.ErrNoSuchServer, haproxy.ErrNoSuchBackend, nil, nil, haproxy.ErrNoSuchBackend}
	if len(answers) != len(want) {
		t.Fatalf("%d answers to %d commands: %v", len(answers), len(want), err)
	}
	for i, a := range answers {
		if !errors.Is(a.Err, want[i]) {
			t.Errorf("%q: got %v, want %v", a.Command, a.Err, want[i])
		}
	}
	for _, reason := range []error{haproxy.ErrNoSuchServer, haproxy.ErrNoSuchBackend} {
		wantReason(t, err, reason)
	}
	// The line goes on after a command that failed, and reads what came before it.
	servers, err := haproxy.ParseServersState(answers[5].Text)
	if err != nil || servers[0].Serving() != haproxy.Serves || servers[1].Serving() != haproxy.InMaint {
		t.Errorf("in the middle of the batch: %+v, %v", servers, err)
	}
	if got := serving(t, p.client); got["s1"] != haproxy.Serves || got["s2"] != haproxy.Serves {
		t.Errorf("after the batch: %v", got)
	}
}

func TestOneErrorNamesProxyCommandAndReason(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	err := p.client.SetState(within(t), "web", "s9", haproxy.Maint)
	e := wantReason(t, err, haproxy.ErrNoSuchServer)
	if e.Addr != p.Runtime("admin") || e.Command != "set server web/s9 state maint" || e.Answer != "No such server." {
		t.Errorf("error %+v", e)
	}
	if want := "haproxy " + p.Runtime("admin") + `: "set server web/s9 state maint": no such server; it answered "No such server."`; err.Error() != want {
		t.Errorf("error reads\n%s, want\n%s", err, want)
	}
	if _, err := p.client.Stat(within(t), "front"); !errors.Is(err, haproxy.ErrNoSuchBackend) {
		t.Errorf("counters of a frontend: %v", err)
	}
}

func TestSocketBelowAdminIsRefused(t *testing.T) {
	t.Parallel()
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	config := haproxytest.Pair(a.Addr(), b.Addr())
	for _, level := range []string{"user", "operator"} {
		config = strings.Replace(config, "global\n", "global\n    stats socket {{unix \""+level+"\"}} level "+level+"\n", 1)
	}
	p := haproxytest.Start(t, config)
	for _, level := range []string{"user", "operator"} {
		c := newClient(t, p.Runtime(level), haproxy.Options{})
		if got, err := c.Level(within(t)); err != nil || got != level {
			t.Errorf("level of socket %s: %q, %v", level, got, err)
		}
		answers, err := c.Do(within(t), haproxy.SetState("web", "s1", haproxy.Ready), haproxy.ShutdownSessions("web", "s1"), haproxy.ShowServersState("web"))
		wantReason(t, err, haproxy.ErrPermission)
		if !errors.Is(answers[0].Err, haproxy.ErrPermission) || !errors.Is(answers[1].Err, haproxy.ErrPermission) || answers[2].Err != nil {
			t.Errorf("socket %s: %v", level, answers)
		}
		if got := serving(t, c)["s1"]; got != haproxy.InMaint {
			t.Errorf("socket %s changed s1: %v", level, got)
		}
		if stats, err := c.Stat(within(t), "web"); err != nil || len(stats.Servers) != 2 {
			t.Errorf("counters over socket %s: %+v, %v", level, stats, err)
		}
	}
}

func TestStatFollowsSessionsToADrain(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	c := p.client
	do(t, c, haproxy.SetState("web", "s1", haproxy.Ready))
	done := p.hold(t, p.a)
	stat := func() haproxy.Stat {
		t.Helper()
		stats, err := c.Stat(within(t), "web")
		if err != nil {
			t.Fatal(err)
		}
		s, ok := stats.Server("s1")
		if !ok || stats.Backend.Server != "BACKEND" {
			t.Fatalf("counters %+v", stats)
		}
		return s
	}
	if s := stat(); s.Sessions != 1 {
		t.Errorf("while a request is in flight: %+v", s)
	}
	do(t, c, haproxy.SetState("web", "s1", haproxy.Drain))
	if s := stat(); s.Drained() || s.Status != "DRAIN" || s.Addr != p.a.Addr() {
		t.Errorf("while a request is in flight: %+v", s)
	}
	p.a.Release()
	if body := <-done; body != "a" {
		t.Errorf("the request in flight was answered %q", body)
	}
	eventually(t, "s1 is drained", func() bool { return stat().Drained() })
}

func TestChecksOfHAProxyShow(t *testing.T) {
	t.Parallel()
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	p := haproxytest.Start(t, haproxytest.PairWith("check inter 20ms fall 2 rise 1", a.Addr(), b.Addr()))
	c := newClient(t, p.Runtime("admin"), haproxy.Options{})
	eventually(t, "both pass their checks", func() bool {
		servers, err := c.ServersState(within(t), "web")
		return err == nil && servers[0].CheckResult == haproxy.CheckPassed && servers[1].CheckResult == haproxy.CheckPassed && servers[0].Checked
	})
	a.Kill()
	eventually(t, "s1 is down", func() bool { return serving(t, c)["s1"] == haproxy.IsDown })
	servers, err := c.ServersState(within(t), "web")
	if err != nil {
		t.Fatal(err)
	}
	if why := servers[0].Why(); why != "down by HAProxy's own checks (last check: failed)" {
		t.Errorf("why s1 gets nothing: %q", why)
	}
	stats, err := c.Stat(within(t), "web")
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := stats.Server("s1"); s.Status != "DOWN" || s.CheckStatus != "L4CON" || s.LastCheck != "Connection refused" {
		t.Errorf("counters of s1: %+v", s)
	}
	// "ready" lifts maintenance, and takes a server for healthy until its next check says otherwise.
	do(t, c, haproxy.SetState("web", "s1", haproxy.Maint))
	answers := do(t, c, haproxy.SetState("web", "s1", haproxy.Ready), haproxy.ShowServersState("web"))
	if servers, err = haproxy.ParseServersState(answers[1].Text); err != nil || servers[0].Serving() != haproxy.Serves {
		t.Errorf("a dead server right after maint and ready: %+v, %v", servers, err)
	}
	eventually(t, "s1 is down again", func() bool { return serving(t, c)["s1"] == haproxy.IsDown })
}

// eventually asks HAProxy again and again: it tells nobody when a counter changes.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx := within(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("this did not come: %s", what)
		}
	}
}
