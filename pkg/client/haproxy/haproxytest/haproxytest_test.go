package haproxytest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

// The configuration that the documentation shows is one that HAProxy takes without a warning, as it stands.
func TestRecommendedConfigurationIsValid(t *testing.T) {
	t.Parallel()
	program := haproxytest.Require(t)
	config, err := os.ReadFile("recommended.cfg")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "-c", "-V", "-f", "recommended.cfg").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Configuration file is valid") || strings.Contains(string(out), "WARNING") {
		t.Errorf("haproxy -c: %v\n%s", err, out)
	}
	pair := haproxytest.Pair("127.0.0.1:1", "127.0.0.1:2")
	for _, leftover := range []string{"192.0.2.", "198.51.100.", "/run/", ":9999", ":8000", "#"} {
		if !strings.Contains(string(config), leftover) || strings.Contains(pair, leftover) {
			t.Errorf("%q: Pair replaces what recommended.cfg holds: %v, %v", leftover, strings.Contains(string(config), leftover), strings.Contains(pair, leftover))
		}
	}
	if with := haproxytest.PairWith("check inter 50ms", "127.0.0.1:1", "127.0.0.1:2"); strings.Contains(with, "disabled") || strings.Count(with, "check inter 50ms") != 2 {
		t.Errorf("PairWith gives\n%s", with)
	}
}

// A port stays refused and nobody else's while its proxy is away.
func TestPortsAreKept(t *testing.T) {
	t.Parallel()
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	p := haproxytest.Start(t, haproxytest.Pair(a.Addr(), b.Addr()))
	addr := p.Addr("front")
	p.Kill()
	if nc, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial the port of a killed proxy: %v, %v", nc, err)
	}
	if l, err := net.Listen("tcp", addr); err == nil {
		l.Close()
		t.Errorf("the port %s of a killed proxy could be taken", addr)
	}
	p.Restart()
	if p.Addr("front") != addr {
		t.Errorf("the port changed from %s to %s", addr, p.Addr("front"))
	}
	resp, err := http.Get(p.URL("front"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a proxy whose servers are disabled answers %s", resp.Status)
	}
}

// Nothing stays behind: no process, no socket, no folder.
func TestNothingStaysBehind(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]haproxytest.Option{"plain": nil, "master": {haproxytest.MasterWorker()}} {
		var pids []int
		var folder string
		t.Run(name, func(t *testing.T) {
			a := haproxytest.NewSite(t, "a")
			p := haproxytest.Start(t, haproxytest.Pair(a.Addr(), a.Addr()), options...)
			folder = filepath.Dir(strings.TrimPrefix(p.Runtime("admin"), "unix://"))
			for range 2 {
				c, err := haproxy.New(p.Runtime("admin"), haproxy.Options{})
				if err != nil {
					t.Fatal(err)
				}
				conn, err := c.Dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(conn.Close)
				pids = append(pids, conn.Info().Pid)
				p.Reload() // the connection keeps the process before it
			}
			p.Suspend()
		})
		if t.Failed() || t.Skipped() {
			return
		}
		if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: folder %s: %v", name, folder, err)
		}
		for _, pid := range pids {
			for deadline := time.Now().Add(5 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Errorf("%s: process %d is still there", name, pid)
					break
				}
			}
		}
	}
}

func TestLoadCountsWhatItSees(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for name, o := range map[string]haproxytest.LoadOptions{
		"workers":    {Workers: 2},
		"kept":       {Workers: 2, KeepAlive: true, Pause: time.Millisecond},
		"steady":     {Every: 2 * time.Millisecond},
		"steadykept": {Every: 2 * time.Millisecond, KeepAlive: true},
	} {
		site := haproxytest.NewSite(t, name)
		load := haproxytest.StartLoad(t, "http://"+site.Addr(), o)
		if err := load.Await(ctx, name, 10); err != nil {
			t.Fatal(err)
		}
		before := load.Report()
		if before.Failed > 0 || before.By[name] < 10 || before.LastBy != name {
			t.Errorf("%s: %v", name, before)
		}
		site.Kill()
		for load.Report().Failed == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		after := load.Stop()
		if after.Failed == 0 || after.Requests != after.Failed+after.By[name] {
			t.Errorf("%s: %v", name, after)
		}
		if again := load.Stop(); again.Requests != after.Requests {
			t.Errorf("%s: it went on after Stop: %v", name, again)
		}
	}
	expired, stop := context.WithCancel(ctx)
	stop()
	load := haproxytest.StartLoad(t, "http://127.0.0.1:1", haproxytest.LoadOptions{Pause: time.Millisecond})
	if err := load.Await(expired, "nobody", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Await ended with %v", err)
	}
}
