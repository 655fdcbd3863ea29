package core

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// Sentence is one that is always true of the group: who takes over if the primary died now, or why nobody does.
func (s *State) Sentence(at Time) string {
	from := s.chain.primary()
	m := s.member(from)
	rule, w := s.situation(at)
	switch {
	case s.spec == nil:
		return fill(rule.Says, w) + "."
	case s.pool():
		return s.poolSentence(at)
	case s.chain.command == nil:
		if reasons := s.refusals(at, s.adoptAs(adoption, s.declared())); len(reasons) > 0 {
			return "Nobody is primary of " + s.group + " yet, because " + sentences(reasons) + "."
		}
		return "Nobody is primary of " + s.group + " yet; " + s.declared() + " is about to be adopted."
	case s.fencedNow() != nil:
		return s.fencedSentence(at) + "."
	case m != nil && m.verdict == message.VerdictDown && s.ladder(at, m).busy():
		return s.mendingSentence(at, m) + "."
	case stranded(s, at) != nil:
		reasons := s.refusing(at, question{who: itself, kind: message.KindFailover, from: from, to: s.candidate(at, from), told: true})
		if len(reasons) == 0 {
			return from + " is " + string(m.verdict) + "; " + s.candidate(at, from) + " is taking over."
		}
		return m.nobody() + sentences(reasons) + s.strandedWords(at, reasons) + "."
	case s.underWay() && !s.giving(at):
		return "The " + fill("{what} is under way (epoch {epoch}{step})", s.underWayWords()) + s.runWords() + "."
	case m != nil && (m.verdict == message.VerdictDown || m.verdict == message.VerdictDisputed):
		reasons := s.refusing(at, question{who: itself, kind: message.KindFailover, from: from, to: s.candidate(at, from), told: true})
		if len(reasons) == 0 {
			return from + " is " + string(m.verdict) + "; " + s.candidate(at, from) + " is taking over."
		}
		return m.nobody() + sentences(reasons) + "."
	}
	reasons, to := s.ifDied(at)
	if len(reasons) > 0 {
		return "If " + from + " died now: nobody takes over, because " + sentences(reasons) + "."
	}
	first, mending := s.mendsFirst(at, from)
	if first != "" {
		first += "; if that does not help, "
	}
	return "If " + from + " died now: " + first + to + " takes over" + s.losing(at, from, to) + s.within(mending) + "."
}

// mendingSentence says that a primary is being mended, and what follows if that does not help.
func (s *State) mendingSentence(at Time, m *member) string {
	to := s.candidate(at, m.name)
	says := m.name + " is down and is being mended: " + s.ladder(at, m).sentence() + "; if that does not help, "
	reasons := slices.DeleteFunc(s.refusing(at, question{who: itself, kind: message.KindFailover, from: m.name, to: to, told: true}), func(r message.Reason) bool {
		return r.Code == codeUnderWay || r.Code == codeNotHeld // that is the mending
	})
	if len(reasons) > 0 {
		return says + "nobody takes over, because " + sentences(reasons)
	}
	return says + to + " takes over"
}

// nobody begins the sentence that ends in the reasons.
func (m *member) nobody() string {
	if m.verdict == message.VerdictDisputed {
		return "nobody takes over from " + m.name + ", because " // the first reason says the rest
	}
	return m.name + " is " + string(m.verdict) + " and nobody takes over, because "
}

func (s *State) runWords() string {
	if s.run.state == "" {
		return ", no executor has begun it"
	}
	return ", " + string(s.run.state) + " by " + s.run.executor
}

// ifDied is who would take over if the primary died now, or every reason why nobody would.
func (s *State) ifDied(at Time) (refusals []message.Reason, to string) {
	q := question{who: itself, kind: message.KindFailover, from: s.chain.primary(), died: true, told: true}
	q.to = s.candidate(at, q.from)
	return s.refusing(at, q), q.to
}

// within is how long it would take: until a quorum is sure, plus what is tried first, plus the swap as it was measured.
func (s *State) within(mending time.Duration) string {
	sure := s.detection()
	if c := s.chain.command; c.Lease != nil {
		sure = max(sure, leaseWait(c.Lease.TTL.Std())) // until then it may still act
	}
	took, n := s.predict(message.KindFailover)
	if n == 0 {
		return ", decided within " + span(sure+mending) + " even if it only falls silent; no failover was measured yet"
	}
	first := ""
	if mending > 0 {
		first = " and " + span(mending) + " to mend it first"
	}
	about := " within about "
	if s.durability() != "" {
		about = ", within about "
	}
	return about + span(sure+mending+took) + ", " + span(sure) + " of it to be sure if it only falls silent" + first + " (median of the last " + strconv.Itoa(n) + ")"
}

// detection is the longest time from death to verdict, by the quickest check that decides.
func (s *State) detection() time.Duration {
	var best time.Duration
	for _, c := range s.spec.Checks {
		if c.Effect != spec.EffectDown && c.Effect != "" {
			continue
		}
		if d := time.Duration(s.spec.Policy.Fall)*c.Every + c.Timeout; best == 0 || d < best {
			best = d
		}
	}
	return best
}

// WhyNot says, line by line, why the target would not become primary by itself now, and what rule holds at the moment.
func (s *State) WhyNot(at Time, target string) string {
	rule, w := s.situation(at)
	lines := []string{rule.Code + " " + fill(rule.Says, w)}
	if rule.act != nil {
		lines[0] = rule.Code + " " + rule.When + ": " + rule.Decides // it says what is decided, which others may refuse
	}
	if s.spec == nil || s.pool() {
		return lines[0]
	}
	from := s.chain.primary()
	m := s.member(from)
	died := m == nil || m.verdict == message.VerdictUp
	if died && m != nil {
		lines = append(lines, from+" is up: nothing has to move")
	}
	for _, r := range s.refusals(at, question{who: itself, kind: message.KindFailover, from: from, to: target, died: died, told: true}) {
		lines = append(lines, r.Code+" "+r.Sentence)
	}
	lines = append(lines, s.whyMended(at)...)
	if best := s.candidate(at, from); best != target && best != "" && slices.Contains(s.standbys(from), target) {
		lines = append(lines, best+" would be taken first: ready ones in the order of their names")
	}
	return strings.Join(lines, "\n")
}

// Status is what is known of the group. It changes nothing.
func (s *State) Status(at Time) *message.GroupStatus {
	st := &message.GroupStatus{
		Group: s.group, Sentence: clip(s.Sentence(at), 2000), Mode: "none", Epoch: s.chain.epoch(), Primary: s.chain.primary(),
		Held: s.chain.held, Incident: s.incident.id(s.group), Blind: s.blindNow(at), Decider: s.decider, At: at.Wall,
		Members: []message.MemberStatus{}, Clients: s.clients(at),
	}
	if s.spec != nil {
		st.Mode, st.SpecRevision = string(s.spec.Mode), s.spec.Revision
	}
	if left, paused := s.chain.paused(at); paused {
		st.Paused, st.PausedBy, st.PauseReason = true, s.chain.mark.Actor, s.chain.mark.Reason
		if left > 0 {
			st.PausedUntil = at.Stream + left.Microseconds()
		}
	}
	if s.drill.running() {
		st.Drill = s.drillStatus(at)
	}
	st.Approvals, st.Agenda = append(s.approvals(at), s.stepApprovals()...), s.coming(at)
	st.Blocked = s.windows(at)
	if score := s.ledger.Score(); score.Entries+score.Missed > 0 {
		st.Ledger = &score
	}
	if s.lastDrill != nil {
		st.LastDrill = s.statusOf(at, s.lastDrill)
	}
	if s.drilled != nil {
		st.DrilledAt = s.drilled.stream
	}
	if c := s.chain.command; s.pool() {
		st.Epoch, st.Primary, st.Held, st.Pool = 0, "", false, s.poolStatus()
	} else if c == nil {
		st.Refusals = s.refusals(at, s.adoptAs(adoption, s.declared()))
	} else {
		st.Kind = c.Kind
		st.Refusals, _ = s.ifDied(at)
		if st.Lease = s.leaseStatus(at); s.underWay() {
			st.Swap = s.swapStatus(c)
		}
	}
	for _, m := range s.members {
		ms := message.MemberStatus{Name: m.name, Site: m.site, Role: message.RoleStandby, Verdict: m.verdict, Views: m.views(at)}
		if u := s.chain.upkeepOf(m.name); u != nil {
			ms.Maintenance = u.status(at)
		}
		switch {
		case s.pool():
			ms.Role, ms.Ready = s.poolRole(m)
		case s.chain.command == nil:
			ms.Role = message.RoleUnknown
		case m.name == s.acting():
			ms.Role, ms.Ready = message.RolePrimary, m.verdict == message.VerdictUp
		default:
			ms.Reasons = s.unready(at, m.name)
			ms.Ready = len(ms.Reasons) == 0
		}
		ms.Remedy = s.remedyStatus(at, m)
		st.Members = append(st.Members, ms)
	}
	st.Resources = s.resources(at)
	st.Thresholds = s.Thresholds(at)
	for _, r := range s.routes {
		if r.declared(s) {
			st.Routes = append(st.Routes, r.seen)
		}
	}
	return st
}

// blindNow says that nothing was concluded yet since the decider began to watch.
func (s *State) blindNow(at Time) bool {
	return !s.judging(at) || slices.ContainsFunc(s.members, func(m *member) bool { return len(m.decides) > 0 && !m.judged })
}

// acting is the member that is primary now: of the last epoch that was held.
func (s *State) acting() string {
	if s.chain.last == nil {
		return ""
	}
	return s.chain.last.Primary
}

func (s *State) swapStatus(c *message.Command) *message.SwapStatus {
	out := &message.SwapStatus{Command: c.ID, Epoch: c.Epoch, Kind: c.Kind, From: c.From, To: c.Primary, State: s.run.state}
	for _, step := range c.Plan.Steps {
		one := message.StepStatus{Name: step.Name, Says: step.Says}
		for _, t := range s.run.steps {
			if t.name == step.Name {
				one.State, one.Attempt, one.Executor, one.Problem = t.state, t.attempt, t.executor, t.problem
			}
		}
		out.Steps = append(out.Steps, one)
	}
	return out
}
