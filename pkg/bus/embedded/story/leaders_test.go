package story

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Leaders go to the server of the least burden and stay there, wherever they were, and follow when the burden moves; a server that is gone
// is no place for them.
func TestLeadersGoWhereTheBurdenIsLeast(t *testing.T) {
	t.Parallel()
	servers := bustest.Cluster(t)
	b := bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{servers[0].URL(), servers[1].URL(), servers[2].URL()}})
	layout := bustest.Layout
	layout.Replicas = 3
	if err := b.Provision(within(t, 60*time.Second), layout); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 90*time.Second)
	if _, err := b.JS().CreateConsumer(ctx, subject.StreamRequests, jetstream.ConsumerConfig{Durable: "deciders", Replicas: 3, AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	away := func(burden map[string]int) {
		t.Helper()
		began, last := time.Now(), ""
		for quiet := 0; ; {
			moved, err := b.PlaceLeaders(ctx, func(s string) int { return burden[s] })
			if err != nil {
				t.Fatal(err)
			}
			bad := ""
			r, err := b.Inspect(ctx, layout)
			if err != nil {
				bad = err.Error()
			}
			for _, s := range r.Streams {
				// What has one copy has no leader while the server that holds it is gone.
				if s.Replicas > 1 && (burden[s.Leader] > 0 || s.Leader == "") {
					bad += s.Name + " is led by " + s.Leader + "; "
				}
			}
			one, done := context.WithTimeout(ctx, time.Second) // nobody answers while there is no leader
			c, err := b.JS().Consumer(one, subject.StreamRequests, "deciders")
			done()
			switch {
			case err != nil:
				bad += err.Error()
			case c.CachedInfo().Cluster.Leader == "" || burden[c.CachedInfo().Cluster.Leader] > 0:
				bad += "the consumer is led by " + c.CachedInfo().Cluster.Leader
			}
			if quiet++; bad != "" || len(moved) > 0 {
				quiet = 0
			}
			if quiet > 10 { // and they stay
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("burden %v, after %v moved %v, and still: %s", burden, time.Since(began), moved, last)
			}
			last = bad
			time.Sleep(100 * time.Millisecond)
		}
	}
	away(map[string]int{"n1": 2, "n2": 1})
	away(map[string]int{"n2": 2, "n3": 1})
	away(map[string]int{"n1": 1, "n3": 1})
	mustWin(t, b, mark("m1", "web"), 0)
	servers[2].Stop()
	// n3 bears nothing and is not there: nothing is asked to go to it, and the chain goes on.
	away(map[string]int{"n1": 1, "n2": 0, "n3": -1})
	if e, err := b.Last(ctx, subject.StreamCommands, subject.Command("web")); err != nil || e.ID() != "m1" {
		t.Fatalf("the chain ends in %+v, %v", e, err)
	}
}

func TestASingleServerHasNoLeadersToPlace(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "d1")
	moved, err := b.PlaceLeaders(within(t, 30*time.Second), func(string) int { return 1 })
	if err != nil || len(moved) != 0 {
		t.Fatalf("moved %v, %v", moved, err)
	}
	b.Close()
	if _, err := b.PlaceLeaders(within(t, 30*time.Second), func(string) int { return 1 }); errors.Is(err, bus.ErrPermission) {
		t.Fatal(err)
	}
}
