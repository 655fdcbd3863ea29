package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// AnyRevision as the expected revision of [Put] and [Delete]: whatever is there.
const AnyRevision = ^uint64(0)

// PutOption adds to what Put records.
type PutOption func(*message.Spec)

// FromFile records the name of the file that the text was read from; errors name it too.
func FromFile(name string) PutOption { return func(m *message.Spec) { m.File = name } }

// Put applies text, which must be one valid group, and returns its revision. Actor is a name. Expect is the revision that the
// writer has read: 0 for a group that must not exist yet, [AnyRevision] for whatever is there.
//
// Nothing was applied where the revision returned is 0: the error is a file.Errors (the text is wrong), a *message.Invalid (actor or
// reason), wraps bus.ErrConflict (somebody else changed it since), or is the bus's. With a revision and an error the spec is
// applied, and only the event that tells of it was not stored.
func Put(ctx context.Context, b *bus.Bus, text, actor, reason string, expect uint64, opts ...PutOption) (uint64, error) {
	m := message.Spec{Text: text, Actor: actor, Reason: reason, At: time.Now().UnixMicro()}
	for _, o := range opts {
		o(&m)
	}
	g, err := file.ParseGroup(source(&m), text)
	if err != nil {
		return 0, err
	}
	m.Group = g.Name
	table := b.Table(subject.BucketSpec)
	var revision uint64
	switch expect {
	case AnyRevision:
		revision, err = table.Put(ctx, g.Name, &m)
	case 0:
		revision, err = table.Create(ctx, g.Name, &m)
	default:
		revision, err = table.Update(ctx, g.Name, &m, expect)
	}
	if err != nil {
		return 0, refused(ctx, b, "apply the spec of "+g.Name, g.Name, expect, err)
	}
	sentence := fmt.Sprintf("%s applied the spec of %s (revision %d)", actor, g.Name, revision)
	return revision, tell(ctx, b, g.Name, revision, "applied", message.Notice, actor, because(sentence, reason))
}

// Delete takes the group out: services stop looking at it and deciding for it. Expect is as with Put; 0 is refused.
func Delete(ctx context.Context, b *bus.Bus, group, actor, reason string, expect uint64) error {
	if !message.IsName(actor) {
		return &message.Invalid{Type: "spec", Field: "actor", Got: strconv.Quote(actor), Want: "the name of who deletes it"}
	}
	if expect == 0 {
		return fmt.Errorf("delete the spec of %s: say which revision is meant", group)
	}
	now, err := Get(ctx, b, group)
	if err != nil {
		return fmt.Errorf("delete the spec of %s: %w", group, err)
	}
	if expect == AnyRevision {
		expect = now.Revision
	}
	if err := b.Table(subject.BucketSpec).Delete(ctx, group, expect); err != nil {
		return refused(ctx, b, "delete the spec of "+group, group, expect, err)
	}
	return tell(ctx, b, group, expect, "deleted", message.Warning, actor, because(actor+" deleted the spec of "+group, reason))
}

// Get returns what is applied for the group now. bus.ErrNotFound if there is nothing.
func Get(ctx context.Context, b *bus.Bus, group string) (Applied, error) {
	r, err := b.Table(subject.BucketSpec).Get(ctx, group)
	if err != nil {
		return Applied{}, fmt.Errorf("read the spec of %s: %w", group, err)
	}
	return read(r), nil
}

// List returns what is applied now, by group.
func List(ctx context.Context, b *bus.Bus) ([]Applied, error) {
	var out []Applied
	if err := b.Table(subject.BucketSpec).Range(ctx, "", func(r bus.Record) { out = append(out, read(r)) }); err != nil {
		return nil, fmt.Errorf("list specs: %w", err)
	}
	sortByGroup(out)
	return out, nil
}

// History returns what was applied for the group, oldest first, as far back as the bucket keeps it. bus.ErrNotFound if there is nothing.
func History(ctx context.Context, b *bus.Bus, group string) ([]Applied, error) {
	records, err := b.Table(subject.BucketSpec).History(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("read the history of the spec of %s: %w", group, err)
	}
	out := make([]Applied, len(records))
	for i, r := range records {
		out[i] = read(r)
	}
	return out, nil
}

// refused adds to a conflict who was first.
func refused(ctx context.Context, b *bus.Bus, what, group string, expect uint64, err error) error {
	if !errors.Is(err, bus.ErrConflict) {
		return fmt.Errorf("%s: %w", what, err)
	}
	now, getErr := Get(ctx, b, group)
	switch {
	case getErr != nil:
		return fmt.Errorf("%s: %w: it is not there any more, or was never applied", what, err)
	case expect == 0:
		return fmt.Errorf("%s: %w: it exists already, as revision %d by %s", what, err, now.Revision, now.Written.Actor)
	}
	return fmt.Errorf("%s: %w: revision %d was meant, but %s applied revision %d: look at that, then apply again", what, err, expect, now.Written.Actor, now.Revision)
}

// tell stores an event about one revision. The id is the same whoever tells it, so that it is kept once.
func tell(ctx context.Context, b *bus.Bus, group string, revision uint64, what string, s message.Severity, actor, sentence string) error {
	e := message.Event{
		ID: "spec." + group + "." + strconv.FormatUint(revision, 10) + "." + what, Group: group, Kind: message.EventSpec, Severity: s,
		Sentence: sentence, Actor: actor, Writer: b.Name(), At: time.Now().UnixMicro(),
	}
	if _, err := b.Publish(ctx, subject.Event(group, message.EventSpec, b.Name()), &e); err != nil {
		return fmt.Errorf("the spec of %s is changed, but telling so failed: %w", group, err)
	}
	return nil
}

func because(sentence, reason string) string {
	if reason == "" {
		return sentence
	}
	return sentence + ": " + reason
}
