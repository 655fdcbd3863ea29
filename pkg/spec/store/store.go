package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// AnyRevision as the expected revision of Put and Delete: whatever is there.
const AnyRevision = ^uint64(0)

// PutOption adds to what Put records.
type PutOption func(*message.Spec)

// FromFile records the name of the file that the text was read from.
func FromFile(name string) PutOption { return func(m *message.Spec) { m.File = name } }

// Put applies text, which must be one valid group, and returns the new revision. Expect is the revision that the writer has
// read: 0 for a group that must not exist yet, [AnyRevision] for whatever is there. An error is a *file.Errors or a *file.Error (nothing was
// written), or wraps bus.ErrConflict (somebody else was first).
func Put(ctx context.Context, b *bus.Bus, text, actor, reason string, expect uint64, opts ...PutOption) (uint64, error) {
	m := message.Spec{Text: text, Actor: actor, Reason: reason, At: time.Now().UnixMicro()}
	for _, o := range opts {
		o(&m)
	}
	name := m.File
	if name == "" {
		name = "spec"
	}
	g, err := file.ParseGroup(name, text)
	if err != nil {
		return 0, err
	}
	m.Group = g.Name
	if err := message.Validate(&m); err != nil {
		return 0, err
	}
	value, err := json.Marshal(m)
	if err != nil {
		return 0, err
	}
	kv, err := b.JS().KeyValue(ctx, subject.BucketSpec)
	if err != nil {
		return 0, fmt.Errorf("apply spec of %s: %w", g.Name, err)
	}
	var revision uint64
	switch expect {
	case AnyRevision:
		revision, err = kv.Put(ctx, g.Name, value)
	case 0:
		revision, err = kv.Create(ctx, g.Name, value)
	default:
		revision, err = kv.Update(ctx, g.Name, value, expect)
	}
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists) {
		err = bus.ErrConflict
	}
	if err != nil {
		return 0, fmt.Errorf("apply spec of %s: %w", g.Name, err)
	}
	return revision, nil
}

// Get returns what is applied for the group now. bus.ErrNotFound if there is nothing.
func Get(ctx context.Context, b *bus.Bus, group string) (Applied, error) {
	kv, err := b.JS().KeyValue(ctx, subject.BucketSpec)
	if err != nil {
		return Applied{}, fmt.Errorf("read spec of %s: %w", group, err)
	}
	e, err := kv.Get(ctx, group)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		err = bus.ErrNotFound
	}
	if err != nil {
		return Applied{}, fmt.Errorf("read spec of %s: %w", group, err)
	}
	return read(group, e.Value(), e.Revision()), nil
}
