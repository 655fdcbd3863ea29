package core

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// question is what the refusals are asked about.
type question struct {
	who      who
	kind     message.Kind
	from, to string
	// request is set where somebody asks.
	request *message.Request
	stored  int64 // when it was asked
	step    string
	// died asks what would be if the primary died now: what its vantages say of it does not matter then.
	died bool
	// told: it is asked to tell a person how things stand, and nothing is decided by the answer.
	told bool
	// approval is what waits for a second person, where it is that one's turn: by is who it is.
	approval *waiting
	by       string
	// waited: the bus was given its time, and did not store it.
	waited bool
	// drill is what the swap is part of.
	drill *message.Drill
	// remedy is the try of a ladder, and ladder where that stands.
	remedy *message.Remedy
	ladder *ladder
	// terms are what a reconfigure of a leased group changes.
	terms *terms
}

// refusals returns every "no" that holds, in the order of the table.
func (s *State) refusals(at Time, q question) []message.Reason {
	var out []message.Reason
	for i := range refusalRules {
		r := &refusalRules[i]
		if r.of&q.who == 0 || s.pool() && q.who&poolLess != 0 && r.Code != codePool { // one answer is enough: the others are about a primary
			continue
		}
		w := r.holds(s, at, q)
		if w == nil {
			continue
		}
		w["group"] = s.group
		out = append(out, message.Reason{Code: r.Code, Sentence: clip(fill(r.Says, w), 1000), Overridable: r.overridable})
	}
	return out
}

// override parts the reasons into those that stand and those that the request knowingly sets aside.
func override(reasons []message.Reason, codes []string) (stand, aside []message.Reason) {
	for _, r := range reasons {
		if r.Overridable && slices.Contains(codes, r.Code) {
			aside = append(aside, r)
		} else {
			stand = append(stand, r)
		}
	}
	return stand, aside
}

func always(_ *State, _ Time, q question) words {
	return words{"verb": string(q.request.Verb)}
}

func unknownGroup(s *State, _ Time, _ question) words {
	if s.spec != nil {
		return nil
	}
	return yes()
}

func nothingAdopted(s *State, _ Time, _ question) words {
	if s.spec == nil || s.chain.command != nil {
		return nil
	}
	return yes()
}

func swapUnderWay(s *State, at Time, q question) words {
	if !s.underWay() || s.yields(q) || s.passes(at, q) || (q.kind == message.KindFailover || q.kind == message.KindRemedy) && s.still(at) {
		return nil
	}
	return s.underWayWords()
}

// yields: a person who asks for a failover does not wait for a ladder.
func (s *State) yields(q question) bool {
	return q.kind == message.KindFailover && q.request != nil && s.chain.command.Remedy != nil
}

func notHeld(s *State, at Time, q question) words {
	if s.chain.command == nil || s.chain.held || s.underWay() || s.yields(q) || (q.kind == message.KindFailover || q.kind == message.KindRemedy) && s.still(at) {
		return nil
	}
	return words{"epoch": epoch(s.chain.epoch()), "back": s.back()}
}

func isPaused(s *State, at Time, _ question) words {
	left, paused := s.chain.paused(at)
	if !paused {
		return nil
	}
	return words{"actor": s.chain.mark.Actor, "reason": because(s.chain.mark.Reason), "until": until(left)}
}

// lasting says how long a pause was asked for, until how much of it is left.
func lasting(d time.Duration) string {
	if d <= 0 {
		return "until somebody resumes it"
	}
	return "for " + span(d)
}

func until(left time.Duration) string {
	if left <= 0 {
		return "until somebody resumes it"
	}
	return "for another " + span(left)
}

func isBlind(s *State, at Time, _ question) words {
	if s.spec == nil {
		return nil
	}
	return blind(s, at)
}

func isManual(s *State, _ Time, _ question) words {
	if s.spec == nil || s.spec.Mode != spec.Manual {
		return nil
	}
	return yes()
}

func isDryRun(s *State, _ Time, _ question) words {
	if !s.dryRun() {
		return nil
	}
	return yes()
}

// dryRun: what is not declared to be real is not.
func (s *State) dryRun() bool {
	return s.spec != nil && s.spec.Mode != spec.Auto && s.spec.Mode != spec.Manual
}

func coolingDown(s *State, at Time, _ question) words {
	last := s.chain.lastSwap(func(w *swap) bool { return w.drill == "" }) // a rehearsal must not stand in the way of the real thing
	if s.spec == nil || last == nil {
		return nil
	}
	ago := at.since(last.heldAt)
	if ago >= s.spec.Policy.Cooldown {
		return nil
	}
	return words{"to": last.to, "ago": span(ago), "left": span(s.spec.Policy.Cooldown - ago)}
}

func budgetSpent(s *State, at Time, q question) words {
	if s.spec == nil || q.who == drillBack && q.request != nil { // a person may bring it back
		return nil
	}
	p := &s.spec.Policy
	n, left := 0, p.BudgetWindow
	for _, w := range s.chain.swaps {
		if ago := at.since(w.at); w.automatic && ago < p.BudgetWindow {
			n++
			left = min(left, p.BudgetWindow-ago)
		}
	}
	if n < p.Budget {
		return nil
	}
	return words{"count": strconv.Itoa(n), "budget": strconv.Itoa(p.Budget), "window": span(p.BudgetWindow), "left": span(left)}
}

func isDisputed(s *State, at Time, q question) words {
	m := s.member(q.from)
	if q.died || m == nil || m.verdict != message.VerdictDisputed || s.fencedNow() != nil {
		return nil
	}
	return words{"why": m.sentence(at)}
}

func quorumMissing(s *State, at Time, q question) words {
	m := s.member(q.from)
	if m == nil || !s.judging(at) || s.fencedNow() != nil { // whoever sees it: it is proven
		return nil
	}
	for _, w := range m.decides {
		if w.counts && w.tally.seeing >= w.tally.quorum {
			return nil // one check is enough to say down by
		}
	}
	if m.worst == nil {
		return words{"why": "no check of " + m.name + " says when it is down"}
	}
	return words{"why": m.sentence(at)}
}

// executorSawUp: the failures that a quorum tells of began before an executor's own look found the primary up. So those who can see
// it disagree, though one of them is no vantage.
func executorSawUp(s *State, at Time, q question) words {
	e, m := s.run.ended, s.member(q.from)
	if q.died || e == nil || m == nil || e.member != m.name || s.fencedNow() != nil {
		return nil
	}
	ago := at.since(e.at)
	if ago >= s.spec.Policy.Cooldown {
		return nil
	}
	for _, w := range m.decides {
		if w.counts && w.begunSince(at.Mono, e.at.heard) >= w.tally.quorum {
			return nil
		}
	}
	return words{"executor": e.executor, "from": m.name, "ago": span(ago), "why": clip(e.sentence, 300), "left": span(s.spec.Policy.Cooldown - ago)}
}

func drifting(s *State, _ Time, q question) words {
	if s.underWay() || !s.chain.held || q.request != nil {
		return nil
	}
	return s.elsewhere(s.chain.primary())
}

// routeCutOff: a swap that cannot lead the clients would stop half way. Once a proxy is reached again it happens.
func routeCutOff(s *State, at Time, q question) words {
	if s.spec == nil || s.underWay() && !s.passes(at, q) {
		return nil
	}
	return s.cutOff()
}

func primaryUndeclared(s *State, _ Time, q question) words {
	if s.spec == nil || s.chain.command == nil || s.member(s.chain.primary()) != nil {
		return nil
	}
	return words{"from": s.chain.primary()}
}

func noMember(s *State, _ Time, q question) words {
	if s.spec == nil || q.to == "" || q.who&undrainAsked != 0 && s.chain.upkeepOf(q.to) != nil { // who left the spec in maintenance can leave that too
		return nil
	}
	members, of := s.spec.MemberNames(), ""
	if q.who&(swapAsked|drillAsked|drillBack) != 0 && s.chain.command != nil {
		members, of = s.eligible(), " at epoch "+epoch(s.chain.epoch())
	}
	if slices.Contains(members, q.to) {
		return nil
	}
	return words{"to": q.to, "epoch": of, "members": strings.Join(members, ", ")}
}

func primaryAlready(s *State, _ Time, q question) words {
	if q.to == "" || q.to != s.chain.primary() || q.who&planAsked != 0 && q.request.Verb == message.VerbDrill { // which goes back, whoever is primary by then
		return nil
	}
	return words{"to": q.to}
}

func standbyNotUp(s *State, at Time, q question) words {
	m := s.member(q.to)
	if m == nil || m.verdict == message.VerdictUp {
		return nil
	}
	return words{"to": m.name, "why": m.sentence(at)}
}

func standbyNotStable(s *State, at Time, q question) words {
	m := s.member(q.to)
	if m == nil || m.verdict != message.VerdictUp {
		return nil
	}
	steady, want := at.Mono-m.steadySince, s.spec.Policy.StableFor
	if steady >= want {
		return nil
	}
	return words{"to": m.name, "steady": span(steady), "stable": span(want)}
}

func standbyCheckFails(s *State, at Time, q question) words {
	m := s.member(q.to)
	if m == nil || m.verdict != message.VerdictUp {
		return nil // R322 says so already
	}
	for _, w := range m.readies {
		if w.rule.verdict != message.VerdictUp {
			return words{"to": m.name, "why": fill(w.rule.Says, w.words(at.Mono, m.name))}
		}
	}
	return nil
}

func noStandby(s *State, _ Time, q question) words {
	if s.spec == nil || s.chain.command == nil || q.to != "" || q.who == drillBack || q.request != nil && q.request.Verb == message.VerbFailback {
		return nil
	}
	return yes()
}

func primaryIsUp(s *State, _ Time, q question) words {
	m := s.member(q.from)
	if q.kind != message.KindFailover || m == nil || m.verdict != message.VerdictUp || s.fencedNow() != nil {
		return nil
	}
	return words{"from": m.name}
}

func primaryIsDown(s *State, at Time, q question) words {
	m := s.member(q.from)
	if f := s.fencedNow(); f != nil && q.kind == message.KindSwitchover {
		return words{"why": f.words()}
	}
	if q.kind != message.KindSwitchover || m == nil || m.verdict != message.VerdictDown {
		return nil
	}
	return words{"why": m.sentence(at)}
}

func neverMoved(s *State, _ Time, q question) words {
	if s.spec == nil || q.request.Verb != message.VerbFailback || q.to != "" {
		return nil
	}
	return yes()
}

func otherEpoch(s *State, _ Time, q question) words {
	if q.request == nil {
		return nil
	}
	e := q.request.ExpectEpoch
	if e == nil || *e == s.chain.epoch() {
		return nil
	}
	primary := s.chain.primary()
	if primary == "" {
		primary = "none"
	}
	return words{"epoch": epoch(s.chain.epoch()), "from": primary, "expected": epoch(*e)}
}

func planChanged(s *State, at Time, q question) words {
	if q.request == nil {
		return nil
	}
	shown := q.request.PlanHash
	if shown == "" || s.spec == nil || s.member(q.to) == nil || s.member(q.from) == nil {
		return nil
	}
	plan, err := s.plan(q)
	if err != nil || plan.Hash == shown {
		return nil
	}
	return words{"shown": shown, "hash": plan.Hash, "changes": s.changes(shown, q)}
}

func wouldUndo(s *State, at Time, q question) words {
	last := s.chain.lastSwap(toUndo)
	if s.spec == nil || last == nil || q.request == nil || q.request.ExpectEpoch != nil || q.request.PlanHash != "" {
		return nil
	}
	if p := s.planOf(q); p != nil && last.epoch <= p.Epoch {
		return nil // whoever planned it knew of that swap
	}
	if q.who&drillAsked != 0 && s.drill.running() {
		return nil // R337 says it
	}
	ago := at.since(last.heldAt)
	if last.from != q.to || last.to != s.chain.primary() || ago >= s.spec.Policy.UndoWindow {
		return nil
	}
	return words{"from": last.to, "to": last.from, "ago": span(ago), "epoch": epoch(s.chain.epoch())}
}

func staleRequest(_ *State, at Time, q question) words {
	if q.stored == 0 {
		return nil
	}
	ago := time.Duration(at.Stream-q.stored) * time.Microsecond
	if ago <= MaxRequestAge {
		return nil
	}
	return words{"ago": span(ago)}
}

func nothingPaused(s *State, _ Time, q question) words {
	if s.underWay() {
		if _, ok := s.run.paused(q.step); ok && (q.request.Epoch == 0 || q.request.Epoch == s.chain.epoch()) {
			return nil
		}
	}
	named := ""
	if q.step != "" {
		named = " " + q.step
	}
	return words{"named": named}
}

func unskippable(s *State, _ Time, q question) words {
	if q.request.Verb != message.VerbSkip || s.chain.command == nil {
		return nil
	}
	waits, ok := s.run.paused(q.step)
	if !ok {
		return nil
	}
	for _, step := range s.chain.command.Plan.Steps {
		if step.Name == waits.name && step.Unskippable {
			return words{"step": step.Name}
		}
	}
	return nil
}

func nothingToAbort(s *State, _ Time, _ question) words {
	if s.underWay() {
		return nil
	}
	return yes()
}

func nothingBefore(s *State, _ Time, _ question) words {
	if !s.underWay() || s.chain.last != nil {
		return nil
	}
	return yes()
}

func notPaused(s *State, at Time, _ question) words {
	if _, paused := s.chain.paused(at); paused {
		return nil
	}
	return yes()
}

func emptyNote(_ *State, _ Time, q question) words {
	if strings.TrimSpace(q.request.Reason) != "" {
		return nil
	}
	return yes()
}

// recordMute is told and refuses nothing: whether something can be stored, trying shows, and trying costs nothing.
func recordMute(s *State, at Time, q question) words {
	if !q.told || !s.mute || !s.linked {
		return nil
	}
	return words{"ago": span((at.Mono - s.muteSince).Truncate(time.Second))}
}

func noIncident(s *State, _ Time, q question) words {
	if q.request == nil || q.request.Of == "" {
		return nil
	}
	id, _ := message.NoteOf(q.request.Of)
	n, err := strconv.ParseUint(strings.TrimPrefix(id, s.group+"-"), 10, 64)
	if err == nil && n >= 1 && n <= s.incident.record.N && message.IncidentID(s.group, n) == id {
		return nil
	}
	return words{"incident": clip(id, 100)}
}

func unstored(_ *State, _ Time, q question) words {
	if !q.waited {
		return nil
	}
	return words{"limit": span(answerLimit)}
}

func epoch(e uint64) string { return strconv.FormatUint(e, 10) }
