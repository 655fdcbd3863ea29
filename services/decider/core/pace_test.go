package core

import (
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// steady returns a state in which all is well, and the looks that keep it so.
func steady() (*State, []*message.Heartbeat, Time) {
	w := newWorld(pair())
	d := w.start("d1")
	w.route("front", "tcp://192.0.2.2:9999", "a")
	w.run(20 * time.Second)
	d.up = false
	var looks []*message.Heartbeat
	for _, v := range w.vantages {
		for _, m := range w.spec.Members {
			looks = append(looks, &message.Heartbeat{
				Group: "web", Member: m.Name, Vantage: v.name, Check: "alive", Boot: "boot1", Seq: v.seq["alive/"+m.Name], Answer: message.Up, EveryMicros: 1_000_000,
			})
		}
	}
	return d.s, looks, d.time()
}

// BenchmarkHeartbeat is one heartbeat that changes nothing: the everyday one.
func BenchmarkHeartbeat(b *testing.B) {
	s, looks, at := steady()
	b.ReportAllocs()
	i, in := 0, new(HeartbeatSeen)
	for b.Loop() {
		hb := looks[i%len(looks)]
		hb.Seq++
		in.Heartbeat, in.Seq = hb, uint64(i)
		at.Mono += 10 * time.Microsecond
		if out := s.Step(at, in); out != nil {
			b.Fatal(out)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "heartbeats/s")
}

// BenchmarkHeartbeatInTrouble is one while something fails, so that everything is concluded anew.
func BenchmarkHeartbeatInTrouble(b *testing.B) {
	s, looks, at := steady()
	looks[0].Answer = message.Down
	i, in := 0, new(HeartbeatSeen)
	for b.Loop() {
		hb := looks[i%len(looks)]
		hb.Seq++
		in.Heartbeat, in.Seq = hb, uint64(i)
		at.Mono += 10 * time.Microsecond
		s.Step(at, in)
		i++
	}
}

// BenchmarkTick is what an idle group costs twenty times a second.
func BenchmarkTick(b *testing.B) {
	s, _, at := steady()
	for b.Loop() {
		s.Step(at, Tick{})
	}
}

func TestAHeartbeatThatChangesNothingAllocatesNothing(t *testing.T) {
	s, looks, at := steady()
	i, in := 0, new(HeartbeatSeen)
	if n := testing.AllocsPerRun(1000, func() {
		hb := looks[i%len(looks)]
		hb.Seq++
		in.Heartbeat, in.Seq = hb, uint64(i)
		at.Mono += time.Millisecond
		s.Step(at, in)
		i++
	}); n != 0 {
		t.Errorf("%v allocations per heartbeat, want 0", n)
	}
}
