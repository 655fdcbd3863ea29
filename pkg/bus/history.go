package bus

import (
	"context"
	"errors"
	"fmt"
)

// History returns the revisions of key that the bucket still holds, oldest first, deletions included, read through the
// stream's leader. [ErrNotFound] if there is none.
func (t *Table) History(ctx context.Context, key string) ([]Record, error) {
	subj, err := t.subject(key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := t.bus.bound(ctx)
	defer cancel()
	var out []Record
	for seq := uint64(1); ; {
		s, err := t.bus.rawGet(ctx, t.stream, map[string]any{"seq": seq, "next_by_subj": subj}, key)
		if errors.Is(err, ErrNone) {
			break
		}
		if err != nil {
			return nil, err
		}
		out = append(out, t.record(s.Subject, s.Seq, s.Time, s.Header, s.Body))
		seq = s.Seq + 1
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %s in %s", ErrNotFound, key, t.bucket)
	}
	return out, nil
}
