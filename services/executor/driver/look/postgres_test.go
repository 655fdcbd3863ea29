package look_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/look"
)

func lookAt(t *testing.T, ctx context.Context, args spec.LookArgs) look.Seen {
	t.Helper()
	if args.Timeout == 0 {
		args.Timeout = time.Minute
	}
	eye, err := look.New("that", args)
	if err != nil {
		t.Fatal(err)
	}
	seen := eye.Look(ctx, drivertest.In(t, `{}`))
	for _, secret := range []string{pgtest.HamPassword, "p%2Fw", drivertest.Secret} {
		if strings.Contains(seen.Says, secret) {
			t.Errorf("it tells the secret: %s", seen)
		}
	}
	return seen
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{})
	a.Grant()
	b := pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b"})
	primary, standby := spec.Secret(a.DSN(pgtest.Ham)), spec.Secret(b.DSN(pgtest.Ham))
	is := func(what string, args spec.LookArgs, up, asked bool, says string) {
		t.Helper()
		if args.Want == "" {
			args.Want = "up"
		}
		seen := lookAt(t, t.Context(), args)
		if seen.Up != up || seen.Asked != asked || !strings.Contains(seen.Says, says) {
			t.Errorf("%s: up %t, asked %t, %q; want %t, %t, %q", what, seen.Up, seen.Asked, seen.Says, up, asked, says)
		}
	}
	is("primary", spec.LookArgs{Postgres: primary, Role: spec.RolePrimary}, true, true, "a primary, timeline 1, at 0/")
	is("primary, any", spec.LookArgs{Postgres: primary}, true, true, "a primary, timeline 1")
	is("primary, as standby", spec.LookArgs{Postgres: primary, Role: spec.RoleStandby}, false, true, "it is a primary")
	is("standby", spec.LookArgs{Postgres: standby, Role: spec.RoleStandby}, true, true, "a standby, timeline 1, replayed to 0/")
	is("standby, any", spec.LookArgs{Postgres: standby}, true, true, "a standby")
	is("standby, as primary", spec.LookArgs{Postgres: standby, Role: spec.RolePrimary}, false, true, "it is a standby")
	is("wrong password", spec.LookArgs{Postgres: spec.Secret(a.DSNWith(pgtest.Ham, "x"))}, false, false, "does not let ham look: password authentication failed")
	is("no such secret", spec.LookArgs{Postgres: "${env:NOWHERE}"}, false, false, "NOWHERE")
	is("no DSN", spec.LookArgs{Postgres: "postgres://ham:p%2Fw@x:y/"}, false, false, "the DSN cannot be read")

	// It waits for no standby, and what is not said of writes is not taken for their failure.
	a.Exec("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
	is("nobody is synchronous", spec.LookArgs{Postgres: primary, Role: spec.RolePrimary, Timeout: 10 * time.Second}, true, true, "a primary")
	holder := a.Connect(pgtest.Super)
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE ham.probe"); err != nil {
		t.Fatal(err)
	}
	is("locked", spec.LookArgs{Postgres: primary, Role: spec.RolePrimary, Timeout: 2 * time.Second}, true, true, "a write was not tried")
	if _, err := holder.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}

	a.Freeze()
	is("frozen", spec.LookArgs{Postgres: primary, Timeout: 200 * time.Millisecond}, false, true, "no answer within 200ms")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if seen := lookAt(t, ctx, spec.LookArgs{Postgres: primary, Want: "down"}); seen.Up || seen.Asked {
		t.Errorf("stopped: %s", seen)
	}
	a.Thaw()
	a.Kill9()
	is("gone", spec.LookArgs{Postgres: primary}, false, true, "connection refused")
}

// A server whose writes fail is no primary that is up: a swap that was asked for because of it goes on.
func TestPostgresThatDoesNotWrite(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{})
	a.Grant()
	a.Exec("CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_sleep(25); RETURN NEW; END $$",
		"CREATE TRIGGER stall BEFORE INSERT ON ham.probe FOR EACH ROW EXECUTE FUNCTION stall()")
	args := spec.LookArgs{Postgres: spec.Secret(a.DSN(pgtest.Ham)), Role: spec.RolePrimary, Want: "down", Timeout: 2 * time.Second}
	if seen := lookAt(t, t.Context(), args); seen.Up || !seen.Asked || !strings.Contains(seen.Says, "a write did not end: no answer within 2s") {
		t.Errorf("hangs: %s", seen)
	}
	a.Exec("CREATE OR REPLACE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no space' USING ERRCODE = '53100'; END $$")
	if seen := lookAt(t, t.Context(), args); seen.Up || !seen.Asked || !strings.Contains(seen.Says, "a write fails: no space (53100)") {
		t.Errorf("full: %s", seen)
	}
}

// No slot is left: a sign of life, which ends a swap that wants it down, but no proof of a role.
func TestPostgresWithoutSlots(t *testing.T) {
	t.Parallel()
	a := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"max_connections": "6", "superuser_reserved_connections": "2"}})
	a.Grant()
	a.FillSlots(pgtest.Ham)
	dsn := spec.Secret(a.DSN(pgtest.Ham))
	for _, c := range []struct {
		role, want string
		up         bool
	}{{"", "up", true}, {spec.RolePrimary, "up", false}, {spec.RolePrimary, "down", true}} {
		if seen := lookAt(t, t.Context(), spec.LookArgs{Postgres: dsn, Role: c.role, Want: c.want}); seen.Up != c.up || !seen.Asked || !strings.Contains(seen.Says, "no connection slot left") {
			t.Errorf("%+v: %s", c, seen)
		}
	}
}

// Whatever the server repeats, the password is not told.
func TestPostgresSecret(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 1024))
		said := "SFATAL\x00VFATAL\x00CXX000\x00Myou are hunter2\x00\x00"
		_, _ = c.Write(append([]byte{'E', 0, 0, 0, byte(len(said) + 4)}, said...))
	}()
	seen := lookAt(t, t.Context(), spec.LookArgs{Postgres: spec.Secret("postgres://ham:hunter2@" + l.Addr().String() + "/app?sslmode=disable"), Want: "up"})
	if seen.Up || seen.Says != "you are "+driver.Masked+" (XX000)" {
		t.Errorf("%s", seen)
	}
}

func TestPostgresArgs(t *testing.T) {
	t.Parallel()
	for want, args := range map[string]spec.LookArgs{
		"role":        {Postgres: "x", Role: "leader", Want: "up", Timeout: time.Second},
		"left out":    {TCP: "x:1", Role: spec.RolePrimary, Want: "up", Timeout: time.Second},
		"exactly one": {TCP: "x:1", Postgres: "x", Want: "up", Timeout: time.Second},
	} {
		if _, err := look.New("that", args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", args, err, want)
		}
	}
}
