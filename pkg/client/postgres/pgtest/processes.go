package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processes finds the server's processes: PostgreSQL makes the data directory the working directory of each. So none is missed whose
// parent is gone, and none is touched that has taken over a process id.
func processes(data string) (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd")); err == nil && cwd == data && isServer(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// isServer tells a server's process from a shell or a tool that was started in the data directory. One that is ending has no program any
// more, and its memory, beside which no other server starts, goes a moment later: it is known by its name.
func isServer(pid int) bool {
	proc := fmt.Sprintf("/proc/%d/", pid)
	exe, err := os.Readlink(proc + "exe")
	if errors.Is(err, fs.ErrNotExist) {
		name, err := os.ReadFile(proc + "comm")
		return err == nil && strings.TrimSpace(string(name)) == "postgres"
	}
	return err == nil && filepath.Base(exe) == "postgres"
}

// state is the letter of a process's state: T when it was stopped by a signal; 0 when it is gone.
func state(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// It is the first field after the program's name, which stands in brackets and may hold anything.
	i := bytes.LastIndexByte(stat, ')')
	if err != nil || i < 0 || len(stat) <= i+2 {
		return 0
	}
	return stat[i+2]
}

// killAll ends every process of the server, the postmaster first so that it starts no more, and waits until they are gone.
func killAll(data string) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if main := postmaster(data); main != 0 {
			_ = syscall.Kill(main, syscall.SIGKILL)
		}
		left := processes(data)
		if len(left) == 0 {
			return true
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return false
}

// postmaster is the process that postmaster.pid names, if it is one of this server's; else 0.
func postmaster(data string) int { return readPidFile(data).process(data) }

// process is the one that the file names, if it is one of this server's, else 0: a killed server leaves its file behind.
func (f pidFile) process(data string) int {
	if f.pid <= 0 {
		return 0
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", f.pid)); err != nil || cwd != data || !isServer(f.pid) {
		return 0
	}
	return f.pid
}
