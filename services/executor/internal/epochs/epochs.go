// Package epochs keeps, on the executor's own disk, the newest epoch that it has seen of each group, and how often it was started.
//
// Of a group with a lease it also keeps up to which epoch its own member is fenced, which lease it took, at which epoch it acts, and whether it is guarded.
//
// It is what makes an executor refuse a command of a lower epoch even after a restart without the bus, or on a bus that was
// restored from an old state. An epoch is written, and synced, before it is said: [Store.Saw] returns only then.
package epochs

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/isacloud/ha-manager/pkg/message"
)

// ErrLocked says that another process uses the directory: two executors of one name would take each other's work for their own.
var ErrLocked = errors.New("state directory is in use by another process")

// Store is the directory: a few files a group, and one for the starts. Safe for concurrent use.
//
// What is read is in memory: a read never waits for the disk, also while a write of the same number does. Each number is written on its own, so
// that one that the disk is slow to take keeps nobody from writing another.
type Store struct {
	dir  string
	lock *os.File
	boot uint64

	mu    sync.Mutex          // of the map alone; never held while something is written
	files map[string]*counter // by their names
}

const (
	lockName = "lock"
	bootName = "boot"
	vouched  = "vouched-" // and the group

	// What is kept of a group, a file each: <word>-<group>.
	seen     = "epoch"
	fenced   = "fenced"
	taken    = "taken"
	acting   = "acting"
	guarded  = "guarded"
	released = "released"
)

// words are those that a file may begin with.
var words = []string{seen, fenced, taken, acting, guarded, released}

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
		word, group, ok := strings.Cut(e.Name(), "-")
		if !ok || !message.IsName(group) || !slices.Contains(words, word) {
			continue
		}
		c := &counter{path: filepath.Join(s.dir, e.Name()), name: group}
		if err := c.open(); err != nil {
			return err
		}
		s.files[e.Name()] = c
	}
	starts := &counter{path: filepath.Join(s.dir, bootName), name: bootName}
	if err := starts.open(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.boot = starts.value.Load() + 1
	_, err = starts.grow(s.boot)
	return errors.Join(err, starts.close())
}

// Boot counts the starts with this directory, from 1.
func (s *Store) Boot() uint64 { return s.boot }

// Newest is the newest epoch seen of the group, 0 if none.
func (s *Store) Newest(group string) uint64 { return s.get(seen, group) }

// Fenced is the highest epoch up to which this executor's member of the group is fenced.
func (s *Store) Fenced(group string) uint64 { return s.get(fenced, group) }

// Taken is the newest epoch whose lease the member took, Acting the newest that its resource was let act at.
func (s *Store) Taken(group string) uint64 { return s.get(taken, group) }

func (s *Store) Acting(group string) uint64 { return s.get(acting, group) }

// Guarded says whether the member was guarded when that was last written: whatever boots finds it shut then.
func (s *Store) Guarded(group string) bool { return s.get(guarded, group)%2 == 1 }

// Released is the newest epoch without a lease at which what a lease had made of the resource was taken back.
func (s *Store) Released(group string) uint64 { return s.get(released, group) }

// Release records that.
func (s *Store) Release(group string, epoch uint64) error { return s.grow(released, group, epoch) }

// Fence records that the member is fenced up to epoch, and returns once that is on disk. A lower epoch than known changes nothing.
func (s *Store) Fence(group string, epoch uint64) error { return s.grow(fenced, group, epoch) }

// Take records that the member takes the lease of epoch, Act that its resource may act at it.
func (s *Store) Take(group string, epoch uint64) error { return s.grow(taken, group, epoch) }

func (s *Store) Act(group string, epoch uint64) error { return s.grow(acting, group, epoch) }

// Guard records whether the member is guarded as of epoch. What is older than known changes nothing.
func (s *Store) Guard(group string, epoch uint64, on bool) error {
	n := 2 * epoch
	if on {
		n++
	}
	return s.grow(guarded, group, n)
}

// Vouched is what a person vouched for in the group and the chain does not say yet; nil: nothing.
func (s *Store) Vouched(group string) []byte {
	body, err := os.ReadFile(filepath.Join(s.dir, vouched+group))
	if err != nil || len(body) == 0 {
		return nil
	}
	return body
}

// SetVouched replaces it, and returns once that is on disk; nil: nothing is vouched for any more.
func (s *Store) SetVouched(group string, what []byte) error {
	path := filepath.Join(s.dir, vouched+group)
	if err := write(path+".new", what); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("executor state: %w", err)
	}
	return syncDir(s.dir)
}

func (s *Store) get(word, group string) uint64 {
	s.mu.Lock()
	c := s.files[word+"-"+group]
	s.mu.Unlock()
	if c == nil {
		return 0
	}
	return c.value.Load()
}

func (s *Store) grow(word, group string, to uint64) error {
	c, err := s.counter(word, group)
	if err == nil {
		_, err = c.grow(to)
	}
	return err
}

// Prepare makes the group's file, so that its first epoch need not wait for that.
func (s *Store) Prepare(group string) error { return s.prepare(group, seen) }

// PrepareMember makes the files of a group of which this executor keeps a member.
func (s *Store) PrepareMember(group string) error { return s.prepare(group, words...) }

func (s *Store) prepare(group string, words ...string) error {
	for _, word := range words {
		c, err := s.counter(word, group)
		if err == nil {
			err = c.there()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// counter returns that of a group, whose file may not be there yet.
func (s *Store) counter(word, group string) (*counter, error) {
	name := word + "-" + group
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.files[name]; c != nil {
		return c, nil
	}
	if !message.IsName(group) {
		return nil, fmt.Errorf("executor state: %q is no name of a group", group)
	}
	c := &counter{path: filepath.Join(s.dir, name), name: group}
	s.files[name] = c
	return c, nil
}

// Saw records that epoch was seen. It returns true once it is on disk, or was already; false where a newer one is: that epoch is
// stale and must be refused. An error says that the disk did not take it: nothing may be said or done of that epoch then.
func (s *Store) Saw(group string, epoch uint64) (bool, error) {
	c, err := s.counter(seen, group)
	if err != nil {
		return false, err
	}
	newest, err := c.grow(epoch)
	return err == nil && newest == epoch, err
}

// Close gives up the lock, once what is being written is.
func (s *Store) Close() error {
	s.mu.Lock()
	files := slices.Collect(maps.Values(s.files))
	s.mu.Unlock()
	var errs []error
	for _, c := range files {
		errs = append(errs, c.close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
