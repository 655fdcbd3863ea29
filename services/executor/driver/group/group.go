// Package group has another group swap its roles, by asking its deciders like anybody else.
//
// It decides nothing for that group: what refuses there refuses here, with the same reasons, and nothing is overridden. Every request names the epoch that the
// other group was seen at, so that of two requests that are on their way at most one leads to a swap, and a late one to none.
package group

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// via says in the record how such a request came.
const via = "group"

// actor asks where no person does.
const actor = "ham"

// pause is between two looks at the other group, which answers within a millisecond.
const pause = 100 * time.Millisecond

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "group",
		Summary: "has another group make a certain member its primary, and waits for it; or asks whether it would",
		Example: `{"action": "move", "group": "messenger-db", "member": "b", "resource": "db", "timeout_ns": 600000000000}`,
		Guarantee: driver.Guarantee{
			Fences:            "what the other group's own swap fences",
			FailsClosedWithin: "as the other group's own swap",
			HoldsEpoch:        true,
			LeavesToAPerson:   "what the other group refuses, and a step of its swap that waits for a person",
		},
		New: open,
	}
}

type other struct{ args spec.GroupArgs }

var _ driver.Driver = (*other)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	var args spec.GroupArgs
	if err := driver.Decode(with, &args); err != nil {
		return nil, err
	}
	for _, n := range []struct{ key, name string }{{"group", args.Group}, {"member", args.Member}, {"resource", args.Resource}} {
		if !message.IsName(n.name) {
			return nil, driver.Wrong(n.key, "a name")
		}
	}
	if args.Action != "move" && args.Action != "ready" {
		return nil, driver.Wrong("action", "move or ready")
	}
	if args.Timeout < time.Second || args.Timeout > 24*time.Hour {
		return nil, driver.Wrong("timeout_ns", "a time from 1s to 24h")
	}
	return &other{args}, nil
}

// Look says who is primary there, and what the request would lead to now.
func (o *other) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: o.args.Member + " is primary of " + o.args.Group, Done: driver.No}
	if in.Groups == nil {
		return sight, driver.Unasked("nobody can be asked about %s here", o.args.Group)
	}
	s, err := in.Groups.Status(ctx, o.args.Group)
	if err != nil {
		return sight, driver.Unasked("group %s: %w", o.args.Group, err)
	}
	sight.Found = found(s)
	switch {
	case o.there(s):
		sight.Done = driver.Yes
		return sight, nil
	case moving(s):
		if o.args.Action == "ready" { // its own swap is not this one's to end
			sight.Ends = s.Primary != o.args.Member
			sight.Done = driver.Yes
		}
		return sight, nil
	}
	p, err := in.Groups.Preview(ctx, o.request(in, s))
	if err != nil {
		return sight, driver.Unasked("group %s: %w", o.args.Group, err)
	}
	sight.Evidence = p.Sentence
	switch why := o.refusal(p.Accepted, p.DryRun, p.Sentence, p.Reasons); {
	case why != "":
		sight.Found += "; it would not move: " + why
		sight.Ends = o.args.Action == "ready"
	case o.args.Action == "ready":
		sight.Done = driver.Yes
	default:
		sight.Found += "; now: " + p.Sentence
	}
	return sight, nil
}

// Do asks and waits until the other group has moved. Nothing is asked twice: a request that was stored is known by its id, and one that was overtaken by the
// epoch that it names.
func (o *other) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	switch {
	case in.Groups == nil:
		return driver.Deed{}, driver.Unasked("nobody can be asked about %s here", o.args.Group)
	case o.args.Action == "ready":
		return driver.Deed{}, driver.Refused("group %s would not move to %s", o.args.Group, o.args.Member)
	}
	var deed driver.Deed
	var accepted *message.Outcome
	last := "nobody has answered for it"
	for {
		s, err := in.Groups.Status(ctx, o.args.Group)
		switch {
		case err != nil:
			last = err.Error()
		case o.there(s):
			deed.Evidence = found(s)
			return deed, nil
		case moving(s):
			last = found(s)
		case accepted != nil && s.Epoch >= accepted.Epoch:
			return deed, driver.Refused("the swap of group %s came to nothing: %s; ham explain %s says why", o.args.Group, found(s), o.args.Group)
		case accepted != nil:
			last = found(s) // by a decider that has not read it yet
		case unclear(s):
			last = found(s) + ", and the verdict on it is not clear yet"
		default:
			var outcome *message.Outcome
			outcome, err = in.Groups.Send(ctx, o.request(in, s))
			if err != nil {
				last = err.Error()
				deed.Applied = deed.Applied || !errors.Is(err, ask.ErrNobody)
				break
			}
			if !outcome.Accepted && overtaken(outcome.Reasons) {
				last = outcome.Sentence
				break // somebody else moved it meanwhile, or it died or came back: look again
			}
			if why := o.refusal(outcome.Accepted, outcome.DryRun, outcome.Sentence, outcome.Reasons); why != "" {
				return deed, driver.Refused("group %s does not move to %s: %s", o.args.Group, o.args.Member, why)
			}
			deed.Applied, accepted = true, outcome
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if deed.Applied {
				return deed, driver.InDoubt("%w: group %s has not moved to %s: %s", context.Cause(ctx), o.args.Group, o.args.Member, last)
			}
			return deed, driver.Unasked("%w: group %s: %s", context.Cause(ctx), o.args.Group, last)
		}
	}
}

// there: the wanted member is primary, for good.
func (o *other) there(s *message.GroupStatus) bool {
	return s.Primary == o.args.Member && s.Held && !moving(s)
}

func moving(s *message.GroupStatus) bool { return s.Swap != nil || s.Epoch > 0 && !s.Held }

// unclear: whether the primary there is up decides which swap is asked for, and a planned one of a primary that is gone would wait for it.
func unclear(s *message.GroupStatus) bool {
	return slices.ContainsFunc(s.Members, func(m message.MemberStatus) bool {
		return m.Role == message.RolePrimary && m.Verdict != message.VerdictUp && m.Verdict != message.VerdictDown
	})
}

// request asks for the swap at the epoch that was seen.
func (o *other) request(in driver.Input, s *message.GroupStatus) *message.Request {
	cmd, epoch := in.Command, s.Epoch
	r := &message.Request{
		Group: o.args.Group, Verb: ask.Likely(s), Target: o.args.Member, Actor: actor, Via: via, From: cmd.Group, ExpectEpoch: &epoch,
		Reason: fmt.Sprintf("it is %s of %s, whose %s to %s is under way (epoch %d)", o.args.Resource, cmd.Group, cmd.Kind, cmd.Primary, cmd.Epoch),
	}
	if message.IsName(cmd.Actor) {
		r.Actor = cmd.Actor
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s %d %s %d", cmd.ID, cmd.Epoch, in.Step.Name, in.Attempt, r.Verb, epoch))
	r.ID = fmt.Sprintf("move.%s.%d.%s", cmd.Group, cmd.Epoch, hex.EncodeToString(sum[:8]))
	return r
}

// refusal is why the group does not move; "" where it does.
func (o *other) refusal(accepted, dryRun bool, sentence string, reasons []message.Reason) string {
	switch {
	case accepted && dryRun:
		return "its mode is dry-run, so that nothing would be applied: give it mode manual or auto"
	case accepted:
		return ""
	case len(reasons) == 0:
		return sentence
	}
	var out []string
	for _, r := range reasons {
		out = append(out, r.Code+" "+r.Sentence)
	}
	return strings.Join(out, "; ")
}

// overtaken: nothing but that the group has changed since it was looked at refuses: a swap is under way, its primary is up or down after all, its epoch is another.
func overtaken(reasons []message.Reason) bool {
	return len(reasons) > 0 && !slices.ContainsFunc(reasons, func(r message.Reason) bool {
		return !slices.Contains([]string{"R303", "R330", "R331", "R333"}, r.Code)
	})
}

func found(s *message.GroupStatus) string {
	switch {
	case s.Swap != nil:
		out := fmt.Sprintf("%s of %s to %s is under way (epoch %d)", s.Swap.Kind, s.Group, s.Swap.To, s.Swap.Epoch)
		for _, step := range s.Swap.Steps {
			if step.State == message.StatePaused {
				out += ", step " + step.Name + " waits for a person: " + step.Problem
			}
		}
		return out
	case s.Primary == "":
		return s.Group + " has no primary"
	case !s.Held:
		return fmt.Sprintf("epoch %d of %s is not held yet", s.Epoch, s.Group)
	}
	return fmt.Sprintf("%s is primary of %s (epoch %d)", s.Primary, s.Group, s.Epoch)
}
