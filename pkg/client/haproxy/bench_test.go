package haproxy_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

// The figures in the package documentation come from here: go test -run '^$' -bench . ./client/haproxy

func benchPair(b *testing.B, edit ...string) (*haproxytest.Proxy, *haproxytest.Site, *haproxytest.Site) {
	b.Helper()
	s1, s2 := haproxytest.NewSite(b, "a"), haproxytest.NewSite(b, "b")
	return haproxytest.Start(b, strings.NewReplacer(edit...).Replace(haproxytest.Pair(s1.Addr(), s2.Addr()))), s1, s2
}

func benchConn(b *testing.B, addr string) (*haproxy.Client, *haproxy.Conn) {
	b.Helper()
	c, err := haproxy.New(addr, haproxy.Options{})
	if err != nil {
		b.Fatal(err)
	}
	conn, err := c.Dial(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	return c, conn
}

func mustDo(b *testing.B, conn *haproxy.Conn, commands ...haproxy.Command) {
	b.Helper()
	if _, err := conn.Do(b.Context(), commands...); err != nil {
		b.Fatal(err)
	}
}

func mustAwait(b *testing.B, load *haproxytest.Load, who string, n int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	if err := load.Await(ctx, who, n); err != nil {
		b.Fatal(err)
	}
}

// One poll of a reconciler.
func BenchmarkSnapshot(b *testing.B) {
	p, _, _ := benchPair(b)
	for _, socket := range []string{"admin", "admin-tcp"} {
		c, conn := benchConn(b, p.Runtime(socket))
		b.Run(socket+"/standing", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Snapshot(b.Context(), "web"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(socket+"/one-shot", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Snapshot(b.Context(), "web"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What clients see of a switch, by the order of its commands: eight of them ask without a pause.
func BenchmarkSwitch(b *testing.B) {
	ready := func(s string) haproxy.Command { return haproxy.SetState("web", s, haproxy.Ready) }
	maint := func(s string) haproxy.Command { return haproxy.SetState("web", s, haproxy.Maint) }
	shut := func(s string) haproxy.Command { return haproxy.ShutdownSessions("web", s) }
	p, s1, s2 := benchPair(b)
	_, conn := benchConn(b, p.Runtime("admin"))
	point := func(b *testing.B, server, at string) {
		to := netip.MustParseAddrPort(at)
		mustDo(b, conn, haproxy.SetAddr("web", server, to.Addr(), to.Port()))
	}
	site := map[string]*haproxytest.Site{"s1": s1, "s2": s2}
	orders := []struct {
		name string
		do   func(b *testing.B, c *haproxy.Conn, from, to string)
	}{
		{"ready-maint", func(b *testing.B, c *haproxy.Conn, from, to string) { mustDo(b, c, ready(to), maint(from)) }},
		{"maint-ready", func(b *testing.B, c *haproxy.Conn, from, to string) { mustDo(b, c, maint(from), ready(to)) }},
		{"ready-maint-shutdown", func(b *testing.B, c *haproxy.Conn, from, to string) { mustDo(b, c, ready(to), maint(from), shut(from)) }},
		{"ready,maint", func(b *testing.B, c *haproxy.Conn, from, to string) {
			mustDo(b, c, ready(to))
			mustDo(b, c, maint(from))
		}},
		{"address", func(b *testing.B, c *haproxy.Conn, _, to string) { point(b, "s1", site[to].Addr()) }},
		{"maint,ready", func(b *testing.B, c *haproxy.Conn, from, to string) {
			mustDo(b, c, maint(from))
			mustDo(b, c, ready(to))
		}},
	}
	for _, order := range orders {
		b.Run(order.name, func(b *testing.B) {
			mustDo(b, conn, ready("s1"), maint("s2"))
			point(b, "s1", s1.Addr())
			load := haproxytest.StartLoad(b, p.URL("front"), haproxytest.LoadOptions{Workers: 8})
			mustAwait(b, load, "a", 10)
			from, to := "s1", "s2"
			b.ResetTimer()
			for b.Loop() {
				order.do(b, conn, from, to)
				b.StopTimer()
				mustAwait(b, load, site[to].Name(), 5)
				from, to = to, from
				b.StartTimer()
			}
			b.StopTimer()
			report := load.Stop()
			b.ReportMetric(float64(report.Failed)/float64(b.N), "failed/switch")
			b.ReportMetric(float64(report.Requests)/float64(b.N), "requests/switch")
		})
	}
}

// What clients see of a dead server that is replaced 50 ms later, 500 requests a second, by the configuration.
func BenchmarkFailover(b *testing.B) {
	for _, v := range []struct{ name, retries, connect string }{
		{"retries=0", "retries 0", "250ms"},
		{"retries=10,connect=250ms", "retries 10", "250ms"},
		{"retries=10,connect=100ms", "retries 10", "100ms"},
		{"retries=20,connect=50ms", "retries 20", "50ms"},
		{"retries=50,connect=20ms", "retries 50", "20ms"},
	} {
		b.Run(v.name, func(b *testing.B) {
			var failed, runs int
			var gap, slowest time.Duration
			for b.Loop() {
				p, s1, _ := benchPair(b, "retries 10", v.retries, "timeout connect 100ms", "timeout connect "+v.connect)
				_, conn := benchConn(b, p.Runtime("admin"))
				mustDo(b, conn, haproxy.SetState("web", "s1", haproxy.Ready))
				load := haproxytest.StartLoad(b, p.URL("front"), haproxytest.LoadOptions{Every: 2 * time.Millisecond})
				mustAwait(b, load, "a", 50)
				s1.Kill()
				time.Sleep(50 * time.Millisecond) // the time a manager takes to decide
				mustDo(b, conn, haproxy.SetState("web", "s2", haproxy.Ready), haproxy.SetState("web", "s1", haproxy.Maint))
				mustAwait(b, load, "b", 100)
				report := load.Stop()
				failed, runs = failed+report.Failed, runs+1
				gap, slowest = max(gap, report.Gap), max(slowest, report.Slowest)
				p.Stop()
			}
			b.ReportMetric(float64(failed)/float64(runs), "failed/failover")
			b.ReportMetric(float64(gap.Milliseconds()), "gap-ms")
			b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms")
		})
	}
}

// How long clients are without a server after a reload to which every server is "disabled", by the interval of Watch.
func BenchmarkReload(b *testing.B) {
	for _, every := range []time.Duration{500 * time.Millisecond, 100 * time.Millisecond, 20 * time.Millisecond} {
		b.Run("every="+every.String(), func(b *testing.B) {
			p, _, _ := benchPair(b)
			c, _ := benchConn(b, p.Runtime("admin"))
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			right, lost := make(chan haproxy.Info, 100), make(chan error, 100_000)
			go c.Watch(ctx, haproxy.WatchOptions{Backends: []string{"web"}, Every: every}, reconciler(right, lost))
			<-right
			var gap time.Duration
			runs := 0
			for b.Loop() {
				load := haproxytest.StartLoad(b, p.URL("front"), haproxytest.LoadOptions{Every: 2 * time.Millisecond})
				mustAwait(b, load, "a", 20)
				p.Reload()
				<-right
				mustAwait(b, load, "a", 20)
				gap += load.Stop().Gap
				runs++
			}
			b.ReportMetric(float64(gap.Milliseconds())/float64(runs), "gap-ms")
		})
	}
}
