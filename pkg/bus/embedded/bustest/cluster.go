package bustest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/porttest"
)

// Cluster starts three servers in this process that form a cluster, and returns them when it has a leader. It costs more than a second: share one.
func Cluster(t testing.TB) []*Server {
	t.Helper()
	const n = 3
	var listen, routes []string
	for range n { // the servers of a cluster must know each other's before they start
		addr := porttest.Hold(t)
		listen, routes = append(listen, addr), append(routes, "nats://"+addr)
	}
	out := make([]*Server, n)
	var starting sync.WaitGroup
	for i := range out {
		out[i] = &Server{t: t, opts: embedded.Options{
			Name: fmt.Sprint("n", i+1), StoreDir: t.TempDir(), Listen: porttest.Hold(t), NoSync: true, MaxStore: 2 << 30,
			Cluster: &embedded.Cluster{Name: "test", Listen: listen[i], Routes: routes},
		}}
		starting.Go(out[i].Start)
	}
	starting.Wait()
	for _, s := range out {
		if s.now == nil {
			t.FailNow()
		}
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
