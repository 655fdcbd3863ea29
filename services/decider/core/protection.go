package core

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// leaseWait is for how long anybody but the holder counts on a lease: 1.1 times the ttl and what the guard may be late. It is only shown here;
// what is granted rests on the same figure in pkg/lease.
func leaseWait(ttl time.Duration) time.Duration { return (ttl + spec.GuardLate) * 11 / 10 }

// promotables are the members that could take over from the primary.
func (s *State) promotables(at Time) []string {
	out := []string{}
	for _, m := range s.members {
		if m.name != s.acting() && s.promotable(at, m.name) {
			out = append(out, m.name)
		}
	}
	return out
}

// protection says whether a write that is acknowledged now survives its primary, in a sentence that is always true.
func (s *State) protection(at Time) (protected bool, sentence string) {
	last := s.chain.last
	if last == nil {
		return false, "nobody is primary yet"
	}
	if !s.armed() {
		return false, "not armed: nobody sees to it that a standby has what " + last.Primary + " acknowledges"
	}
	fit := s.promotables(at)
	switch s.durability() {
	case message.NeverLose:
		if len(fit) == 0 {
			return false, "UNPROTECTED: " + last.Primary + " runs alone" + s.whyAlone(at) + "; what it acknowledges is lost with it, and nobody takes over"
		}
		return true, "protected: " + list(fit) + " has every write that " + last.Primary + " acknowledged"
	case message.NeverStop:
		if len(fit) == 0 {
			return false, "UNPROTECTED: " + last.Primary + " runs alone" + s.whyAlone(at) + "; what it acknowledges is lost with it, and nobody takes over"
		}
		to := s.candidate(at, last.Primary)
		switch l, known := s.lag(at, last.Primary, to); {
		case known && l.bytes == 0:
			return false, "not protected: " + to + " " + l.words() + ", and what was written since would be lost"
		case known:
			return false, "not protected: " + to + " " + l.words() + ", and that much would be lost"
		}
		return false, "not protected: how far " + to + " is behind is not known"
	}
	return false, ""
}

// whyAlone is what the primary says of its standbys, none of which may take over.
func (s *State) whyAlone(at Time) string {
	var out []string
	for _, m := range s.members {
		if m.name == s.acting() {
			continue
		}
		if w, _ := s.standbyWord(at, m.name); w != nil {
			out = append(out, m.name+": "+saysOf(s.acting(), w))
		}
	}
	if out == nil {
		return ""
	}
	return " (" + clip(strings.Join(out, "; "), 400) + ")"
}

// losing is what would be lost if to took over from from now, as part of a sentence.
func (s *State) losing(at Time, from, to string) string {
	switch s.durability() {
	case message.NeverLose:
		return ", losing nothing"
	case message.NeverStop:
		l, known := s.lag(at, from, to)
		switch {
		case !known:
			return ", losing nobody knows how much"
		case l.bytes == 0:
			return ", losing what was written since it " + l.words()
		}
		return ", losing what it has not received (it " + l.words() + ")"
	}
	return ""
}

// fencedSentence says what becomes of a fenced primary's group.
func (s *State) fencedSentence(at Time) string {
	f := s.fencedNow()
	to := s.candidate(at, f.member)
	reasons := s.refusing(at, question{who: itself, kind: message.KindFailover, from: f.member, to: to})
	switch {
	case len(reasons) == 0:
		return f.words() + "; " + to + " is taking over"
	case fencedAlone(s, at) != nil:
		return f.words() + "; it is to act again, because nobody else takes over: " + sentences(reasons)
	}
	return f.words() + ", and nobody takes over, because " + sentences(reasons)
}

// tellProtection tells when a group begins or ceases to be protected. A swap under way is no such moment.
func (s *State) tellProtection(at Time) {
	if s.durability() == "" || !s.judging(at) || !s.chain.held || s.underWay() || s.fencedNow() != nil || !s.armed() {
		return
	}
	now := "alone"
	if all := s.promotables(at); len(all) > 0 {
		now = "with " + strings.Join(all, ",")
	}
	before := s.protectedTold
	s.protectedTold = now
	if before == now || before == "" && now != "alone" {
		return // the first word about it is the status, not news
	}
	_, sentence := s.protection(at)
	severity := message.Info
	if now == "alone" {
		severity = message.Warning
	}
	s.tell(at, message.Event{Kind: message.EventReadiness, Severity: severity, Member: s.acting(), Epoch: s.chain.epoch(), Sentence: s.group + " is " + sentence}, now, epoch(s.chain.epoch()))
}

// leaseStatus is what is known of the lease, its promotable members and what would be lost; nil where the group has none.
func (s *State) leaseStatus(at Time) *message.LeaseStatus {
	c := s.chain.command
	if c == nil || c.Lease == nil {
		return nil
	}
	out := &message.LeaseStatus{
		Armed: s.armed(), Durability: c.Lease.Durability, Deciders: c.Lease.Deciders, TTL: c.Lease.TTL, Wait: message.Duration(leaseWait(c.Lease.TTL.Std())),
		Promotable: s.promotables(at),
	}
	if c.Lease.Durability != "" {
		out.Protected, out.Protection = s.protection(at)
		out.Protection = clip(out.Protection, 1000)
	}
	for _, f := range s.leased.fenced {
		out.Fenced = append(out.Fenced, message.FencedStatus{Member: f.member, Epoch: f.said.Epoch, How: f.said.How, Able: f.said.Able, Now: s.fencedNow() != nil && s.fencedNow().member == f.member, At: f.said.At})
	}
	for _, m := range s.members {
		if m.name == s.acting() {
			continue
		}
		w, age := s.standbyWord(at, m.name)
		l, known := s.lag(at, s.acting(), m.name)
		if w == nil && !known {
			continue
		}
		one := message.StandbyStatus{Member: m.name, Lag: known, LagBytes: int64(l.bytes), LagMicros: l.behind.Microseconds(), LagAgeMS: l.age.Milliseconds()}
		if w != nil {
			one.State, one.Why, one.AgeMS = w.State, w.Why, age.Milliseconds()
		}
		out.Standbys = append(out.Standbys, one)
	}
	return out
}

// Beside says which executors stand beside the primary and the other members of a leased group; "" and none where it has no lease. Moving says
// that its roles are on the move, or about to be.
func (s *State) Beside() (primary string, others []string, moving bool) {
	c := s.chain.command
	if c == nil || c.Lease == nil {
		return "", nil, false
	}
	for _, b := range c.Lease.Beside {
		if b.Member == s.acting() {
			primary = b.Executor
		} else {
			others = append(others, b.Executor)
		}
	}
	moving = s.underWay() || !s.chain.held || s.fencedNow() != nil ||
		slices.ContainsFunc(s.members, func(m *member) bool {
			return m.name == s.acting() && m.verdict != message.VerdictUp && m.verdict != message.VerdictUnknown
		})
	return primary, others, moving
}
