package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// Table is where entries are kept. bus.Table is one.
type Table interface {
	Get(ctx context.Context, key string) (bus.Record, error)
	Create(ctx context.Context, key string, v any) (uint64, error)
	Update(ctx context.Context, key string, v any, rev uint64) (uint64, error)
}

// Ledger is the ledger of one target.
type Ledger struct {
	table  Table
	target string
}

// Open opens the ledger of a target, by its key.
func Open(t Table, target string) *Ledger { return &Ledger{table: t, target: target} }

// Incident is what is kept of an incident at a target.
type Incident struct {
	// Summary is what its card shows, as of the event at Seq; Shown is the event as of which the card was last changed.
	Summary render.Summary `json:"summary"`
	Seq     uint64         `json:"seq"`
	Shown   uint64         `json:"shown,omitempty"`
	// Card counts the cards: one that was deleted in chat is replaced by the next.
	Card int `json:"card,omitempty"`
	// Linked counts the cards up to the one whose place the record has.
	Linked int `json:"linked,omitempty"`
	// Frozen: the card cannot be changed any more.
	Frozen bool `json:"frozen,omitempty"`
}

// EventKey, CardKey and IncidentKey are the keys of the ledger below a target's.
func (l *Ledger) EventKey(event string) string { return l.target + ".event." + hash(event) }

// CardKey is the key of the nth card of an incident.
func (l *Ledger) CardKey(incident string, n int) string {
	return fmt.Sprintf("%s.card.%s.%d", l.target, hash(incident), n)
}

func (l *Ledger) incidentKey(incident string) string { return l.target + ".incident." + hash(incident) }

// hash makes any text a part of a key. 120 bits are enough for no two texts ever to meet.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:15]))
}

// Entry reads an entry; nil and revision 0 where there is none.
func (l *Ledger) Entry(ctx context.Context, key string) (*Entry, uint64, error) {
	var e Entry
	rev, err := l.get(ctx, key, &e)
	if err != nil || rev == 0 {
		return nil, 0, err
	}
	return &e, rev, nil
}

// Incident reads what is known of an incident; nil and revision 0 where nothing of it was told here.
func (l *Ledger) Incident(ctx context.Context, incident string) (*Incident, uint64, error) {
	var i Incident
	rev, err := l.get(ctx, l.incidentKey(incident), &i)
	if err != nil || rev == 0 {
		return nil, 0, err
	}
	return &i, rev, nil
}

// PutEntry writes e if the key's revision is still rev (0: no such key), and returns the new revision. bus.ErrConflict if it is not.
func (l *Ledger) PutEntry(ctx context.Context, key string, e Entry, rev uint64) (uint64, error) {
	return l.put(ctx, key, e, rev)
}

// PutIncident is PutEntry for an incident.
func (l *Ledger) PutIncident(ctx context.Context, incident string, i Incident, rev uint64) (uint64, error) {
	return l.put(ctx, l.incidentKey(incident), i, rev)
}

func (l *Ledger) get(ctx context.Context, key string, into any) (uint64, error) {
	r, err := l.table.Get(ctx, key)
	if errors.Is(err, bus.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read ledger: %w", err)
	}
	if err := r.Into(into); err != nil {
		return 0, fmt.Errorf("read ledger: %w", err)
	}
	return r.Revision, nil
}

func (l *Ledger) put(ctx context.Context, key string, v any, rev uint64) (uint64, error) {
	var err error
	if rev == 0 {
		rev, err = l.table.Create(ctx, key, v)
	} else {
		rev, err = l.table.Update(ctx, key, v, rev)
	}
	if err != nil {
		return 0, fmt.Errorf("write ledger: %w", err)
	}
	return rev, nil
}
