package core

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// situation finds the rule that holds now. The last one always does.
func (s *State) situation(at Time) (*situationRule, words) {
	for i := range situationRules {
		r := &situationRules[i]
		if w := r.holds(s, at); w != nil {
			w["group"] = s.group
			return r, w
		}
	}
	return nil, nil
}

func undeclared(s *State, _ Time) words {
	if s.spec != nil {
		return nil
	}
	return yes()
}

func blind(s *State, at Time) words {
	if s.judging(at) {
		return nil
	}
	watched := time.Duration(0)
	if s.linked {
		watched = at.Mono - s.watchFrom
	}
	return words{"watched": span(watched), "interval": span(s.interval())}
}

func proposing(s *State, at Time) words {
	if s.proposal == nil && at.Mono >= s.proposeAfter {
		return nil
	}
	return yes()
}

func adoptable(s *State, at Time) words {
	if s.chain.command != nil {
		return nil
	}
	q := s.adoptAs(adoption, s.declared())
	if len(s.refusals(at, q)) > 0 {
		return nil
	}
	serving := ""
	if s.observed() == q.to {
		serving = ", and the routes serve it"
	}
	return words{"to": q.to, "serving": serving}
}

func unadopted(s *State, _ Time) words {
	if s.chain.command != nil {
		return nil
	}
	return yes()
}

// ending are the words of a swap that came to an end other than done.
func (s *State) ending() words {
	c := s.chain.command
	return words{"what": s.what(c), "to": c.Primary, "back": s.back(), "executor": s.run.executor, "why": clip(s.run.sentence, 400)}
}

// what says what a command does, as a noun.
func (s *State) what(c *message.Command) string {
	switch c.Kind {
	case message.KindAdopt:
		return "adoption of " + c.Primary + " as primary of " + s.group
	case message.KindResume:
		return "confirmation of " + c.Primary + " as primary of " + s.group
	case message.KindReconfigure:
		if c.Lease != nil {
			return "change of the terms of " + s.group
		}
		return "change of members of " + s.group
	case message.KindRemedy:
		if c.Remedy.Over != "" {
			return "end of the ladder of " + c.Remedy.Member
		}
		return "mending of " + c.Remedy.Member + " of " + s.group
	}
	return string(c.Kind) + " of " + s.group + " from " + c.From + " to " + c.Primary
}

// back is the member that stays primary when the newest command comes to nothing.
func (s *State) back() string {
	if s.chain.last == nil {
		return "nobody"
	}
	return s.chain.last.Primary
}

func endedEarly(s *State, _ Time) words {
	if s.run.state != message.StateEnded || s.chain.held || s.chain.last == nil || s.chain.command.Remedy != nil {
		return nil
	}
	return s.ending()
}

func abortedEarly(s *State, _ Time) words {
	if s.run.state != message.StateAborted || s.chain.held || s.chain.last == nil || s.chain.command.Remedy != nil {
		return nil
	}
	return s.ending()
}

func abortedLate(s *State, _ Time) words {
	if s.run.state != message.StateAborted || !s.chain.held || s.chain.command.Remedy != nil {
		return nil
	}
	return s.ending()
}

func overdue(s *State, at Time) words {
	c := s.chain.command
	if c == nil || s.chain.held || s.chain.last == nil || terminal(s.run.state) || c.Plan.Limit <= 0 || c.Remedy != nil {
		return nil
	}
	waited := at.since(s.chain.at)
	if m := s.chain.mark; m != nil && !m.Paused {
		waited = min(waited, at.since(s.chain.marked)) // executors began nothing while it was paused
	}
	if _, paused := s.chain.paused(at); paused || waited < c.Plan.Limit.Std() {
		return nil
	}
	return words{"what": s.what(c), "back": s.back(), "limit": span(c.Plan.Limit.Std())}
}

func underWay(s *State, at Time) words {
	c := s.chain.command
	if c == nil || !s.underWay() && (s.chain.held || s.chain.last == nil) {
		return nil
	}
	if s.still(at) && s.primaryIs(message.VerdictDown) != nil {
		return nil // whoever was to hold it may be gone for good
	}
	return s.underWayWords()
}

func (s *State) underWayWords() words {
	c := s.chain.command
	step := ""
	if waits, ok := s.run.paused(""); ok {
		step = ", step " + waits.name + " waits for a person"
	}
	return words{"what": s.what(c), "epoch": epoch(c.Epoch), "step": step}
}

func regrouped(s *State, at Time) words {
	c, names := s.chain.command, s.spec.MemberNames()
	if c != nil && c.Lease != nil {
		if !s.settled() {
			return nil
		}
		t := s.nextMembers()
		if t == nil {
			return nil
		}
		return words{"members": strings.Join(t.members, ", ") + " (" + t.what + ")", "to": c.Primary}
	}
	if c == nil || !s.chain.held || slices.Equal(c.Members, names) || len(s.refusals(at, question{who: regroup, from: c.Primary})) > 0 {
		return nil
	}
	return words{"members": strings.Join(names, ", "), "to": c.Primary}
}

// primaryIs holds where the primary has that verdict.
func (s *State) primaryIs(v message.Verdict) *member {
	if m := s.member(s.chain.primary()); m != nil && m.verdict == v {
		return m
	}
	return nil
}

func primaryDown(s *State, at Time) words {
	m := s.primaryIs(message.VerdictDown)
	if m == nil {
		return nil
	}
	return words{"from": m.name, "to": s.candidate(at, m.name), "down": m.sentence(at) + s.mended(at, m)}
}

func primaryDisputed(s *State, _ Time) words {
	m := s.primaryIs(message.VerdictDisputed)
	if m == nil {
		return nil
	}
	return words{"from": m.name}
}

func primaryUnknown(s *State, at Time) words {
	name := s.chain.primary()
	m := s.member(name)
	switch {
	case m == nil:
		return words{"from": name, "unknown": name + " is not in the spec"}
	case m.verdict == message.VerdictUnknown:
		return words{"from": name, "unknown": m.sentence(at)}
	}
	return nil
}

func primarySuspect(s *State, _ Time) words {
	m := s.primaryIs(message.VerdictSuspect)
	if m == nil {
		return nil
	}
	return words{"from": m.name}
}

func allWell(s *State, _ Time) words { return words{"from": s.chain.primary()} }

// eligible are the members of the newest epoch that the spec still declares, sorted.
func (s *State) eligible() []string {
	if s.chain.command == nil || s.spec == nil {
		return nil
	}
	var out []string
	if s.inLease() {
		return s.spec.MemberNames() // who of them may take over is R326's
	}
	for _, name := range s.chain.command.Members {
		if s.member(name) != nil {
			out = append(out, name)
		}
	}
	return out
}

// standbys are those that could take over from the primary, sorted.
func (s *State) standbys(from string) []string {
	return slices.DeleteFunc(s.eligible(), func(name string) bool { return name == from })
}

// candidate is the standby that would take over: of those that are ready the one that has received most, else the first; of those that
// are not, the first that is promotable, else the first, else "".
func (s *State) candidate(at Time, from string) string {
	best, got := "", 0.0
	all := s.standbys(from)
	for _, name := range all {
		if len(s.unready(at, name)) > 0 {
			continue
		}
		if m := s.member(name); best == "" || m.figures.known && m.figures.got > got {
			best, got = name, m.figures.got
		}
	}
	if best != "" {
		return best
	}
	for _, name := range all {
		if s.inLease() && s.promotable(at, name) {
			return name
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return ""
}

// unready is why a member could not take over now.
func (s *State) unready(at Time, name string) []message.Reason {
	return s.refusals(at, question{who: standby, to: name})
}

// refusing are the refusals of what the decider would do by itself. Where no standby is ready, each of them says why.
func (s *State) refusing(at Time, q question) []message.Reason {
	if reasons := s.refusals(at, q); len(reasons) > 0 {
		return append(reasons, s.others(at, q)...)
	}
	return nil
}

// others are the reasons why no other standby is taken than the one in question, which is the best of them and not ready.
func (s *State) others(at Time, q question) []message.Reason {
	if q.who&(anySwap&^drillBack) == 0 || q.to == "" || q.request != nil && q.request.Target != "" || len(s.unready(at, q.to)) == 0 {
		return nil
	}
	var out []message.Reason
	for _, name := range s.standbys(q.from) {
		if name != q.to {
			out = append(out, s.unready(at, name)...)
		}
	}
	return out
}
