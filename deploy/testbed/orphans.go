//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this program what init is on a real host: daemons whose parents have ended are its children, and are reaped as soon as they
// end. Where nobody does so, a dead postmaster stays a process as far as the next one can tell.
var adoptOrphans = sync.OnceValue(func() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	go func() {
		for range ended {
			children.Lock()
			for _, pid := range zombies() {
				if !own[pid] {
					_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
				}
			}
			children.Unlock()
		}
	}()
	return nil
})

// own are the processes that this program started itself and waits for: they are no orphans. A start holds children, so that none is seen
// before it is known.
var (
	children sync.Mutex
	own      = map[int]bool{}
)

// begin starts a command of this program's own.
func begin(cmd *exec.Cmd) error {
	children.Lock()
	defer children.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	own[cmd.Process.Pid] = true
	return nil
}

// end waits for what begin started.
func end(cmd *exec.Cmd) error {
	err := cmd.Wait()
	children.Lock()
	defer children.Unlock()
	delete(own, cmd.Process.Pid)
	return err
}

// printed runs a command to its end, and returns all that it printed.
func printed(cmd *exec.Cmd) (string, error) {
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := begin(cmd); err != nil {
		return "", err
	}
	err := end(cmd)
	return out.String(), err
}

// zombies are the children of this program that have ended and were not waited for.
func zombies() []int {
	var out []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return out
	}
	parent := strconv.Itoa(os.Getpid())
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(f) > 1 && f[0] == "Z" && f[1] == parent {
			out = append(out, pid)
		}
	}
	return out
}
