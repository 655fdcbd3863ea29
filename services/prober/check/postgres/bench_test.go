package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
)

// BenchmarkLook is one look over a session that is kept: how long it takes, how much processor time of the prober and of the server, and how
// much log it writes. Times with the server's fsync on.
func BenchmarkLook(b *testing.B) {
	settings := pgtest.Options{Settings: map[string]string{"fsync": "on", "autovacuum": "on"}}
	primary := pgtest.Start(b, settings)
	primary.Grant()
	standby := pgtest.Standby(b, primary, pgtest.StandbyOptions{Options: settings, Name: "b"})
	b.Run("primary", func(b *testing.B) { benchmark(b, primary, false) })
	b.Run("read-only", func(b *testing.B) { benchmark(b, primary, true) })
	b.Run("standby", func(b *testing.B) { benchmark(b, standby, false) })
}

func benchmark(b *testing.B, s *pgtest.Server, readOnly bool) {
	l, err := Kind.Open(check.Target{
		Vantage: "sp", Wake: func() {},
		Check: spec.Check{Timeout: ample, Postgres: &spec.PostgresCheck{DSN: spec.Secret(s.DSN(pgtest.Ham)), ReadOnly: readOnly}},
	})
	require.NoError(b, err)
	defer l.Close()
	look := func() check.Result {
		ctx, cancel := context.WithTimeout(b.Context(), ample)
		defer cancel()
		r := l.Look(ctx)
		require.Equal(b, message.Up, r.Answer, r.Evidence)
		return r
	}
	before := look().Perf["lsn"]
	here, there := ownTime(b), serverTime(b, s)
	for b.Loop() {
		look()
	}
	n := float64(b.N)
	here, there = ownTime(b)-here, serverTime(b, s)-there
	b.ReportMetric(float64(here.Microseconds())/n, "prober-us/look")
	b.ReportMetric(float64(there.Microseconds())/n, "server-us/look")
	b.ReportMetric((look().Perf["lsn"]-before)/n, "log-B/look")
	// What three looks a second at each of two members cost.
	b.ReportMetric(6*here.Seconds()/n*100, "prober-%core-at-6/s")
	b.ReportMetric(6*there.Seconds()/n*100, "server-%core-at-6/s")
}

func ownTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverTime is what all processes of the server have used, in user and kernel, to the hundredth of a second.
func serverTime(b *testing.B, s *pgtest.Server) (sum time.Duration) {
	b.Helper()
	for _, pid := range s.Processes() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has just left
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		for _, f := range fields[11:13] {
			ticks, err := strconv.Atoi(string(f))
			require.NoError(b, err)
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum
}
