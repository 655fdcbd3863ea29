package pgbouncer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/pgbouncer"
	"github.com/isacloud/ha-manager/pkg/client/pgbouncer/pgbouncertest"
)

func start(t *testing.T) (*pgbouncertest.Bouncer, *pgbouncer.Console) {
	t.Helper()
	b := pgbouncertest.Start(t, pgbouncertest.Options{Databases: map[string]string{"orders": "host=127.0.0.1 port=1", "two-words": "host=127.0.0.1 port=1"}})
	c, err := pgbouncer.Dial(t.Context(), b.Admin())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return b, c
}

func TestPauseRepointResume(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	state := func(want string) {
		t.Helper()
		s, err := c.State(t.Context(), "orders")
		if err != nil || s.String() != want {
			t.Errorf("%q, %v; want %q", s, err, want)
		}
	}
	state("leads to 127.0.0.1:1")
	if err := c.Pause(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	state("leads to 127.0.0.1:1, paused")
	// Another console finds it paused, and a reload does not end that.
	other, err := pgbouncer.Dial(t.Context(), b.Admin())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := pgbouncer.SetServer(b.File(), "orders", "127.0.0.1:2"); err != nil {
		t.Fatal(err)
	}
	if err := other.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	state("leads to 127.0.0.1:2, paused")
	if err := other.Resume(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	state("leads to 127.0.0.1:2")
	if err := c.Pause(t.Context(), "two-words"); err != nil {
		t.Error(err)
	}
	if err := c.Set(t.Context(), "server_login_retry", "0.1"); err != nil {
		t.Error(err)
	}
	if v, err := other.Setting(t.Context(), "server_login_retry"); err != nil || v != "0.1" {
		t.Errorf("set to %q, %v", v, err)
	}
	// A file that cannot be read changes nothing, and RELOAD does not say so.
	b.Write("orders = host=127.0.0.1 port=3 nonsense")
	if err := c.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	state("leads to 127.0.0.1:2")
}

func TestErrors(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	if _, err := c.State(t.Context(), "nowhere"); !errors.Is(err, pgbouncer.ErrNoSuchDatabase) {
		t.Errorf("a database that is not there: %v", err)
	}
	if err := c.Resume(t.Context(), "orders"); !errors.Is(err, pgbouncer.ErrRefused) || !strings.Contains(err.Error(), "not paused") {
		t.Errorf("a resume of what runs: %v", err)
	}
	if err := c.Pause(t.Context(), `a"; SHUTDOWN; "`); !errors.Is(err, pgbouncer.ErrRefused) {
		t.Errorf("a name with quotation marks: %v", err)
	}
	watcher, err := pgbouncer.Dial(t.Context(), b.DSN("pgbouncer", "watcher"))
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close()
	if err := watcher.Pause(t.Context(), "orders"); !errors.Is(err, pgbouncer.ErrRefused) {
		t.Errorf("a user that may only look: %v", err)
	}
	wrong := strings.Replace(b.Admin(), "hunter2", "hunter3", 1)
	if _, err := pgbouncer.Dial(t.Context(), wrong); !errors.Is(err, pgbouncer.ErrUnreachable) || strings.Contains(err.Error(), "hunter") {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := pgbouncer.Dial(t.Context(), "postgres://admin:hunter2@[::1/x"); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("a DSN that is none: %v", err)
	}
	b.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Reload(ctx); !errors.Is(err, pgbouncer.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen one: %v", err)
	}
	b.Thaw()
	b.Kill()
	if _, err := pgbouncer.Dial(t.Context(), b.Admin()); !errors.Is(err, pgbouncer.ErrUnreachable) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("one that is gone: %v", err)
	}
}
