package core

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// compose builds the command of epoch+1 that a question leads to.
func (s *State) compose(at Time, q question, rule *Rule, w words, aside []message.Reason) (*message.Command, error) {
	plan, err := s.plan(q)
	if err != nil {
		return nil, err
	}
	c := &message.Command{
		Group: s.group, Epoch: s.chain.epoch() + 1, Kind: q.kind, Primary: q.to, From: q.from, Members: s.membersOf(q),
		Rule: rule.Code, Sentence: clip(fill(rule.Says, w), 1000), Reasons: aside, Incident: s.incident.id(s.group),
		Plan: plan, SpecRevision: s.spec.Revision, Decider: s.decider, At: at.Wall,
		Positions: map[string]uint64{"commands": s.chain.seq, "safety": s.run.seen, "heartbeats": s.hbSeq, "events": s.routeSeq},
	}
	c.Basis = s.basis(at, q)
	c.Lease, c.Remedy = s.leaseOf(q), q.remedy
	if q.drill != nil {
		d := *q.drill
		if d.ID == "" {
			d.ID = s.group + "-drill-" + epoch(c.Epoch)
		}
		c.Drill, c.Actor, c.Why = &d, d.Actor, d.Why
	}
	if q.kind == message.KindAdopt {
		c.From = ""
	}
	about := []string{q.from, q.to}
	switch {
	case q.remedy != nil:
		about = slices.Compact([]string{q.from, q.remedy.Member})
	case q.from == q.to:
		about = nil
	}
	for _, name := range about {
		if m := s.member(name); m != nil && len(c.Evidence) < 240 {
			c.Evidence = append(c.Evidence, m.views(at)...)
		}
	}
	if q.request != nil {
		c.Request, c.Actor, c.Why = q.request.ID, q.request.Actor, q.request.Reason
		if q.approval != nil {
			c.Approver = q.by
		}
		if p := s.planOf(q); p != nil { // by then nobody can ask the chain any more who that was
			c.Planner, c.Approver = p.Asks.Actor, p.Approver
		}
	} else if m := s.member(q.from); m != nil && q.who == itself {
		c.DetectMicros = max(0, (m.since - m.failingSince).Microseconds())
		c.DecideMicros = max(0, (at.Mono - m.since).Microseconds())
		if f := s.fencedNow(); f != nil { // it said so itself
			c.DetectMicros, c.DecideMicros = 0, max(0, (at.Mono-f.at.heard).Microseconds())
		}
	}
	// The place in the chain and the decider make it unique; the rest tells decisions for the same place apart.
	c.ID = s.group + "." + epoch(c.Epoch) + "." + hash(s.decider, epoch(s.chain.seq), string(q.kind), q.from, q.to, rule.Code, c.Request, strings.Join(c.Members, ","), c.Sentence)
	return c, nil
}

// basis is what replay needs beside what the streams hold.
func (s *State) basis(at Time, q question) *message.Basis {
	b := &message.Basis{Stream: max(0, at.Stream), RunningMicros: max(0, at.Mono.Microseconds()), WatchedMicros: max(0, (at.Mono - s.watchFrom).Microseconds())}
	for _, a := range s.asks {
		if q.request != nil && a.request.ID == q.request.ID {
			b.WaitedMicros = max(0, (at.Mono - a.since).Microseconds())
		}
	}
	for _, m := range s.members {
		for _, w := range slices.Concat(m.decides, m.readies, m.tells) {
			for _, v := range w.sights {
				if v.boot != "" && len(b.Looks) < message.MaxLooks {
					l := message.HeardLook{Member: m.name, Check: w.check.Name, Vantage: v.vantage, Boot: v.boot, Seq: v.seq,
						AgoMicros: max(0, (at.Mono - v.heardAt).Microseconds())}
					if v.class() == failing && v.markBoot == v.boot && !v.renewed {
						l.RowSeq, l.RowAgoMicros = v.markSeq, max(0, (at.Mono-v.failingSince).Microseconds())
					}
					b.Looks = append(b.Looks, l)
				}
			}
		}
	}
	b.Steady = map[string]int64{}
	for _, m := range s.members {
		if m.verdict == message.VerdictUp && m.steady && len(b.Steady) < 64 {
			b.Steady[m.name] = max(0, (at.Mono - m.steadySince).Microseconds())
		}
	}
	b.Heard = map[string]int64{}
	if s.chainHeard != never {
		b.Heard["commands"] = max(0, (at.Mono - s.chainHeard).Microseconds())
	}
	if s.safetyHeard != never {
		b.Heard["safety"] = max(0, (at.Mono - s.safetyHeard).Microseconds())
	}
	if s.executorsTold {
		b.Executors = make(map[string]int64, len(s.executors))
		for name, heard := range s.executors {
			b.Executors[name] = max(0, (at.Mono - heard).Microseconds())
		}
	}
	return b
}

// command proposes the command that a question leads to.
func (s *State) command(at Time, q question, rule *Rule, w words, aside []message.Reason) {
	w["group"] = s.group
	c, err := s.compose(at, q, rule, w, aside)
	if err != nil {
		s.tell(at, message.Event{
			Kind: message.EventRefused, Severity: message.Critical, Code: rule.Code, Epoch: s.chain.epoch(),
			Sentence: "no plan can be made: " + clip(err.Error(), 800),
		}, "plan", epoch(s.chain.seq), err.Error())
		s.proposeAfter = at.Mono + time.Minute
		return
	}
	s.propose(at, c)
}

// shadow records what would have been done. It is the same message whichever decider writes it, and is written once an incident.
func (s *State) shadow(at Time, q question, rule *Rule, w words, aside []message.Reason) (id string) {
	w["group"] = s.group
	cause := s.incident.id(s.group)
	if q.request != nil {
		cause = q.request.ID
	} else if s.incident.shadowed {
		return ""
	}
	c, err := s.compose(at, q, rule, w, aside)
	if err != nil {
		return "" // see command; the question was the same a moment ago
	}
	c.ID = "shadow." + s.group + "." + hash(cause, epoch(c.Epoch), string(q.kind), q.from, q.to)
	c.DryRun = true
	if q.request == nil {
		s.incident.shadowed = true
	}
	s.tell(at, message.Event{
		ID: c.ID, Kind: message.EventShadow, Severity: message.Critical, Epoch: c.Epoch, Member: q.from, Code: rule.Code, DryRun: true,
		Command: c, Request: c.Request, Actor: c.Actor, Reasons: aside,
		Sentence: "dry run: nothing was done; for real, epoch " + epoch(c.Epoch) + " would be decided now: " + c.Sentence,
	})
	return c.ID
}

// membersOf are the members of the new epoch.
func (s *State) membersOf(q question) []string {
	if q.terms != nil || s.leaseOf(q) != nil {
		return s.promotableSet(q)
	}
	switch q.kind {
	case message.KindAdopt, message.KindReconfigure:
		return s.spec.MemberNames()
	case message.KindResume:
		if !slices.Contains(s.chain.command.Members, q.to) {
			return s.chain.last.Members
		}
	}
	return s.chain.command.Members
}

// plan compiles what a swap would do. A resume has no steps where nothing was changed that it would put right: in dry run, and where its swap was unbegun.
func (s *State) plan(q question) (message.Plan, error) {
	predicted, _ := s.predict(q.kind)
	swap := spec.Swap{Kind: q.kind, From: q.from, To: q.to, Remedy: q.remedy, Observations: s.observations(q), PredictedRTO: predicted}
	if q.kind == message.KindAdopt {
		swap.From = ""
	}
	if q.kind == message.KindResume && (s.chain.held && !s.mustAct() || s.dryRun() || s.chain.command.Remedy != nil || s.unbegun()) {
		swap.Kind = message.KindReconfigure
	}
	return spec.Compile(s.spec, swap)
}

// unbegun says that a swap without a lease comes to its end at its looks: one of them ended it, or its primary is down. Nothing was changed, and a
// resume that looked whether its primary answers would keep a failover away for as long as that one is down.
func (s *State) unbegun() bool {
	m := s.member(s.back())
	return s.looksOnly() && (s.run.state == message.StateEnded || m != nil && m.verdict == message.VerdictDown)
}

// looksOnly says that nothing was changed yet: the newest command has no lease, is not held, and no step of it was begun but looks.
func (s *State) looksOnly() bool {
	c := s.chain.command
	return c.Lease == nil && !s.chain.held && !slices.ContainsFunc(c.Plan.Steps, func(p message.Step) bool {
		return p.Phase != message.PhaseLook && slices.ContainsFunc(s.run.steps, func(t stepRun) bool { return t.name == p.Name })
	})
}

// mustAct says that the primary of a leased group does not act although it has held: it was fenced since, or was never promoted.
func (s *State) mustAct() bool {
	if s.chain.command.Lease == nil {
		return false
	}
	promoted := slices.ContainsFunc(s.run.steps, func(t stepRun) bool { return t.name == spec.StepPromote && t.state == message.StateDone })
	return s.fencedNow() != nil || !promoted
}

// observations are the facts that a plan rests on, in words that change only when they do.
func (s *State) observations(q question) []string {
	out := []string{
		"epoch " + epoch(s.chain.epoch()) + ", primary " + s.chain.primary(),
		"spec revision " + epoch(s.spec.Revision) + ", mode " + string(s.spec.Mode),
	}
	for _, name := range []string{q.from, q.to} {
		if m := s.member(name); m != nil {
			out = append(out, name+" is "+string(m.verdict))
		}
	}
	for _, r := range s.routes {
		if r.counts(s) {
			out = append(out, "route "+r.seen.Route+" on "+r.seen.Proxy+" serves "+strings.Join(r.seen.Serves, ","))
		}
	}
	return out
}

// hash makes a short, stable name of what distinguishes one thing from another.
func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}
