package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// prefix begins the name of each folder; the id of the process that made it follows.
const prefix = "ham-pg-"

// newFolder makes a folder that the servers' user may use. Its path is short: a unix socket lies in it.
func newFolder(p Programs) (string, error) {
	sweep()
	dir, err := os.MkdirTemp("", prefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", err
	}
	if err := p.give(dir); err != nil {
		return "", err
	}
	return dir, nil
}

// sweep removes what tests left behind that were killed before they could clean up.
var sweep = sync.OnceFunc(func() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range left {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		pid, err := strconv.Atoi(id)
		if err != nil || syscall.Kill(pid, 0) != syscall.ESRCH {
			continue
		}
		data := filepath.Join(dir, "data")
		id2, hasMemory := sharedMemory(data)
		killAll(data)
		if hasMemory {
			removeSharedMemory(id2)
		}
		_ = unmount(data)
		_ = os.RemoveAll(dir)
	}
})

// sharedMemory is the id of the System V segment that postmaster.pid names in its seventh line.
func sharedMemory(data string) (id int, ok bool) {
	line := pidFileLine(data, 7)
	var key int
	_, err := fmt.Sscan(line, &key, &id)
	return id, err == nil
}

// pidFileLine is a line of postmaster.pid, counted from 1; "" where it is missing.
func pidFileLine(data string, n int) string {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return ""
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < n {
		return ""
	}
	return strings.TrimSpace(lines[n-1])
}
