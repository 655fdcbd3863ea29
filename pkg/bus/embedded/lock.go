package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lock holds the store directory for one process. The kernel lets go of it when the process ends, however it ends.
type lock struct{ f *os.File }

func lockDir(dir string) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: store directory: %w", ErrStart, err)
	}
	path := filepath.Join(dir, "ham.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: lock: %w", ErrStart, err)
	}
	// A child process that was forked a moment ago holds a copy of every file until it has become another program: so a
	// lock that was let go may seem held for a few milliseconds.
	for range 10 {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		who, _ := io.ReadAll(io.LimitReader(f, 32))
		_ = f.Close()
		by := "another process"
		if pid, err := strconv.Atoi(strings.TrimSpace(string(who))); err == nil {
			by = fmt.Sprintf("process %d", pid)
		}
		return nil, fmt.Errorf("%w: %s is held by %s (%s): stop that one, or use another directory", ErrLocked, dir, by, path)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w: lock %s: %w (a network file system without locks?)", ErrStart, path, err)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("%w: write %s: %w", ErrStart, path, err)
		}
	}
	return &lock{f}, nil
}

// release lets go. The file stays: removing it would let two processes hold two files of one name.
func (l *lock) release() { _ = l.f.Close() }
