package core

import (
	"cmp"
	"slices"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// An approval step of a swap waits for a person. Executors say that it waits; a decider lets a person's word through to them as an instruction, which
// is stored with what safety rests on. The step's place in its run is all the state there is.

// endStep stands in the table for what is said to an approval step.
const endStep = "@step"

// ofStep says whether the request is about an approval step, and not about a swap that waits for a second person.
func (s *State) ofStep(r *message.Request) bool {
	if r.Verb != message.VerbApprove && r.Verb != message.VerbReject {
		return false
	}
	return r.Of == "" || message.IsStepApproval(r.Of) && !slices.ContainsFunc(s.chain.waiting, func(w waiting) bool { return w.Of == r.Of })
}

// waitingStep is the approval step of the swap under way that waits under this id, "" for whichever does.
func (s *State) waitingStep(id string) (stepRun, *message.Step, bool) {
	c := s.chain.command
	if c == nil || !s.underWay() {
		return stepRun{}, nil, false
	}
	for _, t := range s.run.steps {
		if t.state != message.StateWaiting || id != "" && id != message.StepApproval(s.group, c.Epoch, t.name) {
			continue
		}
		for i := range c.Plan.Steps {
			if step := &c.Plan.Steps[i]; step.Name == t.name && step.Driver == message.DriverApprove {
				return t, step, true
			}
		}
	}
	return stepRun{}, nil, false
}

// askers are the persons who stand behind the swap under way: one of them alone approves no step of it where two are wanted.
func askers(c *message.Command) []string {
	var out []string
	for _, name := range []string{c.Actor, c.Planner} {
		if name != "" && name != message.ActorSchedule {
			out = append(out, name)
		}
	}
	return out
}

func (s *State) stepApprovalWords(t stepRun, step *message.Step) words {
	return words{"group": s.group, "step": t.name, "what": s.what(s.chain.command), "ask": clip(spec.ApprovalText(step), 400)}
}

func (s *State) askedStepApproval(at Time, a *ask, q question, rule *requestRule) {
	t, step, _ := s.waitingStep(a.request.Of)
	r, w := a.request, s.stepApprovalWords(t, step)
	w["actor"], w["reason"] = r.Actor, because(r.Reason)
	a.step, a.sentence = t.name, clip("accepted: "+fill(rule.Says, w), 2000)
	s.emit(Instruct{&message.Instruction{
		ID: s.group + "." + epoch(s.chain.epoch()) + "." + hash(t.name, epoch(uint64(t.attempt)), r.ID), Group: s.group,
		Epoch: s.chain.epoch(), Step: t.name, Attempt: t.attempt, Verb: r.Verb, Actor: r.Actor, Reason: r.Reason, Request: r.ID,
		Decider: s.decider, At: at.Wall,
	}})
}

// stepApprovals are the approval steps that wait now.
func (s *State) stepApprovals() []message.ApprovalStatus {
	if t, step, ok := s.waitingStep(""); ok {
		return []message.ApprovalStatus{*s.stepApprovalStatus(t, step, message.ApprovalWaits)}
	}
	return nil
}

func (s *State) stepApprovalStatus(t stepRun, step *message.Step, state string) *message.ApprovalStatus {
	c := s.chain.command
	verb := message.VerbSwitchover
	switch {
	case c.Drill != nil:
		verb = message.VerbDrill
	case c.Kind == message.KindFailover:
		verb = message.VerbFailover
	}
	return &message.ApprovalStatus{
		Request: message.StepApproval(s.group, c.Epoch, t.name), State: state, Verb: verb, From: c.From, Target: c.Primary, Actor: cmp.Or(c.Actor, c.Decider),
		Reason: c.Why, PlanHash: c.Plan.Hash, Step: t.name, Since: t.at.stream, Until: t.at.stream + step.Timeout.Std().Microseconds(), By: t.by,
		Sentence: clip(fill("step {step} of the {what} asks: {ask}", s.stepApprovalWords(t, step)), 1000),
	}
}

// tellStepApproval tells that an approval step waits, and what became of it.
func (s *State) tellStepApproval(at Time, m *message.StepResult, in SafetyRead) {
	i := slices.IndexFunc(s.run.steps, func(t stepRun) bool { return t.name == m.Step })
	k := slices.IndexFunc(s.chain.command.Plan.Steps, func(p message.Step) bool { return p.Name == m.Step && p.Driver == message.DriverApprove })
	if i < 0 || k < 0 || at.since(moment{in.Stored, at.Mono}) >= retellLimit {
		return
	}
	t, step := s.run.steps[i], &s.chain.command.Plan.Steps[k]
	w := s.stepApprovalWords(t, step)
	e := message.Event{Kind: message.EventApproval, Severity: message.Notice, Epoch: s.chain.epoch(), Member: s.chain.command.From, Code: "R465"}
	state := message.ApprovalExpired
	switch {
	case m.State == message.StateWaiting:
		state, e.Severity = message.ApprovalWaits, message.Warning
		w["for"] = span(step.Timeout.Std())
		e.Sentence = fill("step {step} of the {what} waits for a person, for {for}: {ask}; ham approve {group}, or ham reject {group}", w)
	case m.State == message.StateDone && t.by != "":
		state, w["by"] = message.ApprovalApproved, t.by
		e.Sentence = fill("{by} approved step {step} of the {what}: {ask}", w)
	case m.State == message.StateFailed && t.by != "":
		state, w["by"] = message.ApprovalRejected, t.by
		e.Sentence = fill("{by} rejected step {step} of the {what}: {ask}", w)
	case m.State == message.StateFailed || m.State == message.StatePaused:
		e.Severity, w["for"] = message.Warning, span(step.Timeout.Std())
		e.Sentence = fill("nobody approved step {step} of the {what} within {for}: {ask}", w)
	default:
		return
	}
	e.Approval = s.stepApprovalStatus(t, step, state)
	e.Request = e.Approval.Request
	e.ID = "approval." + s.group + "." + hash(m.ID) + "." + state
	s.tell(at, e)
}

// stepAnswered takes in what a person said to an approval step.
func (s *State) stepAnswered(m *message.Instruction) {
	if m.Epoch != s.chain.epoch() || m.Verb != message.VerbApprove && m.Verb != message.VerbReject {
		return
	}
	for i := range s.run.steps {
		if t := &s.run.steps[i]; t.name == m.Step && t.attempt == m.Attempt && t.state == message.StateWaiting {
			t.by = m.Actor
		}
	}
}

// --- the rows of the tables

// waitsUseless: nobody is to wait for an approval while there is no primary: what was planned with both sides healthy is over.
func waitsUseless(s *State, _ Time) words {
	c := s.chain.command
	if c == nil || s.chain.held || s.chain.last == nil || c.Kind != message.KindSwitchover {
		return nil
	}
	t, _, ok := s.waitingStep("")
	if !ok && s.looksOnly() && s.underWay() { // a look waits for a person: there is nothing to decide on
		t, ok = s.run.paused("")
	}
	m := s.member(s.back())
	if !ok || m == nil || m.verdict != message.VerdictDown {
		return nil
	}
	return words{"what": s.what(c), "back": m.name, "step": t.name}
}

func noStepWaits(s *State, _ Time, q question) words {
	if _, _, ok := s.waitingStep(q.request.Of); ok {
		return nil
	}
	return yes()
}

// approvesOwn: where two persons are wanted, who asked for the swap approves no step of it.
func approvesOwn(s *State, _ Time, q question) words {
	t, _, ok := s.waitingStep(q.request.Of)
	if !ok || q.request.Verb != message.VerbApprove || s.spec == nil || !s.spec.Policy.TwoPerson {
		return nil
	}
	for _, name := range askers(s.chain.command) {
		if samePerson(name, q.request.Actor) {
			return words{"asker": name, "step": t.name}
		}
	}
	return nil
}

// noPerson: a step is approved by a person; where two are wanted, by one who is told from others.
func noPerson(s *State, _ Time, q question) words {
	who := q.request.Actor
	nobody := s.spec != nil && s.spec.Policy.TwoPerson && (who == message.ActorAnonymous || who == message.ActorLoopback)
	if q.request.Verb != message.VerbApprove || !nobody && who != message.ActorSchedule && q.request.Via != message.ViaSchedule {
		return nil
	}
	return words{"who": who}
}
