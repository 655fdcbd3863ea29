package postgres_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/postgres"
)

func with(t testing.TB, a spec.PostgresArgs) string {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestConformance: promoting a standby, and giving up a primary, are what changes something.
func TestConformance(t *testing.T) {
	t.Run("promote", func(t *testing.T) {
		drivertest.Run(t, postgres.Kind(), func(t *testing.T) drivertest.Target {
			_, b := pair(t)
			a := args(b, "promote", "b")
			a.Server.Local += " password='${env:SUITE_SECRET}'"
			t.Cleanup(func() { _ = os.RemoveAll(b.Data + ".ham") })
			l := &lease{epoch: 7}
			return drivertest.Target{
				With: with(t, a), Lease: l, Tells: true, Hang: b.Freeze, Refuse: l.lose,
				Changes: func() int {
					if b.Value("SELECT pg_is_in_recovery()") == "true" {
						return 0
					}
					return 1
				},
				Gone: func() {
					b.KillAll()
					if err := os.Rename(b.Data, b.Data+".away"); err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = os.Rename(b.Data+".away", b.Data) })
				},
			}
		})
	})
	t.Run("give-up", func(t *testing.T) {
		drivertest.Run(t, postgres.Kind(), func(t *testing.T) drivertest.Target {
			b := pgtest.Start(t, pgtest.Options{})
			a := args(b, "give-up", "a")
			a.Timeout = 5 * time.Second
			l := &lease{epoch: 6, armed: true}
			return drivertest.Target{
				With: with(t, a), Lease: l, Tells: true,
				Changes: func() int {
					l.mu.Lock()
					defer l.mu.Unlock()
					return len(l.calls)
				},
			}
		})
	})
}
