package story

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// measured reports the median and the 99th percentile of single operations, in microseconds.
func measured(b *testing.B, op func(i int)) {
	b.Helper()
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for i := range b.N {
		begin := time.Now()
		op(i)
		took = append(took, time.Since(begin))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-us")
}

// The ways to write and read, on a server in this process; "synced" acknowledges what is on disk.
func BenchmarkLatency(b *testing.B) {
	ctx := context.Background()
	for _, sync := range []bool{false, true} {
		name := map[bool]string{false: "page-cache", true: "synced"}[sync]
		srv := bustest.Start(b, func(o *embedded.Options) { o.NoSync = !sync })
		w := bustest.Connect(b, srv, "d1")
		b.Run("publish/"+name, func(b *testing.B) {
			run := time.Now().UnixNano()
			measured(b, func(i int) {
				if _, err := w.Publish(ctx, subject.Event("web", message.EventNote, "d1"), event(fmt.Sprint("e", run, "-", i), "web", "d1")); err != nil {
					b.Fatal(err)
				}
			})
		})
		b.Run("propose/"+name, func(b *testing.B) {
			run := time.Now().UnixNano()
			group := fmt.Sprint("g", run)
			after := uint64(0)
			measured(b, func(i int) {
				r, err := w.Propose(ctx, subject.Command(group), mark(fmt.Sprint("m", i, "-", run), group), after)
				if err != nil || !r.Won {
					b.Fatal(r, err)
				}
				after = r.Entry.Seq
			})
		})
		b.Run("propose-to-stored-copy-heard/"+name, func(b *testing.B) {
			run := time.Now().UnixNano()
			group := fmt.Sprint("h", run)
			heard := make(chan uint64, 1)
			cancel, err := w.Hear([]string{subject.StoredCommand(group)}, func(d bus.Delivery) { heard <- d.Seq })
			if err != nil {
				b.Fatal(err)
			}
			defer cancel()
			after := uint64(0)
			measured(b, func(i int) {
				r, err := w.Propose(ctx, subject.Command(group), mark(fmt.Sprint("m", i, "-", run), group), after)
				if err != nil || !r.Won || <-heard != r.Entry.Seq {
					b.Fatal(r, err)
				}
				after = r.Entry.Seq
			})
		})
		b.Run("request-to-worker/"+name, func(b *testing.B) {
			run := time.Now().UnixNano()
			got := make(chan string, 1)
			wctx, cancel := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() {
				done <- w.Work(wctx, bus.WorkOptions{Stream: subject.StreamRequests, Durable: fmt.Sprint("q", run), New: true}, func(_ context.Context, d bus.Delivery) error {
					got <- d.Message.MessageID()
					return nil
				})
			}()
			defer func() { cancel(); <-done }()
			time.Sleep(100 * time.Millisecond) // the queue is being made
			measured(b, func(i int) {
				if _, err := w.Publish(ctx, subject.Request("web", message.VerbNote, "ana"), request(fmt.Sprint("r", run, "-", i))); err != nil {
					b.Fatal(err)
				}
				<-got
			})
		})
		b.Run("last/"+name, func(b *testing.B) {
			if _, err := w.Propose(ctx, subject.Command("last"), mark("last-"+name, "last"), 0); err != nil {
				b.Fatal(err)
			}
			measured(b, func(int) {
				if _, err := w.Last(ctx, subject.StreamCommands, subject.Command("last")); err != nil {
					b.Fatal(err)
				}
			})
		})
		b.Run("table-update/"+name, func(b *testing.B) {
			t := w.Table(subject.BucketJournal)
			rev, err := t.Put(ctx, "bench", entry{})
			if err != nil {
				b.Fatal(err)
			}
			measured(b, func(i int) {
				if rev, err = t.Update(ctx, "bench", entry{N: i}, rev); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
