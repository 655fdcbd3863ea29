//go:build linux

package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this program what init is on a real host: daemons whose parents have ended are its children, and are reaped as soon as they
// end. Where nobody does so, a dead postmaster stays a process as far as the next one can tell.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	go func() {
		for range ended {
			// What this program started itself is waited for, and reaped, by whoever started it: at once. Orphans are what is left.
			before := zombies()
			time.Sleep(10 * time.Millisecond)
			for pid := range zombies() {
				if before[pid] {
					_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
				}
			}
			if len(zombies()) > 0 {
				select {
				case ended <- unix.SIGCHLD: // some have ended only now
				default:
				}
			}
		}
	}()
	return nil
}

// zombies are the children of this program that have ended and were not waited for.
func zombies() map[int]bool {
	out := map[int]bool{}
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
			out[pid] = true
		}
	}
	return out
}
