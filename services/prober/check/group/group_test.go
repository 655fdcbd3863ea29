package group_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/group"
)

func TestSays(t *testing.T) {
	lagging := []message.Reason{{Code: "R324", Sentence: "b lags"}}
	status := func(a, b message.Verdict, ready bool) *message.GroupStatus {
		s := &message.GroupStatus{Group: "db", Members: []message.MemberStatus{
			{Name: "a", Role: message.RolePrimary, Verdict: a}, {Name: "b", Role: message.RoleStandby, Verdict: b, Ready: ready},
		}}
		if !ready {
			s.Members[1].Reasons = lagging
		}
		return s
	}
	well := status(message.VerdictUp, message.VerdictUp, true)
	blind := status(message.VerdictUp, message.VerdictUp, true)
	blind.Blind = true
	swapping := status(message.VerdictUp, message.VerdictUp, false)
	swapping.Swap = &message.SwapStatus{}
	for _, c := range []struct {
		name   string
		status *message.GroupStatus
		member string
		ready  bool
		want   message.Answer
	}{
		{"up", well, "a", false, message.Up},
		{"down", status(message.VerdictDown, message.VerdictUp, true), "a", false, message.Down},
		{"suspect is up still", status(message.VerdictSuspect, message.VerdictUp, true), "a", false, message.Degraded},
		{"disputed says nothing", status(message.VerdictDisputed, message.VerdictUp, true), "a", false, message.Unknown},
		{"unknown says nothing", status(message.VerdictUnknown, message.VerdictUp, true), "a", false, message.Unknown},
		{"a decider that just began says nothing", blind, "a", false, message.Unknown},
		{"no such member", well, "c", false, message.Unknown},
		{"a standby that is not ready is up", status(message.VerdictUp, message.VerdictUp, false), "b", false, message.Up},
		{"and not ready", status(message.VerdictUp, message.VerdictUp, false), "b", true, message.Down},
		{"a ready one", well, "b", true, message.Up},
		{"the primary", well, "a", true, message.Up},
		{"during a swap readiness says nothing", swapping, "b", true, message.Unknown},
	} {
		got, evidence := group.Says(c.status, c.member, c.ready)
		require.Equal(t, c.want, got, "%s: %s", c.name, evidence)
		require.NotEmpty(t, evidence)
	}
}

func TestWhoDoesNotAnswerSaysNothing(t *testing.T) {
	target := check.Target{
		Group: "web", Member: "a", Vantage: "sp", Check: spec.Check{Name: "db", Kind: spec.CheckGroup, Group: &spec.GroupCheck{Group: "db", Member: "a"}},
		Groups: func(context.Context, string) (*message.GroupStatus, error) {
			return nil, errors.New("no decider answers")
		},
	}
	l, err := group.Kind.Open(target)
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, check.Result{Answer: message.Unknown, Evidence: "group db: no decider answers"}, l.Look(t.Context()))
	target.Groups = nil
	_, err = group.Kind.Open(target)
	require.EqualError(t, err, "this prober asks no deciders")
}
