package core

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Two persons: in a group that wants it, a swap that a person asks for waits until another one approves it. That it waits, and that somebody
// rejected it, stand in the chain: whichever decider hears the second person knows of both, and what rests on an older reading of the chain
// is proposed in vain. What the decider does by itself waits for nobody.

// codeSecond is told to whoever asked first.
const codeSecond = "R360"

// waiting is a swap that waits for a second person.
type waiting struct {
	*message.Approval
	at moment
}

// mostWaiting bounds the swaps of one group that wait; the oldest gives way.
const mostWaiting = 16

func (w *waiting) left(at Time) time.Duration { return w.For.Std() - at.since(w.at) }

// approvalTaken follows the chain.
func (c *chain) approvalTaken(e *message.Approval, now moment) {
	c.asked = remember(c.asked, asked{request: e.Request, epoch: c.epoch(), approval: e})
	c.settle(e.Of)
	if e.State != message.ApprovalWaits {
		return
	}
	if len(c.waiting) >= mostWaiting {
		c.waiting = slices.Clone(c.waiting[1:])
	}
	c.waiting = append(c.waiting, waiting{e, now})
}

// settle takes the request out of those that wait.
func (c *chain) settle(request string) {
	c.waiting = slices.DeleteFunc(slices.Clone(c.waiting), func(w waiting) bool { return w.Of == request })
}

// waits is the swap that waits under this id, and has not expired; nil: none.
func (s *State) waits(at Time, request string) *waiting {
	for i := range s.chain.waiting {
		if w := &s.chain.waiting[i]; w.Of == request && w.left(at) > 0 {
			return w
		}
	}
	return nil
}

// needsSecond says whether a swap that nothing refuses has to wait for another person. A dry run changes nothing, what the spec's schedule asks
// for was written down before, and the way back belongs to a drill that two have agreed to.
func (s *State) needsSecond(q question) bool {
	return s.wantsTwo(q) && q.approval == nil
}

// wantsTwo says that one person alone may not have this done. An adoption that names another primary moves the roles like a swap: whatever
// serves the clients is led there.
func (s *State) wantsTwo(q question) bool {
	moves := q.who&(swapAsked|drillAsked|planAsked) != 0 || q.who&adoptAsked != 0 && s.chain.command != nil && q.to != s.chain.primary()
	return s.spec != nil && s.spec.Policy.TwoPerson && !s.dryRun() && moves && q.request != nil && !s.scheduled(q.request)
}

// askSecond puts the swap into the chain as one that waits, bound to the plan as it is now.
func (s *State) askSecond(at Time, q question, rule *requestRule, w words) {
	r := *q.request
	r.Target = q.to
	if plan, err := s.plan(q); err == nil {
		r.PlanHash = plan.Hash
		s.previews = remember(s.previews, preview{plan.Hash, s.observations(q)})
	}
	s.propose(at, &message.Approval{
		ID: s.group + ".approval." + hash(s.decider, epoch(s.chain.seq), r.ID), Group: s.group, State: message.ApprovalWaits, Of: r.ID, Waits: &r,
		From: q.from, To: q.to, For: message.ApprovalPatience, Sentence: clip(fill(rule.Says, w), 1000),
		Actor: r.Actor, Reason: r.Reason, Request: r.ID, Decider: s.decider, At: at.Wall,
	})
}

// waitsOutcome is what the asker is told: not refused for good, and not done.
func (s *State) waitsOutcome(a *ask, e *message.Approval) *message.Outcome {
	o := s.outcome(a)
	if e.State == message.ApprovalRejected {
		o.Accepted, o.Sentence = true, "accepted: "+e.Sentence
		return o
	}
	i := slices.IndexFunc(refusalRules, func(r refusalRule) bool { return r.Code == codeSecond })
	says := fill(refusalRules[i].Says, words{"group": s.group, "request": e.Of, "for": span(e.For.Std())})
	o.Reasons = []message.Reason{{Code: codeSecond, Sentence: says}}
	o.Sentence = says
	return o
}

// askedApprove fires what waits: exactly that plan.
//
// Invariant: the one who approves is another than the one who asked, and the plan is the one that was shown to both.
func (s *State) askedApprove(at Time, a *ask, q question, rule *requestRule) {
	w := words{"by": a.request.Actor, "what": q.approval.Sentence, "reason": because(a.request.Reason)}
	if q.who&planAsked != 0 {
		a.sentence = clip("accepted as "+s.planName(q.request.Due)+": "+fill(rule.Says, w), 2000)
		s.planFor(at, a.request.ID, q.by, q, clip(fill(rule.Says, w), 1000))
		return
	}
	if !s.incident.open && q.kind != message.KindAdopt { // an adoption that waits for nobody opens none either
		s.incident.begin(s.group, s.incident.record.N+1, clip(fill(rule.Says, w), 1000), at.Wall)
		s.writeIncident(at)
	}
	a.sentence = clip("accepted, epoch "+epoch(s.chain.epoch()+1)+": "+fill(rule.Says, w), 2000)
	s.command(at, q, &rule.Rule, w, a.aside)
}

func (s *State) askedReject(at Time, a *ask, q question, rule *requestRule) {
	r := a.request
	w := words{"by": r.Actor, "what": q.approval.Sentence, "reason": because(r.Reason)}
	a.sentence = clip("accepted: "+fill(rule.Says, w), 2000)
	s.propose(at, &message.Approval{
		ID: s.group + ".approval." + hash(s.decider, epoch(s.chain.seq), r.ID), Group: s.group, State: message.ApprovalRejected, Of: r.Of,
		Sentence: clip(fill(rule.Says, w), 1000), Actor: r.Actor, Reason: r.Reason, Request: r.ID, Decider: s.decider, At: at.Wall,
	})
}

// approving is the question of an approval: that of the request which waits, with the plan that was shown.
func (s *State) approving(at Time, a *ask, rule *requestRule) question {
	q := question{who: rule.who, request: a.request, stored: a.stored, by: a.request.Actor}
	w := s.waits(at, a.request.Of)
	if w == nil {
		return q
	}
	q.approval = w
	if rule.who != approveAsked {
		return q
	}
	of := s.requestRule(w.Waits)
	q = s.asking(at, &ask{request: w.Waits, stored: a.stored}, of)
	q.who, q.approval, q.by = of.who|approveAsked, w, a.request.Actor
	return q
}

// approvalStatus shows what waits.
func (s *State) approvalStatus(w *waiting, state, by string) *message.ApprovalStatus {
	r := w.Waits
	return &message.ApprovalStatus{
		Request: w.Of, State: state, Verb: r.Verb, From: w.From, Target: w.To, Actor: r.Actor, Via: r.Via, Reason: r.Reason, PlanHash: r.PlanHash,
		Sentence: w.Sentence, Since: w.at.stream, Until: w.at.stream + w.For.Std().Microseconds(), By: by,
	}
}

// approvals are the swaps that wait now.
func (s *State) approvals(at Time) []message.ApprovalStatus {
	var out []message.ApprovalStatus
	for i := range s.chain.waiting {
		if w := &s.chain.waiting[i]; w.left(at) > 0 {
			out = append(out, *s.approvalStatus(w, message.ApprovalWaits, ""))
		}
	}
	return out
}

// tellApproval tells what an entry of the chain, just read, means for what waits; before are those that waited until then.
func (s *State) tellApproval(at Time, in ChainRead, before []waiting) {
	tell := func(w *waiting, state, by, sentence string, severity message.Severity) {
		s.tell(at, message.Event{
			ID: "approval." + s.group + "." + hash(w.Of) + "." + state, Kind: message.EventApproval, Severity: severity, Epoch: s.chain.epoch(), Member: w.From,
			Request: w.Of, Actor: w.Actor, Approval: s.approvalStatus(w, state, by), Code: codeSecond, Sentence: sentence,
		})
	}
	find := func(request string) *waiting {
		i := slices.IndexFunc(before, func(w waiting) bool { return w.Of == request })
		if i < 0 {
			return nil
		}
		return &before[i]
	}
	switch e := in.Entry.(type) {
	case *message.Command:
		if w := find(e.Request); w != nil && e.Request != "" {
			tell(w, message.ApprovalApproved, e.Approver, e.Approver+" approved: "+w.Sentence, message.Notice)
		}
	case *message.Planned:
		if w := find(e.Request); w != nil {
			tell(w, message.ApprovalApproved, e.Approver, e.Approver+" approved: "+w.Sentence, message.Notice)
		}
	case *message.Approval:
		if e.State == message.ApprovalRejected {
			if w := find(e.Of); w != nil {
				tell(w, message.ApprovalRejected, e.Actor, e.Sentence, message.Notice)
			}
			return
		}
		if w := s.waits(at, e.Of); w != nil {
			tell(w, message.ApprovalWaits, "", e.Sentence+"; that waits for a second person for "+span(w.left(at))+
				": ham approve "+s.group+" "+w.Of+", or ham reject "+s.group+" "+w.Of, message.Warning)
		}
	}
}

// tellExpired tells, once, that nobody approved in time.
func (s *State) tellExpired(at Time) {
	for i := 0; i < len(s.chain.waiting); i++ {
		w := &s.chain.waiting[i]
		if w.left(at) > 0 {
			continue
		}
		if at.since(w.at)-w.For.Std() < retellLimit {
			s.tell(at, message.Event{
				ID: "approval." + s.group + "." + hash(w.Of) + "." + message.ApprovalExpired, Kind: message.EventApproval, Severity: message.Warning,
				Epoch: s.chain.epoch(), Member: w.From, Request: w.Of, Actor: w.Actor, Code: codeSecond,
				Approval: s.approvalStatus(w, message.ApprovalExpired, ""), Sentence: "nobody approved it within " + span(w.For.Std()) + ", so it does not happen: " + w.Sentence,
			})
		}
		s.chain.settle(w.Of)
		i--
	}
}

// --- the rows of the table

func nothingWaits(_ *State, _ Time, q question) words {
	if q.approval != nil || q.request == nil {
		return nil
	}
	return words{"request": q.request.Of, "verb": string(q.request.Verb)}
}

func sameActor(_ *State, _ Time, q question) words {
	if q.approval == nil || !samePerson(q.approval.Waits.Actor, q.by) {
		return nil
	}
	return words{"by": q.by, "asker": q.approval.Waits.Actor, "request": q.approval.Of}
}

// samePerson says whether two names may be one person's, as different faces write it: Ana_Silva, ana-silva. Taking two persons for one costs
// another approval; taking one for two is what the rule is there against.
func samePerson(a, b string) bool {
	plain := strings.NewReplacer("-", "", "_", "")
	return strings.EqualFold(plain.Replace(a), plain.Replace(b))
}

// nobodyKnown: who is not told from others can be no first person and no second one.
func nobodyKnown(s *State, _ Time, q question) words {
	if !s.wantsTwo(q) {
		return nil
	}
	for _, name := range []string{q.request.Actor, q.by} {
		if name == message.ActorAnonymous || name == message.ActorLoopback {
			return words{"who": name}
		}
	}
	return nil
}

// staysForTwo: what was approved is a drill, which moves nothing for good.
func staysForTwo(s *State, _ Time, _ question) words {
	if s.spec == nil || !s.spec.Policy.TwoPerson || !s.drill.running() {
		return nil
	}
	return words{"group": s.group, "drill": s.drill.ID, "home": s.drill.Home}
}

// never: it is told as an outcome, not asked about.
func notAsked(*State, Time, question) words { return nil }
