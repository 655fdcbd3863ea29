package core

import (
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// What the decider does by itself: the acts of the situation rules.

func (s *State) adopt(at Time, r *situationRule, w words) {
	s.command(at, question{who: adoption, kind: message.KindAdopt, to: w["to"]}, &r.Rule, w, nil)
}

// refuseAdoption tells once why nothing is adopted, when the first moments are over.
func (s *State) refuseAdoption(at Time, r *situationRule, _ words) {
	reasons := s.refusals(at, s.adoptAs(adoption, s.declared()))
	key := codes(reasons)
	if at.Mono < s.judgeFrom+routeGrace || key == s.adoptRefused {
		return
	}
	s.adoptRefused = key
	s.tell(at, message.Event{
		Kind: message.EventRefused, Severity: message.Warning, Code: r.Code, Reasons: reasons,
		Sentence: s.group + " has no primary yet, because " + sentences(reasons),
	}, "adopt", key)
}

// resume names the primary again that stays when a swap came to nothing.
func (s *State) resume(at Time, r *situationRule, w words) {
	to := s.chain.last.Primary
	if s.chain.held {
		to = s.chain.primary()
	}
	q := question{who: fallback, kind: message.KindResume, from: s.chain.primary(), to: to}
	if r.Code == ruleOverdue {
		if reasons := s.refusals(at, q); len(reasons) > 0 {
			s.refuse(at, q, reasons)
			return
		}
	}
	s.command(at, q, &r.Rule, w, nil)
}

func (s *State) reconfigure(at Time, r *situationRule, w words) {
	if s.chain.command.Lease != nil {
		s.change(at, r, w, s.nextMembers())
		return
	}
	s.command(at, question{who: regroup, kind: message.KindReconfigure, from: s.chain.primary(), to: s.chain.primary()}, &r.Rule, w, nil)
}

// failover is the one place where roles are swapped without anybody asking.
//
// Invariant: a refusal never becomes a swap, and in dry run nothing enters the chain.
func (s *State) failover(at Time, r *situationRule, w words) {
	q := question{who: itself, kind: message.KindFailover, from: w["from"], to: w["to"]}
	w["frozen"] = s.frozenWords(at)
	reasons := s.refusing(at, q)
	switch {
	case len(reasons) == 0:
		s.command(at, q, &r.Rule, w, nil)
	case rehearsed(reasons): // nothing refuses but the mode, or what it is trusted with
		s.shadow(at, q, &r.Rule, w, nil)
	default:
		s.refuse(at, q, reasons)
	}
}

// refuseDisputed waits until each vantage has had the time to look again: a primary that comes back is disputed for that long.
func (s *State) refuseDisputed(at Time, _ *situationRule, w words) {
	if m := s.member(w["from"]); at.Mono-m.since < s.interval() {
		return
	}
	q := question{who: itself, kind: message.KindFailover, from: w["from"], to: s.candidate(at, w["from"])}
	s.refuse(at, q, s.refusing(at, q))
}

// refuse tells why a swap does not happen, once per incident and set of reasons.
func (s *State) refuse(at Time, q question, reasons []message.Reason) {
	key := codes(reasons)
	if len(reasons) == 0 || !s.incident.first(key) {
		return
	}
	m := s.member(q.from)
	e := message.Event{
		Kind: message.EventRefused, Severity: message.Critical, Member: q.from, Reasons: reasons, Epoch: s.chain.epoch(),
		Code: reasons[0].Code, DryRun: s.dryRun(),
	}
	if m != nil {
		e.Views, e.Sentence = m.views(at), m.nobody()+sentences(reasons)
	}
	if f := s.fencedNow(); f != nil && q.who == itself {
		e.Sentence = f.words() + ", and nobody takes over, because " + sentences(reasons)
	}
	if q.who == itself {
		e.Sentence += s.strandedWords(at, reasons)
	}
	if q.who == fallback {
		e.Sentence = "epoch " + epoch(s.chain.epoch()) + " of " + s.group + " was not held in time and is not taken back, because " + sentences(reasons)
	}
	s.tell(at, e, "refused", key)
}

// codes joins the codes of reasons: what a set of reasons is known by, whatever their figures.
func codes(reasons []message.Reason) string {
	var out []string
	for _, r := range reasons {
		out = append(out, r.Code)
	}
	return strings.Join(out, ",")
}

func sentences(reasons []message.Reason) string {
	var out []string
	for _, r := range reasons {
		out = append(out, r.Sentence)
	}
	return clip(strings.Join(out, "; "), 1600)
}
