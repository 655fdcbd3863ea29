package embedded_test

import (
	"context"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func TestSmoke(t *testing.T) {
	s := bustest.Start(t)
	b := bustest.Connect(t, s, "d1")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	m := &message.Mark{ID: "m1", Group: "web", Paused: true, Actor: "me", Decider: "d1"}
	r, err := b.Propose(ctx, subject.Command("web"), m, 0)
	if err != nil || !r.Won {
		t.Fatal(r, err)
	}
	m2 := &message.Mark{ID: "m2", Group: "web", Paused: true, Actor: "me", Decider: "d1"}
	r, err = b.Propose(ctx, subject.Command("web"), m2, 0)
	if err != nil || r.Won || r.Entry.ID() != "m1" {
		t.Fatal(r, err)
	}
	e, err := b.Last(ctx, subject.StreamCommands, subject.Command("web"))
	if err != nil || e.ID() != "m1" || e.Seq != 1 {
		t.Fatal(e, err)
	}
	w := b.NewHeartbeatWriter(bus.WriterOptions{})
	go w.Run(ctx)
	got := make(chan uint64, 10)
	go b.FollowHeartbeats(ctx, bus.HeartbeatOptions{}, func(h *message.Heartbeat, m bus.HeartbeatMeta) { got <- h.Seq })
	if err := w.Offer(&message.Heartbeat{Group: "web", Member: "a", Vantage: "p1", Check: "c", Boot: "b", Seq: 7, Answer: message.Up, EveryMicros: 1000000}); err != nil {
		t.Fatal(err)
	}
	select {
	case x := <-got:
		t.Log(x, w.Stats())
	case <-ctx.Done():
		t.Fatal(w.Stats(), b.Stats())
	}
	tab := b.Table(subject.BucketSpec)
	rev, err := tab.Create(ctx, "web", map[string]int{"a": 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tab.Update(ctx, "web", []byte("{}"), rev); err != nil {
		t.Fatal(err)
	}
	keys, err := tab.Keys(ctx, "")
	t.Log(keys, err, s.Healthz())
}
