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
		segment := readPidFile(data).shmem
		killAll(data)
		if segment >= 0 {
			removeSharedMemory(segment)
		}
		_ = unmount(data)
		_ = os.RemoveAll(dir)
	}
})

// pidFile is what postmaster.pid says, all of one moment.
type pidFile struct {
	pid    int
	status string // starting, ready, standby, stopping
	shmem  int    // the id of the System V segment; -1: none
}

// readPidFile returns what is there. https://www.postgresql.org/docs/15/storage-file-layout.html
func readPidFile(data string) (f pidFile) {
	f.shmem = -1
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return f
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) > 0 {
		f.pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	}
	if len(lines) > 6 {
		var key int
		if _, err := fmt.Sscan(lines[6], &key, &f.shmem); err != nil {
			f.shmem = -1
		}
	}
	if len(lines) > 7 {
		f.status = strings.TrimSpace(lines[7])
	}
	return f
}
