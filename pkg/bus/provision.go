package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Provision makes what ham needs on the bus: seven streams and four buckets; the one of what is gathered only where there is room for it. It may be called at any time, by anybody with the right, at
// once with others, and again.
//
// What exists already in a compatible form stays; the layout's limits are applied to it. What exists in a form that would break a
// promise (other subjects, storage or retention, deletable, fewer copies than asked) is left as it is, and one [ErrIncompatible]
// names each stream and field, what was found, what is wanted, and what to do. Everything is looked at before anything is made: a layout that is refused changes
// nothing. Errors: [ErrOptions], [ErrIncompatible], [ErrRefused] (no room), [ErrPermission], [ErrUnavailable].
func (b *Bus) Provision(ctx context.Context, l Layout) error {
	if !slices.Contains([]int{0, 1, 3, 5}, l.Replicas) {
		return fmt.Errorf("%w: layout.replicas is %d, want 1, 3 or 5: an even number bears no more failures", ErrOptions, l.Replicas)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 5*b.opts.Timeout) // ten things are made
		defer cancel()
	}
	ctx, cancel := b.bound(ctx)
	defer cancel()
	assets := l.assets()
	found := make([]*jetstream.StreamConfig, len(assets))
	var bad []string
	for i, a := range assets {
		cfg, err := b.lookAt(ctx, a.cfg.Name)
		if err != nil {
			return err
		}
		if found[i] = cfg; cfg != nil {
			for _, m := range compare(a.cfg, *cfg) {
				bad = append(bad, m.String())
			}
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%w: %s", ErrIncompatible, strings.Join(bad, "; "))
	}
	for i, a := range assets {
		if err := b.ensure(ctx, a, found[i]); err != nil {
			return err
		}
	}
	return nil
}

// HasStream says whether the bus has a stream of that name: one that an older ham has provisioned lacks those that are new.
func (b *Bus) HasStream(ctx context.Context, name string) (bool, error) {
	ctx, cancel := b.bound(ctx)
	defer cancel()
	found, err := b.lookAt(ctx, name)
	return found != nil, err
}

// lookAt returns nil where the stream does not exist.
func (b *Bus) lookAt(ctx context.Context, name string) (*jetstream.StreamConfig, error) {
	var info jetstream.StreamInfo
	err := b.persist(ctx, "look at "+name, func() error { return b.api(ctx, "STREAM.INFO."+name, nil, &info) })
	if apiCode(err) == int(jetstream.JSErrCodeStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &info.Config, nil
}

// persist tries while there is no clear answer.
func (b *Bus) persist(ctx context.Context, what string, call func() error) error {
	var last error
	for try := 0; ; try++ {
		err := call()
		if err == nil || !transient(err) {
			switch apiCode(err) {
			case int(jetstream.JSErrCodeJetStreamNotEnabled), int(jetstream.JSErrCodeJetStreamNotEnabledForAccount):
				return fmt.Errorf("%w: the server has no JetStream for this account: turn it on (jetstream { store_dir: … })", ErrUnavailable)
			}
			return err
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if !sleep(ctx, backoff(try)) {
			return gaveUp(ctx, what, try+1, last)
		}
	}
}

// ensure makes a, or applies its limits to what was found.
func (b *Bus) ensure(ctx context.Context, a asset, found *jetstream.StreamConfig) error {
	what := "make " + a.cfg.Name
	if found != nil {
		return b.adjust(ctx, a, *found)
	}
	for {
		err := b.persist(ctx, what, func() error { return b.api(ctx, "STREAM.CREATE."+a.cfg.Name, a.cfg, nil) })
		switch code := apiCode(err); {
		case err == nil:
			return nil
		case code == codeNoStore && a.openBytes && a.cfg.MaxBytes > cmp.Or(a.least, 64*mib):
			a.cfg.MaxBytes /= 4 // nobody asked for so much: the default is what fits
		case code == codeNoStore && a.spare:
			b.log.Warn("left out for want of room on the bus: nothing rests on it", "stream", a.cfg.Name, "wanted", size(a.cfg.MaxBytes))
			return nil
		case code == int(jetstream.JSErrCodeStreamNameInUse):
			// Somebody was quicker, with other limits.
			now, err := b.lookAt(ctx, a.cfg.Name)
			if err != nil {
				return err
			}
			if now == nil {
				continue
			}
			if bad := compare(a.cfg, *now); len(bad) > 0 {
				return fmt.Errorf("%w: %s", ErrIncompatible, bad[0])
			}
			return b.adjust(ctx, a, *now)
		case code == codeOverlap:
			return fmt.Errorf("%w: %s cannot be made, another stream captures %s already: remove that one, or take %s out of its subjects",
				ErrIncompatible, a.cfg.Name, list(a.cfg.Subjects), list(a.cfg.Subjects))
		case code != 0:
			return refused(fmt.Sprintf("%s with %s", what, size(a.cfg.MaxBytes)), err)
		default:
			return err
		}
	}
}

const (
	codeNoStore = 10047 // the server's disk limit does not hold what the stream reserves
	codeOverlap = 10065 // subjects overlap with another stream
)

func size(n int64) string {
	if n <= 0 {
		return "no limit of its own"
	}
	return fmt.Sprintf("%d MiB reserved", n/mib)
}

// adjust brings the limits of an existing stream to what the layout says, as far as it says something.
func (b *Bus) adjust(ctx context.Context, a asset, found jetstream.StreamConfig) error {
	now := found
	raise := func(f *int64, w int64) {
		unlimited := *f <= 0
		if a.shrinks || !unlimited && (w <= 0 || w > *f) {
			*f = w
		}
	}
	if !a.openAge {
		age := int64(now.MaxAge)
		raise(&age, int64(a.cfg.MaxAge))
		now.MaxAge = time.Duration(age)
	}
	if !a.openBytes {
		raise(&now.MaxBytes, a.cfg.MaxBytes)
	}
	if now.Duplicates < a.cfg.Duplicates || a.shrinks {
		now.Duplicates = a.cfg.Duplicates
	}
	if now.MaxAge == found.MaxAge && now.MaxBytes == found.MaxBytes && now.Duplicates == found.Duplicates {
		return nil
	}
	err := b.persist(ctx, "update "+now.Name, func() error { return b.api(ctx, "STREAM.UPDATE."+now.Name, now, nil) })
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return refused(fmt.Sprintf("update %s to max_age %s and %s", now.Name, now.MaxAge, size(now.MaxBytes)), err)
	}
	return err
}
