package ask

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Records reads everything the streams hold of the group (or, with "", of all groups) that may belong to an incident. It is not bounded by
// the client's Timeout: the caller's context alone ends it.
func (c Client) Records(ctx context.Context, group string) ([]incident.Record, error) {
	events, safety, commands := subject.AllEvents, subject.AllSafety, subject.AllCommands
	if group != "" {
		events, safety, commands = subject.EventsOf(group), subject.SafetyOf(group), subject.Command(group)
	}
	var all []incident.Record
	for _, from := range []struct{ stream, filter string }{
		{subject.StreamEvents, events}, {subject.StreamSafety, safety}, {subject.StreamCommands, commands},
	} {
		read, err := c.Read(ctx, from.stream, from.filter)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", from.stream, err)
		}
		all = append(all, read...)
	}
	return all, nil
}

// Gathered is what executors found for incidents of the group, as far as it was stored since then. It is read apart from the other records, since it is large:
// nobody needs it to list incidents. Bounded as [Client.Records].
func (c Client) Gathered(ctx context.Context, group string, since time.Time) ([]incident.Record, error) {
	has, err := c.Bus.HasStream(ctx, subject.StreamGathered)
	if err != nil || !has { // none: an older ham has provisioned the bus
		return nil, err
	}
	from := bus.FromAll()
	if !since.IsZero() {
		from = bus.FromTime(since)
	}
	return c.read(ctx, bus.FollowOptions{Stream: subject.StreamGathered, Subjects: []string{subject.GatheredOf(group)}, From: from})
}

// Read reads what the stream holds now under the filter, bounded as [Client.Records].
func (c Client) Read(ctx context.Context, stream, filter string) ([]incident.Record, error) {
	return c.read(ctx, bus.FollowOptions{Stream: stream, Subjects: []string{filter}, From: bus.FromAll()})
}

func (c Client) read(ctx context.Context, o bus.FollowOptions) ([]incident.Record, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all []incident.Record
	caughtUp := false
	o.CaughtUp = func() { caughtUp = true; cancel() }
	err := c.Bus.Follow(ctx, o,
		func(d bus.Delivery) {
			if !caughtUp {
				all = append(all, incident.Record{Stream: d.Stream, Seq: d.Seq, Time: d.Time, Message: d.Message})
			}
		})
	if err != nil {
		return nil, err
	}
	if !caughtUp {
		return nil, context.Cause(ctx)
	}
	return all, nil
}

// Objective is the group's declared RTO; zero where none is declared, or the group is gone.
func (c Client) Objective(ctx context.Context, group string) (time.Duration, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	applied, err := store.Get(ctx, c.Bus, group)
	if errors.Is(err, bus.ErrNotFound) || (err == nil && applied.Spec == nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return applied.Spec.Objectives.RTO, nil
}

// Specs are the revisions of the group's spec that the bus still holds, the oldest first, as a report shows them.
func (c Client) Specs(ctx context.Context, group string) ([]incident.Spec, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	history, err := store.History(ctx, c.Bus, group)
	if errors.Is(err, bus.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []incident.Spec
	for _, a := range history {
		if !a.Deleted {
			out = append(out, incident.Spec{Revision: a.Revision, At: a.Stored, Actor: a.Written.Actor, Reason: a.Written.Reason, Text: a.Written.Text})
		}
	}
	return out, nil
}
