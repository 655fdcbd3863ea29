package pgtest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
)

func dial(dsn string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func TestPair(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"work_mem": "1MB"}})
	b := pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b"})
	for _, s := range []*pgtest.Server{a, b} {
		for _, role := range []string{pgtest.Super, pgtest.Repl} {
			if err := dial(s.DSN(role), time.Minute); err != nil {
				t.Errorf("role %s over TCP: %v", role, err)
			}
		}
		if err := dial(s.DSNWith(pgtest.Super, "wrong"), time.Minute); err == nil {
			t.Error("a wrong password is taken")
		}
	}
	if got := a.Value("current_setting('work_mem')"); got != "1MB" {
		t.Errorf("work_mem is %s", got)
	}
	if a.Value("pg_is_in_recovery()") != "false" || b.Value("pg_is_in_recovery()") != "true" || a.Value("SELECT slot_name FROM pg_replication_slots WHERE active") != "ham_b" {
		t.Error("b is not a standby of a by its slot")
	}

	a.Exec("CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
	a.Kill9()
	if a.Running() {
		t.Error("killed, and it runs")
	}
	if nc, err := net.Dial("tcp", a.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial the port of a killed server: %v, %v", nc, err)
	}
	a.Launch()
	if a.Value("SELECT n FROM t") != "1" {
		t.Error("the row is lost")
	}
	a.Stop()
	b.Promote()
	b.Exec("INSERT INTO t VALUES (2)")
	a.Launch()
	a.KillAll()
	a.Launch()
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Options{})
	s.Freeze()
	if err := dial(s.DSN(pgtest.Super), 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen server answers: %v", err)
	}
	s.Thaw()
	if err := dial(s.DSN(pgtest.Super), time.Minute); err != nil {
		t.Error(err)
	}
}

func TestDisk(t *testing.T) {
	t.Parallel()
	d := pgtest.NewDisk(t, 256<<20)
	s := pgtest.Start(t, pgtest.Options{Data: filepath.Join(d.Dir, "data")})
	conn := s.Connect(pgtest.Super) // the very first session writes a file
	d.Fill()
	_, err := conn.Exec(t.Context(), "CREATE TABLE t AS SELECT generate_series(1, 1000000) n")
	if err == nil || !strings.Contains(s.Log(), "No space left on device") { // it may have been the WAL's, and then the server crashed
		t.Errorf("the disk is not full: %v", err)
	}
	d.Free()
}

// Nothing stays behind: no process, no folder, no shared memory; also of a server that somebody else has started.
func TestNothingStaysBehind(t *testing.T) {
	t.Parallel()
	var s *pgtest.Server
	var pids []int
	var segment string
	t.Run("run", func(t *testing.T) {
		s = pgtest.Start(t, pgtest.Options{Stopped: true})
		if out, err := s.Command("pg_ctl", "start", "--pgdata="+s.Data, "--log="+filepath.Join(s.Socket, "other")).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		s.AwaitReady()
		s.Connect(pgtest.Super)
		pids = s.Processes()
		text, err := os.ReadFile(filepath.Join(s.Data, "postmaster.pid"))
		if err != nil {
			t.Fatal(err)
		}
		segment = strings.Fields(strings.Split(string(text), "\n")[6])[1]
		if !memory(t, segment) {
			t.Errorf("segment %s is not there", segment)
		}
		s.Freeze()
	})
	if t.Failed() || t.Skipped() || s == nil {
		return
	}
	if len(pids) < 5 {
		t.Errorf("only processes %v were found", pids)
	}
	for _, pid := range pids {
		if cwd, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd")); err == nil {
			t.Errorf("process %d is still there, in %s", pid, cwd)
		}
	}
	if _, err := os.Stat(s.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder %s: %v", s.Socket, err)
	}
	if memory(t, segment) {
		t.Errorf("segment %s is still there", segment)
	}
}

func memory(t *testing.T, segment string) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == segment {
			return true
		}
	}
	return false
}
