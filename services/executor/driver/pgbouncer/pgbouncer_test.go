package pgbouncer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	client "github.com/isacloud/ha-manager/pkg/client/pgbouncer"
	"github.com/isacloud/ha-manager/pkg/client/pgbouncer/pgbouncertest"
	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/pgbouncer"
)

// newRelay counts what changes a PgBouncer: one command is one message.
func newRelay(t *testing.T, backend string) *drivertest.Relay {
	t.Helper()
	return drivertest.NewRelay(t, backend, func(sent string) int {
		for _, word := range []string{"PAUSE ", "RESUME ", "RELOAD", "SET "} {
			if strings.HasPrefix(sent, "Q") && strings.Contains(sent, word) {
				return 1
			}
		}
		return 0
	})
}

// admin is the DSN of the console behind address, with the suite's secret as its password.
func admin(address string) spec.Secret {
	host, port, _ := net.SplitHostPort(address)
	return spec.Secret(fmt.Sprintf("host=%s port=%s user=admin dbname=pgbouncer sslmode=disable password='${env:SUITE_SECRET}'", host, port))
}

func with(t *testing.T, args spec.PgBouncerArgs) string {
	t.Helper()
	b, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func bound(t *testing.T, args spec.PgBouncerArgs) (driver.Driver, driver.Input) {
	t.Helper()
	in := drivertest.In(t, with(t, args))
	d, err := pgbouncer.Kind().New(in.Step.With)
	if err != nil {
		t.Fatal(err)
	}
	return d, in
}

const patience = 60 * time.Second

func pausing(b ...spec.Secret) spec.PgBouncerArgs {
	return spec.PgBouncerArgs{Route: "pool", Admins: b, Database: "orders", Action: "pause", Timeout: patience}
}

func resuming(file, server string, b ...spec.Secret) spec.PgBouncerArgs {
	return spec.PgBouncerArgs{Route: "pool", Admins: b, Database: "orders", Action: "resume", Server: server, File: file, Timeout: patience}
}

func to(server string) pgbouncertest.Options {
	host, port, _ := net.SplitHostPort(server)
	return pgbouncertest.Options{Databases: map[string]string{"orders": "host=" + host + " port=" + port + " dbname=postgres"}}
}

func state(t *testing.T, b *pgbouncertest.Bouncer) client.State {
	t.Helper()
	c, err := client.Dial(t.Context(), b.Admin())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.State(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	pgbouncertest.Require(t)
	if pgbouncertest.Password != drivertest.Secret {
		t.Fatal("the suite's secret is not the password of the console")
	}
	for name, args := range map[string]func(r *drivertest.Relay, b *pgbouncertest.Bouncer) spec.PgBouncerArgs{
		"pause": func(r *drivertest.Relay, _ *pgbouncertest.Bouncer) spec.PgBouncerArgs {
			return pausing(admin(r.Addr()))
		},
		"resume": func(r *drivertest.Relay, b *pgbouncertest.Bouncer) spec.PgBouncerArgs {
			return resuming(b.File(), "127.0.0.1:2", admin(r.Addr()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, pgbouncer.Kind(), func(t *testing.T) drivertest.Target {
				b := pgbouncertest.Start(t, to("127.0.0.1:1"))
				r := newRelay(t, b.Addr())
				return drivertest.Target{
					With: with(t, args(r, b)), Changes: r.Changes, Tells: true,
					Hang: r.Hang, Gone: r.Gone,
					Refuse: func() { // it knows no such database any more
						b.Write("other = host=127.0.0.1 port=1")
						b.Kill()
						b.Launch()
					},
				}
			})
		})
	}
}

func TestConfiguration(t *testing.T) {
	good := resuming("/etc/pgbouncer/databases.ini", "192.0.2.1:5432", "host=a")
	for key, spoil := range map[string]func(*spec.PgBouncerArgs){
		"admins":     func(a *spec.PgBouncerArgs) { a.Admins = nil },
		"database":   func(a *spec.PgBouncerArgs) { a.Database = `a"b` },
		"action":     func(a *spec.PgBouncerArgs) { a.Action = "stop" },
		"timeout_ns": func(a *spec.PgBouncerArgs) { a.Timeout = 0 },
		"server":     func(a *spec.PgBouncerArgs) { a.Action = "pause" },
		"file":       func(a *spec.PgBouncerArgs) { a.File = "databases.ini" },
	} {
		args := good
		spoil(&args)
		_, err := pgbouncer.Kind().New(json.RawMessage(with(t, args)))
		var wrong *driver.ConfigError
		if !errors.As(err, &wrong) || wrong.Key != key {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// load is clients in transactions, through PgBouncer.
type load struct {
	stop    context.CancelFunc
	all     sync.WaitGroup
	mu      sync.Mutex
	errs    []error
	served  map[string]int // by the port of the server that served
	longest time.Duration
}

// transaction makes a client stay in a transaction of three statements and tells who served it.
func transaction(ctx context.Context, c *pgconn.PgConn) (port string, err error) {
	for _, sql := range []string{"BEGIN", "INSERT INTO t SELECT 1", "SELECT inet_server_port()", "COMMIT"} {
		results, err := c.Exec(ctx, sql).ReadAll()
		if err != nil {
			return "", fmt.Errorf("%s: %w", sql, err)
		}
		if strings.HasPrefix(sql, "SELECT") {
			port = string(results[0].Rows[0][0])
		}
	}
	return port, nil
}

func startLoad(t *testing.T, dsn string, clients int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel, served: map[string]int{}}
	t.Cleanup(func() { cancel(); l.all.Wait() })
	for range clients {
		c, err := pgconn.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		l.all.Go(func() {
			defer c.Close(context.Background())
			for ctx.Err() == nil {
				began := time.Now()
				port, err := transaction(context.Background(), c)
				took := time.Since(began)
				l.mu.Lock()
				l.longest = max(l.longest, took)
				if err != nil {
					l.errs = append(l.errs, err)
				} else {
					l.served[port]++
				}
				l.mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	return l
}

func (l *load) by(s *pgtest.Server) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.served[fmt.Sprint(s.Port)]
}

// reset forgets the longest transaction, and says how long it took.
func (l *load) reset() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.longest
	l.longest = 0
	return d
}

// await waits until the server has served n transactions more.
func (l *load) await(t *testing.T, s *pgtest.Server, n int) {
	t.Helper()
	want := l.by(s) + n
	for until := time.Now().Add(patience); l.by(s) < want; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		errs := errors.Join(l.errs...)
		l.mu.Unlock()
		if errs != nil || time.Now().After(until) {
			t.Fatalf("%d of %d transactions were served: %v", l.by(s), want, errs)
		}
	}
}

// database is a server with a table that users of PgBouncer may write.
func database(t *testing.T) *pgtest.Server {
	t.Helper()
	s := pgtest.Start(t, pgtest.Options{HBA: []string{"host all app 127.0.0.1/32 trust"}})
	s.Exec("CREATE ROLE app LOGIN", "CREATE TABLE t (n int)", "GRANT ALL ON t TO app")
	return s
}

// The promise of a planned swap: no client sees an error, however it is in the middle of its transactions, and nobody is served by the
// old primary after the pause.
func TestNoClientFailsThroughAPlannedSwap(t *testing.T) {
	pgbouncertest.Require(t)
	a, b := database(t), database(t)
	one, two := pgbouncertest.Start(t, to(a.Addr())), pgbouncertest.Start(t, to(a.Addr()))
	bouncers := []spec.Secret{admin(one.Addr()), admin(two.Addr())}
	loads := []*load{startLoad(t, one.DSN("orders", "app"), 8), startLoad(t, two.DSN("orders", "app"), 4)}
	now, next := a, b
	for range 4 {
		for _, l := range loads {
			l.await(t, now, 50)
		}
		for _, l := range loads {
			l.reset()
		}
		began := time.Now()
		d, in := bound(t, pausing(bouncers...))
		if deed, err := d.Do(t.Context(), in); err != nil || !deed.Applied {
			t.Fatalf("%+v, %v", deed, err)
		}
		if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.Yes {
			t.Fatalf("not paused: %+v, %v", sight, err)
		}
		const left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"
		for until := time.Now().Add(patience); now.Value(left) != "0"; time.Sleep(time.Millisecond) { // a backend ends a moment after its connection
			if time.Now().After(until) {
				t.Fatalf("%s connections of clients are left on the old primary", now.Value(left))
			}
		}
		served := loads[0].by(now) + loads[1].by(now)
		paused := time.Since(began)
		// Each has a file of its own.
		for i, bouncer := range []*pgbouncertest.Bouncer{one, two} {
			d, in = bound(t, resuming(bouncer.File(), next.Addr(), bouncers[i]))
			if deed, err := d.Do(t.Context(), in); err != nil || !deed.Applied {
				t.Fatalf("%+v, %v", deed, err)
			}
			if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.Yes {
				t.Fatalf("not led to the new one: %+v, %v", sight, err)
			}
		}
		led := time.Since(began)
		for _, l := range loads {
			l.await(t, next, 50)
		}
		t.Logf("pause took %s, repoint and resume of both %s, longest transactions %s and %s", paused, led-paused, loads[0].reset(), loads[1].reset())
		if after := loads[0].by(now) + loads[1].by(now); after != served {
			t.Errorf("the old primary served %d transactions after the pause", after-served)
		}
		now, next = next, now
	}
	for _, l := range loads {
		l.stop()
		l.all.Wait()
		if len(l.errs) > 0 {
			t.Errorf("clients saw errors: %v", l.errs)
		}
		t.Logf("served %v", l.served)
	}
}

// hold begins a transaction and leaves it open.
func hold(t *testing.T, b *pgbouncertest.Bouncer) *pgconn.PgConn {
	t.Helper()
	c, err := pgconn.Connect(t.Context(), b.DSN("orders", "app"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Conn().Close() })
	if _, err := c.Exec(t.Context(), "BEGIN; INSERT INTO t VALUES (1)").ReadAll(); err != nil {
		t.Fatal(err)
	}
	return c
}

// A transaction that does not end fails the pause, and clients are not held back for it any longer.
func TestPauseThatFailsIsLifted(t *testing.T) {
	pgbouncertest.Require(t)
	const enough = 2 * time.Second // to log in and to say PAUSE, also on a busy machine
	a := database(t)
	idle, busy := pgbouncertest.Start(t, to(a.Addr())), pgbouncertest.Start(t, to(a.Addr()))
	c := hold(t, busy)
	for name, cut := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"its time is over": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
		"the step's time is over": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, enough)
		},
		"a newer epoch": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(enough, func() { cancel(errors.New("epoch 8 took its place")) })
			return ctx, func() { cancel(nil) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := pausing(admin(idle.Addr()), admin(busy.Addr()))
			if strings.HasPrefix(name, "its") {
				args.Timeout = enough
			}
			d, in := bound(t, args)
			ctx, cancel := cut(t.Context())
			defer cancel()
			deed, err := d.Do(ctx, in)
			if err == nil || !deed.Applied || errors.Is(err, driver.ErrUnknown) {
				t.Errorf("%+v, %v", deed, err)
			}
			if strings.HasPrefix(name, "its") && !errors.Is(err, driver.ErrRefused) {
				t.Errorf("the transaction did not end, and it says %v", err)
			}
			for _, b := range []*pgbouncertest.Bouncer{idle, busy} {
				if s := state(t, b); s.Paused {
					t.Errorf("clients are still held back: %s", s)
				}
			}
		})
	}
	if t.Failed() {
		return // what follows would wait as clients would
	}
	if _, err := c.Exec(t.Context(), "COMMIT").ReadAll(); err != nil {
		t.Errorf("the transaction that was waited for: %v", err)
	}
	if _, err := transaction(t.Context(), c); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// A pause that was begun is not one that is done: PgBouncer says paused while the transaction still runs.
func TestPausingIsNotPaused(t *testing.T) {
	pgbouncertest.Require(t)
	b := pgbouncertest.Start(t, to(database(t).Addr()))
	c := hold(t, b)
	d, in := bound(t, pausing(admin(b.Addr())))
	done := make(chan error, 1)
	go func() { _, err := d.Do(context.WithoutCancel(t.Context()), in); done <- err }()
	for until := time.Now().Add(patience); !state(t, b).Paused; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it does not begin to pause")
		}
	}
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.No || !strings.Contains(sight.Found, "pausing, 1 server connections left") {
		t.Errorf("%+v, %v", sight, err)
	}
	if _, err := c.Exec(t.Context(), "COMMIT").ReadAll(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.Yes {
		t.Errorf("%+v, %v", sight, err)
	}
}

// A resume without a server is what calls a swap off: clients go on with the primary that stays.
func TestResumeAlone(t *testing.T) {
	pgbouncertest.Require(t)
	a := database(t)
	b := pgbouncertest.Start(t, to(a.Addr()))
	l := startLoad(t, b.DSN("orders", "app"), 1)
	l.await(t, a, 1)
	d, in := bound(t, pausing(admin(b.Addr())))
	if _, err := d.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	d, in = bound(t, resuming("", "", admin(b.Addr())))
	for range 2 { // the second changes nothing
		if _, err := d.Do(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	l.await(t, a, 1)
}

// A PgBouncer that does not take the file stays paused: its clients would reach the old primary.
func TestNotLedIsNotLetGo(t *testing.T) {
	pgbouncertest.Require(t)
	b := pgbouncertest.Start(t, to("127.0.0.1:1"))
	d, in := bound(t, pausing(admin(b.Addr())))
	if _, err := d.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "databases.ini")
	if err := os.WriteFile(elsewhere, []byte("[databases]\norders = host=127.0.0.1 port=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, in = bound(t, resuming(elsewhere, "127.0.0.1:2", admin(b.Addr())))
	_, err := d.Do(t.Context(), in)
	if !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "its log says why") {
		t.Errorf("%v", err)
	}
	if s := state(t, b); !s.Held() {
		t.Errorf("it was let go: %s", s)
	}
}

// One that is gone holds nobody back, and begins with the file: a resume goes on without it, a pause does not.
func TestOneIsGone(t *testing.T) {
	pgbouncertest.Require(t)
	here, away := pgbouncertest.Start(t, to("127.0.0.1:1")), pgbouncertest.Start(t, to("127.0.0.1:1"))
	away.Kill()
	both := []spec.Secret{admin(here.Addr()), admin(away.Addr())}
	d, in := bound(t, pausing(both...))
	if _, err := d.Do(t.Context(), in); !errors.Is(err, driver.ErrUnasked) {
		t.Errorf("a pause: %v", err)
	}
	if s := state(t, here); s.Paused {
		t.Errorf("the other one is held back: %s", s)
	}
	if _, err := d.Look(t.Context(), in); !errors.Is(err, driver.ErrUnasked) {
		t.Errorf("a look at a pause: %v", err)
	}
	d, in = bound(t, resuming(here.File(), "127.0.0.1:2", both...))
	if deed, err := d.Do(t.Context(), in); err != nil || !strings.Contains(deed.Evidence, "refused") {
		t.Errorf("a resume: %+v, %v", deed, err)
	}
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.Yes {
		t.Errorf("a look at a resume: %+v, %v", sight, err)
	}
}

// An unplanned swap has no pause: clients that are connected go on with the new primary, those in a transaction see it end.
func TestFailoverKeepsClients(t *testing.T) {
	pgbouncertest.Require(t)
	a, b := database(t), database(t)
	bouncer := pgbouncertest.Start(t, to(a.Addr()))
	c, err := pgconn.Connect(t.Context(), bouncer.DSN("orders", "app"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if port, err := transaction(t.Context(), c); err != nil || port != fmt.Sprint(a.Port) {
		t.Fatalf("%s, %v", port, err)
	}
	busy := hold(t, bouncer)
	d, in := bound(t, resuming(bouncer.File(), b.Addr(), admin(bouncer.Addr())))
	if _, err := d.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if port, err := transaction(t.Context(), c); err != nil || port != fmt.Sprint(b.Port) {
		t.Errorf("a client between two transactions: served by %s, %v; want %d", port, err, b.Port)
	}
	a.KillAll()
	if _, err := busy.Exec(t.Context(), "COMMIT").ReadAll(); err == nil {
		t.Error("a transaction on the old primary was acknowledged")
	}
}

// PgBouncer makes no connection for a while after one that failed. Clients do not wait for that once there is a new primary.
func TestClientsDoNotWaitForTheLoginRetry(t *testing.T) {
	pgbouncertest.Require(t)
	a, b := database(t), database(t)
	options := to(a.Addr())
	options.Settings = map[string]string{"server_login_retry": "600"} // its own 15 s could pass on a busy machine
	bouncer := pgbouncertest.Start(t, options)
	c, err := pgconn.Connect(t.Context(), bouncer.DSN("orders", "app"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Conn().Close() }()
	a.KillAll()
	// Until PgBouncer has noticed, it would hand the client the server that is gone, and end them both.
	for until := time.Now().Add(patience); state(t, bouncer).Connections > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the server's connection outlives the server")
		}
	}
	waits := make(chan error, 1)
	go func() { _, err := transaction(context.WithoutCancel(t.Context()), c); waits <- err }()
	for until := time.Now().Add(patience); state(t, bouncer).Waiting == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the client does not wait")
		}
	}
	d, in := bound(t, resuming(bouncer.File(), b.Addr(), admin(bouncer.Addr())))
	deed, err := d.Do(t.Context(), in)
	if err != nil || !strings.Contains(deed.Evidence, "server_login_retry 10ms instead of 600") {
		t.Errorf("%+v, %v", deed, err)
	}
	select {
	case err := <-waits:
		if err != nil {
			t.Errorf("the client that waited: %v", err)
		}
	case <-time.After(patience):
		t.Error("the client still waits")
	}
}

func TestSecretsOfADSN(t *testing.T) {
	d, in := bound(t, pausing(spec.Secret((&url.URL{Scheme: "postgres", User: url.UserPassword("a", "${env:NO_SUCH}"), Host: "h"}).String()), "${env:NO_SUCH}"))
	if _, err := d.Look(t.Context(), in); !errors.Is(err, driver.ErrUnasked) {
		t.Errorf("a secret that is not there: %v", err)
	}
}
