package core

import (
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// preview is a plan that was shown.
type preview struct {
	hash         string
	observations []string
}

// Preview says what the request would lead to if it came now: the plan with its hash, the refusals, the predicted recovery
// time, the way back. It remembers what the plan rests on, so that a later request with its hash can be told what has changed;
// it changes nothing else.
func (s *State) Preview(at Time, r *message.Request) *message.Preview {
	rule := s.requestRule(r)
	q := s.asking(at, &ask{request: r}, rule)
	reasons := s.refusals(at, q)
	stand, aside := override(reasons, q.request.Override)
	p := &message.Preview{
		Group: s.group, Verb: r.Verb, From: q.from, To: q.to, Epoch: s.chain.epoch() + 1, DryRun: s.dryRun() && (s.pool() || rule.who&(drainAsked|undrainAsked) == 0),
		Accepted: len(stand) == 0, Reasons: reasons,
	}
	w := s.words(&ask{request: r}, q)
	w["until"], w["text"], w["step"] = lasting(r.For.Std()), r.Reason, q.step
	if waits, ok := s.run.paused(q.step); ok {
		w["step"] = waits.name
	}
	if c := s.chain.command; c != nil && rule.who == abortAsked {
		w["what"], w["back"], w["then"] = s.what(c), s.back(), s.afterAbort(at)
	}
	if q.approval != nil {
		w["by"], w["what"] = r.Actor, q.approval.Sentence
	}
	if t, step, ok := s.waitingStep(r.Of); ok && rule.who == stepJudged { // its plan is under way
		command := s.chain.command
		of := s.stepApprovalWords(t, step)
		w["step"], w["what"], w["ask"] = of["step"], of["what"], of["ask"]
		p.From, p.To, p.Epoch, p.Plan = command.From, command.Primary, command.Epoch, &command.Plan
	}
	switch {
	case !p.Accepted:
		p.Sentence = clip("refused: "+sentences(stand), 2000)
	case p.DryRun && rule.who&(anySwap|drainAsked|undrainAsked) != 0:
		p.Sentence = "as a dry run, nothing would be applied: " + fill(rule.Says, w)
	default:
		p.Sentence = fill(rule.Says, w)
	}
	if p.Accepted && s.needsSecond(q) {
		p.Sentence = clip(p.Sentence+"; it waits for a second person then, for "+span(message.ApprovalPatience.Std()), 2000)
	}
	if len(aside) > 0 {
		p.Sentence = clip(p.Sentence+"; set aside: "+codes(aside), 2000)
	}
	if q.who&anySwap == 0 || s.member(q.from) == nil || s.member(q.to) == nil {
		return p
	}
	plan, err := s.plan(q)
	if err != nil {
		return p // a mistake in the program, told when it is pressed
	}
	p.Plan = &plan
	p.WayBack = "ham failback " + s.group + " moves it back to " + q.from + " once that has been up for " + span(s.spec.Policy.StableFor)
	switch {
	case q.who&drillAsked != 0:
		p.WayBack = "it goes back to " + q.from + " by itself " + span(q.drill.Hold.Std()) + " after " + q.to + " is primary; at once with ham drill " + s.group + " --back"
	case q.who&drillBack != 0:
		p.WayBack = ""
	}
	if i := slices.IndexFunc(s.previews, func(k preview) bool { return k.hash == plan.Hash }); i < 0 {
		s.previews = remember(s.previews, preview{plan.Hash, s.observations(q)})
	}
	return p
}

// changes says what differs from the plan that was shown, or, where another decider showed it, what holds now.
func (s *State) changes(shown string, q question) string {
	now := s.observations(q)
	i := slices.IndexFunc(s.previews, func(k preview) bool { return k.hash == shown })
	if i < 0 {
		return "it rests now on: " + clip(strings.Join(now, "; "), 600) + "; look at it again with ham plan " + s.group
	}
	var out []string
	for _, o := range now {
		if !slices.Contains(s.previews[i].observations, o) {
			out = append(out, "now "+o)
		}
	}
	for _, o := range s.previews[i].observations {
		if !slices.Contains(now, o) {
			out = append(out, "no longer "+o)
		}
	}
	if out == nil {
		return "it is asked for another target or another kind of swap"
	}
	return clip(strings.Join(out, "; "), 600) + "; look at it again with ham plan " + s.group
}
