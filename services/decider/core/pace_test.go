package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

// TestQuiet: a group in which all is well is quiet, and no longer so with the first input that begins anything.
func TestQuiet(t *testing.T) {
	s, looks, at := steady()
	require.True(t, s.Quiet(at))
	at.Mono += 10 * time.Millisecond
	looks[0].Seq++
	s.Step(at, &HeartbeatSeen{Heartbeat: looks[0]})
	require.True(t, s.Quiet(at), "one more look that finds it up")

	looks[0].Seq++
	looks[0].Answer = message.Down
	s.Step(at, &HeartbeatSeen{Heartbeat: looks[0]})
	require.False(t, s.Quiet(at), "a look that finds it down")

	s, _, at = steady()
	s.Step(at, RequestReceived{Request: &message.Request{ID: "r1", Group: "web", Verb: message.VerbSwitchover, Actor: "anna"}, Stored: at.Stream})
	require.False(t, s.Quiet(at), "a request was taken up")

	s, _, at = steady()
	s.Step(at, LinkChanged{})
	require.False(t, s.Quiet(at), "the bus is away")
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
