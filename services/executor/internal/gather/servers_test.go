package gather

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/pgbouncer/pgbouncertest"
	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/client/redis/redistest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// now looks at the group once, and returns the clues by name.
func now(t *testing.T, g *spec.Group) map[string]message.Clue {
	t.Helper()
	w := start(t, func(o *Options) { o.Clues = nil })
	w.Spec(g.Name, g)
	m, err := w.Now(t.Context(), g.Name)
	require.NoError(t, err)
	by := map[string]message.Clue{}
	for _, c := range m.Clues {
		by[c.Name] = c
	}
	return by
}

// TestWhatPostgresSaysOfItself: of a primary and its standby, by the real server; and of one that is gone, by its files.
func TestWhatPostgresSaysOfItself(t *testing.T) {
	primary := pgtest.Start(t, pgtest.Options{})
	standby := pgtest.Standby(t, primary, pgtest.StandbyOptions{Name: "b"})
	primary.AwaitStreaming("b")
	member := func(name string, s *pgtest.Server) spec.Member {
		return spec.Member{Name: name, Site: "sp", Executor: "sp1", Postgres: &spec.Postgres{Local: spec.Secret(s.LocalDSN(pgtest.Super)), Service: "pg_ctl", Data: s.Data}}
	}
	group := &spec.Group{Name: "orders", Members: []spec.Member{member("a", primary), member("b", standby)}}
	found := now(t, group)
	a, b := found["postgres a"], found["postgres b"]
	require.Empty(t, a.Err+b.Err)
	for _, want := range []string{"recovery=f", "-- sessions\n", "backend_type=walsender", "-- standbys\napplication_name=b", "state=streaming", "-- receiver\nnone"} {
		require.Contains(t, a.Text, want)
	}
	for _, want := range []string{"recovery=t", "-- receiver\nstatus=", "-- standbys\nnone"} {
		require.Contains(t, b.Text, want)
	}
	require.Contains(t, found["control file of postgres a"].Text, "state: in production")
	primary.KillAll()
	found = now(t, group)
	require.NotEmpty(t, found["postgres a"].Err)
	require.Contains(t, found["control file of postgres a"].Text, "state: in production")
}

func TestWhatRedisSaysOfItself(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	found := now(t, &spec.Group{Name: "cache", Members: []spec.Member{{Name: "a", Site: "sp", Executor: "sp1", Redis: &spec.Redis{Address: s.Addr}}}})
	require.Empty(t, found["redis a"].Err)
	for _, want := range []string{"# Replication", "role:master", "used_memory", "aof_enabled"} {
		require.Contains(t, found["redis a"].Text, want)
	}
}

func TestWhatPgBouncerSaysOfItself(t *testing.T) {
	b := pgbouncertest.Start(t, pgbouncertest.Options{Databases: map[string]string{"orders": "host=127.0.0.1 port=1 password=Zq81xx"}})
	found := now(t, &spec.Group{Name: "orders", Routes: []spec.Route{{Name: "pool", PgBouncer: &spec.PgBouncerRoute{Admins: []spec.Secret{spec.Secret(b.Admin())}, Database: "orders", On: "sp1"}}}})
	c := found["pgbouncer of pool, console 1"]
	require.Empty(t, c.Err)
	require.Contains(t, c.Text, "-- SHOW DATABASES\n")
	require.Contains(t, c.Text, "name=orders host=127.0.0.1 port=1")
	require.Contains(t, c.Text, "-- SHOW POOLS\n")
	require.NotContains(t, c.Text, "Zq81xx")
}
