package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the children that bench starts of itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		code := childMain(ctx, os.Args[2:])
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func requireHAProxy(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("haproxy"); err == nil {
		return
	}
	if os.Getenv("HAM_REQUIRE") == "1" {
		t.Fatal("HAM_REQUIRE=1 is set, and the program haproxy is not in PATH")
	}
	t.Skip("needs the program haproxy in PATH")
}

// The whole of a contest with real processes: the limit's clients go without for a moment and are served by the other site, both ways
// round; afterwards no process is left.
func TestContest(t *testing.T) {
	requireHAProxy(t)
	t.Parallel()
	pl := newLoopback(self(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "ham") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f, err := contest{what: "limit", place: pl, rules: switched, runs: 2, phase: time.Millisecond, enter: enterLimit}.run(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Values) != 2 || f.Values.min() < millis(clientEvery) {
		t.Errorf("gaps %v ms, want 2, each longer than the clients' own pause", f.Values)
	}
	if left := processesOf(t, dir, pl.net); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Somebody who does nothing is found out: clients are not served, and that is an error, not a long gap.
func TestContestNotServed(t *testing.T) {
	requireHAProxy(t)
	t.Parallel()
	pl := newLoopback(self(t))
	pl.net = fmt.Sprintf("127.%d.%d.", 200, os.Getpid()&0xff) // beside the other test
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	dir, err := os.MkdirTemp("", "ham")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	_, err = contest{what: "idler", place: pl, rules: switched, runs: 1, phase: time.Millisecond, enter: func(ctx context.Context, p *proxy, _ string) (contestant, error) {
		return idler{}, p.lead(ctx, server("a"), server("b"))
	}}.run(ctx, dir)
	if err == nil || !strings.Contains(err.Error(), "clients are not served by site b") {
		t.Errorf("%v, want that clients are not served", err)
	}
}

type idler struct{}

func (idler) ready(context.Context) (string, error) { return "a", nil }
func (idler) told(context.Context, string) error    { return nil }
func (idler) stop()                                 {}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// processesOf lists command lines that hold one of the words.
func processesOf(t *testing.T, words ...string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // gone since
		}
		for _, w := range words {
			if text := strings.ReplaceAll(string(line), "\x00", " "); strings.Contains(text, w) {
				found = append(found, text)
			}
		}
	}
	return found
}
