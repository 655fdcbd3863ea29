package core

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// A swap that took effect goes no further without a person, or without an executor that is gone, and meanwhile its new primary dies. Nobody waits for an
// answer then: a failover follows, to the earlier primary or to another standby, with every refusal that a failover has. What the swap left half way at
// the earlier primary keeps that one from it. The table of every point of a plan stands in DESIGN.md.

// standstill is where a swap that took effect stands, and since when.
type standstill struct {
	step     string // that waits for a person; "": no executor goes on
	approval bool   // it waits to be approved
	since    moment
}

// standsStill says that the newest swap took effect and goes no further by itself; nil: it is on its way, over, or not held yet.
func (s *State) standsStill(at Time) *standstill {
	c := s.chain.command
	if c == nil || !s.chain.held || !s.underWay() || c.Kind != message.KindFailover && c.Kind != message.KindSwitchover {
		return nil
	}
	newest, patience := s.chain.heldAt, resumePatience
	later := func(m moment) {
		if m.stream > newest.stream {
			newest = m
		}
	}
	if later(s.run.at); s.chain.mark != nil {
		later(s.chain.marked) // executors begin nothing while it is paused
	}
	for _, t := range s.run.steps {
		switch t.state {
		case message.StatePaused, message.StateWaiting:
			return &standstill{t.name, t.state == message.StateWaiting, t.at}
		case message.StateStarted:
			patience = max(patience, resumePatience+s.mayTake(t.name))
		}
		later(t.at)
	}
	if at.since(newest) < patience {
		return nil
	}
	return &standstill{since: newest}
}

// mayTake is how long an attempt of a step of the newest command may take, with the wait before it.
func (s *State) mayTake(step string) time.Duration {
	for i := range s.chain.command.Plan.Steps {
		if p := &s.chain.command.Plan.Steps[i]; p.Name == step {
			return p.Timeout.Std() + p.Backoff.Std()
		}
	}
	return 0
}

// --- the rows of the tables

// stranded: a swap that took effect goes no further, and its primary is down.
func stranded(s *State, at Time) words {
	still, m := s.standsStill(at), s.primaryIs(message.VerdictDown)
	if still == nil || m == nil {
		return nil
	}
	return words{"from": m.name, "to": s.candidate(at, m.name), "down": m.sentence(at), "what": s.what(s.chain.command), "stands": still.words()}
}

func (p *standstill) words() string {
	if p.step == "" {
		return "went no further"
	}
	return "waited for a person at step " + p.step
}

// giveUpSwap fails over from a swap that goes no further. A person who is just answering has a moment for it; that nobody takes over is told at once.
func (s *State) giveUpSwap(at Time, r *situationRule, w words) {
	q := question{who: itself, kind: message.KindFailover, from: w["from"], to: w["to"]}
	if at.since(s.standsStill(at).since) < resumePatience && len(s.refusing(at, q)) == 0 {
		return
	}
	s.failover(at, r, w)
}

// strandedWords tell a person what waits, and what to type where the reasons do not say so, as further sentences; "": nothing is stranded.
func (s *State) strandedWords(at Time, reasons []message.Reason) string {
	if stranded(s, at) == nil {
		return ""
	}
	still, w := s.standsStill(at), words{"group": s.group, "from": s.chain.primary(), "what": s.what(s.chain.command)}
	w["step"] = still.step
	says := "; the {what} goes no further, because nobody runs its next step"
	switch {
	case still.approval:
		says = "; the {what} waits for a person at step {step}: ham approve {group}, or ham reject {group}"
	case still.step != "":
		says = "; the {what} waits for a person at step {step}: ham retry {group} once {from} is back"
	}
	switch {
	case s.durability() == message.NeverLose:
		says += "; bring {from} back: nobody else has all that it acknowledged"
	case !slices.ContainsFunc(reasons, func(r message.Reason) bool { return strings.Contains(r.Sentence, "ham failover") }) && s.couldAsk(at):
		says += "; to move the role by hand say ham failover {group}"
	}
	return fill(says, w)
}

// couldAsk says that nothing would refuse a failover which a person asks for.
func (s *State) couldAsk(at Time) bool {
	q := question{who: swapAsked, kind: message.KindFailover, from: s.chain.primary(), request: &message.Request{Verb: message.VerbFailover, Actor: "somebody"}}
	q.to = s.candidate(at, q.from)
	return len(s.refusals(at, q)) == 0
}

// passes says whether a failover need not wait for the swap under way: that goes no further, and its primary is down, or would be.
func (s *State) passes(at Time, q question) bool {
	return q.kind == message.KindFailover && (q.died || s.primaryIs(message.VerdictDown) != nil) && s.standsStill(at) != nil
}

// leftHalfWay: the swap under way has begun to change its earlier primary, and what it began there is neither done nor undone by a failover to it. What
// ham does itself it looks at before it does it again; of the operator's own commands nobody knows what they left.
func leftHalfWay(s *State, _ Time, q question) words {
	for _, h := range s.chain.half {
		if h.swap.From == q.to {
			return words{"to": q.to, "what": s.what(h.swap), "step": h.step, "state": "then it was given up"}
		}
	}
	c := s.chain.command
	if c == nil || s.spec == nil || !s.chain.held || !s.underWay() || q.to != c.From || c.Kind != message.KindFailover && c.Kind != message.KindSwitchover {
		return nil
	}
	for _, t := range s.run.steps {
		i := slices.IndexFunc(c.Plan.Steps, func(p message.Step) bool { return p.Name == t.name })
		if i < 0 || t.state == message.StateSkipped {
			continue
		}
		p, own := &c.Plan.Steps[i], false
		switch p.Driver {
		case "exec", "http":
			own = true
		case "wait", "assert", message.DriverApprove: // they change nothing
			continue
		}
		switch there := p.On == "old"; {
		case own && there, own && p.On != "new" && !s.againInFailover(p.Name), there && t.state != message.StateDone:
			return words{"to": q.to, "what": s.what(c), "step": p.Name, "state": string(t.state)}
		}
	}
	return nil
}

// gaveUp remembers the swap that e gives up for another standby, where steps of the operator's own may have changed its earlier primary. The chain does not
// say which of them were begun: all count, for what was begun is forgotten with the next command, and by a decider that starts anew.
func (c *chain) gaveUp(e *message.Command) {
	old := c.command
	if e.Rule != ruleStranded || old == nil || old.From == e.Primary {
		return
	}
	if p := touches(old, e); p != nil {
		c.half = remember(c.half, givenUp{old, p.Name})
	}
}

// givenUp is a swap, with the first step by which it may have left its earlier primary half way.
type givenUp struct {
	swap *message.Command
	step string
}

// looked: the member acts as primary, or a person has put it back from maintenance.
func (c *chain) looked(member string) {
	c.half = slices.DeleteFunc(slices.Clone(c.half), func(h givenUp) bool { return h.swap.From == member })
}

// touches is a step of the operator's own by which the swap may have changed its earlier primary, and that the failover from it does not do again; nil: none.
func touches(old, failover *message.Command) *message.Step {
	for i := range old.Plan.Steps {
		p := &old.Plan.Steps[i]
		again := slices.ContainsFunc(failover.Plan.Steps, func(f message.Step) bool { return f.Name == p.Name })
		if own := p.Driver == "exec" || p.Driver == "http"; own && (p.On == "old" || p.On != "new" && !again) {
			return p
		}
	}
	return nil
}

// againInFailover says that a step of the operator's own is part of a failover too, which does it again for its new primary.
func (s *State) againInFailover(step string) bool {
	return slices.ContainsFunc(s.spec.Steps, func(own spec.Step) bool { return own.Name == step && own.When != spec.WhenGraceful })
}

// afterAbort is what follows where the primary that stays after an abort is down, as a further sentence; "": it is not.
func (s *State) afterAbort(at Time) string {
	m := s.member(s.back())
	if m == nil || m.verdict != message.VerdictDown {
		return ""
	}
	q := question{who: itself, kind: message.KindFailover, from: m.name, to: s.candidate(at, m.name), told: true}
	reasons := slices.DeleteFunc(s.refusing(at, q), func(r message.Reason) bool { return r.Code == codeUnderWay || r.Code == codeNotHeld })
	if len(reasons) > 0 {
		return "; " + m.nobody() + clip(sentences(reasons), 600)
	}
	return "; " + m.name + " is down, and " + q.to + " takes over from it next"
}
