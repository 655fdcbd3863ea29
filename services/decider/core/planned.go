package core

import (
	"slices"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// A person may plan a drill, a switchover or a failback for a time. The plan stands in the chain: whichever decider runs then asks for it, as for the
// drills of the spec's calendar, and it is decided then, anew, with all that refuses what is asked for. It is not late: what nobody asked for in time is
// refused as missed, and told.

const (
	// mostPlanned bounds what is planned for one group.
	mostPlanned = 16
	// planAhead is how far ahead something may be planned, and planForget how long after its time an outcome is still looked for.
	planAhead  = 400 * 24 * time.Hour
	planForget = 32 * 24 * time.Hour
)

// standing is a plan that stands, with when it was made.
type standing struct {
	*message.Planned
	at moment
}

// planTaken follows the chain.
func (c *chain) planTaken(e *message.Planned, now moment) {
	c.asked = remember(c.asked, asked{request: e.Request, epoch: c.epoch(), approved: e.Approver != ""})
	c.settle(e.Request)
	c.planned = slices.DeleteFunc(slices.Clone(c.planned), func(p standing) bool { return p.Name == e.Name })
	if e.State == message.PlanStands {
		c.planned = remember(c.planned, standing{e, now})
	}
}

// planName is the name of what is planned for that time; no two of a group have the same.
func (s *State) planName(due int64) string {
	return s.group + "-at-" + time.UnixMicro(due).UTC().Format("20060102-150405")
}

// planID is the request that is sent when it is due: of that plan and no other of the same name.
func (s *State) planID(p *message.Planned) string {
	return agendaMark + s.group + "." + strconv.FormatInt(p.Asks.Due/1e6, 10) + "." + hash(p.Request)
}

func plannedIn(all []standing, name string) int {
	return slices.IndexFunc(all, func(p standing) bool { return p.Name == name })
}

// plannedAs is what is planned under this name; nil: nothing.
func (s *State) plannedAs(name string) *message.Planned {
	i := plannedIn(s.chain.planned, name)
	if i < 0 {
		return nil
	}
	return s.chain.planned[i].Planned
}

// keepPlanned sends what is due, and lets go of what has become of it.
func (s *State) keepPlanned(at Time) {
	for i := 0; i < len(s.chain.planned); i++ {
		p := s.chain.planned[i].Planned
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
		ID: s.planID(p), Group: s.group, Verb: r.Verb, Actor: message.ActorSchedule, Via: message.ViaSchedule, Target: r.Target, Hold: r.Hold,
		Reason: clip(why, 1000), Override: r.Override, Due: r.Due, Of: p.Name,
	}
}

// asPlanned says whether a request of the schedule is that of a plan which stands.
func (s *State) asPlanned(r *message.Request) bool {
	p := s.plannedAs(r.Of)
	return p != nil && r.ID == s.planID(p) && r.Verb == p.Asks.Verb && r.Due == p.Asks.Due && r.Target == p.Asks.Target && slices.Equal(r.Override, p.Asks.Override) && holdOf(r) == holdOf(p.Asks)
}

// holdOf is for how long what is asked for keeps the roles where they do not stay.
func holdOf(r *message.Request) time.Duration {
	if r.Verb != message.VerbDrill {
		return 0
	}
	if r.Hold == nil {
		return message.DefaultHold.Std()
	}
	return r.Hold.Std()
}

func dueWords(due int64) string { return time.UnixMicro(due).UTC().Format(time.DateTime) }

// planWords are those of a request that plans something, or takes it back.
func (s *State) planWords(r *message.Request, w words) {
	if p := s.plannedAs(r.Of); p != nil && r.End == message.EndCancel {
		w["due"], w["planned"] = dueWords(p.Asks.Due), string(p.Asks.Verb)
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
	s.planFor(at, a.request.ID, "", q, clip(fill(rule.Says, w), 1000))
}

// planFor proposes that it stands in the chain as planned: asked for by that request, approved by approver where two persons are wanted. A swap is
// bound to who is primary as it is planned, and a failback to where it leads then: once roles have moved, the same words would mean another swap.
func (s *State) planFor(at Time, request, approver string, q question, sentence string) {
	r := *q.request
	e := &message.Planned{
		ID: s.group + ".planned." + hash(s.decider, epoch(s.chain.seq), request), Group: s.group, Name: s.planName(r.Due), State: message.PlanStands, Asks: &r,
		Sentence: sentence, Actor: r.Actor, Approver: approver, Reason: r.Reason, Request: r.ID, Decider: s.decider, At: at.Wall,
	}
	if r.Verb != message.VerbDrill {
		r.Target, e.From, e.Epoch = q.to, q.from, s.chain.epoch()
		if q.approval != nil { // two persons have agreed to what it was when the first one asked
			e.From = q.approval.From
		}
	}
	s.propose(at, e)
}

// planOf is the plan that a request of the schedule is of; nil: of none.
func (s *State) planOf(q question) *message.Planned {
	if q.request == nil || q.request.Of == "" || q.request.Actor != message.ActorSchedule {
		return nil
	}
	return s.plannedAs(q.request.Of)
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

// tellPlanned tells an entry that was read; before are the plans that stood until then.
func (s *State) tellPlanned(at Time, e *message.Planned, before []standing) {
	p, code := e, ""
	if e.State == message.PlanCancelled {
		i := plannedIn(before, e.Name)
		if i < 0 {
			return
		}
		p = before[i].Planned
	}
	switch {
	case e.State == message.PlanCancelled:
		code = "R418"
	case p.Asks.Verb == message.VerbSwitchover:
		code = "R470"
	case p.Asks.Verb == message.VerbFailback:
		code = "R471"
	default:
		code = "R417"
	}
	s.tell(at, message.Event{
		ID: "planned." + e.ID, Kind: message.EventPlanned, Severity: message.Notice, Epoch: s.chain.epoch(), Code: code, Sentence: e.Sentence,
		Request: e.Request, Actor: e.Actor, Planned: planChange(p, e.State),
	})
}

func planChange(p *message.Planned, stage string) *message.PlanChange {
	return &message.PlanChange{Name: p.Name, Stage: stage, Verb: p.Asks.Verb, Due: p.Asks.Due, Planner: p.Actor}
}

// remindPlanned tells once what begins soon, and whether anything would refuse it as things are.
func (s *State) remindPlanned(at Time) {
	for i := range s.chain.planned {
		p := &s.chain.planned[i]
		left, wait := time.Duration(p.Asks.Due-at.Stream)*time.Microsecond, time.Duration(p.Asks.Due-p.at.stream)*time.Microsecond
		lead, key := min(remindAhead, wait/4), p.ID+".soon"
		if wait < remindLeast || left <= 0 || left > lead || slices.Contains(s.reminded, key) {
			continue
		}
		s.reminded = remember(s.reminded, key)
		if lead-left >= retellLimit {
			continue // it was told by somebody else, or nobody was there to tell it
		}
		w := words{"group": s.group, "planned": string(p.Asks.Verb), "left": span(left), "actor": p.Actor, "reason": because(p.Reason), "name": p.Name, "then": "as things are, nothing refuses it"}
		e := message.Event{ID: "planned." + key, Kind: message.EventPlanned, Severity: message.Notice, Epoch: s.chain.epoch(), Code: planSoon.Code, Planned: planChange(p.Planned, message.PlanSoon)}
		e.Reasons = s.refusedNow(at, &message.AgendaEntry{Verb: p.Asks.Verb, At: p.Asks.Due, Target: p.Asks.Target, Name: p.Name})
		if blocked := s.shut(p.Asks); blocked != "" {
			e.Severity, w["then"] = message.Warning, "it will be refused, because nothing planned begins at that time: "+clip(blocked, 300)
		} else if len(e.Reasons) > 0 {
			e.Severity, w["then"] = message.Warning, "as things are it would be refused, because "+clip(sentences(e.Reasons), 1000)
		}
		e.Sentence = fill(planSoon.Says, w)
		s.tell(at, e)
	}
}

// tellPlanRefused tells that something planned does not happen: whoever relies on it is not there to be told no.
func (s *State) tellPlanRefused(at Time, p *message.Planned, o *message.Outcome) {
	e := message.Event{
		ID: "planned." + p.ID + "." + message.PlanRefused, Kind: message.EventPlanned, Severity: message.Warning, Epoch: o.Epoch, Reasons: o.Reasons,
		Incident: o.Incident, Request: o.Request, Planned: planChange(p, message.PlanRefused),
	}
	if len(o.Reasons) > 0 {
		e.Code = o.Reasons[0].Code
	}
	e.Sentence = fill("the {planned} of {group} that {actor} planned for {due} UTC does not happen, and is not tried again: {why}", words{
		"planned": string(p.Asks.Verb), "group": s.group, "actor": p.Actor, "due": dueWords(p.Asks.Due), "why": clip(o.Sentence, 1500),
	})
	s.tell(at, e)
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
			w := words{"name": p.Name, "due": dueWords(p.Asks.Due), "holding": ""}
			if hold := holdOf(p.Asks); hold > 0 {
				w["holding"] = " and holds for " + span(hold)
			}
			return w
		}
	}
	return nil
}

// otherPrimary: what was planned was a swap away from that one member.
func otherPrimary(s *State, _ Time, q question) words {
	p := s.planOf(q)
	if p == nil || p.From == "" || p.From == s.chain.primary() {
		return nil
	}
	return words{"name": p.Name, "was": p.From, "from": s.chain.primary()}
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
