// Package epochs keeps, on the executor's own disk, the newest epoch that it has seen of each group, and how often it was started.
//
// It is what makes an executor refuse a command of a lower epoch even after a restart without the bus, or on a bus that was
// restored from an old state. An epoch is written, and synced, before it is said: [Store.Saw] returns only then.
package epochs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/isacloud/ha-manager/pkg/message"
)

// ErrLocked says that another process uses the directory: two executors of one name would take each other's work for their own.
var ErrLocked = errors.New("state directory is in use by another process")

// Store is the directory. Safe for concurrent use.
type Store struct {
	dir  string
	lock *os.File
	boot uint64

	mu     sync.Mutex
	newest map[string]uint64
}

// file is the format of each file, so that a person can read it.
type file struct {
	Group string `json:"group,omitempty"`
	Epoch uint64 `json:"epoch,omitempty"`
	Boot  uint64 `json:"boot,omitempty"`
}

const (
	lockName = "lock"
	bootName = "boot.json"
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
	s := &Store{dir: dir, lock: lock, newest: map[string]uint64{}}
	if err := s.read(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) read() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	for _, e := range entries {
		if ok, _ := filepath.Match(prefix+"*.json", e.Name()); !ok {
			continue
		}
		f, err := s.load(e.Name())
		if err != nil {
			return err
		}
		if !message.IsName(f.Group) || e.Name() != epochName(f.Group) {
			return fmt.Errorf("executor state: %s is not what ham wrote: it names group %q; look at it before you remove it, epochs must not go back", filepath.Join(s.dir, e.Name()), f.Group)
		}
		s.newest[f.Group] = f.Epoch
	}
	f, err := s.load(bootName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.boot = f.Boot + 1
	return s.save(bootName, file{Boot: s.boot})
}

func epochName(group string) string { return prefix + group + ".json" }

// Boot counts the starts with this directory, from 1.
func (s *Store) Boot() uint64 { return s.boot }

// Newest is the newest epoch seen of the group, 0 if none.
func (s *Store) Newest(group string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest[group]
}

// Saw records that epoch was seen. It returns true once it is on disk, or was already; false where a newer one is: that epoch is
// stale and must be refused. An error says that the disk did not take it: nothing may be said or done of that epoch then.
func (s *Store) Saw(group string, epoch uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch newest := s.newest[group]; {
	case epoch < newest:
		return false, nil
	case epoch == newest:
		return true, nil
	}
	if err := s.save(epochName(group), file{Group: group, Epoch: epoch}); err != nil {
		return false, err
	}
	s.newest[group] = epoch
	return true, nil
}

// Close gives up the lock.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) load(name string) (file, error) {
	var f file
	path := filepath.Join(s.dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("executor state: %w", err)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("executor state: %s cannot be read (%w): put back the file from a backup, or stop all executors and remove it knowingly", path, err)
	}
	return f, nil
}

// save replaces the file as a whole: after a crash there is the old one or the new one.
func (s *Store) save(name string, f file) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, name)
	if err := write(path+".new", append(b, '\n')); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	return s.sync()
}

func write(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// sync makes the rename itself last.
func (s *Store) sync() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	return nil
}
