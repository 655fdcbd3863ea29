package haproxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

// The planned switchover that the package documentation recommends: under constant load no request fails, and one that was
// in flight is answered by the server that had it.
func TestSwitchoverInTheRecommendedOrderFailsNoRequest(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	conn := dial(t, p.client)
	do(t, conn, haproxy.SetState("web", "s1", haproxy.Ready))
	loads := []*haproxytest.Load{
		haproxytest.StartLoad(t, p.URL("front"), haproxytest.LoadOptions{}),
		haproxytest.StartLoad(t, p.URL("front"), haproxytest.LoadOptions{KeepAlive: true}),
		haproxytest.StartLoad(t, p.URL("front"), haproxytest.LoadOptions{Every: 5 * time.Millisecond}),
	}
	await := func(who string) {
		t.Helper()
		for _, l := range loads {
			if err := l.Await(within(t), who, 5); err != nil {
				t.Fatal(err)
			}
		}
	}
	await("a")
	inFlight := p.hold(t, p.a)

	const switches = 20
	from, to, answers := "s1", "s2", "b"
	for range switches {
		do(t, conn, haproxy.SetState("web", to, haproxy.Ready), haproxy.SetState("web", from, haproxy.Maint))
		await(answers)
		from, to = to, from
		answers = map[string]string{"a": "b", "b": "a"}[answers]
	}
	p.a.Release()
	if body := <-inFlight; body != "a" {
		t.Errorf("the request in flight was answered %q", body)
	}
	for i, l := range loads {
		report := l.Stop()
		t.Logf("load %d over %d switches: %v", i, switches, report)
		if report.Failed > 0 {
			t.Errorf("load %d: requests failed: %v", i, report)
		}
	}
}

// One server line whose address is changed: never two servers at once, never none.
func TestChangeOfAddressFailsNoRequest(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	conn := dial(t, p.client)
	do(t, conn, haproxy.SetState("web", "s1", haproxy.Ready))
	load := haproxytest.StartLoad(t, p.URL("front"), haproxytest.LoadOptions{})
	for _, site := range []*haproxytest.Site{p.a, p.b, p.a, p.b} {
		at := netip.MustParseAddrPort(site.Addr())
		do(t, conn, haproxy.SetAddr("web", "s1", at.Addr(), at.Port()))
		if err := load.Await(within(t), site.Name(), 10); err != nil {
			t.Fatal(err)
		}
	}
	if report := load.Stop(); report.Failed > 0 {
		t.Errorf("requests failed: %v", report)
	}
}

// A server is dead and is replaced a moment later: with the recommended configuration those who ask meanwhile wait. (Those whom
// it was answering when it died have lost their answer.)
func TestFailoverWithRetriesFailsNoRequest(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	conn := dial(t, p.client)
	do(t, conn, haproxy.SetState("web", "s1", haproxy.Ready))
	p.a.Kill()
	load := haproxytest.StartLoad(t, p.URL("front"), haproxytest.LoadOptions{Every: 10 * time.Millisecond, Timeout: 20 * time.Second})
	// Whoever asks now finds nobody there. That they wait is seen in HAProxy, not by sleeping.
	eventually(t, "requests that wait for a server", func() bool {
		stats, err := p.client.Stat(within(t), "web")
		if err != nil {
			t.Fatal(err)
		}
		return stats.Backend.Sessions >= 3 && stats.Backend.Retries > 0
	})
	do(t, conn, haproxy.SetState("web", "s2", haproxy.Ready), haproxy.SetState("web", "s1", haproxy.Maint))
	if err := load.Await(within(t), "b", 10); err != nil {
		t.Fatal(err)
	}
	report := load.Stop()
	t.Logf("%v", report)
	if report.Failed > 0 {
		t.Errorf("requests failed: %v", report)
	}
}

// stream opens a response that lasts, and gives what ends it.
func stream(t *testing.T, url string) (by string, end <-chan error) {
	t.Helper()
	resp, err := http.Get(url + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	body := bufio.NewReader(resp.Body)
	line, err := body.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := body.ReadByte(); ended <- err }()
	return strings.TrimSpace(line), ended
}

func TestMaintLeavesSessionsAndShutdownEndsThem(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	c := p.client
	do(t, c, haproxy.SetState("web", "s1", haproxy.Ready))
	by, end := stream(t, p.URL("front"))
	if by != "a" {
		t.Fatalf("stream by %q", by)
	}
	do(t, c, haproxy.SetState("web", "s2", haproxy.Ready), haproxy.SetState("web", "s1", haproxy.Maint))
	if body, _ := get(t, p.URL("front")); body != "b" {
		t.Errorf("new traffic went to %q", body)
	}
	stats, err := c.Stat(within(t), "web")
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := stats.Server("s1"); s.Sessions != 1 || s.Status != "MAINT" {
		t.Errorf("the stream in maintenance: %+v", s)
	}
	select {
	case err := <-end:
		t.Fatalf("maintenance ended the stream: %v", err)
	default:
	}
	if err := c.ShutdownSessions(within(t), "web", "s1"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-end:
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the stream ended with %v", err)
		}
	case <-within(t).Done():
		t.Fatal("the stream goes on after its sessions were shut")
	}
	eventually(t, "no session on s1", func() bool {
		stats, err := c.Stat(within(t), "web")
		s, _ := stats.Server("s1")
		return err == nil && s.Drained()
	})
}

// "on-marked-down shutdown-sessions" on the server line does it in the same breath as maint, and not for drain.
func TestOnMarkedDownShutsSessionsAtMaint(t *testing.T) {
	t.Parallel()
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	p := haproxytest.Start(t, haproxytest.PairWith("disabled on-marked-down shutdown-sessions", a.Addr(), b.Addr()))
	c := newClient(t, p.Runtime("admin"), haproxy.Options{})
	do(t, c, haproxy.SetState("web", "s1", haproxy.Ready))
	_, end := stream(t, p.URL("front"))
	do(t, c, haproxy.SetState("web", "s1", haproxy.Drain))
	if stats, err := c.Stat(within(t), "web"); err != nil || stats.Servers[0].Sessions != 1 {
		t.Errorf("the stream while draining: %+v, %v", stats, err)
	}
	do(t, c, haproxy.SetState("web", "s1", haproxy.Maint))
	select {
	case err := <-end:
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the stream ended with %v", err)
		}
	case <-within(t).Done():
		t.Fatal("the stream goes on in maintenance")
	}
}

// HAProxy's own state file carries what was set at run time over a reload, also "ready" over "disabled", and leaves out
// no request. It must not be there at a start: then the proxy would boot with yesterday's roles.
func TestStateFileCarriesStatesOverAReload(t *testing.T) {
	t.Parallel()
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	file := filepath.Join(t.TempDir(), "state")
	config := strings.NewReplacer("global\n", "global\n    server-state-file "+file+"\n",
		"defaults\n", "defaults\n    load-server-state-from-file global\n").Replace(haproxytest.Pair(a.Addr(), b.Addr()))
	p := haproxytest.Start(t, config)
	c := newClient(t, p.Runtime("admin"), haproxy.Options{})
	do(t, c, haproxy.SetState("web", "s1", haproxy.Ready))
	want := serving(t, c)
	answers := do(t, c, haproxy.ShowServersState("web"))
	if err := os.WriteFile(file, []byte(answers[0].Text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Reload()
	if got := serving(t, c); !maps.Equal(got, want) || got["s1"] != haproxy.Serves {
		t.Errorf("after a reload with a state file: %v, want %v", got, want)
	}
	servers, err := c.ServersState(within(t), "web")
	if err != nil {
		t.Fatal(err)
	}
	if servers[0].Admin != haproxy.ConfiguredMaint {
		t.Errorf("s1 is %v", servers[0].Admin)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.Restart()
	if got := serving(t, c); got["s1"] != haproxy.InMaint {
		t.Errorf("after a restart without a state file: %v", got)
	}
}

// A frozen HAProxy: the kernel still accepts the connection, and nothing answers.
func TestDeadlineOfTheCallerCounts(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	p.Suspend()
	defer p.Resume()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := p.client.ShowInfo(ctx)
	wantReason(t, err, haproxy.ErrUnreachable)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"show info": unreachable: no answer before the deadline`) {
		t.Errorf("error %v", err)
	}
}
