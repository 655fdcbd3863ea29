package core

import (
	"reflect"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// Step takes one input and returns what is to be done, in order. It never fails: what cannot be is passed over or rejected with a
// reason. Time must not go back. The outputs are the caller's.
//
// A heartbeat that changes nothing costs no allocation and well below a microsecond.
func (s *State) Step(at Time, in Input) []Output {
	if aboutClients(in) {
		return s.stepClients(at, in) // before anything else takes note of it: nothing is decided by it, nor at its time
	}
	if in, ok := in.(*HeartbeatSeen); ok && at.Mono-s.last <= StallLimit {
		s.last = at.Mono
		if !s.see(at, in) {
			return nil
		}
		return s.conclude(at)
	}
	if at.Mono-s.last > StallLimit && s.linked {
		s.watch(at) // this decider itself was stopped: what now comes in a heap may be long past
	}
	s.last = at.Mono
	switch in := in.(type) {
	case *HeartbeatSeen:
		s.see(at, in)
	case RequestReceived:
		s.ask(at, in)
	case ChainRead:
		s.read(at, in)
	case SafetyRead:
		s.safety(at, in)
	case SpecChanged:
		s.declare(at, in.Spec)
	case RouteRead:
		s.routeSeen(in)
	case IncidentRead:
		s.incidentRead(at, in)
	case ThresholdsRead:
		s.thresholdsRead(at, in)
	case OutcomeRead:
		s.outcomes = remember(s.outcomes, in.Outcome)
		s.agendaKnown(in.Outcome.Request)
	case ShadowRead:
		if in.Command.Kind == message.KindRemedy { // it is no swap: nobody judges by it whether ham may be trusted with one
			s.mendShown = remember(s.mendShown, in.Command.ID)
			break
		}
		s.incident.shadow(in.Command)
		s.ledger.Shadow(in.Command)
	case JudgedRead:
		s.ledger.Judge(in.Judgement, in.Stored)
	case LinkChanged:
		if in.Up && !s.linked {
			s.linked = true
			s.watch(at)
		}
		s.linked = in.Up
	case RecordChanged:
		if s.mute == in.Answers {
			s.mute, s.muteSince = !in.Answers, at.Mono
		}
	case ProposalResolved:
		s.resolved(at, in)
	case SteadyTold:
		for _, m := range s.members {
			if d, told := in.For[m.name]; told && m.steady && m.verdict == message.VerdictUp {
				m.steadySince = min(at.Mono-d, at.Mono)
			}
		}
	case ExecutorsSeen:
		s.executorsTold = true
		for _, name := range in.Names {
			if _, known := s.executors[name]; known || len(s.executors) < keep {
				s.executors[name] = at.Mono
			}
		}
	}
	return s.conclude(at)
}

// see takes a look into account, and says whether that may change what is concluded.
func (s *State) see(at Time, in *HeartbeatSeen) bool {
	hb := in.Heartbeat
	s.hbSeq = max(s.hbSeq, in.Seq)
	v := s.sights[sightKey{hb.Member, hb.Check, hb.Vantage}]
	if v == nil {
		return s.measured(at, in) // or it is of no check that is declared
	}
	m := s.member(hb.Member)
	if age := time.Duration(at.Stream-in.Stored) * time.Microsecond; in.Stored > 0 && age > v.limit {
		m.recall(at.Mono-age, v, hb)
		return false // it lay in the stream while this decider was away: history, no news
	}
	if v.old(hb) {
		return false
	}
	m.pastLook = at.Mono
	if in.Heartbeat.Perf != nil {
		m.figure(at.Mono, hb, v.limit)
	}
	counts := s.judging(at)
	changed := v.take(at.Mono, in, &s.spec.Policy, counts)
	if !counts && v.decides && v.witnesses() && !v.up() && m.steady {
		m.steadySince = at.Mono
	}
	return changed || !m.calm
}

// conclude does what follows from the state as it is now: verdicts, readiness, drift, incident, then requests, then what the decider
// does by itself.
func (s *State) conclude(at Time) []Output {
	if s.spec != nil {
		for _, m := range s.members {
			s.judge(at, m)
		}
		s.readiness(at)
		s.drifts(at)
		s.tellProtection(at)
		s.keepIncident(at)
		s.keepDrill(at)
		s.keepAgenda(at)
		s.keepCanary(at)
		s.keepThresholds(at)
		s.tellPauseOver(at)
		s.remind(at)
		s.tellExpired(at)
		s.tellRemedies(at)
	}
	s.serve(at)
	for {
		rule, w := s.situation(at)
		if rule.act == nil {
			break
		}
		shown := len(s.mendShown)
		rule.act(s, at, rule, w)
		if len(s.mendShown) == shown || s.proposal != nil {
			break // else a try was shown in dry run: what it would keep away follows in the same breath, whatever comes next
		}
	}
	out := s.out
	s.out = nil
	return out
}

// declare takes a new spec.
func (s *State) declare(at Time, g *spec.Group) {
	if g == nil {
		s.spec, s.members, s.sights, s.canary = nil, nil, nil, canary{}
		s.thresholds.gauges, s.thresholds.by = nil, nil
		return
	}
	before := s.spec
	s.spec, s.agenda.next = g, nil
	s.arrange(g)
	s.arrangeCanary(at, g.Canary)
	s.arrangeThresholds(at, g)
	if before == nil || !reflect.DeepEqual(before.Deciding(), g.Deciding()) || !reflect.DeepEqual(before.Members, g.Members) {
		s.watch(at) // what was seen until now was seen by other checks, or of other addresses
	}
	if before != nil && before.Mode != g.Mode {
		s.tell(at, message.Event{
			Kind: message.EventMode, Severity: message.Notice,
			Sentence: "the mode of " + s.group + " is now " + string(g.Mode) + ", it was " + string(before.Mode),
		}, "mode", epoch(g.Revision))
	}
}

// read takes an entry of the chain and tells what it brought.
func (s *State) read(at Time, in ChainRead) {
	before, plans, seq := s.chain.waiting, s.chain.planned, s.chain.seq
	taken, err := s.chain.take(at, in)
	if s.chain.seq > seq {
		s.chainHeard = at.Mono
	}
	if err != nil {
		s.emit(Reject{Seq: in.Seq, Entry: in.Entry, Reason: err.Error()})
	}
	var stored time.Duration // from proposing it to reading it back, where this decider proposed it
	if p := s.proposal; p != nil && in.Entry != nil && in.Entry.MessageID() == p.id {
		stored = at.Mono - p.since
	}
	if p := s.proposal; p != nil && s.chain.seq > p.after && (p.won == 0 || s.chain.seq >= p.won) {
		s.proposal = nil // somebody took the place, perhaps this decider
	}
	if !taken {
		return
	}
	retell := at.since(moment{in.Stored, at.Mono}) < retellLimit
	switch e := in.Entry.(type) {
	case *message.Command:
		s.run.begin()
		s.late(at)
		if retell {
			told := *e
			told.Basis = nil                           // it stands in the chain; the event is for people
			told.DecideMicros += stored.Microseconds() // the command itself cannot know how long it took to be stored
			s.tellDecision(at, &told)
		}
	case *message.Mark:
		if retell {
			s.tellMark(at, e)
		}
	case *message.Planned:
		if retell {
			s.tellPlanned(at, e, plans)
		}
	case *message.Maintenance:
		if retell {
			s.tellMaintenance(at, e)
		}
	}
	if retell {
		s.tellApproval(at, in, before)
	}
	s.drillRead(at, in, retell)
}

// resolved frees the way for the next proposal: at once where it was this one's turn, else after a moment.
func (s *State) resolved(at Time, in ProposalResolved) {
	p := s.proposal
	if p == nil || p.id != in.ID {
		return
	}
	if in.Seq == 0 {
		// Perhaps it is stored yet. Whatever is proposed next expects the same entry before it, so that at most one of the two is.
		s.proposal, s.proposeAfter = nil, at.Mono+proposalPause
		return
	}
	p.won = in.Seq
	if s.chain.seq >= in.Seq {
		s.proposal = nil
	}
}

// propose asks for the next place in the chain.
func (s *State) propose(at Time, e message.Message) {
	s.proposal = &proposal{id: e.MessageID(), after: s.chain.seq, since: at.Mono}
	s.emit(Propose{Entry: e, After: s.chain.seq})
}
