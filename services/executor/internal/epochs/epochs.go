// Package epochs keeps, on the executor's own disk, the newest epoch that it has seen of each group, and how often it was started.
//
// It is what makes an executor refuse a command of a lower epoch even after a restart without the bus, or on a bus that was
// restored from an old state. An epoch is written, and synced, before it is said: [Store.Saw] returns only then.
package epochs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/isacloud/ha-manager/pkg/message"
)

// ErrLocked says that another process uses the directory: two executors of one name would take each other's work for their own.
var ErrLocked = errors.New("state directory is in use by another process")

// Store is the directory: a file a group, and one for the starts. Safe for concurrent use.
type Store struct {
	dir  string
	lock *os.File
	boot uint64

	mu    sync.Mutex
	files map[string]*counter // by group
}

const (
	lockName = "lock"
	bootName = "boot"
	prefix   = "epoch-"
)

// Open makes the directory if needed (mode 0700), takes its lock, reads what is there and counts this start. Close it.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("executor state: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("executor state %s: %w", dir, err)
	}
	s := &Store{dir: dir, lock: lock, files: map[string]*counter{}}
	if err := s.read(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) read() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	for _, e := range entries {
		group, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || !message.IsName(group) {
			continue
		}
		if s.files[group], err = openCounter(filepath.Join(s.dir, e.Name()), group); err != nil {
			return err
		}
	}
	path := filepath.Join(s.dir, bootName)
	starts, err := openCounter(path, bootName)
	if errors.Is(err, fs.ErrNotExist) {
		starts, err = makeCounter(path, bootName)
	}
	if err != nil {
		return err
	}
	s.boot = starts.value + 1
	return errors.Join(starts.set(s.boot), starts.file.Close())
}

// Boot counts the starts with this directory, from 1.
func (s *Store) Boot() uint64 { return s.boot }

// Newest is the newest epoch seen of the group, 0 if none.
func (s *Store) Newest(group string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.files[group]; c != nil {
		return c.value
	}
	return 0
}

// Prepare makes the group's file, so that its first epoch need not wait for that.
func (s *Store) Prepare(group string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.counter(group)
	return err
}

func (s *Store) counter(group string) (*counter, error) {
	if c := s.files[group]; c != nil {
		return c, nil
	}
	if !message.IsName(group) {
		return nil, fmt.Errorf("executor state: %q is no name of a group", group)
	}
	c, err := makeCounter(filepath.Join(s.dir, prefix+group), group)
	if err == nil {
		s.files[group] = c
	}
	return c, err
}

// Saw records that epoch was seen. It returns true once it is on disk, or was already; false where a newer one is: that epoch is
// stale and must be refused. An error says that the disk did not take it: nothing may be said or done of that epoch then.
func (s *Store) Saw(group string, epoch uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.counter(group)
	if err != nil {
		return false, err
	}
	switch {
	case epoch < c.value:
		return false, nil
	case epoch == c.value:
		return true, nil
	}
	if err := c.set(epoch); err != nil {
		return false, err
	}
	return true, nil
}

// Close gives up the lock.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, c := range s.files {
		if c != nil {
			errs = append(errs, c.file.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
