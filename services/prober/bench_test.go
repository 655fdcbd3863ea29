package prober

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

// farm answers for thousands of checks.
func farm(l net.Listener) {
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
}

// storeDir names where the bus of a child keeps its files.
const storeDir = "PROBER_BENCH_STORE"

// busServer is a bus in a process of its own, so that its work does not count as the prober's.
func busServer(l net.Listener) {
	addr := l.Addr().String()
	_ = l.Close()
	_, err := embedded.Start(context.Background(), embedded.Options{
		Name: "bench", StoreDir: os.Getenv(storeDir), NoSync: true, MaxStore: 2 << 30, Listen: addr,
	})
	if err != nil {
		log.Fatal(err)
	}
	select {}
}

// BenchmarkFiveThousandChecks is a prober with 5 000 http checks once a second, over connections that are kept, with every heartbeat
// stored: how much of a core it takes, and how late looks begin. Target and bus are processes of their own. Run it alone:
//
//	go test -run '^$' -bench FiveThousand -benchtime 1x ./services/prober
func BenchmarkFiveThousandChecks(b *testing.B) { benchmark(b, 500, 5) }

// BenchmarkTwentyChecks is ten groups of two members: the prober's share of a small installation that idles.
func BenchmarkTwentyChecks(b *testing.B) { benchmark(b, 10, 1) }

func benchmark(b *testing.B, groups, checks int) {
	const seconds = 10
	target := checktest.Start(b, "farm")
	server := checktest.Start(b, "bus", storeDir+"="+b.TempDir())
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	conn, err := bus.Connect(ctx, bus.Options{Name: "p1", Service: "prober", URLs: []string{"nats://" + server.Addr}})
	require.NoError(b, err)
	defer conn.Close()
	require.NoError(b, conn.Provision(ctx, bus.Layout{HeartbeatMaxBytes: 512 << 20, EventsMaxBytes: 64 << 20, DeadLetterMaxBytes: 32 << 20}))
	p, err := New(Options{Bus: conn, Name: "p1", Vantages: []string{"sp"}})
	require.NoError(b, err)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	for g := range groups {
		group := &spec.Group{Name: fmt.Sprintf("group%d", g), Policy: spec.DefaultPolicy()}
		for _, name := range []string{"a", "b"} {
			group.Members = append(group.Members, spec.Member{Name: name, Site: "sp", URL: "http://" + target.Addr})
		}
		for c := range checks {
			group.Checks = append(group.Checks, spec.Check{
				Name: fmt.Sprintf("c%d", c), Kind: spec.CheckHTTP, Effect: spec.EffectDown, Every: time.Second, Timeout: 500 * time.Millisecond, From: []string{"sp"},
				HTTP: &spec.HTTPCheck{URL: "/alive"},
			})
		}
		p.roster.Apply(group.Name, group, 1)
	}
	require.Equal(b, 2*groups*checks, p.roster.Len())
	time.Sleep(3 * time.Second) // until every connection is made

	var late []time.Duration
	failed := 0
	before, cpu, began := p.writer.Stats(), cpuTime(b), time.Now()
	for range seconds { // each check looks once in a second, so the newest looks are all looks
		time.Sleep(time.Second)
		for _, l := range p.Looks() {
			if l.Answer != message.Up {
				failed++
			}
			late = append(late, l.Late)
		}
	}
	took := time.Since(began).Seconds()
	after := p.writer.Stats()
	used := (cpuTime(b) - cpu).Seconds() / took
	slices.Sort(late)
	ms := func(q float64) float64 { return late[int(q*float64(len(late)-1))].Seconds() * 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(used, "cores")
	b.ReportMetric(float64(after.Offered-before.Offered)/took, "looks/s")
	b.ReportMetric(float64(after.Stored-before.Stored)/took, "stored/s")
	b.ReportMetric(ms(0.5), "late-p50-ms")
	b.ReportMetric(ms(0.99), "late-p99-ms")
	b.ReportMetric(ms(1), "late-max-ms")
	b.ReportMetric(float64(failed), "not-up") // not zero: the machine is too busy for these figures to say anything
	b.ReportMetric(residentMB(b), "resident-MB")
	cancel()
	require.NoError(b, <-done)
}

// cpuTime is what this process has used, in user and kernel.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func residentMB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(b, err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kb float64
			_, err := fmt.Sscan(rest, &kb)
			require.NoError(b, err)
			return kb / 1024
		}
	}
	return 0
}
