package core

import (
	"slices"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// A person may plan a drill for a time. The plan stands in the chain: whichever decider runs then asks for the drill, as for those of the spec's
// calendar, and it is decided then with all that refuses a drill. It is not late: what nobody asked for in time is refused as missed, and told.

const (
	// mostPlanned bounds the planned drills of one group.
	mostPlanned = 16
	// planAhead is how far ahead a drill may be planned, and planForget how long after its time an outcome is still looked for.
	planAhead  = 400 * 24 * time.Hour
	planForget = 32 * 24 * time.Hour
)

// planTaken follows the chain.
func (c *chain) planTaken(e *message.Planned) {
	c.asked = remember(c.asked, asked{request: e.Request, epoch: c.epoch(), approved: e.Approver != ""})
	c.settle(e.Request)
	c.planned = slices.DeleteFunc(slices.Clone(c.planned), func(p *message.Planned) bool { return p.Name == e.Name })
	if e.State == message.PlanStands {
		c.planned = remember(c.planned, e)
	}
}

// planName is the name of a drill planned for that time; no two of a group have the same.
func (s *State) planName(due int64) string {
	return s.group + "-at-" + time.UnixMicro(due).UTC().Format("20060102-150405")
}

// planID is the request that is sent when it is due: of that plan and no other of the same name.
func (s *State) planID(p *message.Planned) string {
	return agendaMark + s.group + "." + strconv.FormatInt(p.Asks.Due/1e6, 10) + "." + hash(p.Request)
}

// plannedAs is the drill that is planned under this name; nil: none.
func (s *State) plannedAs(name string) *message.Planned {
	i := slices.IndexFunc(s.chain.planned, func(p *message.Planned) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return s.chain.planned[i]
}

// keepPlanned sends what is due, and lets go of what has become of it.
func (s *State) keepPlanned(at Time) {
	for i := 0; i < len(s.chain.planned); i++ {
		p := s.chain.planned[i]
		id := s.planID(p)
		_, known := s.Outcome(id)
		_, led := s.chain.of(id)
		late := time.Duration(at.Stream-p.Asks.Due) * time.Microsecond
		switch {
		case late < 0:
		case known || led || late > planForget, late > 2*MaxRequestAge && slices.Contains(s.agenda.known, id):
			s.chain.planned = slices.Delete(slices.Clone(s.chain.planned), i, i+1)
			i--
		case s.judging(at) && !slices.Contains(s.agenda.known, id):
			s.agenda.known = remember(s.agenda.known, id)
			s.emit(Send{s.planRequest(p)})
		}
	}
}

// planRequest is what is asked for when the plan is due.
func (s *State) planRequest(p *message.Planned) *message.Request {
	r := p.Asks
	why := "planned by " + r.Actor
	if r.Reason != "" {
		why += ": " + r.Reason
	}
	return &message.Request{
		ID: s.planID(p), Group: s.group, Verb: message.VerbDrill, Actor: message.ActorSchedule, Via: message.ViaSchedule, Target: r.Target, Hold: r.Hold,
		Reason: clip(why, 1000), Override: r.Override, Due: r.Due, Of: p.Name,
	}
}

// asPlanned says whether a request of the schedule is that of a plan which stands.
func (s *State) asPlanned(r *message.Request) bool {
	p := s.plannedAs(r.Of)
	return p != nil && r.ID == s.planID(p) && r.Due == p.Asks.Due && r.Target == p.Asks.Target && slices.Equal(r.Override, p.Asks.Override) && holdOf(r) == holdOf(p.Asks)
}

func holdOf(r *message.Request) time.Duration {
	if r.Hold == nil {
		return message.DefaultHold.Std()
	}
	return r.Hold.Std()
}

func dueWords(due int64) string { return time.UnixMicro(due).UTC().Format(time.DateTime) }

// planWords are those of a request that plans a drill, or takes one back.
func (s *State) planWords(r *message.Request, w words) {
	if p := s.plannedAs(r.Of); p != nil && r.End == message.EndCancel {
		w["due"] = dueWords(p.Asks.Due)
	}
	if r.Due == 0 {
		return
	}
	w["due"], w["hold"] = dueWords(r.Due), span(holdOf(r))
	if w["to"] == "" {
		w["to"] = "a standby"
	}
}

func (s *State) askedPlan(at Time, a *ask, q question, rule *requestRule) {
	w := s.words(a, q)
	a.sentence = clip("accepted as "+s.planName(q.request.Due)+": "+fill(rule.Says, w), 2000)
	s.planDrill(at, a.request.ID, "", q.request, clip(fill(rule.Says, w), 1000))
}

// planDrill proposes that the drill stands in the chain as planned: asked for by that request, approved by approver where two persons are wanted.
func (s *State) planDrill(at Time, request, approver string, r *message.Request, sentence string) {
	s.propose(at, &message.Planned{
		ID: s.group + ".planned." + hash(s.decider, epoch(s.chain.seq), request), Group: s.group, Name: s.planName(r.Due), State: message.PlanStands, Asks: r,
		Sentence: sentence, Actor: r.Actor, Approver: approver, Reason: r.Reason, Request: r.ID, Decider: s.decider, At: at.Wall,
	})
}

func (s *State) askedCancel(at Time, a *ask, q question, rule *requestRule) {
	r := a.request
	says := fill(rule.Says, s.words(a, q))
	a.sentence = clip("accepted: "+says, 2000)
	s.propose(at, &message.Planned{
		ID: s.group + ".planned." + hash(s.decider, epoch(s.chain.seq), r.ID), Group: s.group, Name: r.Of, State: message.PlanCancelled,
		Sentence: clip(says, 1000), Actor: r.Actor, Reason: r.Reason, Request: r.ID, Decider: s.decider, At: at.Wall,
	})
}

// --- the rows of the table

func notAhead(_ *State, at Time, q question) words {
	ahead := time.Duration(q.request.Due-at.Stream) * time.Microsecond
	if ahead > 0 && ahead <= planAhead {
		return nil
	}
	return words{"due": dueWords(q.request.Due), "now": dueWords(at.Stream), "limit": strconv.Itoa(int(planAhead / (24 * time.Hour)))}
}

func plannedThen(s *State, _ Time, q question) words {
	end := func(r *message.Request) int64 { return r.Due + holdOf(r).Microseconds() }
	for _, p := range s.chain.planned {
		if p.Name == s.planName(q.request.Due) || q.request.Due < end(p.Asks) && p.Asks.Due < end(q.request) {
			return words{"name": p.Name, "due": dueWords(p.Asks.Due), "hold": span(holdOf(p.Asks))}
		}
	}
	return nil
}

func plansMany(s *State, _ Time, _ question) words {
	if len(s.chain.planned) < mostPlanned {
		return nil
	}
	return words{"count": strconv.Itoa(len(s.chain.planned))}
}

func nothingPlanned(s *State, _ Time, q question) words {
	r := q.request
	if r == nil || r.Of == "" || s.plannedAs(r.Of) != nil && (r.End == message.EndCancel || s.asPlanned(r)) {
		return nil
	}
	return words{"name": r.Of}
}
