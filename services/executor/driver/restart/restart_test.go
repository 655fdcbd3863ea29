package restart_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/restart"
)

func script(t *testing.T, path, body string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func set(t *testing.T, path, text string) func() {
	return func() {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func count(path string) func() int {
	return func() int {
		b, err := os.ReadFile(path)
		if err != nil {
			return 0
		}
		return strings.Count(string(b), "x")
	}
}

// command is a rung that runs a command of the operator's own.
func command(t *testing.T) drivertest.Target {
	dir := t.TempDir()
	path := script(t, filepath.Join(dir, "mend"), `
case "$(cat `+dir+`/mode 2>/dev/null)" in
hang) while :; do sleep 0.01; done ;;
refuse) echo "no: $TOKEN" >&2; exit 3 ;;
esac
echo x >> `+dir+`/changes; echo "did it with $TOKEN"`)
	return drivertest.Target{
		With:    fmt.Sprintf(`{"member": "b", "exec": {"command": [%q], "env": {"TOKEN": "${env:SUITE_SECRET}"}}}`, path),
		Changes: count(filepath.Join(dir, "changes")),
		Tells:   true, Hang: set(t, filepath.Join(dir, "mode"), "hang"), Refuse: set(t, filepath.Join(dir, "mode"), "refuse"),
		Gone: func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// standIn puts a program of that name first on the PATH: systemd and docker run on few machines that test. It stands in for the real one in what is
// asked of it and in what it answers, and for nothing else.
func standIn(t *testing.T, program, service string) drivertest.Target {
	dir := t.TempDir()
	path := script(t, filepath.Join(dir, program), `
echo "$@" >> `+dir+`/asked
case "$1" in
show) printf 'LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n'; exit 0 ;;
inspect) echo exited; exit 0 ;;
esac
case "$(cat `+dir+`/mode 2>/dev/null)" in
hang) while :; do sleep 0.01; done ;;
refuse) echo "Access denied" >&2; exit 1 ;;
esac
echo x >> `+dir+`/changes`)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return drivertest.Target{
		With:    fmt.Sprintf(`{"member": "b", "service": %q}`, service),
		Changes: count(filepath.Join(dir, "changes")),
		Tells:   true, Hang: set(t, filepath.Join(dir, "mode"), "hang"), Refuse: set(t, filepath.Join(dir, "mode"), "refuse"),
		Gone: func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir)
		},
	}
}

func TestConformance(t *testing.T) {
	t.Run("exec", func(t *testing.T) { drivertest.Run(t, restart.Kind(), command) })
	t.Run("systemd", func(t *testing.T) {
		drivertest.Run(t, restart.Kind(), func(t *testing.T) drivertest.Target { return standIn(t, "systemctl", "systemd:app") })
	})
	t.Run("docker", func(t *testing.T) {
		drivertest.Run(t, restart.Kind(), func(t *testing.T) drivertest.Target { return standIn(t, "docker", "docker:app") })
	})
}

func bound(t *testing.T, with string) (driver.Driver, driver.Input) {
	t.Helper()
	in := drivertest.In(t, with)
	d, err := restart.Kind().New(in.Step.With)
	if err != nil {
		t.Fatal(err)
	}
	return d, in
}

// A member that answers from here is not restarted, whatever others see of it.
func TestUpIsNotRestarted(t *testing.T) {
	var up atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	d, in := bound(t, fmt.Sprintf(`{"member": "b", "exec": {"command": ["false"]}, "up": {"http": %q, "timeout_ns": 2000000000, "want": "up"}}`, server.URL))
	down, err := d.Look(t.Context(), in)
	if err != nil || down.Done == driver.Yes {
		t.Errorf("it answers 503, and the look says %+v, %v", down, err)
	}
	up.Store(true)
	sight, err := d.Look(t.Context(), in)
	if err != nil || sight.Done != driver.Yes {
		t.Errorf("it answers, and the look says %+v, %v", sight, err)
	}
}

// What the service managers are asked for, word for word, and what becomes of a service that they do not know.
func TestAsksServiceManagers(t *testing.T) {
	for _, c := range []struct{ program, service, found string }{
		{"systemctl", "systemd:app@1", "show --no-pager --property=LoadState,ActiveState,SubState,Result -- app@1\n--no-ask-password restart -- app@1"},
		{"docker", "docker:app-1", "inspect --type container --format {{.State.Status}} app-1\nrestart app-1"},
	} {
		target := standIn(t, c.program, c.service)
		d, in := bound(t, target.With)
		if _, err := d.Look(t.Context(), in); err != nil {
			t.Error(err)
		}
		if _, err := d.Do(t.Context(), in); err != nil {
			t.Error(err)
		}
		dir, _, _ := strings.Cut(os.Getenv("PATH"), ":")
		asked, err := os.ReadFile(filepath.Join(dir, "asked"))
		if got := strings.TrimSpace(string(asked)); err != nil || got != c.found {
			t.Errorf("%s was asked for %q, %v; want %q", c.program, got, err, c.found)
		}
	}
	for _, edit := range []func(*driver.Input){ // not by another executor, and not for a command that is overtaken
		func(in *driver.Input) { in.Step.Executor = "" },
		func(in *driver.Input) { in.Current = func(context.Context) error { return errors.New("newer") } },
	} {
		target := standIn(t, "systemctl", "systemd:app")
		d, in := bound(t, target.With)
		edit(&in)
		if deed, err := d.Do(t.Context(), in); !errors.Is(err, driver.ErrUnasked) || deed.Applied || target.Changes() != 0 {
			t.Errorf("restarted all the same: %+v, %v", deed, err)
		}
	}
	dir := t.TempDir()
	script(t, filepath.Join(dir, "systemctl"), `printf 'LoadState=not-found\nActiveState=inactive\n'`)
	t.Setenv("PATH", dir)
	d, in := bound(t, `{"member": "b", "service": "systemd:nothing"}`)
	if _, err := d.Look(t.Context(), in); !errors.Is(err, driver.ErrUnasked) || !strings.Contains(err.Error(), "no such unit") {
		t.Errorf("systemd knows no such unit, and the look says %v", err)
	}
}

// A second life of the executor cannot know whether the try was made, and does not make it again.
func TestIsInDoubtAfterARestart(t *testing.T) {
	d, in := bound(t, `{"member": "b", "exec": {"command": ["true"]}}`)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := d.Do(ctx, in); err != nil {
		t.Fatal(err)
	}
	again, _ := bound(t, string(in.Step.With))
	sight, err := again.Look(ctx, in)
	if err != nil || sight.Done != driver.Unknown || sight.Repeat {
		t.Errorf("the next life says %+v, %v: it cannot know", sight, err)
	}
}
