package haproxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	client "github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/haproxy"
)

// newRelay counts what changes a server or ends its sessions.
func newRelay(t *testing.T, runtime string) *drivertest.Relay {
	t.Helper()
	return drivertest.NewRelay(t, runtime, func(sent string) (n int) {
		for _, cmd := range strings.FieldsFunc(sent, func(r rune) bool { return r == ';' || r == '\n' }) {
			if strings.HasPrefix(cmd, "set server ") || strings.HasPrefix(cmd, "shutdown ") {
				n++
			}
		}
		return n
	})
}

func with(t *testing.T, args spec.HAProxyArgs) string {
	t.Helper()
	b, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func pair(t *testing.T) *haproxytest.Proxy {
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	config := haproxytest.Pair(a.Addr(), b.Addr())
	// A socket that may look and not change.
	return haproxytest.Start(t, strings.Replace(config, "stats socket", "stats socket {{unix \"operator\"}} level operator\n    stats socket", 1))
}

func args(proxies ...string) spec.HAProxyArgs {
	return spec.HAProxyArgs{
		Route: "front", Proxies: proxies, Backend: "web", States: map[string]string{"s1": "maint", "s2": "ready"},
		First: []string{"s1"}, ShutSessions: []string{"s1"}, Need: "any", Timeout: "2s",
	}
}

func TestConformance(t *testing.T) {
	haproxytest.Require(t)
	drivertest.Run(t, haproxy.Kind(), func(t *testing.T) drivertest.Target {
		p := pair(t)
		r := newRelay(t, p.Runtime("admin"))
		return drivertest.Target{
			With: with(t, args("tcp://"+r.Addr())), Changes: r.Changes, Tells: true,
			Hang: r.Hang, Gone: r.Gone,
			Refuse: func() { r.Lead(p.Runtime("operator")) },
		}
	})
}

func open(t *testing.T, a spec.HAProxyArgs) (driver.Driver, driver.Input) {
	t.Helper()
	in := drivertest.In(t, with(t, a))
	d, err := haproxy.Kind().New(in.Step.With)
	if err != nil {
		t.Fatal(err)
	}
	return d, in
}

func states(t *testing.T, p *haproxytest.Proxy) string {
	t.Helper()
	c, err := client.New(p.Runtime("admin"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Snapshot(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, server := range s.Servers {
		words = append(words, server.Name+" "+server.Serving().String())
	}
	return strings.Join(words, ", ")
}

// Several proxies are set side by side; one that is gone is told and does not keep the step from being done, unless all are needed.
func TestOneProxyIsGone(t *testing.T) {
	haproxytest.Require(t)
	one, two := pair(t), pair(t)
	two.Kill()
	for _, need := range []string{"any", "all"} {
		a := args(one.Runtime("admin"), two.Runtime("admin"))
		a.Need = need
		d, in := open(t, a)
		deed, err := d.Do(t.Context(), in)
		if need == "any" && (err != nil || !deed.Applied || !strings.Contains(deed.Evidence, two.Runtime("admin"))) {
			t.Errorf("need any: %+v, %v", deed, err)
		}
		if need == "all" && !errors.Is(err, driver.ErrUnasked) {
			t.Errorf("need all: %v", err)
		}
		sight, err := d.Look(t.Context(), in)
		if want := map[string]driver.Done{"any": driver.Yes, "all": driver.No}[need]; err != nil || sight.Done != want {
			t.Errorf("need %s: afterwards %+v, %v", need, sight, err)
		}
	}
	if got := states(t, one); got != "s1 in maintenance, s2 serves" {
		t.Errorf("the proxy that is there: %s", got)
	}
}

// Only what differs is sent: a proxy that is right is not touched again, one that is half right gets the other half.
func TestSendsWhatDiffers(t *testing.T) {
	haproxytest.Require(t)
	p := pair(t)
	r := newRelay(t, p.Runtime("admin"))
	c, err := client.New(p.Runtime("admin"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetState(t.Context(), "web", "s1", client.Maint); err != nil {
		t.Fatal(err)
	}
	a := args("tcp://" + r.Addr())
	a.ShutSessions = nil
	d, in := open(t, a)
	if _, err := d.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if n := r.Changes(); n != 1 {
		t.Errorf("%d commands for one difference", n)
	}
	if _, err := d.Do(t.Context(), in); err != nil || r.Changes() != 1 {
		t.Errorf("%d commands for none, %v", r.Changes()-1, err)
	}
}

// Addresses and weights are set before the server opens, and read back.
func TestAddressAndWeight(t *testing.T) {
	haproxytest.Require(t)
	p := pair(t)
	a := args(p.Runtime("admin"))
	a.Addresses, a.Weights = map[string]string{"s2": "127.0.0.3:8081"}, map[string]int{"s2": 7}
	d, in := open(t, a)
	if _, err := d.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(p.Runtime("admin"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Snapshot(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	if s2, ok := s.Server("web", "s2"); !ok || s2.Addr != "127.0.0.3" || s2.Port != 8081 || s2.Weight != 7 {
		t.Errorf("%+v", s2)
	}
}

// The sessions of the old server are waited for, then shut.
func TestWaitsForSessions(t *testing.T) {
	haproxytest.Require(t)
	site, other := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	p := haproxytest.Start(t, haproxytest.PairWith("", site.Addr(), other.Addr()))
	c, err := client.New(p.Runtime("admin"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", p.Addr("front"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := c.SetState(t.Context(), "web", "s2", client.Maint); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
	for until := time.Now().Add(5 * time.Second); site.Held() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the site holds no request")
		}
	}
	a := args(p.Runtime("admin"))
	a.WaitSessions, a.First, a.Timeout = []string{"s1"}, []string{"s2"}, "500ms"
	d, in := open(t, a)
	// The step's time less one conversation and the margin leaves half a second to wait.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	if _, err := d.Do(ctx, in); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 400*time.Millisecond || took > 3*time.Second {
		t.Errorf("it waited %s for a session that does not end", took)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
		t.Log("the client got an answer by the proxy, which ended its session")
	}
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.Yes {
		t.Errorf("%+v, %v", sight, err)
	}
}

// A session whose client has gone cannot be shut until the server's host answers, and a host that is lost never does: the step is done all
// the same, and says what is left. Nothing keeps it from being done again.
func TestASessionThatCannotBeShutDoesNotHoldTheSwapUp(t *testing.T) {
	haproxytest.Require(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := haproxytest.Start(t, strings.ReplaceAll(`
global
  stats socket {{unix "admin"}} level admin
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend front
  bind {{addr "front"}}
  default_backend web
backend web
  server s1 S1
  server s2 127.0.0.1:9 disabled
`, "S1", silent.Addr().String()))
	conn, err := net.Dial("tcp", p.Addr("front"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "a question that is never answered")
	there, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if _, err := io.ReadFull(there, make([]byte, 10)); err != nil { // the session is with the server by now
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, there); err != nil { // HAProxy has handed on that the client has gone
		t.Fatal(err)
	}
	d, in := open(t, args(p.Runtime("admin")))
	deed, err := d.Do(t.Context(), in)
	if err != nil || !deed.Applied || !strings.Contains(deed.Evidence, "1 sessions left on s1") {
		t.Errorf("%+v, %v", deed, err)
	}
	sight, err := d.Look(t.Context(), in)
	if err != nil || sight.Done != driver.Unknown || !sight.Repeat {
		t.Errorf("%+v, %v", sight, err)
	}
	if got := states(t, p); got != "s1 in maintenance, s2 serves" {
		t.Error(got)
	}
	if _, err := d.Do(t.Context(), in); err != nil {
		t.Errorf("done again: %v", err)
	}
}

// An earlier try may have switched the servers and ended no session: they are ended when it is done again.
func TestSessionsAreEndedThoughTheServersAreRightAlready(t *testing.T) {
	haproxytest.Require(t)
	site, other := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	p := haproxytest.Start(t, haproxytest.PairWith("", site.Addr(), other.Addr()))
	c, err := client.New(p.Runtime("admin"), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetState(t.Context(), "web", "s2", client.Maint); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", p.Addr("front"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
	for until := time.Now().Add(20 * time.Second); site.Held() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the site holds no request")
		}
	}
	for server, state := range map[string]client.State{"s1": client.Maint, "s2": client.Ready} {
		if err := c.SetState(t.Context(), "web", server, state); err != nil {
			t.Fatal(err)
		}
	}
	d, in := open(t, args(p.Runtime("admin")))
	if _, err := d.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	stats, err := c.Stat(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	if s1, ok := stats.Server("s1"); !ok || s1.Sessions != 0 {
		t.Errorf("%+v", s1)
	}
}
