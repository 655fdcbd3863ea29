package exec_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/exec"
)

// script writes a shell script that behaves as the file "mode" beside it says.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func target(t *testing.T) drivertest.Target {
	dir := t.TempDir()
	path := script(t, `
dir=`+dir+`
case "$(cat $dir/mode 2>/dev/null)" in
hang) while :; do sleep 0.01; done ;;
refuse) echo "no: $TOKEN" >&2; [ "$1" = done ] && exit 1; exit 3 ;;
esac
case "$1" in
do) echo x >> $dir/changes; echo "did it with $TOKEN" ;;
done) [ -e $dir/changes ] || exit 1; echo "done with $TOKEN" ;;
esac`)
	mode := func(m string) func() {
		return func() {
			if err := os.WriteFile(filepath.Join(dir, "mode"), []byte(m), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return drivertest.Target{
		With: fmt.Sprintf(`{"command": [%q, "do"], "done": [%q, "done"], "env": {"TOKEN": "${env:SUITE_SECRET}"}, "dir": %q}`, path, path, dir),
		Changes: func() int {
			b, err := os.ReadFile(filepath.Join(dir, "changes"))
			if err != nil {
				return 0
			}
			return strings.Count(string(b), "x")
		},
		Tells: true, Hang: mode("hang"), Refuse: mode("refuse"), Gone: func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, exec.Kind(), target) }

func do(t *testing.T, limit time.Duration, with string) (driver.Deed, error) {
	t.Helper()
	in := drivertest.In(t, with)
	d, err := exec.Kind().New(in.Step.With)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return d.Do(ctx, in)
}

// alive waits until no process of that id is there, or it is a zombie of somebody else.
func gone(t *testing.T, pid int) bool {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if syscall.Kill(pid, 0) != nil {
			return true
		}
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(stat), ") Z ") {
			return true
		}
	}
	return false
}

// A script that forks and never ends is ended with all its children, also those that left its process group.
func TestForksAndNeverEnds(t *testing.T) {
	dir := t.TempDir()
	path := script(t, `
sleep 1000 & echo $! >> `+dir+`/pids
setsid sleep 1000 & 
setsid sh -c 'echo $$ >> `+dir+`/pids; (sleep 1000 & echo $! >> `+dir+`/pids); trap "" TERM; while :; do sleep 0.01; done' &
trap "" TERM
while :; do sleep 0.01; done`)
	began := time.Now()
	_, err := do(t, 300*time.Millisecond, fmt.Sprintf(`{"command": [%q]}`, path))
	if took := time.Since(began); took > 300*time.Millisecond+driver.Grace {
		t.Errorf("it held us for %s", took)
	}
	if !errors.Is(err, driver.ErrUnknown) {
		t.Errorf("cut short, it says %v: nobody can know what it did", err)
	}
	pids, err := os.ReadFile(filepath.Join(dir, "pids"))
	if err != nil || len(strings.Fields(string(pids))) != 3 {
		t.Fatalf("the script did not fork as it should: %q, %v", pids, err)
	}
	for _, p := range strings.Fields(string(pids)) {
		pid, err := strconv.Atoi(p)
		if err != nil {
			t.Fatal(err)
		}
		if !gone(t, pid) {
			t.Errorf("its child %d is still there", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// A script that ends and leaves a child with its output open has ended: the child is a daemon, and stays.
func TestLeavesADaemon(t *testing.T) {
	dir := t.TempDir()
	path := script(t, `sleep 1000 & echo $! > `+dir+`/pid; echo started`)
	began := time.Now()
	deed, err := do(t, 20*time.Second, fmt.Sprintf(`{"command": [%q]}`, path))
	if err != nil || !strings.Contains(deed.Evidence, "started") {
		t.Errorf("%+v, %v", deed, err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the open output held us for %s", took)
	}
	b, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the daemon that it left is gone: %v", err)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestOutputIsBounded(t *testing.T) {
	deed, err := do(t, 20*time.Second, `{"command": ["sh", "-c", "echo first; yes | head -c 10000000; echo last"]}`)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(deed.Evidence); n > 8192 || !strings.HasPrefix(deed.Evidence, "first") || !strings.HasSuffix(deed.Evidence, "last") {
		t.Errorf("%d bytes of evidence, from %.10q to %q", n, deed.Evidence, deed.Evidence[max(0, n-10):])
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("HAM_SECRET_OF_OURS", "hidden")
	deed, err := do(t, 20*time.Second, `{"command": ["sh", "-c", "env | grep ^HAM_ | grep -v ^HAM_MARK | sort | tr '\\n' ' '"]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := "HAM_COMMAND=suite HAM_DRY_RUN=false HAM_EPOCH=7 HAM_EXECUTOR=suite HAM_GRACEFUL=false HAM_GROUP=web HAM_KIND=failover HAM_MEMBER=b HAM_NEW=b HAM_OLD=a HAM_ROLE=primary HAM_STEP=suite"
	if deed.Evidence != want {
		t.Errorf("got  %s\nwant %s", deed.Evidence, want)
	}
}

// Without a done command nobody can know whether it is done.
func TestWithoutDone(t *testing.T) {
	in := drivertest.In(t, `{"command": ["true"]}`)
	d, err := exec.Kind().New(in.Step.With)
	if err != nil {
		t.Fatal(err)
	}
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.Unknown {
		t.Errorf("%+v, %v", sight, err)
	}
}
