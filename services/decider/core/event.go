package core

import (
	"github.com/isacloud/ha-manager/pkg/message"
)

// tell completes an event and hands it out. Its id is made of what makes the happening itself, so that two deciders
// that tell the same one write it once.
func (s *State) tell(at Time, e message.Event, same ...string) {
	s.emit(Tell{Event: s.event(at, e, same...)})
}

func (s *State) event(at Time, e message.Event, same ...string) *message.Event {
	e.Group, e.Writer, e.At = s.group, s.decider, at.Wall
	if e.Incident == "" {
		e.Incident = s.incident.id(s.group)
	}
	if e.ID == "" {
		e.ID = s.group + "." + string(e.Kind) + "." + hash(append([]string{e.Incident, e.Member}, same...)...)
	}
	e.Sentence = clip(e.Sentence, 2000)
	return &e
}

// sentence says what is concluded of the member, and why.
func (m *member) sentence(at Time) string {
	if m.worst == nil || m.worst.rule == nil {
		return m.name + " is unknown: no check decides about it"
	}
	return fill(m.worst.rule.Says, m.worst.words(at.Mono, m.name))
}

func (s *State) tellVerdict(at Time, m *member, before message.Verdict) {
	primary := m.name == s.chain.primary() && !s.pool() || s.pool() && s.short() // what costs clients
	severity := message.Info
	switch {
	case m.verdict == message.VerdictDown && primary:
		severity = message.Critical
	case m.verdict == message.VerdictDisputed && before == message.VerdictDown:
		// It comes back: those who look first say so first.
	case m.verdict == message.VerdictSuspect && m.worst.tally.downs == 0:
		severity = message.Debug // a look or two that failed
	case m.verdict == message.VerdictDown, m.verdict == message.VerdictDisputed, m.verdict == message.VerdictUnknown:
		severity = message.Warning
	}
	expected := s.expected(m.name)
	if m.verdict == message.VerdictUp {
		expected = ""
	}
	if expected != "" {
		primary = false
		if severity != message.Debug {
			severity = message.Info
		}
	}
	if primary && (m.verdict == message.VerdictDown || m.verdict == message.VerdictDisputed) {
		s.suspect(at, m) // so that its first word belongs to the incident
	}
	s.tell(at, message.Event{
		Kind: message.EventVerdict, Severity: severity, Member: m.name, Epoch: s.chain.epoch(), Code: m.worst.rule.Code,
		Sentence: m.sentence(at) + expected, Views: m.views(at), Verdict: &message.VerdictChange{From: before, To: m.verdict},
	}, string(m.verdict), m.cause)
}

// readiness tells when a standby becomes ready, or not.
func (s *State) readiness(at Time) {
	if s.pool() || !s.judging(at) || s.chain.command == nil {
		return // who serves in a pool is told by its verdict
	}
	for _, m := range s.members {
		if m.name == s.chain.primary() {
			m.told = ""
			continue
		}
		if m.calm && m.told == ready && !s.evaluatedNews && at.Mono-m.steadySince >= s.spec.Policy.StableFor {
			continue // nothing can have changed
		}
		reasons := s.unready(at, m.name)
		now := ready
		if len(reasons) > 0 {
			now = codes(reasons)
		}
		before := m.told
		m.told = now
		if before == now || before == "" {
			continue // the first word about it is the status, not news
		}
		e := message.Event{Kind: message.EventReadiness, Severity: message.Info, Member: m.name, Reasons: reasons, Epoch: s.chain.epoch()}
		if now == ready {
			e.Sentence = m.name + " is ready to take over"
		} else {
			e.Code = reasons[0].Code
			e.Sentence = sentences(reasons)
			if before == ready {
				e.Severity = message.Warning
			}
		}
		s.tell(at, e, now, m.cause, epoch(s.chain.epoch()))
	}
	s.evaluatedNews = false
}

// ready is what stands for no reason at all.
const ready = "ready"

// tellDecision tells a command once it stands in the chain.
func (s *State) tellDecision(at Time, c *message.Command) {
	severity := message.Warning
	switch c.Kind {
	case message.KindFailover:
		severity = message.Critical
	case message.KindAdopt, message.KindReconfigure:
		severity = message.Notice
	}
	s.tell(at, message.Event{
		ID: "decision." + c.ID, Kind: message.EventDecision, Severity: severity, Epoch: c.Epoch, Member: c.Primary, Code: c.Rule,
		Incident: c.Incident, Reasons: c.Reasons, Request: c.Request, Actor: c.Actor, Command: c,
		Sentence: "epoch " + epoch(c.Epoch) + " of " + s.group + ": " + c.Sentence,
	})
}

// tellPauseOver tells that a pause which was given a time has run out.
func (s *State) tellPauseOver(at Time) {
	m := s.chain.mark
	_, paused := s.chain.paused(at)
	if s.pauseSeen && !paused && m != nil && m.Paused {
		s.tell(at, message.Event{ID: "mode." + m.ID + ".over", Kind: message.EventMode, Severity: message.Notice, Epoch: s.chain.epoch(),
			Sentence: "the pause of " + s.group + " by " + m.Actor + " is over after " + span(m.For.Std()), Actor: m.Actor})
	}
	s.pauseSeen = paused
}

func (s *State) tellMark(at Time, m *message.Mark) {
	sentence := m.Actor + " resumed " + s.group + because(m.Reason)
	if m.Paused {
		sentence = m.Actor + " paused " + s.group + " " + lasting(m.For.Std()) + because(m.Reason) + ": no swap happens meanwhile"
	}
	s.tell(at, message.Event{ID: "mode." + m.ID, Kind: message.EventMode, Severity: message.Notice, Epoch: s.chain.epoch(),
		Sentence: sentence, Request: m.Request, Actor: m.Actor})
}
