package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Provision makes what ham needs on the bus: six streams and four buckets. It may be called at any time, by anybody with the right, at once with others.
//
// What exists already in a compatible form stays; limits of age and size are brought to the layout. What exists in a form
// that would break a promise (other subjects, storage or retention, deletable, fewer copies than asked) is left as it is, and one
// [ErrIncompatible] names each stream, field, what was found, what is wanted, and what to do. Everything is looked at before anything is made: a refused layout changes nothing.
func (b *Bus) Provision(ctx context.Context, l Layout) error {
	if l.Replicas < 0 || l.Replicas == 2 || l.Replicas == 4 || l.Replicas > 5 {
		return fmt.Errorf("%w: layout.replicas is %d, want 1, 3 or 5", ErrOptions, l.Replicas)
	}
	ctx, cancel := b.bound(ctx)
	defer cancel()
	want := l.streams()
	found := make([]*jetstream.StreamConfig, len(want))
	var bad []mismatch
	for i, w := range want {
		s, err := b.streamConfig(ctx, w.Name)
		if err != nil {
			return err
		}
		found[i] = s
		if s != nil {
			bad = append(bad, compare(w, *s)...)
		}
	}
	if len(bad) > 0 {
		lines := make([]string, len(bad))
		for i, m := range bad {
			lines[i] = m.String()
		}
		return fmt.Errorf("%w: %s", ErrIncompatible, strings.Join(lines, "; "))
	}
	for i, w := range want {
		if err := b.make(ctx, w, found[i]); err != nil {
			return err
		}
	}
	return nil
}

// streamConfig returns nil where the stream does not exist.
func (b *Bus) streamConfig(ctx context.Context, name string) (*jetstream.StreamConfig, error) {
	for try := 0; ; try++ {
		s, err := b.js.Stream(ctx, name)
		switch {
		case err == nil:
			return &s.CachedInfo().Config, nil
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return nil, nil
		case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
			return nil, fmt.Errorf("%w: the server has no JetStream for this account; turn it on (jetstream {store_dir: …})", ErrUnavailable)
		}
		if perm := b.Err(); perm != nil {
			return nil, perm
		}
		if !sleep(ctx, backoff(try)) {
			return nil, fmt.Errorf("%w: look at %s: %w", ErrUnavailable, name, err)
		}
	}
}

// make creates w, or brings the harmless limits of what was found to w.
func (b *Bus) make(ctx context.Context, w jetstream.StreamConfig, found *jetstream.StreamConfig) error {
	var last error
	for try := 0; ; try++ {
		var err error
		switch {
		case found == nil:
			_, err = b.js.CreateStream(ctx, w)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				// Somebody else was first, with something else: look again.
				now, lookErr := b.streamConfig(ctx, w.Name)
				if lookErr != nil {
					return lookErr
				}
				if now != nil {
					if bad := compare(w, *now); len(bad) > 0 {
						return fmt.Errorf("%w: %s", ErrIncompatible, bad[0])
					}
					found = now
					continue
				}
			}
		case sameLimits(w, *found):
			return nil
		default:
			_, err = b.js.UpdateStream(ctx, withLimits(*found, w))
		}
		if err == nil {
			return nil
		}
		var api *jetstream.APIError
		if errors.As(err, &api) && !transient(err) {
			return fmt.Errorf("%w: create or update %s: %s (code %d)", ErrRefused, w.Name, api.Description, api.ErrorCode)
		}
		if perm := b.Err(); perm != nil {
			return perm
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if !sleep(ctx, backoff(try)) {
			return fmt.Errorf("%w: create or update %s: %w", ErrUnavailable, w.Name, last)
		}
	}
}
