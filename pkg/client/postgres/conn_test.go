package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
)

const patience = time.Minute

func ctxOf(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, dsn string, o postgres.Options) *postgres.Conn {
	t.Helper()
	target, err := postgres.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := target.Connect(ctxOf(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// eventually waits for progress of a server that gives no sign.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	for ctx := ctxOf(t); ; {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// A role with the printed rights, and no others, sees all that is asked for, on both sides.
func TestObservePair(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{})
	a.Grant()
	a.Exec(postgres.Grants(pgtest.Ham)...) // they may be run again
	b := pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b"})
	primary, standby := connect(t, a.DSN(pgtest.Ham), postgres.Options{}), connect(t, b.DSN(pgtest.Ham), postgres.Options{})

	a.Exec("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (b)'", "SELECT pg_reload_conf()", "CREATE TABLE t AS SELECT generate_series(1, 1000) n")
	var p, s postgres.Observation
	eventually(t, "the standby has everything and is synchronous", func() (err error) {
		if p, err = primary.Observe(ctxOf(t)); err != nil {
			t.Fatal(err)
		}
		if s, err = standby.Observe(ctxOf(t)); err != nil {
			t.Fatal(err)
		}
		if p.Synchronous != 1 || s.Replay != p.Write {
			return fmt.Errorf("synchronous %d, %s of %s", p.Synchronous, s.Replay, p.Write)
		}
		return nil
	})
	if p.Recovery || !s.Recovery || p.Timeline != 1 || s.Timeline != 1 || p.SystemID == 0 || p.SystemID != s.SystemID || p.Hidden || s.Hidden {
		t.Errorf("primary %+v, standby %+v", p, s)
	}
	if p.Version/10000 != a.Major || !strings.HasPrefix(p.Program, fmt.Sprint(a.Major, ".")) || p.Started <= 0 {
		t.Errorf("version %d, %q, started %v ago", p.Version, p.Program, p.Started)
	}
	if want := fmt.Sprint(p.SystemID); a.Value("SELECT system_identifier FROM pg_control_system()") != want {
		t.Errorf("system %s", want)
	}
	if p.Write == 0 || p.Flush == 0 || p.Flush > p.Write || p.LSN == 0 || s.LSN != s.Replay || s.Received < s.Replay || s.LagBytes() != 0 || s.ReplayAge != 0 || s.Paused {
		t.Errorf("primary at %s, flushed %s; standby %+v", p.Write, p.Flush, s)
	}
	if r := s.Receiver; r == nil || !s.Streaming || r.Status != "streaming" || r.Slot != "ham_b" || r.Host != "127.0.0.1" || r.Port != a.Port || r.Flush < s.Replay || r.Timeline != 1 {
		t.Errorf("receiver %+v", r)
	}
	if len(p.Standbys) != 1 || p.Standbys[0].Name != "b" || p.Standbys[0].Sync != "quorum" || p.Standbys[0].State != "streaming" || p.Standbys[0].Slot != "ham_b" ||
		p.Standbys[0].Addr != "127.0.0.1" || p.Standbys[0].Sent == 0 {
		t.Errorf("standbys %+v", p.Standbys)
	}
	if len(p.Slots) != 1 || p.Slots[0] != (postgres.Slot{Name: "ham_b", Physical: true, Active: true, Restart: p.Slots[0].Restart, WAL: "reserved"}) || p.Slots[0].Restart == 0 {
		t.Errorf("slots %+v", p.Slots)
	}
	if p.Settings["synchronous_standby_names"] != "ANY 1 (b)" || p.Settings["wal_log_hints"] != "on" || s.Settings["primary_slot_name"] != "ham_b" || s.Settings["wal_retrieve_retry_interval"] != "5s" {
		t.Errorf("settings %v, %v", p.Settings, s.Settings)
	}
	for name := range p.Settings {
		if strings.Contains(name, "conninfo") {
			t.Errorf("%s may hold a password", name)
		}
	}
	if ok, why := p.Rewindable(); !ok {
		t.Error(why)
	}
	p.Settings["wal_log_hints"] = "off"
	if ok, why := p.Rewindable(); ok || why != "pg_rewind needs wal_log_hints = on or data checksums" {
		t.Errorf("%t, %s", ok, why)
	}

	// What is received and not replayed is the lag; what the primary has on top of it the standby cannot know.
	b.AwaitReplay(a) // without one replayed commit the server cannot tell how old its state is
	b.Exec("SELECT pg_wal_replay_pause()")
	a.Exec("INSERT INTO t SELECT generate_series(1, 1000)")
	eventually(t, "lag is seen", func() error {
		state, err := standby.State(ctxOf(t))
		if err != nil {
			t.Fatal(err)
		}
		if state.LagBytes() < 10_000 || state.ReplayAge <= 0 {
			return fmt.Errorf("%+v", state)
		}
		return nil
	})

	// A promotion shows at once, in the session that was there before it, also with its timeline.
	b.Exec("SELECT pg_wal_replay_resume()")
	b.Promote()
	state, err := standby.State(ctxOf(t))
	if err != nil || state.Recovery || state.Timeline != 2 || state.Streaming {
		t.Errorf("promoted: %+v, %v", state, err)
	}
	if s, err = standby.Observe(ctxOf(t)); err != nil || s.Recovery || s.Receiver != nil || s.Timeline != 2 {
		t.Errorf("promoted: %+v, %v", s, err)
	}
}

// The rights are the least: ham reads no table, writes nowhere else, and makes nothing.
func TestGrantsAreTheLeast(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{})
	a.Grant()
	a.Exec("CREATE TABLE public.secret (n int)")
	conn := a.Connect(pgtest.Ham)
	for _, sql := range []string{
		"SELECT * FROM public.secret", "CREATE TABLE public.mine (n int)", "CREATE TABLE ham.mine (n int)", "DELETE FROM ham.probe", "TRUNCATE ham.probe", "SELECT pg_promote()",
		"SELECT pg_read_file('postgresql.conf')", "SELECT pg_reload_conf()", "SELECT rolpassword FROM pg_authid", "ALTER ROLE ham SUPERUSER",
		"SELECT pg_create_physical_replication_slot('x')", "CHECKPOINT",
	} {
		if _, err := conn.Exec(ctxOf(t), sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// The rule that a lost standby must not make a primary look dead, however the server is set.
func TestProbeWaitsForNoStandby(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{})
	a.Grant()
	a.Exec("ALTER ROLE ham SET synchronous_commit = 'remote_apply'", "ALTER DATABASE postgres SET default_transaction_read_only = on",
		"ALTER SYSTEM SET synchronous_commit = 'remote_apply'", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
	eventually(t, "the setting is in force", func() error {
		if got := a.Value("current_setting('synchronous_standby_names')"); got != "nobody" {
			return errors.New(got)
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn := connect(t, a.DSN(pgtest.Ham), postgres.Options{})
	for range 3 {
		if err := conn.Probe(ctx, "sp"); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.Value("SELECT string_agg(id || ' ' || (at > now() - '1 minute'::interval), ',') FROM ham.probe"); got != "sp true" {
		t.Errorf("the table holds %q", got)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"max_connections": "8", "superuser_reserved_connections": "3"}})
	target := func(dsn string) *postgres.Target {
		target, err := postgres.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return target
	}
	want := func(what string, err error, kind postgres.Kind, words string) {
		t.Helper()
		got, says := postgres.Explain(fmt.Errorf("wrapped: %w", err))
		if got != kind || !strings.Contains(says, words) {
			t.Errorf("%s: %v: kind %d, %q; want %d, %q", what, err, got, says, kind, words)
		}
	}
	connecting := func(dsn string) error {
		conn, err := target(dsn).Connect(ctxOf(t), postgres.Options{})
		if err == nil {
			conn.Close()
		}
		return err
	}
	want("no such role", connecting(a.DSN(pgtest.Ham)), postgres.NotLetIn, "authentication failed")
	a.Exec("CREATE ROLE ham LOGIN PASSWORD '" + pgtest.HamPassword + "'")
	want("wrong password", connecting(a.DSNWith(pgtest.Ham, "wrong")), postgres.NotLetIn, `password authentication failed for user "ham" (28P01)`)
	want("no such database", connecting(strings.Replace(a.DSN(pgtest.Ham), "/postgres?", "/nowhere?", 1)), postgres.NotLetIn, "does not exist")

	conn := connect(t, a.DSN(pgtest.Ham), postgres.Options{LockTimeout: time.Millisecond})
	state, err := conn.State(ctxOf(t))
	if err != nil || !state.Hidden || state.Synchronous != -1 || state.LSN == 0 {
		t.Errorf("without pg_monitor: %+v, %v", state, err)
	}
	want("no schema", conn.Probe(ctxOf(t), "sp"), postgres.NoProbe, "")
	a.Exec(postgres.Grants(pgtest.Ham)...)
	if err := conn.Probe(ctxOf(t), "sp"); err != nil {
		t.Error(err)
	}
	a.Exec("REVOKE INSERT ON ham.probe FROM ham")
	want("no right", conn.Probe(ctxOf(t), "sp"), postgres.NoProbe, "permission denied for table probe")
	a.Exec("GRANT INSERT ON ham.probe TO ham")

	holder := a.Connect(pgtest.Super)
	if _, err := holder.Exec(ctxOf(t), "BEGIN; LOCK TABLE ham.probe"); err != nil {
		t.Fatal(err)
	}
	want("locked", conn.Probe(ctxOf(t), "sp"), postgres.Locked, "lock timeout")
	if _, err := holder.Exec(ctxOf(t), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}

	release := a.FillSlots(pgtest.Ham)
	err = connecting(a.DSN(pgtest.Ham))
	want("no slot", err, postgres.NoSlot, "")
	if err := conn.Probe(ctxOf(t), "sp"); err != nil {
		t.Errorf("the connection that was there: %v", err)
	}
	release()
}

func TestLost(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{})
	a.Grant()
	for name, end := range map[string]func(pid uint32){
		"terminated":     func(pid uint32) { a.Exec(fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid)) },
		"kill -9":        func(uint32) { a.Kill9(); a.Launch() },
		"everybody dies": func(uint32) { a.KillAll(); a.Launch() },
		"stopped":        func(uint32) { a.Stop(); a.Launch() },
	} {
		lost := make(chan struct{}, 8)
		conn := connect(t, a.DSN(pgtest.Ham), postgres.Options{Lost: func() { lost <- struct{}{} }})
		for range 3 {
			if _, err := conn.State(ctxOf(t)); err != nil {
				t.Fatal(err)
			}
		}
		a.Exec("ALTER SYSTEM SET datestyle = 'German'", "SELECT pg_reload_conf()") // the server tells it to idle sessions
		a.Exec("ALTER SYSTEM RESET datestyle", "SELECT pg_reload_conf()")
		if _, err := conn.State(ctxOf(t)); err != nil {
			t.Fatal(err)
		}
		if len(lost) != 0 {
			t.Fatalf("%s: lost before its time", name)
		}
		end(conn.PID())
		select {
		case <-lost:
		case <-ctxOf(t).Done():
			t.Fatalf("%s: the end is not noticed", name)
		}
		if _, err := conn.State(ctxOf(t)); !errors.Is(err, postgres.ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
		if len(lost) != 0 {
			t.Errorf("%s: lost more than once", name)
		}
	}
	// Our own end is no loss.
	lost := make(chan struct{}, 8)
	conn := connect(t, a.DSN(pgtest.Ham), postgres.Options{Lost: func() { lost <- struct{}{} }})
	conn.Close()
	if _, err := conn.State(ctxOf(t)); !errors.Is(err, postgres.ErrLost) {
		t.Errorf("closed: %v", err)
	}
	if len(lost) != 0 {
		t.Error("our own end was told as a loss")
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{})
	a.Grant()
	conn := connect(t, a.DSN(pgtest.Ham), postgres.Options{})
	if _, err := conn.State(ctxOf(t)); err != nil || !conn.Heard() {
		t.Fatalf("%v, heard: %t", err, conn.Heard())
	}
	a.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := conn.State(ctx); !errors.Is(err, context.DeadlineExceeded) || conn.Heard() {
		t.Errorf("%v, heard: %t", err, conn.Heard())
	}
	if kind, says := postgres.Explain(ctx.Err()); kind != postgres.NoWord || says != "" {
		t.Errorf("%d %q", kind, says)
	}
	a.Thaw()
	// What was given up does not stay in the server.
	eventually(t, "the session is gone", func() error {
		if pids := a.Value(fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE pid = %d", conn.PID())); pids != "0" {
			return errors.New("it is there")
		}
		return nil
	})
}

// What another session waits for is told.
func TestWatch(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{})
	a.Grant()
	busy, other := connect(t, a.DSN(pgtest.Ham), postgres.Options{LockTimeout: patience}), connect(t, a.DSN(pgtest.Ham), postgres.Options{})
	holder := a.Connect(pgtest.Super)
	if _, err := holder.Exec(ctxOf(t), "BEGIN; LOCK TABLE ham.probe"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- busy.Probe(t.Context(), "sp") }()
	eventually(t, "it waits for the lock", func() error {
		w, ok, err := other.Watch(ctxOf(t), busy.PID())
		if err != nil || !ok {
			t.Fatalf("%+v, %t, %v", w, ok, err)
		}
		if !w.Active || w.For != "Lock:relation" || !slices.Equal(w.BlockedBy, []int32{int32(holder.PgConn().PID())}) {
			return fmt.Errorf("%+v", w)
		}
		return nil
	})
	if _, err := holder.Exec(ctxOf(t), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if w, ok, err := other.Watch(ctxOf(t), busy.PID()); err != nil || !ok || w.Active {
		t.Errorf("it is idle: %+v, %t, %v", w, ok, err)
	}
	if _, ok, err := other.Watch(ctxOf(t), 1<<30); err != nil || ok {
		t.Errorf("nobody: %t, %v", ok, err)
	}
}
