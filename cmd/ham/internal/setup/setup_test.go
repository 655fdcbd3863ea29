package setup_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/setup"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

// pairOf runs a primary and its standby, each at an address of its own.
func pairOf(t *testing.T) (a, b *pgtest.Server, bDSN string) {
	a = pgtest.Start(t, pgtest.Options{})
	b = pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b", Options: pgtest.Options{
		Settings: map[string]string{"listen_addresses": "127.0.0.1,127.0.0.2"}, HBA: []string{"host all all 127.0.0.0/8 scram-sha-256"},
	}})
	return a, b, strings.Replace(b.DSN(pgtest.Super), "127.0.0.1", "127.0.0.2", 1)
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func look(t *testing.T, name, dsn string) setup.Facts {
	t.Helper()
	f, err := setup.Look(within(t), name, dsn)
	require.NoError(t, err)
	return f
}

func text(t *testing.T, p setup.Pair, name string) string {
	t.Helper()
	for _, f := range p.Files() {
		if f.Name == name {
			return f.Text
		}
	}
	t.Fatalf("no file %s is written", name)
	return ""
}

// TestTwoServersBecomeAPair: what is written for two real servers is a spec that is right, roles that suffice, and lines that PostgreSQL takes.
func TestTwoServersBecomeAPair(t *testing.T) {
	a, b, bDSN := pairOf(t)
	secrets := filepath.Join(a.Socket, "it's secret")
	require.NoError(t, os.Mkdir(secrets, 0o755))
	for name, password := range map[string]string{"postgres.password": "watch it", "replication.password": "stream"} {
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), []byte(password+"\n"), 0o644))
	}
	p := setup.Pair{Group: "orders", Secrets: secrets, A: look(t, "a", a.DSN(pgtest.Super)), B: look(t, "b", bDSN)}
	require.False(t, p.A.Standby)
	require.True(t, p.B.Standby)
	require.True(t, p.B.Streams)
	require.Equal(t, p.A.SystemID, p.B.SystemID)
	require.Equal(t, []string{"127.0.0.1", "127.0.0.2"}, []string{p.A.Host, p.B.Host})
	require.Equal(t, []int{a.Port, b.Port}, []int{p.A.Port, p.B.Port})
	require.Equal(t, a.Data, p.A.Data)
	var found []string
	for _, f := range setup.Judge(p.A, p.B) {
		found = append(found, f.Level+" "+f.Server+" "+f.Found)
	}
	// What tests set to be quick is what nobody should run with.
	require.Equal(t, []string{
		"bad a fsync is off", "warn a max_slot_wal_keep_size is -1", "bad a listen_addresses is 127.0.0.1",
		"bad b fsync is off", "warn b max_slot_wal_keep_size is -1",
	}, found)

	f, err := file.Parse("orders.yaml", []byte(text(t, p, "orders.yaml")))
	require.NoError(t, err, text(t, p, "orders.yaml"))
	g := f.Groups[0]
	require.Equal(t, spec.DryRun, g.Mode)
	require.Equal(t, "a", g.Adopt)
	require.NoError(t, isolated(g.Group))
	for _, name := range []string{"node-a.yaml", "node-b.yaml", "node-witness.yaml"} {
		_, err := file.Parse(name, []byte(text(t, p, name)))
		require.NoError(t, err, text(t, p, name))
	}

	for range 2 { // it may be run again
		psql := a.Command("psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", a.Socket, "-p", port(a), "-U", pgtest.Super, "-d", "postgres", "-f", "-")
		psql.Stdin = strings.NewReader(text(t, p, "roles.sql"))
		out, err := psql.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	watch(t, g.Members[0].Postgres.DSN)
	stream(t, a)
	keep(t, a, b)
}

func port(s *pgtest.Server) string { _, p, _ := strings.Cut(s.Addr(), ":"); return p }

// isolated is nil where plans can be made both ways.
func isolated(g *spec.Group) error {
	for _, to := range []string{"a", "b"} {
		from := map[string]string{"a": "b", "b": "a"}[to]
		if _, err := spec.Compile(g, spec.Swap{Kind: message.KindSwitchover, From: from, To: to}); err != nil {
			return err
		}
	}
	return nil
}

// watch: the prober's role does what it must, by the DSN of the spec, and nothing else.
func watch(t *testing.T, dsn spec.Secret) {
	ctx := within(t)
	resolved, err := dsn.Resolve(spec.LookupSecret)
	require.NoError(t, err)
	target, err := postgres.Parse(resolved)
	require.NoError(t, err)
	conn, err := target.Connect(ctx, postgres.Options{})
	require.NoError(t, err)
	defer conn.Close()
	s, err := conn.State(ctx)
	require.NoError(t, err)
	require.False(t, s.Hidden)
	require.NoError(t, conn.Probe(ctx, "here"))
	for what, try := range map[string]func() error{
		"change a setting": func() error {
			return conn.Alter(ctx, map[string]string{"synchronous_standby_names": ""})
		},
		"make a slot": func() error { return conn.MakeSlot(ctx, "mine") },
		"promote":     func() error { return conn.Promote(ctx) },
	} {
		require.ErrorContains(t, try(), "42501", what)
	}
}

// stream: the role that standbys stream as may do what pg_rewind does.
func stream(t *testing.T, a *pgtest.Server) {
	ctx := within(t)
	conn, err := pgx.Connect(ctx, a.DSNWith(setup.StreamRole, "stream"))
	require.NoError(t, err)
	defer conn.Close(ctx)
	for _, sql := range []string{
		"SELECT pg_ls_dir('.', false, false)", "SELECT pg_stat_file('PG_VERSION', false)", "SELECT pg_read_binary_file('PG_VERSION')",
		"SELECT pg_read_binary_file('PG_VERSION', 0, 1, false)",
	} {
		_, err := conn.Exec(ctx, sql)
		require.NoError(t, err, sql)
	}
	_, err = conn.Exec(ctx, "CREATE TABLE mine ()")
	require.ErrorContains(t, err, "permission denied")
}

// keep: the executor's role may do everything that keeping a server in its role takes, and is no superuser.
func keep(t *testing.T, a, b *pgtest.Server) {
	ctx := within(t)
	local := func(s *pgtest.Server) *postgres.Conn {
		target, err := postgres.Parse(s.LocalDSN(setup.LocalRole))
		require.NoError(t, err)
		conn, err := target.Connect(ctx, postgres.Options{})
		require.NoError(t, err)
		t.Cleanup(conn.Close)
		return conn
	}
	conn := local(a)
	standing, err := conn.Standing(ctx)
	require.NoError(t, err)
	require.Len(t, standing.Followers, 1)
	require.Equal(t, "streaming", standing.Followers[0].State)
	require.Len(t, standing.Settings, len(postgres.Kept))
	for name, value := range standing.Settings {
		require.NoError(t, conn.Alter(ctx, map[string]string{name: value}), name)
	}
	require.NoError(t, conn.MakeSlot(ctx, "ham_c"))
	require.NoError(t, conn.DropSlot(ctx, "ham_c"))
	require.NoError(t, conn.Checkpoint(ctx))
	_, err = conn.Mark(ctx, "mark")
	require.NoError(t, err)
	_, err = conn.SinceCheckpoint(ctx)
	require.NoError(t, err)
	_, err = conn.CheckpointTimeline(ctx)
	require.NoError(t, err)
	_, err = conn.Readiness(ctx)
	require.NoError(t, err)
	_, err = conn.Observe(ctx)
	require.NoError(t, err)
	require.NoError(t, conn.Reload(ctx))
	require.NoError(t, conn.Probe(ctx, "executor"))
	require.NoError(t, conn.EndFollower(ctx, standing.Followers[0].PID))
	a.AwaitStreaming("b")
	require.ErrorContains(t, conn.Alter(ctx, map[string]string{"archive_command": "true"}), "42501")

	flushed := standing.Flush
	standby := local(b)
	require.Eventually(t, func() bool { s, err := standby.State(ctx); return err == nil && s.LSN >= flushed }, time.Minute, 10*time.Millisecond)
	require.NoError(t, standby.Promote(ctx))
	require.Eventually(t, func() bool { r, err := standby.Recovery(ctx); return err == nil && !r }, time.Minute, 10*time.Millisecond)
}

// TestPostgreSQLTakesTheLines: no line for pg_hba.conf is refused, and each setting is one.
func TestPostgreSQLTakesTheLines(t *testing.T) {
	p := setup.Pair{Group: "orders", A: setup.Facts{Name: "a", Host: "192.0.2.10"}, B: setup.Facts{Name: "b", Host: "2001:db8::10"}}
	hba, _, _ := strings.Cut(text(t, p, "pg_hba.conf"), "\n# pg_ident.conf")
	settings := map[string]string{}
	for line := range strings.Lines(text(t, p, "postgresql.conf")) {
		line, _, _ = strings.Cut(line, "#")
		if name, value, ok := strings.Cut(line, " = "); ok {
			settings[name] = strings.Trim(strings.TrimSpace(value), "'")
		}
	}
	require.Contains(t, settings, "wal_retrieve_retry_interval")
	delete(settings, "listen_addresses") // a test stays on loopback
	s := pgtest.Start(t, pgtest.Options{HBA: strings.Split(hba, "\n"), Settings: settings})
	require.Equal(t, "0", s.Value("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL"))
	require.Equal(t, "3", s.Value("SELECT count(*) FROM pg_hba_file_rules WHERE user_name = '{ham_local}'"))
	for name, value := range settings {
		require.Equal(t, value, s.Value("SELECT current_setting('"+name+"')"), name)
	}
}

// TestWhatIsKnownStandsInEveryFile: where the witness and the sites are told, no address and no site is left to be replaced by hand.
func TestWhatIsKnownStandsInEveryFile(t *testing.T) {
	p := setup.Pair{
		Group: "orders", Witness: "2001:db8::7", Sites: [3]string{"sp", "rj", "mia"},
		A: setup.Facts{Name: "a", Host: "192.0.2.10", Port: 5432}, B: setup.Facts{Name: "b", Host: "192.0.2.20", Port: 5433},
	}
	for _, f := range p.Files() {
		require.NotContains(t, f.Text, "203.0.113.5\n", f.Name)
		require.NotContains(t, f.Text, "203.0.113.5:", f.Name)
		require.NotContains(t, f.Text, "203.0.113.5/", f.Name)
		require.NotContains(t, f.Text, "what is its site called", f.Name)
	}
	require.Contains(t, text(t, p, "orders.yaml"), `witness: {site: mia, host: "2001:db8::7"}`)
	require.Contains(t, text(t, p, "orders.yaml"), "b: {site: rj, host: 192.0.2.20, port: 5433")
	require.Contains(t, text(t, p, "pg_hba.conf"), "2001:db8::7/128")
	for name, site := range map[string]string{"a": "sp", "b": "rj", "witness": "mia"} {
		node := text(t, p, "node-"+name+".yaml")
		require.Contains(t, node, "  name: "+name+"\n  site: "+site+"\n")
		require.Contains(t, node, "sites: ["+site+"]")
		require.Contains(t, node, `"[2001:db8::7]:6222"`)
	}
}

// TestHAProxyTakesTheLines: and both servers are there, disabled until ham has said which one serves.
func TestHAProxyTakesTheLines(t *testing.T) {
	program := haproxytest.Require(t)
	p := setup.Pair{Group: "orders", A: setup.Facts{Name: "a", Host: "192.0.2.10", Port: 5432}, B: setup.Facts{Name: "b", Host: "2001:db8::10", Port: 5433}}
	lines := text(t, p, "haproxy.cfg")
	require.Contains(t, lines, "server a 192.0.2.10:5432 disabled\n")
	require.Contains(t, lines, "server b [2001:db8::10]:5433 disabled\n")
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(config, []byte(lines), 0o600))
	out, err := exec.CommandContext(within(t), program, "-c", "-f", config).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "WARNING")
}

// TestWhatStandsInTheWayIsSaid: servers that are no pair, and settings that void what is promised.
func TestWhatStandsInTheWayIsSaid(t *testing.T) {
	good := setup.Facts{Name: "a", Version: 150018, SystemID: "1", Checksums: true, Settings: map[string]string{
		"wal_level": "replica", "full_page_writes": "on", "fsync": "on", "hot_standby": "on", "synchronous_commit": "on", "max_wal_senders": "10",
		"max_replication_slots": "10", "max_slot_wal_keep_size": "16GB", "listen_addresses": "*", "restart_after_crash": "on", "wal_log_hints": "off",
	}}
	standby := good
	standby.Name, standby.Standby = "b", true
	require.Empty(t, setup.Judge(good, standby))
	says := func(want string, change func(a, b *setup.Facts)) {
		t.Helper()
		a, b := good, standby
		change(&a, &b)
		all := setup.Judge(a, b)
		require.NotEmpty(t, all, want)
		require.Contains(t, all[0].Found, want)
		require.NotEmpty(t, all[0].Do)
	}
	says("gone separate ways", func(_, b *setup.Facts) { b.Standby = false })
	says("a cluster of its own", func(_, b *setup.Facts) { b.Standby, b.SystemID = false, "2" })
	says("not of the other", func(_, b *setup.Facts) { b.SystemID = "2" })
	says("neither takes writes", func(a, _ *setup.Facts) { a.Standby = true })
	says("runs version 16", func(_, b *setup.Facts) { b.Version = 160001 })
	says("wal_log_hints is off", func(_, b *setup.Facts) { b.Checksums = false })
	says("cannot give a role", func(a, b *setup.Facts) { a.Version, b.Version = 140001, 140001 })
}

// TestLookHoldsNoPassword: neither a wrong DSN nor a server that refuses makes it repeat one.
func TestLookHoldsNoPassword(t *testing.T) {
	for _, dsn := range []string{"postgres://x:hunter2@127.0.0.1:1/db", "host=127.0.0.1 port=1 user=x password=hunter2", "postgres://x:hunter2@[::bad/db"} {
		_, err := setup.Look(within(t), "a", dsn)
		require.ErrorContains(t, err, "server a")
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// TestDistributionsAreKnown: who runs the server is told by where its data lies.
func TestDistributionsAreKnown(t *testing.T) {
	service, sure := setup.Facts{Data: "/var/lib/postgresql/15/main"}.Service()
	require.Equal(t, "cluster:15/main", service)
	require.True(t, sure)
	service, sure = setup.Facts{Data: "/srv/pg"}.Service()
	require.Equal(t, "pg_ctl", service)
	require.False(t, sure)
}
