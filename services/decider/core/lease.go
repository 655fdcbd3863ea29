package core

import (
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// leased is what the executors beside the members of a leased group say, as it was stored.
type leased struct {
	fenced []fencedWord // of each member the highest epoch, sorted by member
	// word is the newest one about the standbys, by epoch and then by its place in the stream.
	word    *message.Replication
	wordSeq uint64
	wordAt  time.Duration
}

// fencedWord is that a member never acts again at an epoch or below.
type fencedWord struct {
	member string
	said   *message.Fenced
	seq    uint64
	at     moment
}

// fencedRead keeps the word of the highest epoch: it may come late, twice, or from long ago.
func (s *State) fencedRead(at Time, m *message.Fenced, in SafetyRead) {
	i, found := slices.BinarySearchFunc(s.leased.fenced, m.Member, func(f fencedWord, name string) int { return strings.Compare(f.member, name) })
	if !found {
		if len(s.leased.fenced) >= keep {
			return
		}
		s.leased.fenced = slices.Insert(s.leased.fenced, i, fencedWord{member: m.Member})
	}
	f := &s.leased.fenced[i]
	if f.said == nil || m.Epoch > f.said.Epoch || m.Epoch == f.said.Epoch && in.Seq > f.seq {
		*f = fencedWord{m.Member, m, in.Seq, moment{in.Stored, at.Mono}}
	}
}

// replicationRead keeps the newest word about the standbys.
func (s *State) replicationRead(at Time, m *message.Replication, in SafetyRead) {
	l := &s.leased
	if l.word == nil || m.Epoch > l.word.Epoch || m.Epoch == l.word.Epoch && in.Seq > l.wordSeq {
		l.word, l.wordSeq, l.wordAt = m, in.Seq, at.Mono
	}
}

// fencedUpTo is the newest word that the member is fenced; nil: there is none.
func (s *State) fencedUpTo(member string) *fencedWord {
	for i := range s.leased.fenced {
		if f := &s.leased.fenced[i]; f.member == member {
			return f
		}
	}
	return nil
}

// inLease says whether at most one member of the group may act: by what is declared, or by what was recorded.
func (s *State) inLease() bool {
	return s.spec != nil && s.spec.Lease != nil || s.chain.command != nil && s.chain.command.Lease != nil
}

// durability is never-lose, never-stop, or "" where the members do not replicate: as recorded, and before the first command as declared.
func (s *State) durability() string {
	switch c := s.chain.command; {
	case c != nil && c.Lease != nil:
		return c.Lease.Durability
	case c == nil && s.spec != nil && s.spec.Lease != nil:
		return s.spec.Durability
	}
	return ""
}

// armed says whether the guard is in force: at the newest epoch, since disarming counts from the command, and at the last that was
// held, since arming counts from there.
func (s *State) armed() bool {
	c, last := s.chain.command, s.chain.last
	return c != nil && last != nil && c.Lease != nil && c.Lease.Armed && last.Lease != nil && last.Lease.Armed
}

// sameRoles says that the newest command of a leased group names the primary that holds: whether it takes effect or not, roles stay.
func (s *State) sameRoles() bool {
	c, last := s.chain.command, s.chain.last
	return c != nil && last != nil && c.Lease != nil && c.Primary == last.Primary
}

// fencedNow is the word that the primary, which was the last to hold, does not act and will not without a newer command; nil: there is none.
// A resume that is on its way is such a newer command, unless it was lost on the way too. A reconfigure is none: it has no steps that would
// make anybody act again.
func (s *State) fencedNow() *fencedWord {
	c, last := s.chain.command, s.chain.last
	if !s.sameRoles() {
		return nil
	}
	f := s.fencedUpTo(last.Primary)
	if f == nil || f.said.Epoch < last.Epoch || c.Epoch != last.Epoch && c.Kind != message.KindReconfigure && f.said.Epoch < c.Epoch {
		return nil
	}
	return f
}

// resumePatience is how long a resume that is not held or not done keeps a failover away: its primary looks down until it acts again.
const resumePatience = 10 * time.Second

// still says that the newest command keeps no failover from happening although it is not held or not done: roles stay as they are with it, and
// its primary may be gone for good. What it would have changed is abandoned with it.
//
// Invariant: a failover goes only to a member of both the newest command and the last that was held. See R326.
func (s *State) still(at Time) bool {
	switch c := s.chain.command; {
	case s.giving(at):
		return true
	case c.Lease == nil:
		return s.stuck(at)
	case !s.sameRoles():
		return false
	case s.fencedNow() != nil, c.Kind == message.KindReconfigure:
		return true
	default:
		return c.Kind == message.KindResume && at.since(s.chain.at) >= resumePatience
	}
}

// stuck says that a resume in a group without a lease has had its time: it leaves roles as they are, and looks whether its primary answers. Where that
// one is gone, it would wait for a person.
func (s *State) stuck(at Time) bool {
	c, last := s.chain.command, s.chain.last
	return c.Kind == message.KindResume && last != nil && c.Primary == last.Primary && at.since(s.chain.at) >= resumePatience
}

// standbyWord is what the primary says of one of its standbys, with how old that is; nil: it has said nothing since it acts. What it said
// before it was last fenced, or before somebody else held, is about another time.
func (s *State) standbyWord(at Time, name string) (*message.Standby, time.Duration) {
	w, last := s.leased.word, s.chain.last
	if w == nil || last == nil || w.Primary != last.Primary || w.Epoch < s.chain.acts {
		return nil, 0
	}
	if f := s.fencedUpTo(last.Primary); f != nil && w.Epoch <= f.said.Epoch {
		return nil, 0
	}
	for i := range w.Standbys {
		if w.Standbys[i].Member == name {
			return &w.Standbys[i], at.Mono - s.leased.wordAt
		}
	}
	return nil, 0
}

// follows says whether the standby is fit to become promotable.
func (s *State) follows(w *message.Standby) bool {
	if w == nil {
		return false
	}
	return w.State == message.StandbySynchronous || w.State == message.StandbyStreaming && s.durability() == message.NeverStop
}

// promotable says whether the member may take over without another command: it is of the newest command and of the last that was held.
// While the guard is not in force nobody keeps that record, nor sees to it that anybody follows: a standby that is one stands in, so that a dry run
// shows what would be.
func (s *State) promotable(at Time, name string) bool {
	c, last := s.chain.command, s.chain.last
	if c == nil || last == nil {
		return false
	}
	if !s.armed() && s.durability() != "" {
		m := s.member(name)
		return m != nil && m.figures.known && !m.figures.acts && at.Mono-m.figures.at <= m.figures.limit
	}
	return slices.Contains(c.Members, name) && slices.Contains(last.Members, name)
}

// --- what a command says of the lease

// leaseOf are the terms of the new epoch. A swap changes none of them. A resume goes back to those that were last held, since what came
// after them never took effect.
func (s *State) leaseOf(q question) *message.Lease {
	switch c := s.chain.command; {
	case q.kind == message.KindReconfigure && q.terms != nil:
		return q.terms.lease
	case c == nil:
		return spec.LeaseTerms(s.spec)
	case q.kind == message.KindResume && s.chain.last != nil:
		return s.chain.last.Lease
	default:
		return c.Lease
	}
}

// terms are what a reconfigure changes: one thing.
type terms struct {
	lease   *message.Lease
	members []string
	what    string
}

// promotableSet are the members of the new epoch of a leased group: those that may take over from its primary.
//
// Who has just become primary has no standby that was seen to follow it: it runs alone until one is added.
func (s *State) promotableSet(q question) []string {
	c, last := s.chain.command, s.chain.last
	switch {
	case q.terms != nil:
		return q.terms.members
	case q.kind == message.KindResume && c.Primary != q.to:
		return last.Members // as it was when it held
	case q.kind == message.KindResume:
		// A member that was to join never did; one that was to leave has left.
		both := slices.DeleteFunc(slices.Clone(last.Members), func(m string) bool { return !slices.Contains(c.Members, m) })
		return join(both, q.to)
	case s.durability() != "" && (c == nil || c.Primary != q.to):
		return []string{q.to}
	case c == nil:
		return s.spec.MemberNames()
	}
	return c.Members
}

// join returns the sorted names with one more; the argument is not changed.
func join(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	out := append(slices.Clone(names), name)
	slices.Sort(out)
	return out
}

// without returns the names without one.
func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(m string) bool { return m == name })
}

// settled says that a change of the group's terms may be proposed: the last one is held and nothing is under way.
func (s *State) settled() bool {
	return s.chain.command != nil && s.chain.held && !s.underWay() && s.fencedNow() == nil && s.member(s.chain.primary()) != nil
}

// --- situations of leased groups

func primaryFenced(s *State, at Time) words {
	f := s.fencedNow()
	if f == nil {
		return nil
	}
	return words{"from": f.member, "to": s.candidate(at, f.member), "fenced": f.words()}
}

// words say who is fenced and how it is known.
func (f *fencedWord) words() string {
	how := "by itself"
	switch f.said.How {
	case message.FencedAgent:
		how = "by its fence agent"
	case message.FencedVouch:
		how = "as " + f.said.Actor + " vouches"
	}
	return f.member + " is fenced up to epoch " + epoch(f.said.Epoch) + " " + how + " (" + clip(f.said.Sentence, 300) + ")"
}

// fencedAlone: nobody may take over from a fenced primary that could serve again. It comes back, which swaps nothing: also while the group is
// paused, cooling down, or in manual mode.
//
// Invariant: only the last that held comes back. Nobody else has acknowledged anything since.
func fencedAlone(s *State, at Time) words {
	f := s.fencedNow()
	if f == nil || !f.said.Able || s.dryRun() || s.member(f.member) == nil {
		return nil
	}
	reasons := s.refusing(at, question{who: itself, kind: message.KindFailover, from: f.member, to: s.candidate(at, f.member)})
	if len(reasons) == 0 {
		return nil
	}
	return words{"back": f.member, "fenced": f.words(), "why": clip(sentences(reasons), 500)}
}

// lostOnTheWay: who was to become primary has lost the epoch before it held it, and cannot take it any more.
func lostOnTheWay(s *State, _ Time) words {
	c, last := s.chain.command, s.chain.last
	if c == nil || last == nil || c.Lease == nil || s.chain.held || c.Primary == last.Primary {
		return nil
	}
	f := s.fencedUpTo(c.Primary)
	if f == nil || f.said.Epoch < c.Epoch {
		return nil
	}
	w := s.ending()
	w["fenced"] = f.words()
	return w
}

// joinedLost: the standby that was to become promotable does not follow any more, and the primary waits for it until the change is taken back.
func joinedLost(s *State, at Time) words {
	c, last := s.chain.command, s.chain.last
	if !s.sameRoles() || s.chain.held || c.Kind != message.KindReconfigure {
		return nil
	}
	for _, name := range c.Members {
		if slices.Contains(last.Members, name) {
			continue
		}
		if w, _ := s.standbyWord(at, name); w != nil && !s.follows(w) {
			return words{"member": name, "back": last.Primary, "why": saysOf(last.Primary, w)}
		}
	}
	return nil
}

// standbyLost and standbyFit are about the promotable set. Each change is one command, and the next one comes only after it is held. They go on
// while the group is paused or cools down: they swap nothing.
func standbyLost(s *State, at Time) words {
	if !s.settled() || !s.armed() || s.dryRun() || s.durability() == "" {
		return nil
	}
	c := s.chain.command
	for _, name := range c.Members {
		if w, _ := s.standbyWord(at, name); w != nil && w.State == message.StandbyLost && name != c.Primary {
			return words{"member": name, "to": c.Primary, "why": saysOf(c.Primary, w)}
		}
	}
	return nil
}

func standbyFit(s *State, at Time) words {
	if !s.settled() || !s.armed() || s.dryRun() || s.durability() == "" {
		return nil
	}
	c := s.chain.command
	for _, m := range s.members {
		if _, beside := c.Lease.Of(m.name); !beside || slices.Contains(c.Members, m.name) {
			continue
		}
		if w, _ := s.standbyWord(at, m.name); s.follows(w) {
			return words{"member": m.name, "to": c.Primary, "why": saysOf(c.Primary, w)}
		}
	}
	return nil
}

// saysOf is what the primary says of a standby.
func saysOf(primary string, w *message.Standby) string {
	out := primary + " says that it is " + w.State
	switch w.State {
	case message.StandbyLost:
		out = primary + " says that it follows no more"
	case message.StandbyCatchingUp:
		out = primary + " says that it is catching up, " + size(float64(w.LagBytes)) + " behind"
	}
	if w.Why != "" {
		out += " (" + clip(w.Why, 200) + ")"
	}
	return out
}

// otherTerms: the spec declares other terms than the epoch has. One of them is changed.
func otherTerms(s *State, _ Time) words {
	if !s.inLease() || !s.settled() {
		return nil
	}
	t := s.nextTerms()
	if t == nil {
		return nil
	}
	return words{"what": t.what, "to": s.chain.primary()}
}

// nextTerms is the next single change on the way to what is declared; nil: nothing differs.
//
// Deciders change by one at a time, so that any two majorities that follow each other have a decider in common.
func (s *State) nextTerms() *terms {
	c := s.chain.command
	want, have := spec.LeaseTerms(s.spec), c.Lease
	switch {
	case want == nil && have == nil:
		return nil
	case want == nil:
		return &terms{nil, s.spec.MemberNames(), "the lease is given up: nobody is fenced any more"}
	case have == nil:
		t := &terms{want, s.spec.MemberNames(), "the lease is taken up"}
		if want.Durability != "" {
			t.members = []string{c.Primary}
		}
		return t
	}
	next := *have
	t := &terms{lease: &next, members: c.Members}
	add := slices.IndexFunc(want.Deciders, func(d string) bool { return !slices.Contains(have.Deciders, d) })
	drop := slices.IndexFunc(have.Deciders, func(d string) bool { return !slices.Contains(want.Deciders, d) })
	switch {
	case want.Armed && !have.Armed && have.Durability == message.NeverLose && len(c.Members) > 1: // nobody saw to it that the primary waits for them
		other := without(c.Members, c.Primary)[0]
		t.members, t.what = without(c.Members, other), other+" has to be seen to have everything, to which nobody saw without a guard"
	case have.Armed != want.Armed:
		next.Armed = want.Armed
		t.what = map[bool]string{true: "the guard is in force from now on", false: "the guard is no longer in force"}[want.Armed]
	case add >= 0 && len(have.Deciders) < mostDeciders:
		next.Deciders = join(have.Deciders, want.Deciders[add])
		t.what = "decider " + want.Deciders[add] + " joins"
	case drop >= 0:
		next.Deciders = without(have.Deciders, have.Deciders[drop])
		t.what = "decider " + have.Deciders[drop] + " leaves"
	case have.TTL != want.TTL:
		next.TTL = want.TTL
		t.what = "the lease lasts " + span(want.TTL.Std()) + ", it was " + span(have.TTL.Std())
	case !slices.Equal(have.Beside, want.Beside):
		next.Beside = want.Beside
		t.what = "executors beside the members are others, or at other addresses"
	case have.Durability != want.Durability:
		next.Durability = want.Durability
		if t.what = "durability is " + want.Durability; want.Durability == "" {
			t.what = "its members do not replicate"
		}
		if want.Durability != message.NeverStop { // who follows has to be seen to have everything first
			t.members = []string{c.Primary}
		}
	default:
		return nil
	}
	return t
}

// mostDeciders is how many a command can name.
const mostDeciders = 9

// nextMembers is the next single change of the members of a leased group on the way to what is declared; nil: nothing differs. In a
// group that replicates, a member joins only once it follows: see standbyFit.
func (s *State) nextMembers() *terms {
	c, names := s.chain.command, s.spec.MemberNames()
	for _, m := range c.Members {
		if !slices.Contains(names, m) {
			return &terms{c.Lease, without(c.Members, m), m + " left"}
		}
	}
	if c.Lease.Durability == "" {
		for _, m := range names {
			if _, beside := c.Lease.Of(m); beside && !slices.Contains(c.Members, m) {
				return &terms{c.Lease, join(c.Members, m), m + " joined"}
			}
		}
	}
	return nil
}

// --- acts

func (s *State) changeTerms(at Time, r *situationRule, w words) {
	s.change(at, r, w, s.nextTerms())
}

func (s *State) addMember(at Time, r *situationRule, w words) {
	c := s.chain.command
	s.change(at, r, w, &terms{lease: c.Lease, members: join(c.Members, w["member"])})
}

func (s *State) dropMember(at Time, r *situationRule, w words) {
	c := s.chain.command
	s.change(at, r, w, &terms{lease: c.Lease, members: without(c.Members, w["member"])})
}

func (s *State) change(at Time, r *situationRule, w words, t *terms) {
	primary := s.chain.primary()
	s.command(at, question{who: regroup, kind: message.KindReconfigure, from: primary, to: primary, terms: t}, &r.Rule, w, nil)
}

// --- refusals

// notArmed: the record has no lease in force, so that nothing keeps the old primary from acting. In dry run that is as it should be.
func notArmed(s *State, _ Time, _ question) words {
	c := s.chain.command
	if s.spec == nil || c == nil || !s.inLease() || s.dryRun() || s.armed() && s.spec.Lease != nil {
		return nil
	}
	return words{"epoch": epoch(c.Epoch)}
}

func notPromotable(s *State, at Time, q question) words {
	if q.to == "" || s.chain.last == nil || !s.inLease() || q.to == s.chain.primary() || s.member(q.to) == nil || s.promotable(at, q.to) {
		return nil
	}
	primary := s.chain.last.Primary
	if !s.armed() {
		return words{"to": q.to, "why": "no look has found that it follows", "epoch": epoch(s.chain.epoch())}
	}
	why := primary + " has not said yet that it follows"
	if w, _ := s.standbyWord(at, q.to); w != nil {
		why = saysOf(primary, w)
	}
	return words{"to": q.to, "why": why, "epoch": epoch(s.chain.epoch())}
}

// losesMuch: a failover would lose more than the objective allows, or nobody knows how much. A person may decide so, seeing the figures.
func losesMuch(s *State, at Time, q question) words {
	if q.kind != message.KindFailover || q.to == "" || s.spec == nil || !s.spec.Objectives.HasRPO || s.durability() != message.NeverStop {
		return nil
	}
	rpo := s.spec.Objectives.RPO
	lag, known := s.lag(at, q.from, q.to)
	switch {
	case !known:
		return words{"to": q.to, "lag": "how far it is behind is not known", "rpo": span(rpo)}
	case lag.bytes == 0, rpo > 0 && lag.behind <= rpo && !lag.more:
		return nil
	}
	return words{"to": q.to, "lag": "it " + lag.words(), "rpo": span(rpo)}
}

func noExecutor(s *State, at Time, q question) words {
	if q.to == "" || s.spec == nil || s.chain.command == nil || s.spec.Lease == nil && !startsProcesses(s.spec) {
		return nil
	}
	m, ok := s.spec.Member(q.to)
	if !ok {
		return nil
	}
	name := m.Executor
	if l := s.chain.command.Lease; l != nil {
		b, _ := l.Of(q.to)
		name = b.Executor
	}
	if name == "" {
		if s.spec.Lease == nil {
			return nil
		}
		return words{"to": q.to, "why": "the record names no executor beside it"}
	}
	if !s.executorsTold {
		return nil // nobody has looked yet
	}
	heard, ok := s.executors[name]
	switch {
	case !ok:
		return words{"to": q.to, "why": "executor " + name + " was never heard of"}
	case at.Mono-heard > executorSilence:
		return words{"to": q.to, "why": "executor " + name + " was last heard of " + span(at.Mono-heard) + " ago"}
	}
	return nil
}

// startsProcesses says whether a swap starts something on the new side, which the executor there does alone.
func startsProcesses(g *spec.Group) bool {
	return slices.ContainsFunc(g.Resources, func(r spec.Resource) bool { return r.Run != nil })
}

// NamesExecutors says whether the group's members name the executors on their hosts: then it matters whether those live.
func (s *State) NamesExecutors() bool {
	return s.spec != nil && slices.ContainsFunc(s.spec.Members, func(m spec.Member) bool { return m.Executor != "" })
}

// executorSilence is how long an executor may be unheard of before it counts as gone: three looks of the shell.
const executorSilence = 16 * time.Second

// twoAct: a member acts as primary that is none, while the primary acts too. Somebody promoted it by hand.
func twoAct(s *State, at Time, _ question) words {
	if !s.inLease() || s.underWay() || !s.chain.held {
		return nil
	}
	primary := s.member(s.chain.primary())
	acts := func(m *member) bool {
		// A look that was on its way when the roles changed is about the roles before.
		return m.figures.actsNow(at) && m.verdict != message.VerdictDown && m.figures.at > s.chain.heldAt.heard+lookUnderWay
	}
	if primary == nil || !acts(primary) {
		return nil
	}
	for _, m := range s.members {
		if m != primary && acts(m) {
			return words{"other": m.name, "from": primary.name}
		}
	}
	return nil
}

// lookUnderWay is how long a look may take to get here.
const lookUnderWay = time.Second

// adoptsAnother: in a leased group roles move only by a swap, which fences: whoever else acts is to be stopped, or to be moved to.
func adoptsAnother(s *State, _ Time, q question) words {
	last := s.chain.last
	if !s.inLease() || last == nil || q.to == "" || q.to == last.Primary {
		return nil
	}
	return words{"to": q.to, "from": last.Primary}
}
