// Package group asks a decider what it knows of a member of another group, and says that: what the other group's own checks have found, with its own quorum.
//
// Its word is soft: it takes some in a row, like silence. A decider that does not answer, or has just begun to watch, says nothing about anybody.
package group

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
)

// Kind is this package's entry in the prober's list.
var Kind = check.Kind{
	Name:    spec.CheckGroup,
	Summary: "asks a decider what it knows of a member of another group",
	Open:    open,
}

type looker struct {
	target  check.Target
	declare *spec.GroupCheck
}

var _ check.Looker = (*looker)(nil)

func open(t check.Target) (check.Looker, error) {
	if t.Check.Group == nil || t.Check.Group.Group == "" || t.Check.Group.Member == "" {
		return nil, errors.New("the check declares no group")
	}
	if t.Groups == nil {
		return nil, errors.New("this prober asks no deciders")
	}
	return &looker{target: t, declare: t.Check.Group}, nil
}

// Close has nothing to end.
func (l *looker) Close() {}

// Look asks once.
func (l *looker) Look(ctx context.Context) check.Result {
	var mask check.Mask
	s, err := l.target.Groups(ctx, l.declare.Group)
	if err != nil {
		return check.Result{Answer: message.Unknown, Evidence: mask.Clean(fmt.Sprintf("group %s: %v", l.declare.Group, err))}
	}
	answer, evidence := Says(s, l.declare.Member, l.declare.Ready)
	return check.Result{Answer: answer, Evidence: mask.Clean(evidence)}
}

// Says is what a group's status says of one of its members.
func Says(s *message.GroupStatus, member string, ready bool) (message.Answer, string) {
	i := slices.IndexFunc(s.Members, func(m message.MemberStatus) bool { return m.Name == member })
	switch {
	case i < 0:
		return message.Unknown, fmt.Sprintf("group %s has no member %s", s.Group, member)
	case s.Blind:
		return message.Unknown, fmt.Sprintf("the decider of %s has just begun to watch", s.Group)
	}
	m := s.Members[i]
	said := fmt.Sprintf("%s is %s in %s", member, m.Verdict, s.Group)
	if ready {
		switch {
		case m.Role == message.RolePrimary || m.Ready:
			return message.Up, said
		case s.Swap != nil, len(m.Reasons) == 0:
			return message.Unknown, said
		}
		return message.Down, fmt.Sprintf("%s could not take over in %s: %s", member, s.Group, m.Reasons[0].Sentence)
	}
	switch m.Verdict {
	case message.VerdictUp:
		return message.Up, said
	case message.VerdictSuspect:
		return message.Degraded, said
	case message.VerdictDown:
		return message.Down, said
	}
	return message.Unknown, said
}
