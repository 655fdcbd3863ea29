package core

import (
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// adoptAs is the question whether a member may be adopted as primary.
func (s *State) adoptAs(w who, to string) question {
	return question{who: w, kind: message.KindAdopt, from: s.chain.primary(), to: to}
}

// declared is the member that the spec names for the first adoption.
func (s *State) declared() string {
	if s.spec == nil {
		return ""
	}
	return s.spec.Adopt
}

// observed is the member that an asked adoption without a target means: the one that all routes serve, as they were seen.
func (s *State) observed() string {
	to := ""
	for _, r := range s.routes {
		if !r.counts(s) || len(r.seen.Serves) == 0 {
			continue
		}
		if len(r.seen.Serves) > 1 || to != "" && to != r.seen.Serves[0] {
			return ""
		}
		to = r.seen.Serves[0]
	}
	return to
}

func nobodyNamed(s *State, _ Time, q question) words {
	if s.spec == nil || q.to != "" {
		return nil
	}
	return yes()
}

func adoptNotUp(s *State, at Time, q question) words {
	m := s.member(q.to)
	if m == nil || m.verdict == message.VerdictUp {
		return nil
	}
	return words{"to": m.name, "why": m.sentence(at)}
}

func adoptNotServed(s *State, _ Time, q question) words {
	if q.to == "" {
		return nil
	}
	w := s.elsewhere(q.to)
	if w != nil {
		w["to"] = q.to
	}
	return w
}

func routesNotSeen(s *State, at Time, _ question) words {
	if s.spec == nil || len(s.spec.Routes) == 0 || slices.ContainsFunc(s.routes, func(r *route) bool { return r.counts(s) }) {
		return nil
	}
	left := s.watchFrom + routeGrace - at.Mono
	if left <= 0 {
		return nil
	}
	return words{"left": span(left.Round(time.Second))}
}

func nothingToAdopt(s *State, _ Time, q question) words {
	c := s.chain.command
	if s.spec == nil || q.to == "" || c == nil || !s.chain.held || s.underWay() || c.Primary != q.to || s.elsewhere(q.to) != nil ||
		c.Lease == nil && !slices.Equal(c.Members, s.spec.MemberNames()) {
		return nil
	}
	return words{"to": q.to, "epoch": epoch(c.Epoch)}
}
