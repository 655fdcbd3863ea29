package story

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Three servers, three copies of the chain, a writer at each: the stream's leader is moved and servers are stopped under them. Each epoch has
// one winner and every writer knows who.
func TestWritersAtThreeServersContendWhileTheLeaderMoves(t *testing.T) {
	t.Parallel()
	servers := bustest.Cluster(t)
	urls := func(first int) []string {
		out := []string{servers[first].URL()}
		for i, s := range servers {
			if i != first {
				out = append(out, s.URL())
			}
		}
		return out
	}
	setup := bustest.Dial(t, bus.Options{Name: "setup", URLs: urls(0)})
	layout := bustest.Layout
	layout.Replicas = 3
	if err := setup.Provision(within(t, 60*time.Second), layout); err != nil {
		t.Fatal(err)
	}
	const epochs, writers = 60, 3
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	believed := make([][]string, writers)
	var retried [writers]uint64
	var running sync.WaitGroup
	decided := make(chan int, epochs) // the epochs that the first writer knows the winner of
	for w := range writers {
		b := bustest.Dial(t, bus.Options{Name: fmt.Sprintf("d%d", w+1), URLs: urls(w)})
		running.Go(func() {
			if w == 0 {
				defer close(decided)
			}
			after := uint64(0)
			for e := 1; e <= epochs; e++ {
				m := mark(fmt.Sprintf("epoch-%d-by-%d", e, w), "web")
				for {
					r, err := b.Propose(ctx, subject.Command("web"), m, after)
					if err == nil {
						if r.Won != (r.Entry.ID() == m.ID) {
							t.Errorf("writer %d, epoch %d: won is %v, but the winner is %s", w, e, r.Won, r.Entry.ID())
						}
						believed[w], after = append(believed[w], r.Entry.ID()), r.Entry.Seq
						break
					}
					if ctx.Err() != nil {
						t.Errorf("writer %d gave up in epoch %d: %v", w, e, err)
						return
					}
				}
				if w == 0 {
					decided <- e
				}
			}
			retried[w] = b.Stats().Retried
		})
	}
	// Faults by progress, not by time: however fast the machine is, there are epochs to decide around each of them.
	faults := 0
	for e := range decided {
		if e%6 != 0 {
			continue
		}
		if faults++; faults%4 != 2 {
			stepDown, stop := context.WithTimeout(ctx, time.Second)
			_, _ = setup.Conn().RequestWithContext(stepDown, "$JS.API.STREAM.LEADER.STEPDOWN."+subject.StreamCommands, nil)
			stop()
			continue
		}
		s := servers[rand.N(len(servers))]
		s.Stop()
		s.Start()
	}
	running.Wait()
	entries := chain(t, setup, "web")
	if len(entries) != epochs {
		t.Errorf("the chain has %d entries, want %d", len(entries), epochs)
	}
	for w := range writers {
		for e, id := range believed[w] {
			if e < len(entries) && entries[e].ID() != id {
				t.Errorf("writer %d believes that %s won epoch %d, it was %s", w, id, e+1, entries[e].ID())
			}
		}
	}
	if faults < 3 {
		t.Errorf("%d faults only: this shows nothing", faults)
	}
	t.Logf("%d epochs, %d faults, tries without a clear answer: %v", epochs, faults, retried)
	r, err := setup.Inspect(within(t, 30*time.Second), layout)
	if err != nil || r.Cluster != "test" || r.Streams[2].Replicas != 3 || r.Streams[2].Leader == "" {
		t.Errorf("inspected %+v, %v", r, err)
	}
}
