package core

import (
	"slices"

	"github.com/isacloud/ha-manager/pkg/message"
)

// resources is what is known of what the members hold, in the order in which it comes up.
func (s *State) resources(at Time) []message.ResourceStatus {
	if s.spec == nil {
		return nil
	}
	var out []message.ResourceStatus
	for _, r := range s.spec.Ordered() {
		one := message.ResourceStatus{Name: r.Name, Says: clip(r.ResourceSays(), 500), After: r.After}
		if r.Group != nil {
			one.Group = r.Group.Group
		}
		if d := s.spec.DownWhen; d != nil && slices.Contains(d.Of, r.Name) {
			one.Down, one.Together = true, d.All
		}
		for _, m := range s.members {
			for _, w := range slices.Concat(m.decides, m.readies) {
				if w.check.Name != r.Name || !w.counts || w.rule == nil {
					continue
				}
				held := message.ResourceMember{Member: m.name, Verdict: w.rule.verdict}
				if held.Verdict != message.VerdictUp {
					held.Why = clip(fill(w.rule.Says, w.words(at.Mono, m.name)), 1000)
				}
				one.Members = append(one.Members, held)
			}
		}
		out = append(out, one)
	}
	return out
}
