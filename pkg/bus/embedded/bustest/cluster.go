package bustest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
)

// Cluster starts three servers in this process that form a cluster, and returns them when it has a leader. It costs more than a second: share one.
func Cluster(t testing.TB) []*Server {
	t.Helper()
	const n = 3
	ports := freePorts(t, n)
	routes := make([]string, n)
	for i, p := range ports {
		routes[i] = fmt.Sprintf("nats://127.0.0.1:%d", p)
	}
	out := make([]*Server, n)
	var starting sync.WaitGroup
	for i := range out {
		out[i] = &Server{t: t, opts: embedded.Options{
			Name: fmt.Sprint("n", i+1), StoreDir: t.TempDir(), Listen: "127.0.0.1:0", NoSync: true, MaxStore: 2 << 30,
			Cluster: &embedded.Cluster{Name: "test", Listen: fmt.Sprintf("127.0.0.1:%d", ports[i]), Routes: routes},
		}}
		starting.Go(out[i].Start)
	}
	starting.Wait()
	for _, s := range out {
		if s.now == nil {
			t.FailNow()
		}
		s.opts.Listen = s.now.ClientURL()[len("nats://"):]
		t.Cleanup(s.Stop)
	}
	b := Dial(t, bus.Options{Name: "wait", URLs: []string{out[0].URL()}})
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		try, done := context.WithTimeout(ctx, time.Second)
		_, err := b.JS().AccountInfo(try)
		done()
		if err == nil {
			return out
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the cluster has no leader: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freePorts reserves ports of loopback that were free a moment ago: the servers of a cluster must know each other's before they start.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var out []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		out = append(out, ln.Addr().(*net.TCPAddr).Port)
	}
	return out
}
