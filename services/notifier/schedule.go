package notifier

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/expiry"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier/digest"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

const (
	// lateDigest is how late one may come, after a restart or an outage; then it is left out.
	lateDigest = 6 * time.Hour
	// longestDigest bounds what one reads of the past.
	longestDigest = 32 * 24 * time.Hour
	digestRetry   = time.Minute
	digestLimit   = 2 * time.Minute
)

// schedule writes what a channel is told by the calendar, until ctx ends. All notifiers of the channel do so; what they write has the same id, and
// the channel is told once.
func (n *Notifier) schedule(ctx context.Context, target route.Target, what string, when spec.Schedule, build func(digest.Input) (string, []message.Reason)) {
	from := time.Now().Add(-lateDigest)
	for {
		due, ok := when.Next(from)
		if !ok || !sleep(ctx, time.Until(due)) {
			return
		}
		for {
			err := n.publishDigest(ctx, target, what, when, due, build)
			if err == nil || ctx.Err() != nil || time.Since(due) > lateDigest {
				break
			}
			n.o.Log.Warn("what is told by the calendar could not be written; trying again", "what", what, "target", target, "error", err)
			if !sleep(ctx, digestRetry) {
				return
			}
		}
		from = due
	}
}

// sleep waits; false: ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (n *Notifier) publishDigest(ctx context.Context, target route.Target, what string, when spec.Schedule, due time.Time, build func(digest.Input) (string, []message.Reason)) error {
	ctx, cancel := context.WithTimeout(ctx, digestLimit)
	defer cancel()
	id := route.AddressID(target, what, fmt.Sprint(due.Unix()))
	span := 7 * 24 * time.Hour
	if next, ok := when.Next(due); ok {
		span = min(next.Sub(due), longestDigest)
	}
	in := digest.Input{From: due.Add(-span), Until: due, Status: map[string]*message.GroupStatus{}}
	told, caughtUp := false, false
	rctx, stop := context.WithCancel(ctx)
	defer stop()
	err := n.o.Bus.Follow(rctx, bus.FollowOptions{Stream: subject.StreamEvents, From: bus.FromTime(in.From), CaughtUp: func() { caughtUp = true; stop() }}, func(d bus.Delivery) {
		e, ok := d.Message.(*message.Event)
		if !ok || caughtUp {
			return
		}
		told = told || e.ID == id
		if d.Time.Before(due) {
			in.Records = append(in.Records, digest.Record{Time: d.Time, Event: e})
		}
	})
	switch {
	case err != nil:
		return err
	case !caughtUp:
		return context.Cause(ctx)
	case told:
		return nil // another notifier wrote it, or this one before its restart
	}
	n.mu.Lock()
	for g := range n.groups {
		in.Groups = append(in.Groups, g)
	}
	n.mu.Unlock()
	slices.Sort(in.Groups)
	for _, g := range in.Groups {
		if s, err := (ask.Client{Bus: n.o.Bus, Timeout: 3 * time.Second}).Status(ctx, g); err == nil {
			in.Status[g] = s
		}
	}
	if in.Certificates, err = expiry.Read(ctx, n.o.Bus); err != nil {
		return err
	}
	e := &message.Event{ID: id, Group: subject.NoGroup, Kind: message.EventNotify, Severity: message.Info, Writer: n.o.Name, At: time.Now().UnixMicro(), Code: digest.CodeWeek}
	if what == "daily" {
		e.Code = digest.CodeDaily
	}
	e.Sentence, e.Reasons = build(in)
	_, err = n.o.Bus.Publish(ctx, subject.Event(e.Group, e.Kind, e.Writer), e)
	return err
}

// schedules starts what the channels are told by the calendar.
func (n *Notifier) schedules(ctx context.Context, start func(func())) {
	for _, c := range n.o.Channels {
		target := route.Target{Channel: c.Name, To: c.Default}
		if c.Digest != nil {
			start(func() { n.schedule(ctx, target, "digest", *c.Digest, digest.Week) })
		}
		if c.Daily != nil {
			start(func() { n.schedule(ctx, target, "daily", *c.Daily, digest.Daily) })
		}
	}
}
