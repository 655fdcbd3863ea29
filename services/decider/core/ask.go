package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// ask is a request that waits for its outcome.
type ask struct {
	request *message.Request
	stored  int64
	since   time.Duration
	// step is the one that an instruction is on its way for; "" otherwise.
	step     string
	sentence string // of the outcome, once what it led to was read back
	aside    []message.Reason
	code     string // of the rule that led to it, which another reading of the chain may not
}

// ask queues a request behind those that came before it. One that is here already is not taken twice.
func (s *State) ask(at Time, in RequestReceived) {
	for _, a := range s.asks {
		if a.request.ID == in.Request.ID {
			return
		}
	}
	s.asks = append(s.asks, &ask{request: in.Request, stored: in.Stored, since: at.Mono})
}

// serve works on the requests in their order, as far as nothing has to be waited for.
func (s *State) serve(at Time) {
	for len(s.asks) > 0 {
		a := s.asks[0]
		rule := s.requestRule(a.request)
		if o, done := s.done(a); done {
			s.answer(at, o, cmp.Or(a.code, rule.Code))
			continue
		}
		// While the bus is away nobody can tell what became of it: the chain says so when it is back.
		late := s.linked && at.Mono-a.since > answerLimit
		waits := s.proposal != nil || a.step != "" || at.Mono < s.proposeAfter || !s.linked ||
			rule.who&(swapAsked|drillAsked|drillBack|adoptAsked|approveAsked|drainAsked) != 0 && s.spec != nil && !s.judging(at) && s.interval() <= blindPatience
		if waits && !late {
			return
		}
		q := s.asking(at, a, rule)
		q.waited = waits && late
		stand, aside := override(s.refusals(at, q), q.request.Override)
		if len(stand) > 0 {
			s.refuseAsk(at, a, append(stand, s.others(at, q)...))
			continue
		}
		a.aside, a.code = aside, rule.Code
		if s.needsSecond(q) {
			s.askSecond(at, q, rule, s.words(a, q))
			return
		}
		n := len(s.asks)
		rule.act(s, at, a, q, rule)
		if len(s.asks) == n {
			return // it waits for what it led to
		}
	}
}

// ends is what a request is told apart by, beside its verb: one with a time plans it, unless the schedule sends it because the time has come.
func ends(r *message.Request) string {
	if r.End == "" && r.Due != 0 && r.Actor != message.ActorSchedule {
		return endLater
	}
	return r.End
}

func (s *State) requestRule(of *message.Request) *requestRule {
	verb, end := of.Verb, ends(of)
	switch {
	case s.ofStep(of):
		end = endStep
	case s.renews(of) && of.Of == "":
		end = endRenews
	case s.renews(of):
		end = endGoesOn
	}
	i := slices.IndexFunc(requestRules, func(r requestRule) bool { return r.verb == verb && r.end == end })
	if i < 0 {
		return &otherRequest
	}
	return &requestRules[i]
}

// done says what the request has led to, if that was read: in the chain, or as an outcome of an earlier delivery.
func (s *State) done(a *ask) (*message.Outcome, bool) {
	if o, ok := s.Outcome(a.request.ID); ok {
		return o, true
	}
	led, ok := s.chain.of(a.request.ID)
	if !ok && a.request.Verb == message.VerbApprove && a.request.Of != "" { // what it leads to is the command of the request that waited
		led, ok = s.chain.of(a.request.Of)
		ok = ok && led.approved
	}
	if !ok {
		return nil, false
	}
	if led.approval != nil {
		return s.waitsOutcome(a, led.approval), true
	}
	o := s.outcome(a)
	o.Accepted, o.Epoch, o.Command = true, led.epoch, led.command
	o.Sentence = a.sentence
	if o.Sentence == "" { // another decider, or this one before a restart, had asked for it
		o.Sentence = "accepted: " + string(a.request.Verb) + " of " + s.group + ", epoch " + epoch(led.epoch)
	}
	return o, true
}

// Outcome is what became of a request, where it is known: one of the last few hundred.
func (s *State) Outcome(request string) (*message.Outcome, bool) {
	i := slices.IndexFunc(s.outcomes, func(o *message.Outcome) bool { return o.Request == request })
	if i < 0 {
		return nil, false
	}
	return s.outcomes[i], true
}

// asking is the question that a request puts.
func (s *State) asking(at Time, a *ask, rule *requestRule) question {
	if rule.who&(approveAsked|rejectAsked) != 0 {
		return s.approving(at, a, rule)
	}
	q := question{who: rule.who, from: s.chain.primary(), to: a.request.Target, request: a.request, stored: a.stored, step: a.request.Step}
	switch a.request.Verb {
	case message.VerbFailover:
		q.kind = message.KindFailover
	case message.VerbSwitchover, message.VerbFailback:
		q.kind = message.KindSwitchover
	case message.VerbAdopt:
		q.kind = message.KindAdopt
	}
	switch rule.who {
	case drillAsked:
		q.kind, q.drill = message.KindSwitchover, drillOf(a.request, q.from)
	case drillBack:
		q.kind, q.to = message.KindSwitchover, ""
		if s.drill.running() {
			back := s.wayBack()
			q.to, q.drill = back.to, back.drill
		}
		return q
	case drillEnds, cancelAsked, drainAsked, undrainAsked, renewAsked, goOnAsked:
		return q
	case planAsked:
		q.kind = ""                                 // no plan is made before it is due
		if a.request.Verb != message.VerbFailback { // the decider chooses when it is due
			return q
		}
	}
	if s.spec == nil || q.to != "" {
		return q
	}
	switch a.request.Verb {
	case message.VerbFailover, message.VerbSwitchover, message.VerbDrill:
		q.to = s.candidate(at, q.from)
	case message.VerbFailback:
		if last := s.chain.lastSwap(toUndo); last != nil && last.to == q.from {
			q.to = last.from
		}
	case message.VerbAdopt:
		q.to = s.observed()
		if q.to == "" && s.chain.command == nil {
			q.to = s.declared()
		}
	}
	return q
}

func (s *State) words(a *ask, q question) words {
	w := words{"group": s.group, "actor": a.request.Actor, "from": q.from, "to": q.to, "reason": because(a.request.Reason), "verb": string(a.request.Verb)}
	if q.drill != nil {
		w["hold"] = span(q.drill.Hold.Std())
	}
	w["lasts"] = forHowLong(a.request.For.Std())
	s.planWords(a.request, w)
	return w
}

func (s *State) askedSwap(at Time, a *ask, q question, rule *requestRule) {
	w := s.words(a, q)
	if !s.incident.open {
		s.incident.begin(s.group, s.incident.record.N+1, clip(fill(rule.Says, w), 1000), at.Wall)
		s.writeIncident(at)
	}
	if s.dryRun() {
		id := s.shadow(at, q, &rule.Rule, w, a.aside)
		o := s.outcome(a)
		o.Accepted, o.DryRun, o.Epoch, o.Command = true, true, s.chain.epoch()+1, id
		o.Sentence = "accepted as a dry run, nothing is applied: " + fill(rule.Says, w)
		s.answer(at, o, rule.Code)
		return
	}
	a.sentence = "accepted, epoch " + epoch(s.chain.epoch()+1) + ": " + fill(rule.Says, w)
	s.command(at, q, &rule.Rule, w, a.aside)
}

func (s *State) askedAdopt(at Time, a *ask, q question, rule *requestRule) {
	w := s.words(a, q)
	a.sentence = "accepted, epoch " + epoch(s.chain.epoch()+1) + ": " + fill(rule.Says, w)
	s.command(at, q, &rule.Rule, w, a.aside)
}

func (s *State) askedAbort(at Time, a *ask, q question, rule *requestRule) {
	w := s.words(a, q)
	c := s.chain.command
	w["what"], w["back"], w["then"] = s.what(c), s.back(), s.afterAbort(at)
	q.kind, q.from, q.to = message.KindResume, c.Primary, s.back()
	a.sentence = "accepted, epoch " + epoch(s.chain.epoch()+1) + ": " + fill(rule.Says, w)
	s.command(at, q, &rule.Rule, w, nil)
}

func (s *State) askedMark(at Time, a *ask, q question, rule *requestRule) {
	r := a.request
	w := s.words(a, q)
	w["until"] = lasting(r.For.Std())
	a.sentence = "accepted: " + fill(rule.Says, w)
	s.propose(at, &message.Mark{
		ID: s.group + ".mark." + hash(s.decider, epoch(s.chain.seq), r.ID), Group: s.group, Paused: r.Verb == message.VerbPause, For: r.For,
		Actor: r.Actor, Reason: r.Reason, Request: r.ID, Decider: s.decider, At: at.Wall,
	})
}

func (s *State) askedStep(at Time, a *ask, q question, rule *requestRule) {
	waits, _ := s.run.paused(q.step)
	w := s.words(a, q)
	w["step"] = waits.name
	a.step, a.sentence = waits.name, "accepted: "+fill(rule.Says, w)
	r := a.request
	s.emit(Instruct{&message.Instruction{
		ID: s.group + "." + epoch(s.chain.epoch()) + "." + hash(waits.name, epoch(uint64(waits.attempt)), r.ID), Group: s.group,
		Epoch: s.chain.epoch(), Step: waits.name, Attempt: waits.attempt, Verb: r.Verb, Actor: r.Actor, Reason: r.Reason, Request: r.ID,
		Decider: s.decider, At: at.Wall,
	}})
}

// instructed finishes the request that led to an instruction, once that was read back.
func (s *State) instructed(at Time, m *message.Instruction) {
	for _, a := range s.asks {
		if a.request.ID != m.Request {
			continue
		}
		o := s.outcome(a)
		o.Accepted, o.Epoch = true, m.Epoch
		if m.Verb == message.VerbApprove && m.Epoch == s.chain.epoch() {
			o.Command = s.chain.command.ID // which goes on
		}
		o.Sentence = a.sentence
		if o.Sentence == "" {
			o.Sentence = "accepted: " + string(m.Verb) + " of step " + m.Step
		}
		s.answer(at, o, s.requestRule(a.request).Code)
		return
	}
}

// askedNote writes it down: with the incident it is about, also when that is long over.
func (s *State) askedNote(at Time, a *ask, q question, rule *requestRule) {
	r, w := a.request, s.words(a, q)
	w["text"] = r.Reason
	e := message.Event{
		ID: "note." + r.ID, Kind: message.EventNote, Severity: message.Info, Epoch: s.chain.epoch(), Code: rule.Code,
		Sentence: fill(rule.Says, w), Request: r.ID, Actor: r.Actor,
	}
	e.Incident, _ = message.NoteOf(r.Of)
	switch r.Item {
	case message.ItemTodo:
		e.Item = &message.Item{ID: message.ItemID(e.Incident, r.ID), State: r.Item, Text: r.Reason}
		e.Sentence = fill("{actor} notes what is to be done: {text}", w)
	case message.ItemDone:
		e.Item = &message.Item{ID: r.Of, State: r.Item, Text: r.Reason}
		e.Sentence = fill("{actor} notes what is done: {text}", w)
	}
	s.tell(at, e)
	o := s.outcome(a)
	o.Accepted, o.Sentence = true, "accepted: written down"
	s.answer(at, o, rule.Code)
}

func (s *State) outcome(a *ask) *message.Outcome {
	return &message.Outcome{Request: a.request.ID, Group: s.group, Verb: a.request.Verb, Epoch: s.chain.epoch(), Incident: s.incident.id(s.group)}
}

func (s *State) refuseAsk(at Time, a *ask, reasons []message.Reason) {
	o := s.outcome(a)
	o.Reasons = reasons
	o.Sentence = "refused: " + sentences(reasons)
	s.answer(at, o, "")
}

// answer hands the outcome out and remembers it, so that the same request is never worked on twice.
func (s *State) answer(at Time, o *message.Outcome, code string) {
	var actor, via, from string
	var plan *message.Planned
	s.asks = slices.DeleteFunc(s.asks, func(a *ask) bool {
		if a.request.ID == o.Request {
			actor, via, from = a.request.Actor, a.request.Via, a.request.From
			if a.request.Actor == message.ActorSchedule && s.asPlanned(a.request) {
				plan = s.plannedAs(a.request.Of)
			}
			return true
		}
		return false
	})
	if _, known := s.Outcome(o.Request); !known {
		s.outcomes = remember(s.outcomes, o)
	}
	severity, sentence := message.Info, o.Sentence
	if !o.Accepted {
		severity = message.Notice
		if plan != nil {
			s.tellPlanRefused(at, plan, o)
		}
		sentence = actor + " asked for " + string(o.Verb) + " of " + s.group + ": " + o.Sentence
		if len(o.Reasons) > 0 {
			code = o.Reasons[0].Code
		}
	}
	s.emit(Answer{s.event(at, message.Event{
		ID: o.MessageID(), Kind: message.EventOutcome, Severity: severity, Epoch: o.Epoch, Code: code, Reasons: o.Reasons,
		Incident: o.Incident, Sentence: sentence,
		Request: o.Request, Actor: actor, Via: via, From: from, DryRun: o.DryRun, Outcome: o,
	})})
}
