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

const patience = 60 * time.Second

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func of(t testing.TB, pg *pgtest.Server) *server.Server {
	t.Helper()
	s, err := server.New(server.Options{Service: "pg_ctl", Data: pg.Data, Bin: pg.Bin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(pg.Data + ".ham") })
	return s
}

func follow(t testing.TB, upstream *pgtest.Server, name string) server.Follow {
	t.Helper()
	up, err := server.ParseConnInfo(upstream.DSN(pgtest.Super))
	if err != nil {
		t.Fatal(err)
	}
	return server.Follow{Upstream: up, AppName: name, Slot: "ham_" + name}
}

func TestStartStopAndControl(t *testing.T) {
	pg := pgtest.Start(t, pgtest.Options{Stopped: true})
	s := of(t, pg)
	if _, err := s.Running(); !errors.Is(err, server.ErrNotRunning) {
		t.Errorf("a server that was never started: %v", err)
	}
	if err := s.StartStandby(within(t, patience)); !errors.Is(err, server.ErrSignal) {
		t.Errorf("it starts as a standby without the signal: %v", err)
	}
	began := time.Now()
	if err := s.StartPrimary(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %s", time.Since(began).Round(time.Millisecond))
	p, err := s.Running()
	if err != nil || p.Status != server.StatusReady || p.PID != pg.Postmaster() {
		t.Errorf("it runs as %+v, %v", p, err)
	}
	if err := s.StartPrimary(within(t, patience)); err != nil {
		t.Errorf("started again: %v", err)
	}
	if _, err := s.Gone(); !errors.Is(err, server.ErrRunning) {
		t.Errorf("it is said to be gone while it runs: %v", err)
	}
	c, err := s.Control(within(t, patience))
	if err != nil || c.State != server.InProduction || c.Timeline != 1 || !c.Hints {
		t.Errorf("control of a running one: %+v, %v", c, err)
	}
	began = time.Now()
	if err := s.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %s", time.Since(began).Round(time.Millisecond))
	c, err = s.Control(within(t, patience))
	if err != nil || c.State != server.ShutDown || !c.Clean() || pg.Running() {
		t.Errorf("control of a stopped one: %+v, %v; running %t", c, err, pg.Running())
	}
	if err := s.Stop(within(t, patience)); err != nil {
		t.Errorf("stopped again: %v", err)
	}
	if err := os.WriteFile(filepath.Join(pg.Data, "postgresql.conf"), []byte("no_such_setting = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.StartPrimary(within(t, patience)); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("a failed start says: %v", err)
	}
}
