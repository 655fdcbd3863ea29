// Package journal keeps the records of runs in the bucket ham_journal, under <group>.<epoch>, or <group>.dry-<hash> for a
// rehearsal. It is written by compare-and-set and read through the stream's leader.
package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

// ErrLost says that another write of the record was first: read it, and think again.
var ErrLost = errors.New("journal: another write was first")

// Key is where the record of a command's run stands. It also begins the id of every message that tells of the run.
func Key(cmd *message.Command) string {
	if !cmd.DryRun {
		return cmd.Group + "." + strconv.FormatUint(cmd.Epoch, 10)
	}
	sum := sha256.Sum256([]byte(cmd.ID))
	return cmd.Group + ".dry-" + hex.EncodeToString(sum[:8])
}

// Journal is the bucket. Safe for concurrent use.
type Journal struct{ table *bus.Table }

// New opens the bucket.
func New(b *bus.Bus) *Journal { return &Journal{b.Table(subject.BucketJournal)} }

// Entry is a record as the journal holds it.
type Entry struct {
	Key      string
	Record   plan.Record
	Revision uint64
	// Time is when the stream stored it.
	Time time.Time
}

// Load reads the newest record; revision 0 and the zero Record where there is none.
func (j *Journal) Load(ctx context.Context, key string) (Entry, error) {
	r, err := j.table.Get(ctx, key)
	if errors.Is(err, bus.ErrNotFound) {
		return Entry{Key: key, Revision: r.Revision}, nil
	}
	if err != nil {
		return Entry{}, fmt.Errorf("journal: %w", err)
	}
	return decode(r)
}

func decode(r bus.Record) (Entry, error) {
	e := Entry{Key: r.Key, Revision: r.Revision, Time: r.Time}
	if err := r.Into(&e.Record); err != nil {
		return e, fmt.Errorf("journal: %w", err)
	}
	return e, nil
}

// Store writes the record if the journal still holds that revision of it (0: none) and returns the new one. [ErrLost] if another was
// first; any other error leaves open whether it was stored: read before anything is begun.
func (j *Journal) Store(ctx context.Context, key string, rec plan.Record, revision uint64) (uint64, error) {
	rev, err := j.table.Update(ctx, key, rec, revision)
	if errors.Is(err, bus.ErrConflict) {
		return 0, fmt.Errorf("%w: %s is no longer at revision %d", ErrLost, key, revision)
	}
	if err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	return rev, nil
}

// Watch calls f for the newest record of every run, then for each change, until ctx ends. caughtUp is called after the first.
func (j *Journal) Watch(ctx context.Context, f func(Entry), bad func(error), caughtUp func()) error {
	return j.table.Watch(ctx, ">", func(r bus.Record) {
		if r.Deleted {
			return
		}
		e, err := decode(r)
		if err != nil {
			bad(err)
			return
		}
		f(e)
	}, caughtUp)
}
