package replay_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/evidence"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/replay"
)

// BenchmarkRun: a pack of many heartbeats of the simulation.
func BenchmarkRun(b *testing.B) {
	w := simulate(b, 2, "auto", 4*time.Minute)
	beats := 0
	for _, r := range w.records {
		if r.Stream == subject.StreamHeartbeats {
			beats++
		}
	}
	text := pack(b, append([]evidence.Record{}, w.records...))
	for b.Loop() {
		src, _, err := replay.FromPack(bytes.NewReader(text))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := replay.Run(context.Background(), src, replay.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(beats*b.N)/b.Elapsed().Seconds(), "heartbeats/s")
}
