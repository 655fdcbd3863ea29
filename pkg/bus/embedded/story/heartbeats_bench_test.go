package story

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
)

// Heartbeats from the writer through JetStream (file, PersistMode async) to the follower's handler, validated on both sides.
// One operation is one heartbeat stored, followed and handed over; nothing is coalesced.
func BenchmarkHeartbeatsEndToEnd(b *testing.B) {
	for _, via := range []string{"in-process", "tcp"} {
		b.Run(via, func(b *testing.B) {
			s := bustest.Start(b, func(o *embedded.Options) {
				o.NoSync = false
				if via == "tcp" {
					o.Listen = "127.0.0.1:0"
				}
			})
			prober := bustest.Connect(b, s, "p1")
			decider := bustest.Connect(b, s, "d1")
			if via == "tcp" {
				prober = bustest.Dial(b, bus.Options{Name: "p1", Service: "prober", URLs: []string{s.ClientURL()}})
				decider = bustest.Dial(b, bus.Options{Name: "d1", Service: "decider", URLs: []string{s.ClientURL()}})
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			var got atomic.Int64
			total := int64(b.N)
			done := make(chan struct{})
			ready := make(chan struct{})
			go func() {
				_ = decider.FollowHeartbeats(ctx, bus.HeartbeatOptions{CaughtUp: func() { close(ready) }}, func(hb *message.Heartbeat, _ bus.HeartbeatMeta) {
					if got.Add(1) == total {
						close(done)
					}
				})
			}()
			<-ready
			w := prober.NewHeartbeatWriter(bus.WriterOptions{})
			go func() { _ = w.Run(ctx) }()
			// 2000 targets of 3 checks: more than may be in flight, so that the offerer is paced by what was stored.
			type target struct{ group, member, check string }
			var ts []target
			for i := range 1000 {
				for _, m := range []string{"a", "b"} {
					for c := range 3 {
						ts = append(ts, target{fmt.Sprintf("group-%d", i), m, fmt.Sprintf("check-%d", c)})
					}
				}
			}
			hb := message.Heartbeat{
				Vantage: "p1", Boot: "0123456789abcdef", Answer: message.Up, LatencyMicros: 1234, EveryMicros: 1_000_000,
				Evidence: "GET http://192.0.2.10:8080/alive: 200 in 1.2 ms", SpecRevision: 17, At: 1_700_000_000_000_000,
			}
			b.ReportAllocs()
			b.ResetTimer()
			start := time.Now()
			for i := range b.N {
				t := ts[i%len(ts)]
				hb.Group, hb.Member, hb.Check, hb.Seq = t.group, t.member, t.check, uint64(i/len(ts)+1)
				for uint64(i)-w.Stats().Stored > 4000 { // never replace one that waits
					time.Sleep(100 * time.Microsecond)
				}
				if err := w.Offer(&hb); err != nil {
					b.Fatal(err)
				}
			}
			select {
			case <-done:
			case <-ctx.Done():
				b.Fatalf("%d of %d arrived, writer %+v", got.Load(), total, w.Stats())
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "heartbeats/s")
			if d := w.Dropped(); d > 0 {
				b.Fatalf("%d dropped", d)
			}
		})
	}
}
