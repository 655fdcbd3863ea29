package server_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
)

func quiet(string) {}

// pair starts a primary a and its standby b, each with a slot for the other's name when it acts as primary.
func pair(t testing.TB, settings map[string]string) (a, b *pgtest.Server) {
	t.Helper()
	a = pgtest.Start(t, pgtest.Options{Settings: settings})
	b = pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b", Options: pgtest.Options{Settings: settings}})
	a.Exec("CREATE TABLE w (id int)", "INSERT INTO w SELECT generate_series(1, 1000)")
	return a, b
}

// diverge promotes b, once it has all of what pair wrote, while a goes on, so that a has writes that b has not.
func diverge(a, b *pgtest.Server) {
	a.Exec("CHECKPOINT")
	b.AwaitReplay(a)
	b.Promote()
	a.Exec("INSERT INTO w SELECT generate_series(2001, 2100)") // lost
	b.Exec("CHECKPOINT", "SELECT pg_create_physical_replication_slot('ham_a', true)", "INSERT INTO w SELECT generate_series(3001, 3010)")
}

func TestRewindAfterDivergence(t *testing.T) {
	for _, how := range []string{"crashed", "stopped"} {
		t.Run(how, func(t *testing.T) {
			a, b := pair(t, nil)
			s := of(t, a)
			diverge(a, b)
			f := follow(t, b, "a")
			if _, err := s.Rewind(within(t, patience), f, quiet); !errors.Is(err, server.ErrRunning) {
				t.Errorf("a running cluster is rewound: %v", err)
			}
			if _, err := s.BaseBackup(within(t, patience), f, quiet); !errors.Is(err, server.ErrRunning) {
				t.Errorf("a running cluster is replaced: %v", err)
			}
			if how == "crashed" {
				a.KillAll()
			} else if err := s.Stop(within(t, patience)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			did, err := s.Rewind(within(t, patience), f, func(p string) { t.Log(p) })
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s, in %s", did, time.Since(began).Round(time.Millisecond))
			follows(t, s, a, b)
		})
	}
}

// follows starts a as a standby of b, and compares what they hold.
func follows(t testing.TB, s *server.Server, a, b *pgtest.Server) {
	t.Helper()
	if err := s.StartStandby(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	b.AwaitStreaming("a")
	b.Exec("INSERT INTO w VALUES (9999)")
	want := b.Value("SELECT count(*) || ' ' || sum(id) FROM w")
	var got string
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if got = a.Value("SELECT count(*) || ' ' || sum(id) FROM w"); got == want {
			break
		}
	}
	if got != want {
		t.Errorf("a has %s, b has %s", got, want)
	}
	for _, secret := range []string{pgtest.SuperPassword, pgtest.ReplPassword} {
		if strings.Contains(a.Value("SELECT setting FROM pg_settings WHERE name = 'primary_conninfo'"), secret) {
			t.Error("the password stands in primary_conninfo")
		}
	}
	if a.Value("SELECT setting FROM pg_settings WHERE name = 'port'") == b.Value("SELECT setting FROM pg_settings WHERE name = 'port'") {
		t.Error("its settings were replaced by the other's")
	}
}

func TestRewindThatIsNotNeeded(t *testing.T) {
	a, b := pair(t, nil)
	s := of(t, a)
	if err := s.Stop(within(t, patience)); err != nil { // b has all of it, the shutdown included
		t.Fatal(err)
	}
	b.Promote()
	b.Exec("CHECKPOINT", "SELECT pg_create_physical_replication_slot('ham_a', true)")
	did, err := s.Rewind(within(t, patience), follow(t, b, "a"), quiet)
	if err != nil || !strings.Contains(did, "no rewind was required") {
		t.Fatalf("%q, %v", did, err)
	}
	follows(t, s, a, b)
}

func TestRewindCannotAndBaseBackupCan(t *testing.T) {
	a, b := pair(t, map[string]string{"wal_log_hints": "off"})
	s := of(t, a)
	diverge(a, b)
	a.KillAll()
	f := follow(t, b, "a")
	_, err := s.Rewind(within(t, patience), f, quiet)
	if !errors.Is(err, server.ErrCannotRewind) {
		t.Fatalf("without hint bits: %v", err)
	}
	t.Log(err)
	if err := s.Unfinished(); err != nil {
		t.Errorf("a refused rewind counts as half done: %v", err)
	}
	var told []string
	did, err := s.BaseBackup(within(t, patience), f, func(p string) { told = append(told, p) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s; told %q", did, told)
	if len(told) == 0 {
		t.Error("no progress was told")
	}
	follows(t, s, a, b)
}

// TestAHalfRewoundClusterDoesNotStart: what a crash in the middle of a rewind leaves behind is replaced by a base backup, and by nothing else.
func TestAHalfRewoundClusterDoesNotStart(t *testing.T) {
	a, b := pair(t, nil)
	s := of(t, a)
	diverge(a, b)
	a.KillAll()
	f := follow(t, b, "a")
	if _, err := s.Rewind(within(t, patience), follow(t, a, "a"), quiet); err == nil || errors.Is(err, server.ErrCannotRewind) || errors.Is(err, server.ErrHalf) {
		t.Errorf("a rewind to a server that is down says %v: it is no reason for a base backup", err)
	}
	if err := os.WriteFile(a.Data+".ham/rewinding", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.Data, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.StartStandby(within(t, patience)); !errors.Is(err, server.ErrHalf) {
		t.Errorf("it starts: %v", err)
	}
	if _, err := s.Rewind(within(t, patience), f, quiet); !errors.Is(err, server.ErrHalf) {
		t.Errorf("it is rewound again: %v", err)
	}
	// A base backup that broke off, and one that was complete and broke off before it was in its place.
	if err := os.MkdirAll(a.Data+".ham/new/base", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.BaseBackup(within(t, patience), f, quiet); err != nil {
		t.Fatal(err)
	}
	if err := s.Unfinished(); err != nil {
		t.Error(err)
	}
	follows(t, s, a, b)
	if left, _ := os.ReadDir(a.Data + ".ham"); len(left) > 2 { // pgpass, server.log
		t.Errorf("left beside: %v", left)
	}
}

func TestABaseBackupIntoNothing(t *testing.T) {
	_, b := pair(t, nil)
	a := pgtest.Start(t, pgtest.Options{Stopped: true})
	conf, err := os.ReadFile(filepath.Join(a.Data, "postgresql.conf"))
	if err != nil {
		t.Fatal(err)
	}
	b.Promote()
	b.Exec("SELECT pg_create_physical_replication_slot('ham_a', true)")
	if err := os.RemoveAll(a.Data); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Options{Service: "pg_ctl", Data: a.Data, Bin: a.Bin, RunAs: a.User})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.BaseBackup(within(t, patience), follow(t, b, "a"), quiet); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.Data, "postgresql.conf"), conf, 0o600); err != nil {
		t.Fatal(err)
	}
	follows(t, s, a, b)
}

// TestARewindThatBreaksOffIsSeen: from before the first file is changed there is a mark, and what broke off is never started.
func TestARewindThatBreaksOffIsSeen(t *testing.T) {
	a, b := pair(t, nil)
	s := of(t, a)
	diverge(a, b)
	b.Exec("INSERT INTO w SELECT generate_series(10000, 200000)")
	a.KillAll()
	ctx, cancel := context.WithCancel(within(t, patience))
	defer cancel()
	begun := false
	_, err := s.Rewind(ctx, follow(t, b, "a"), func(p string) {
		if strings.Contains(p, "rewind to") && !begun {
			begun = true
			if s.Unfinished() == nil {
				t.Error("it changes files, and there is no mark")
			}
			cancel()
		}
	})
	if !begun || !errors.Is(err, server.ErrHalf) {
		t.Fatalf("it was to break off, begun %t: %v", begun, err)
	}
	if err := os.WriteFile(filepath.Join(a.Data, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.StartStandby(within(t, patience)); !errors.Is(err, server.ErrHalf) || a.Running() {
		t.Errorf("it starts: %v", err)
	}
	if _, err := s.BaseBackup(within(t, patience), follow(t, b, "a"), quiet); err != nil {
		t.Fatal(err)
	}
	follows(t, s, a, b)
}

// TestNothingIsChangedUnderARunningServer: whoever asks for it is refused before anything is touched.
func TestNothingIsChangedUnderARunningServer(t *testing.T) {
	a := pgtest.Start(t, pgtest.Options{})
	s := of(t, a)
	f := follow(t, a, "a")
	for what, do := range map[string]func() error{
		"rewind":       func() error { _, err := s.Rewind(within(t, patience), f, quiet); return err },
		"base backup":  func() error { _, err := s.BaseBackup(within(t, patience), f, quiet); return err },
		"make standby": func() error { return s.MakeStandby(within(t, patience), f) },
	} {
		if err := do(); !errors.Is(err, server.ErrRunning) {
			t.Errorf("%s of a running cluster: %v", what, err)
		}
	}
	if a.Value("SELECT pg_is_in_recovery()") != "false" {
		t.Error("it is a standby")
	}
}
