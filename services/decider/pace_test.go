package decider_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// BenchmarkRequestToCommand is the time from a request on the bus to the command that it leads to, heard as stored, on a
// server that acknowledges only what is on disk.
func BenchmarkRequestToCommand(b *testing.B) {
	s := newStand(b, "manual", bustest.Synced)
	d, _ := s.decide("d1")
	s.until(d, "ready but for the mode", readyButMode)
	commands := s.hearCommands(b)
	var took []time.Duration
	for epoch := uint64(2); b.Loop(); epoch++ {
		s.until(d, "at rest", func(st *message.GroupStatus) bool {
			return st.Epoch == epoch-1 && st.Held && st.Swap == nil && len(st.Refusals) <= 2 && st.Members[0].Ready && st.Members[1].Ready
		})
		body := []byte(`{"expect_epoch": ` + strconv.FormatUint(epoch-1, 10) + `}`)
		began := time.Now()
		require.NoError(b, s.bus.Conn().Publish("ham.v1.request.web.switchover.bench", body))
		c := <-commands
		took = append(took, time.Since(began))
		require.Equal(b, epoch, c.Epoch)
	}
	report(b, took)
}

// BenchmarkHeartbeatToCommand is the time from the heartbeat that makes the quorum to the command, heard as stored.
func BenchmarkHeartbeatToCommand(b *testing.B) {
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		s := newStand(b, "auto", bustest.Synced)
		d, stop := s.decide("d1")
		s.until(d, "ready", ready)
		commands := s.hearCommands(b)
		b.StartTimer()
		began := time.Now()
		for i, vantage := range []string{"sp", "rj", "witness"} {
			s.publish("a", vantage, uint64(1e9)+uint64(i), message.Down)
		}
		<-commands
		took = append(took, time.Since(began))
		b.StopTimer()
		stop()
		s.end()
		b.StartTimer()
	}
	report(b, took)
}

func (s *stand) hearCommands(b *testing.B) <-chan *message.Command {
	commands := make(chan *message.Command, 16)
	stop, err := s.bus.Hear([]string{subject.StoredCommand("web")}, func(d bus.Delivery) {
		if c, ok := d.Message.(*message.Command); ok {
			commands <- c
		}
	})
	require.NoError(b, err)
	b.Cleanup(stop)
	return commands
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(0, "ns/op")
}
