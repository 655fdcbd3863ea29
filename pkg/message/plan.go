package message

import (
	"fmt"
	"slices"
	"strings"
)

// consistent holds a plan to what executors rely on: names are unique, steps stand in an order in which each comes after those it
// waits for, and nothing that changes something stands before a look.
func (p *Plan) consistent() *Invalid {
	rank := map[Phase]int{PhaseLook: 0, PhaseRelease: 1, PhaseAct: 2, PhaseVerify: 3}
	phase := PhaseLook
	seen := make(map[string]bool, len(p.Steps))
	for i, s := range p.Steps {
		bad := func(field, got, want string) *Invalid {
			return &Invalid{Field: fmt.Sprintf("steps[%d].%s", i, field), Got: fmt.Sprintf("%q", got), Want: want}
		}
		if seen[s.Name] {
			return bad("name", s.Name, "a name that no other step has")
		}
		for _, a := range s.After {
			if !seen[a] {
				return bad("after", a, "the name of a step that stands before this one")
			}
		}
		if rank[s.Phase] < rank[phase] {
			return bad("phase", string(s.Phase), "look steps first, then release, then act, then verify: after "+string(phase)+" comes no "+string(s.Phase))
		}
		if name, byName := strings.CutPrefix(s.On, "executor:"); !(byName && IsName(name)) && !slices.Contains([]string{"any", "new", "old", "member"}, s.On) {
			return bad("on", s.On, "any, new, old, member or executor:<name>")
		}
		seen[s.Name], phase = true, s.Phase
	}
	return nil
}
