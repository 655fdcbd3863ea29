package story

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// The heartbeats' stream has one copy. While the server that holds it is gone, whoever begins to follow hears what the probers see, and reads
// the stream once the server is back.
func TestHeartbeatsAreHeardWhileTheServerOfTheirStreamIsGone(t *testing.T) {
	t.Parallel()
	servers := bustest.Cluster(t)
	setup := bustest.Dial(t, bus.Options{Name: "setup", URLs: []string{servers[0].URL()}})
	layout := bustest.Layout
	layout.Replicas = 3
	if err := setup.Provision(within(t, 60*time.Second), layout); err != nil {
		t.Fatal(err)
	}
	stream, err := setup.JS().Stream(within(t, 10*time.Second), subject.StreamHeartbeats)
	if err != nil {
		t.Fatal(err)
	}
	var urls []string
	var holder *bustest.Server
	for i, s := range servers {
		if fmt.Sprint("n", i+1) == stream.CachedInfo().Cluster.Leader {
			holder = s
		} else {
			urls = append(urls, s.URL())
		}
	}
	holder.Stop()
	prober, decider := bustest.Dial(t, bus.Options{Name: "p1", URLs: urls}), bustest.Dial(t, bus.Options{Name: "d1", URLs: urls})
	// The cluster has noticed: from here on it answers that nobody can make a consumer, which a follower must not take for its end.
	for limit := within(t, 60*time.Second); ; {
		_, err := decider.JS().OrderedConsumer(within(t, 10*time.Second), subject.StreamHeartbeats, jetstream.OrderedConsumerConfig{})
		var no *jetstream.APIError
		if errors.As(err, &no) && no.ErrorCode == 10023 {
			break
		}
		if limit.Err() != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	heard, read := make(chan uint64, 1000), make(chan uint64, 1000)
	done := make(chan error, 1)
	go func() {
		done <- decider.FollowHeartbeats(ctx, bus.HeartbeatOptions{Hear: true}, func(hb *message.Heartbeat, m bus.HeartbeatMeta) {
			if m.Heard {
				heard <- hb.Seq
			} else {
				read <- hb.Seq
			}
		})
	}()
	defer func() {
		cancel()
		if err := await(t, done, "the follower to end"); err != nil {
			t.Error(err)
		}
	}()
	w := prober.NewHeartbeatWriter(bus.WriterOptions{})
	defer runWriter(t, w)()
	seq := uint64(0)
	offer := func() {
		seq++
		if err := w.Offer(heartbeat("a", "alive", seq)); err != nil {
			t.Fatal(err)
		}
	}
	for w.Stats().Said == 0 { // until the writer knows
		select {
		case err := <-done:
			t.Fatalf("the follower ended: %v", err)
		case <-time.After(20 * time.Millisecond):
			offer()
		}
	}
	for range 50 {
		offer()
		for last := uint64(0); last != seq; {
			last = await(t, heard, fmt.Sprint("observation ", seq))
		}
	}
	holder.Start()
	await(t, read, "the stream to be read")
}
