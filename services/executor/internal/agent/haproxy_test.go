package agent_test

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/services/executor/internal/agent"
)

//go:embed haproxy.cfg
var recommended string

func TestMain(m *testing.M) {
	if os.Getenv("AGENT_EXECUTOR") != "" {
		os.Exit(executor())
	}
	os.Exit(m.Run())
}

// executor is another process, which answers "up" for ever and ends with its standard output at the latest.
func executor() int {
	l, err := agent.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(l.Addr())
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			fmt.Println("alive")
		}
	}()
	if err := agent.New(func() (bool, string) { return true, "" }, slog.New(slog.DiscardHandler)).Serve(context.Background(), l); err != nil {
		fmt.Println(err)
	}
	return 1
}

// start starts one, and gives it with its port.
func start(t *testing.T) (*exec.Cmd, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "AGENT_EXECUTOR=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-read
		_ = cmd.Wait()
	})
	first := make(chan string, 1)
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 0 {
				first <- lines.Text()
			}
		}
	}()
	return cmd, portOf(t, <-first)
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// behind runs HAProxy with the recommended backend and one server, whose executor answers at the port.
func behind(t *testing.T, backend string, site *haproxytest.Site, port string) (*haproxytest.Proxy, *haproxy.Client) {
	t.Helper()
	config := `
global
    stats socket {{unix "admin"}} level admin
    spread-checks 0
defaults
    timeout client 30s
    timeout server 30s
    timeout connect 1s
frontend front
    mode tcp
    bind {{addr "front"}}
    default_backend orders
` + strings.NewReplacer("8008", port, "192.0.2.10:5432", site.Addr(), "    server b 198.51.100.10:5432\n", "").Replace(backend)
	p := haproxytest.Start(t, config)
	c, err := haproxy.New(p.Runtime("admin"), haproxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

// becomes waits until the server has that status, and gives what HAProxy says of it.
func becomes(t *testing.T, c *haproxy.Client, up bool) haproxy.Stat {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stats, err := c.Stat(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		a, ok := stats.Server("a")
		if ok && strings.HasPrefix(a.Status, "DOWN") != up {
			return a
		}
		if time.Now().After(until) {
			t.Fatalf("the server is %q, want up %t: %+v", a.Status, up, a)
		}
	}
}

// held opens a session through the proxy that lasts until somebody cuts it, and gives a channel that says so.
func held(t *testing.T, p *haproxytest.Proxy) <-chan struct{} {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(p.URL("front") + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}()
	return cut
}

func ended(t *testing.T, cut <-chan struct{}, when string) {
	t.Helper()
	select {
	case <-cut:
	case <-time.After(20 * time.Second):
		t.Errorf("an old session goes on after %s", when)
	}
}

// The manual shows the very lines that are tried here.
func TestTheManualShowsTheseLines(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/guard.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```haproxy\n"+recommended+"```\n") {
		t.Error("docs/guard.md shows other lines than haproxy.cfg")
	}
}

// The server serves while the lease lasts, goes down when it ends, loses its sessions, and comes back with a lease.
func TestHAProxyFollowsTheLease(t *testing.T) {
	site := haproxytest.NewSite(t, "a")
	var lasts atomic.Bool
	lasts.Store(true)
	addr := serve(t, func() (bool, string) { return lasts.Load(), "the lease of epoch 7 has ended" })
	p, c := behind(t, recommended, site, portOf(t, addr))
	for range 2 {
		becomes(t, c, true)
		session := held(t, p)
		lasts.Store(false)
		becomes(t, c, false)
		ended(t, session, "the lease")
		for until := time.Now().Add(10 * time.Second); !strings.Contains(p.Log(), "the lease of epoch 7 has ended"); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("HAProxy does not tell the reason:\n%s", p.Log())
			}
		}
		lasts.Store(true)
	}
	becomes(t, c, true)
}

// The same with agent-check beside the health check, as an operator may have it.
func TestHAProxyFollowsTheLeaseWithAgentCheckBesides(t *testing.T) {
	site := haproxytest.NewSite(t, "a")
	var lasts atomic.Bool
	lasts.Store(true)
	addr := serve(t, func() (bool, string) { return lasts.Load(), "the lease has ended" })
	_, c := behind(t, strings.Replace(recommended, "check inter", "agent-check agent-inter 100ms agent-port 8008 check inter", 1), site, portOf(t, addr))
	for range 2 {
		becomes(t, c, true)
		lasts.Store(false)
		becomes(t, c, false)
		lasts.Store(true)
	}
	becomes(t, c, true)
}

// An executor that is killed or frozen takes its server down with it, and the thawed one brings it back.
func TestHAProxyFailsClosedWithoutTheExecutor(t *testing.T) {
	for what, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "frozen": syscall.SIGSTOP} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			site := haproxytest.NewSite(t, "a")
			cmd, port := start(t)
			p, c := behind(t, recommended, site, port)
			becomes(t, c, true)
			session := held(t, p)
			began := time.Now()
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			a := becomes(t, c, false)
			t.Logf("down after %v: %s %s", time.Since(began).Round(time.Millisecond), a.CheckStatus, a.LastCheck)
			ended(t, session, "the executor was "+what)
			if signal == syscall.SIGSTOP {
				if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				becomes(t, c, true)
			}
		})
	}
}

// The guard's refusal alone takes the server down as well.
func TestHAProxySeesThatTheServerItselfIsGone(t *testing.T) {
	site := haproxytest.NewSite(t, "a")
	addr := serve(t, func() (bool, string) { return true, "" })
	_, c := behind(t, recommended, site, portOf(t, addr))
	becomes(t, c, true)
	site.Kill()
	becomes(t, c, false)
}

// Why the recommended lines have a health check: with agent-check in its place a dead executor changes nothing. Were this to change in
// HAProxy, the lines could be fewer.
func TestAgentCheckAloneFailsOpen(t *testing.T) {
	site := haproxytest.NewSite(t, "a")
	cmd, port := start(t)
	var alone strings.Builder
	for line := range strings.Lines(recommended) {
		if !strings.Contains(line, "tcp-check") {
			alone.WriteString(strings.Replace(line, "check inter 200ms fall 1 rise 1", "agent-check agent-inter 200ms agent-port 8008", 1))
		}
	}
	p, c := behind(t, alone.String(), site, port)
	becomes(t, c, true)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // five agent checks
	becomes(t, c, true)
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Get(p.URL("front"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}
