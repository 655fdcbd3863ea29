package postgres

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	client "github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

// ample is a time-out that a busy machine does not reach, short one that is to be reached.
const (
	ample = 30 * time.Second
	short = 400 * time.Millisecond
)

func at(dsn string) spec.Check {
	return spec.Check{Name: "db", Timeout: ample, Postgres: &spec.PostgresCheck{DSN: spec.Secret(dsn)}}
}

// serve starts a primary that ham may look at.
func serve(t *testing.T, settings map[string]string) *pgtest.Server {
	t.Helper()
	s := pgtest.Start(t, pgtest.Options{Settings: settings})
	s.Grant()
	return s
}

type eye struct {
	t     *testing.T
	l     check.Looker
	wakes chan struct{}
}

func looking(t *testing.T, c spec.Check) *eye {
	t.Helper()
	e := &eye{t: t, wakes: make(chan struct{}, 64)}
	var err error
	e.l, err = Kind.Open(check.Target{
		Check: c, Vantage: "sp", Wake: func() { e.wakes <- struct{}{} },
		Secrets: func(_, name string) (string, error) { return os.Getenv(name), nil },
	})
	require.NoError(t, err)
	t.Cleanup(e.l.Close)
	return e
}

// look looks once, and holds every evidence to what it must not hold.
func (e *eye) look(within time.Duration) check.Result {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), within)
	defer cancel()
	r := e.l.Look(ctx)
	require.NotContains(e.t, r.Evidence, pgtest.HamPassword)
	require.NotContains(e.t, r.Evidence, "p/w")
	require.NotContains(e.t, r.Evidence, "p%2Fw")
	require.NotContains(e.t, r.Evidence, "\n")
	return r
}

// until looks until the answer is right.
func (e *eye) until(what string, within time.Duration, right func(check.Result) bool) check.Result {
	e.t.Helper()
	var r check.Result
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(5 * time.Millisecond) {
		if r = e.look(within); right(r) {
			return r
		}
	}
	e.t.Fatalf("%s: not within a minute, last: %+v", what, r)
	return r
}

// woken waits until the looker has asked for a look.
func (e *eye) woken() {
	e.t.Helper()
	select {
	case <-e.wakes:
	case <-time.After(ample):
		e.t.Fatal("the end of the session was not noticed")
	}
}

func up(r check.Result) bool { return r.Answer == message.Up }

// what a result says without its figures.
func bare(r check.Result) check.Result { r.Perf, r.Evidence = nil, ""; return r }

func TestSuite(t *testing.T) {
	pgtest.Require(t)
	checktest.Run(t, checktest.Suite{
		Kind: Kind,
		Up:   func(t *testing.T) spec.Check { return at(serve(t, nil).DSN(pgtest.Ham)) },
		SaysNo: func(t *testing.T) spec.Check {
			s := recovering(t)
			return at(s.DSN(pgtest.Ham))
		},
		CannotAsk: func(t *testing.T) spec.Check { return at(serve(t, nil).DSNWith(pgtest.Ham, "wrong")) },
		Hangs: func(t *testing.T) spec.Check {
			s := serve(t, nil)
			s.Freeze()
			return at(s.DSN(pgtest.Ham))
		},
		Gone: func(t *testing.T) spec.Check { return at("postgres://ham@" + checktest.Nobody(t) + "/app") },
		Floods: func(t *testing.T) spec.Check {
			return at("postgres://ham@" + checktest.Listen(t, func(c net.Conn) {
				for notice := []byte("N\x00\x00\x00\x0fSNOTICE\x00Mx\x00\x00"); ; {
					if _, err := c.Write(notice); err != nil {
						return
					}
				}
			}) + "/app?sslmode=disable")
		},
		Echoes: func(t *testing.T) spec.Check {
			return at("host=" + host(checktest.Listen(t, echo)) + " user=ham password='" + string(checktest.Secret) + "' sslmode=disable")
		},
		Unresolved: func(t *testing.T) spec.Check { return at(string(checktest.Missing)) },
	})
}

func host(addr string) string {
	h, port, _ := net.SplitHostPort(addr)
	return h + " port=" + port
}

// echo asks for the password and repeats it in its refusal.
func echo(c net.Conn) {
	buf := make([]byte, 4096)
	if _, err := c.Read(buf); err != nil { // the startup message
		return
	}
	if _, err := c.Write([]byte("R\x00\x00\x00\x08\x00\x00\x00\x03")); err != nil {
		return
	}
	n, err := c.Read(buf)
	if err != nil || n < 6 {
		return
	}
	fields := "SFATAL\x00VFATAL\x00C28P01\x00Myou said " + string(buf[5:n]) + "\x00"
	fields = strings.Replace(fields, "\x00\x00", "\x00", 1) + "\x00"
	size := len(fields) + 4
	_, _ = c.Write(append([]byte{'E', 0, 0, byte(size >> 8), byte(size)}, fields...))
}

// The password is a part of the secret that was resolved, and what a server says may hold it.
func TestPasswordInsideTheDSN(t *testing.T) {
	addr := checktest.Listen(t, echo)
	t.Setenv("HAM_TEST_DSN", "postgres://ham:hunter2@"+addr+"/app?sslmode=disable")
	r := looking(t, at("${env:HAM_TEST_DSN}")).look(ample)
	require.Equal(t, check.Result{Answer: message.Unknown}, bare(r))
	require.Equal(t, addr+" does not let ham in: you said *** (28P01)", r.Evidence)
}

// recovering is a server that lives and takes no sessions.
func recovering(t *testing.T) *pgtest.Server {
	t.Helper()
	s := pgtest.Start(t, pgtest.Options{Stopped: true, Settings: map[string]string{"hot_standby": "off"}})
	require.NoError(t, os.WriteFile(filepath.Join(s.Data, "standby.signal"), nil, 0o644))
	s.Begin()
	target, err := client.Parse(s.DSN(pgtest.Super))
	require.NoError(t, err)
	for late := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		_, err := target.Connect(t.Context(), client.Options{})
		if kind, _ := client.Explain(err); kind == client.NotReady {
			return s
		}
		require.True(t, time.Now().Before(late), "%v", err)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	a := serve(t, nil)
	b := pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b"})
	primary, standby := looking(t, at(a.DSN(pgtest.Ham))), looking(t, at(b.DSN(pgtest.Ham)))
	p := primary.look(ample)
	require.Equal(t, check.Result{Answer: message.Up}, bare(p))
	require.Equal(t, "primary, timeline 1", p.Evidence)
	require.Equal(t, []float64{0, 1, 0}, []float64{p.Perf["recovery"], p.Perf["timeline"], p.Perf["sync"]})
	require.Positive(t, p.Perf["lsn"])
	require.Positive(t, p.Perf["write_us"])
	require.NotContains(t, p.Perf, "received")
	require.Equal(t, "1", a.Value("SELECT count(*) FROM ham.probe WHERE id = 'sp'"))

	s := standby.until("it streams", ample, func(r check.Result) bool { return up(r) && r.Perf["lsn"] >= p.Perf["lsn"] })
	require.Equal(t, check.Result{Answer: message.Up}, bare(s))
	require.Contains(t, s.Evidence, "standby, timeline 1, replayed to 0/")
	require.Equal(t, []float64{1, 1, 1, 0}, []float64{s.Perf["recovery"], s.Perf["timeline"], s.Perf["streaming"], s.Perf["lag_us"]})
	require.GreaterOrEqual(t, s.Perf["received"], s.Perf["lsn"])
	require.NotContains(t, s.Perf, "sync")

	a.Exec("ALTER SYSTEM SET synchronous_standby_names = 'b'", "SELECT pg_reload_conf()")
	primary.until("b is synchronous", ample, func(r check.Result) bool {
		return r.Perf["sync"] == 1 && strings.HasSuffix(r.Evidence, "synchronous standbys: 1")
	})
	b.AwaitReplay(a) // without one replayed commit the server cannot tell how old its state is
	b.Exec("SELECT pg_wal_replay_pause()")
	a.Exec("CREATE TABLE t AS SELECT generate_series(1, 1000) n")
	standby.until("it lags", ample, func(r check.Result) bool {
		return r.Perf["lag_bytes"] > 10_000 && r.Perf["lag_us"] > 0 && strings.Contains(r.Evidence, "bytes behind what it received")
	})
	b.Exec("SELECT pg_wal_replay_resume()")

	a.Stop()
	s = standby.until("it streams from nobody", ample, func(r check.Result) bool { return r.Answer == message.Degraded })
	require.Contains(t, s.Evidence, "but it streams from nobody")
	require.Zero(t, s.Perf["streaming"])
	b.Promote()
	s = standby.look(ample)
	require.Equal(t, message.Up, s.Answer, s.Evidence)
	require.Equal(t, "primary, timeline 2", s.Evidence)
	require.Empty(t, standby.wakes)
}

// The rule of rules: a primary that waits for a lost standby is up.
func TestWaitsForNoStandby(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.Set(map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "remote_apply"})
	s.Stop()
	s.Launch()
	e := looking(t, at(s.DSN(pgtest.Ham)))
	r := e.look(5 * time.Second)
	require.Equal(t, message.Up, r.Answer, r.Evidence)
}

func TestKilledServerWakesAndIsHardDown(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for name, end := range map[string]func(){"kill -9 of the postmaster": s.Kill9, "kill -9 of all": s.KillAll, "stop": s.Stop} {
		e := looking(t, at(s.DSN(pgtest.Ham)))
		for range 3 {
			require.Equal(t, message.Up, e.look(ample).Answer)
		}
		require.Empty(t, e.wakes, name)
		end()
		e.woken()
		r := e.look(ample)
		require.Equal(t, check.Result{Answer: message.Down, Hard: true}, bare(r), name)
		require.Equal(t, "connect "+s.Addr()+": connection refused", r.Evidence)
		s.Launch()
		require.Equal(t, message.Up, e.look(ample).Answer, name)
	}
}

// Silence is never hard: it may be the network's, or the machine's.
func TestSilenceIsSoft(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := at(s.DSN(pgtest.Ham))
	c.Timeout = short
	e := looking(t, c)
	e.until("up", short, up)
	s.Freeze()
	for range 3 { // on the kept session first, then on new ones
		r := e.look(short)
		require.Equal(t, check.Result{Answer: message.Down, Silent: true}, bare(r), r.Evidence)
		require.Contains(t, r.Evidence, "no answer within 400ms")
	}
	s.Thaw()
	e.until("up again", short, up)
}

// A session that somebody ends says nothing of the server.
func TestEndOfASessionIsNoEvidence(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	e := looking(t, at(s.DSN(pgtest.Ham)))
	require.Equal(t, message.Up, e.look(ample).Answer)
	s.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ham'")
	e.woken()
	require.Equal(t, message.Up, e.look(ample).Answer)
}

func TestDoesNotTakeSessions(t *testing.T) {
	t.Parallel()
	s := recovering(t)
	r := looking(t, at(s.DSN(pgtest.Ham))).look(ample)
	require.Equal(t, check.Result{Answer: message.Down}, bare(r), "it says so itself, and may be back in a moment: soft")
	require.Contains(t, r.Evidence, s.Addr()+" takes no sessions now: ")
	require.Contains(t, r.Evidence, "(57P03)")
}

// What is wrong with ham's own set-up is never a dead member.
func TestOwnTroubleIsUnknown(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for name, c := range map[string]struct{ dsn, says string }{
		"password": {s.DSNWith(pgtest.Ham, "wr0ng"), `does not let ham in: password authentication failed for user "ham" (28P01)`},
		"role":     {s.DSNWith("nobody", "x"), "(28P01)"},
		"database": {strings.Replace(s.DSN(pgtest.Ham), "/postgres?", "/nowhere?", 1), `database "nowhere" does not exist (3D000)`},
		"tls":      {strings.Replace(s.DSN(pgtest.Ham), "sslmode=disable", "sslmode=require", 1), "does not let ham in: it does not speak TLS, which the DSN asks for"},
		"dsn":      {"postgres://ham:h4m/p4w@db/app", "the DSN cannot be read"},
		"file":     {s.DSN(pgtest.Ham) + "&sslrootcert=/nonexistent/ca.pem&sslmode=verify-full", "/nonexistent/ca.pem: no such file"},
	} {
		r := looking(t, at(c.dsn)).look(ample)
		require.Equal(t, check.Result{Answer: message.Unknown}, bare(r), "%s: %s", name, r.Evidence)
		require.Contains(t, r.Evidence, c.says, name)
		require.NotContains(t, r.Evidence, "wr0ng")
		require.NotContains(t, r.Evidence, "p4w")
	}
}

func TestNoDSN(t *testing.T) {
	t.Parallel()
	_, err := Kind.Open(check.Target{Check: at(""), Wake: func() {}})
	require.EqualError(t, err, "there is no DSN: neither the check nor the member's postgres says one")
}

// Rights that are missing are told, with what gives them.
func TestMissingRightsAreDegraded(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Options{})
	s.Exec("CREATE ROLE ham LOGIN PASSWORD '" + pgtest.HamPassword + "'")
	e := looking(t, at(s.DSN(pgtest.Ham)))
	r := e.look(ample)
	require.Equal(t, check.Result{Answer: message.Degraded}, bare(r), r.Evidence)
	require.Equal(t, "primary, timeline 1, but ham cannot try a write: relation \"ham.probe\" does not exist (42P01): run what `ham init postgres` prints", r.Evidence)
	s.Exec(client.Grants(pgtest.Ham)...)
	s.Exec("REVOKE pg_monitor FROM ham")
	r = e.look(ample)
	require.Equal(t, check.Result{Answer: message.Degraded}, bare(r), r.Evidence)
	require.Contains(t, r.Evidence, "does not see its statistics")
	require.NotContains(t, r.Perf, "sync")
	s.Exec(client.Grants(pgtest.Ham)...)
	require.Equal(t, message.Up, e.look(ample).Answer)
}

// Somebody works on the probe's table: that is not a disk that hangs.
func TestLockedTableIsNoDiskTrouble(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := at(s.DSN(pgtest.Ham))
	c.Timeout = time.Second // the lock is waited for half of it
	e := looking(t, c)
	e.until("up", ample, up)
	holder := s.Connect(pgtest.Super)
	_, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE ham.probe")
	require.NoError(t, err)
	for range 2 {
		r := e.look(ample)
		require.Equal(t, check.Result{Answer: message.Degraded}, bare(r), r.Evidence)
		require.Contains(t, r.Evidence, "the table ham.probe is locked")
	}
	_, err = holder.Exec(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.Equal(t, message.Up, e.look(ample).Answer)
}

func TestReadOnlyWritesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := at(s.DSN(pgtest.Ham))
	c.Postgres.ReadOnly = true
	r := looking(t, c).look(ample)
	require.Equal(t, check.Result{Answer: message.Up}, bare(r))
	require.Equal(t, "0", s.Value("SELECT count(*) FROM ham.probe"))
}

// A newcomer finds no slot: nobody knows more than that it answers. Who has a session goes on.
func TestNoSlotLeft(t *testing.T) {
	t.Parallel()
	s := serve(t, map[string]string{"max_connections": "6", "superuser_reserved_connections": "2"})
	kept, late := looking(t, at(s.DSN(pgtest.Ham))), looking(t, at(s.DSN(pgtest.Ham)))
	require.Equal(t, message.Up, kept.look(ample).Answer)
	s.FillSlots(pgtest.Ham)
	r := late.look(ample)
	require.Equal(t, check.Result{Answer: message.Degraded}, bare(r), r.Evidence)
	require.Contains(t, r.Evidence, "has no connection slot left")
	require.Contains(t, r.Evidence, "(53300)")
	require.Equal(t, message.Up, kept.look(ample).Answer)
}

// A rotated secret is taken without restart.
func TestRotatedSecret(t *testing.T) {
	s := serve(t, nil)
	t.Setenv("HAM_TEST_DSN", s.DSN(pgtest.Ham))
	e := looking(t, at("${env:HAM_TEST_DSN}"))
	require.Equal(t, message.Up, e.look(ample).Answer)
	s.Exec("ALTER ROLE ham PASSWORD 'n3w'")
	t.Setenv("HAM_TEST_DSN", s.DSNWith(pgtest.Ham, "n3w"))
	require.Equal(t, message.Up, e.look(ample).Answer)
	t.Setenv("HAM_TEST_DSN", s.DSNWith(pgtest.Ham, "0ld"))
	r := e.look(ample)
	require.Equal(t, message.Unknown, r.Answer)
	require.NotContains(t, r.Evidence, "0ld")
}

func sessions(s *pgtest.Server) string {
	return s.Value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'ham'")
}

// A write that hangs, by whatever cause, is a soft down that says what it waits for, and does not fill the server up with stuck sessions.
func TestHangingWrite(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := at(s.DSN(pgtest.Ham))
	c.Timeout = short
	e := looking(t, c)
	e.until("up", short, up)
	s.Exec("CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN WHILE EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = 'stall') LOOP PERFORM pg_catalog.pg_sleep(0.01); END LOOP; RETURN NEW; END $$",
		"CREATE TRIGGER stall BEFORE INSERT ON ham.probe FOR EACH ROW EXECUTE FUNCTION stall()", "CREATE TABLE stall ()")
	r := e.look(short)
	require.Equal(t, check.Result{Answer: message.Down}, bare(r), r.Evidence)
	require.Equal(t, "primary, timeline 1, answers, but a write has not ended within what is left of 400ms", r.Evidence)
	require.Equal(t, 1.0, r.Perf["timeline"], "what was seen is told")
	for range 5 {
		r = e.until("it says what the write waits for", short, func(r check.Result) bool { return strings.Contains(r.Evidence, "waits for Timeout:PgSleep") })
		require.Equal(t, check.Result{Answer: message.Down}, bare(r), r.Evidence)
		require.Contains(t, r.Evidence, "answers, but a write begun ")
	}
	require.Equal(t, "2", sessions(s))
	s.Exec("DROP TABLE stall")
	r = e.until("it ends", ample, func(r check.Result) bool { return r.Answer != message.Down })
	if r.Answer == message.Degraded {
		require.Contains(t, r.Evidence, "but a write took ")
	}
	e.until("up again", short, up)
	for late := time.Now().Add(ample); sessions(s) != "1" && time.Now().Before(late); {
		time.Sleep(5 * time.Millisecond)
	}
	require.Equal(t, "1", sessions(s))

	// Closed while it hangs: nothing stays.
	s.Exec("CREATE TABLE stall ()")
	e.until("it hangs", short, func(r check.Result) bool { return r.Answer == message.Down })
	e.l.Close()
	s.Exec("DROP TABLE stall")
	for late := time.Now().Add(ample); sessions(s) != "0" && time.Now().Before(late); {
		time.Sleep(5 * time.Millisecond)
	}
	require.Equal(t, "0", sessions(s))
}

// abandoned counts the connections to the port that the kernel took for the server, and that were given up before the server did anything with them.
func abandoned(t *testing.T, port int) (n int) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	require.NoError(t, err)
	const closeWait = "08"
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && f[3] == closeWait {
			n++
		}
	}
	return n
}

// Where new sessions hang beside a write that hangs, looks do not pile them up, and the server's end is still hard evidence at once.
func TestHangingServerIsNotFilledUp(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := at(s.DSN(pgtest.Ham))
	c.Timeout = short
	e := looking(t, c)
	e.until("up", short, up)
	s.Exec("CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_sleep(25); RETURN NEW; END $$",
		"CREATE TRIGGER stall BEFORE INSERT ON ham.probe FOR EACH ROW EXECUTE FUNCTION stall()")
	r := e.until("it hangs", short, func(r check.Result) bool { return r.Answer == message.Down })
	require.Contains(t, r.Evidence, "a write has not ended")
	s.Freeze()
	began := time.Now()
	for range 8 {
		r := e.look(short)
		require.Equal(t, check.Result{Answer: message.Down, Silent: true}, bare(r), r.Evidence)
		require.Contains(t, r.Evidence, "no answer within 400ms")
	}
	require.LessOrEqual(t, abandoned(t, s.Port), 1+int(time.Since(began)/redial))
	require.Positive(t, abandoned(t, s.Port), "it was not tried at all: this test proves nothing")
	s.Thaw()
	e.until("it is heard again", short, func(r check.Result) bool { return !r.Silent })
	s.Freeze()
	e.until("silence", short, func(r check.Result) bool { return r.Silent })
	for len(e.wakes) > 0 {
		<-e.wakes
	}
	s.KillAll()
	e.woken()
	r = e.look(ample)
	require.Equal(t, check.Result{Answer: message.Down, Hard: true}, bare(r), r.Evidence)
}

// The server dies while a write hangs: the next look says so, hard.
func TestDeathDuringAHangingWrite(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := at(s.DSN(pgtest.Ham))
	c.Timeout = short
	e := looking(t, c)
	e.until("up", short, up)
	s.Exec("CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_sleep(25); RETURN NEW; END $$",
		"CREATE TRIGGER stall BEFORE INSERT ON ham.probe FOR EACH ROW EXECUTE FUNCTION stall()")
	e.until("it hangs", short, func(r check.Result) bool { return strings.Contains(r.Evidence, "write begun") })
	s.KillAll()
	e.woken()
	r := e.look(ample)
	require.Equal(t, check.Result{Answer: message.Down, Hard: true}, bare(r), r.Evidence)
	s.Launch()
	s.Exec("DROP TRIGGER stall ON ham.probe")
	e.until("up again", short, up)
}

// A disk is full: the probe's row still fits into its page, clients' rows do not.
func TestFullDiskIsSeenThoughTheRowFits(t *testing.T) {
	t.Parallel()
	d := pgtest.NewDisk(t, 128<<20)
	s := pgtest.Start(t, pgtest.Options{Data: filepath.Join(d.Dir, "data"), Settings: map[string]string{"log_temp_files": "0"}})
	s.Grant()
	e := looking(t, at(s.DSN(pgtest.Ham)))
	require.Equal(t, message.Up, e.look(ample).Answer)
	d.Fill()
	row := s.Connect(pgtest.Ham)
	_, err := row.Exec(t.Context(), "UPDATE ham.probe SET at = now()")
	require.NoError(t, err, "the row does not fit: this shows nothing")
	e.l.(*looker).room = time.Time{} // it was looked at long ago
	r := e.look(ample)
	require.Equal(t, check.Result{Answer: message.Down}, bare(r), r.Evidence)
	require.Contains(t, r.Evidence, "answers, but has no space left to write: ")
	require.Equal(t, message.Down, e.look(ample).Answer, "one look says so, and the next does not")
	d.Free()
	e.until("up again", ample, up)
	require.NotContains(t, s.Log(), "temporary file", "the server's log tells of each look")
}

// A temporary file that the server refuses for a reason of its own is no word on its writes.
func TestNoTemporaryFileIsNoFullDisk(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.Exec("ALTER ROLE ham SET temp_file_limit = '1kB'")
	e := looking(t, at(s.DSN(pgtest.Ham)))
	for range 2 {
		r := e.look(ample)
		require.Equal(t, message.Up, r.Answer, r.Evidence)
	}
}

// Where the probe's own table finds no room, that is what is said.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := pgtest.NewDisk(t, 128<<20)
	s := pgtest.Start(t, pgtest.Options{Data: filepath.Join(d.Dir, "data")})
	s.Grant()
	e := looking(t, at(s.DSN(pgtest.Ham)))
	require.Equal(t, message.Up, e.look(ample).Answer)
	// The row could be changed where it is for as long as its page has room.
	s.Exec("INSERT INTO ham.probe SELECT 'filler ' || n, now() FROM generate_series(1, 200) n")
	d.Fill()
	r := e.until("it is full", ample, func(r check.Result) bool { return r.Answer == message.Down })
	require.Equal(t, check.Result{Answer: message.Down}, bare(r), r.Evidence)
	require.Contains(t, r.Evidence, "answers, but has no space left to write: ")
	require.Contains(t, r.Evidence, "(53100)")
	d.Free()
	e.until("up again", ample, up)
}

// Where the log finds no room the server falls over: it is down until it can recover.
func TestFullDiskOfTheLog(t *testing.T) {
	t.Parallel()
	d := pgtest.NewDisk(t, 128<<20)
	s := pgtest.Start(t, pgtest.Options{Data: filepath.Join(d.Dir, "data"), Settings: map[string]string{"min_wal_size": "32MB", "max_wal_size": "32MB"}})
	s.Grant()
	e := looking(t, at(s.DSN(pgtest.Ham)))
	require.Equal(t, message.Up, e.look(ample).Answer)
	writer := s.Connect(pgtest.Super)
	d.Fill()
	for range 100 {
		if _, err := writer.Exec(t.Context(), "SELECT pg_logical_emit_message(false, 'x', 'x'), pg_switch_wal()"); err != nil {
			break
		}
	}
	r := e.until("it fell over", ample, func(r check.Result) bool { return r.Answer == message.Down })
	require.False(t, r.Silent, r.Evidence)
	require.Contains(t, s.Log(), "PANIC")
	d.Free()
	s.KillAll() // it may be about to give up, or to recover
	s.Launch()
	e.until("up again", ample, up)
}
