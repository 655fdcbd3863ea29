package core

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// member is what is known of one member.
type member struct {
	name, site string
	decides    []*watched // checks of effect down
	readies    []*watched // checks of effect ready
	tells      []*watched // checks of effect tell

	verdict message.Verdict
	worst   *watched // the check that the verdict comes from
	// since is when the verdict became what it is; failingSince when the first of the looks behind a verdict down was heard.
	since, failingSince time.Duration
	// judged: it was judged since the decider began to watch.
	judged bool
	// calm: nothing fails, so that another look that finds it up changes nothing.
	calm bool
	// steadySince is when it was last said down by anybody, unknown or disputed; steady: that is known.
	steady      bool
	steadySince time.Duration
	pastLook    time.Duration // of the newest look at all
	// told are the codes of why it is not ready, as last told.
	told string
	// figures are the newest of its replication, progress how far it had come as a primary, oldest first.
	figures  figures
	progress []written
	// cause names the look behind the last change of the verdict, the same for all deciders that heard it.
	cause string
}

// recall takes a look of the past, read back from the stream: nothing is concluded from it but how long the member has been
// steady, so that a decider which was restarted or cut off knows that as well as one that was not.
func (m *member) recall(taken time.Duration, v *sight, hb *message.Heartbeat) {
	witness := hb.Answer != message.Unknown && !hb.Blind
	gap := taken-m.pastLook > v.limit
	m.pastLook = max(m.pastLook, taken)
	switch {
	case !v.decides, m.judged: // of a check that decides nothing, or it is watched already
	case !m.steady:
		m.steady, m.steadySince = witness, taken
	case gap || witness && hb.Answer == message.Down:
		m.steadySince = max(m.steadySince, taken)
	}
}

type sightKey struct{ member, check, vantage string }

// arrange makes the members of a new spec, taking over what is known of those that stay.
func (s *State) arrange(g *spec.Group) {
	sights := make(map[sightKey]*sight)
	members := make([]*member, 0, len(g.Members))
	for _, d := range g.Members {
		m := &member{name: d.Name, site: d.Site, verdict: message.VerdictUnknown}
		if old := s.member(d.Name); old != nil {
			*m = *old
			m.site, m.decides, m.readies, m.tells, m.worst, m.calm = d.Site, nil, nil, nil, nil, false
		}
		for i := range g.Checks {
			c := &g.Checks[i]
			if c.Measures() || !c.Looks(d.Name) {
				continue
			}
			w := &watched{check: c, together: g.Together(c.Name), counts: s.counted(d.Name, c)}
			for _, vantage := range slices.Compact(slices.Sorted(slices.Values(c.From))) {
				key := sightKey{d.Name, c.Name, vantage}
				v := &sight{vantage: vantage}
				if old := s.sights[key]; old != nil {
					*v = *old
				}
				v.limit, v.decides = 2*c.Every+c.Timeout, (c.Effect == spec.EffectDown || c.Effect == "") && !c.OfPrimary
				sights[key] = v
				w.sights = append(w.sights, v)
			}
			switch c.Effect {
			case spec.EffectReady:
				m.readies = append(m.readies, w)
			case spec.EffectTell:
				m.tells = append(m.tells, w)
			default:
				m.decides = append(m.decides, w)
			}
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b *member) int { return cmp.Compare(a.name, b.name) })
	s.sights, s.members = sights, members
}

// member returns the member of that name, or nil.
func (s *State) member(name string) *member {
	for _, m := range s.members {
		if m.name == name {
			return m
		}
	}
	return nil
}

// quorum is how many vantages must agree.
func (s *State) quorum() int {
	if q := s.spec.Policy.Quorum; q > 0 {
		return q
	}
	return len(s.spec.Vantages())/2 + 1
}

// counted says whether a member is judged by the check: by one of what only the primary's side runs, the primary is, once it is that for good.
func (s *State) counted(member string, c *spec.Check) bool {
	switch {
	case !c.OfPrimary:
		return true
	case s.chain.command == nil:
		return member == s.declared()
	case s.chain.command.Remedy != nil: // nothing moves with it: while somebody is mended the primary is judged as ever
		return member == s.chain.primary() && s.chain.last != nil
	}
	return member == s.chain.primary() && s.chain.held && !s.underWay()
}

// weigh judges by one check, and says whether it counts.
//
// Invariant: what was seen of a process before the member had to run it is no evidence against the member.
func (s *State) weigh(at Time, m *member, w *watched, quorum int, blind bool) bool {
	before := w.counts
	if w.counts = s.counted(m.name, w.check); !w.counts {
		w.tally, w.rule = tally{quorum: quorum, vantages: len(w.sights)}, &verdictRules[len(verdictRules)-1]
		return false
	}
	if !before {
		for _, v := range w.sights {
			v.anew(at.Mono)
		}
	}
	w.count(at.Mono, quorum, blind)
	w.judge()
	m.calm = m.calm && w.rule.verdict == message.VerdictUp
	return true
}

// judge concludes anew for one member and tells what changed.
func (s *State) judge(at Time, m *member) {
	blind, quorum := !s.judging(at), s.quorum()
	var worst, together *watched
	shaken := false
	m.calm = !blind
	for _, w := range m.decides {
		if !s.weigh(at, m, w, quorum, blind) {
			continue
		}
		switch {
		case w.together && (together == nil || weight(w.rule.verdict) < weight(together.rule.verdict)):
			together = w
		case !w.together && (worst == nil || weight(w.rule.verdict) > weight(worst.rule.verdict)):
			worst = w
		}
		shaken = shaken || w.tally.downs > 0
	}
	if together != nil && (worst == nil || weight(together.rule.verdict) > weight(worst.rule.verdict)) {
		worst = together // the best of them: only all of them together make it down
	}
	for _, w := range slices.Concat(m.readies, m.tells) {
		s.weigh(at, m, w, quorum, blind)
	}
	if worst == nil {
		return // no check decides about it: it stays unknown
	}
	if blind {
		// Our own blindness says nothing about the member: how long it has been steady goes on counting.
		m.verdict, m.worst, m.judged = message.VerdictUnknown, worst, false
		return
	}
	verdict := worst.rule.verdict
	first := !m.judged
	m.judged = true
	if shaken || !m.steady || (verdict != message.VerdictUp && verdict != message.VerdictSuspect) {
		m.steady, m.steadySince = true, at.Mono
	}
	before := m.verdict
	m.verdict, m.worst = verdict, worst
	if verdict == message.VerdictDown && before != verdict {
		m.failingSince = worst.tally.since
	}
	if before == verdict {
		return
	}
	m.since = at.Mono
	m.cause = worst.cause(at.Mono, m.cause)
	if first && verdict == message.VerdictUp {
		return // nothing happened: this decider began to look
	}
	s.tellVerdict(at, m, before)
}

// cause names the looks behind a verdict in a way that is the same for all deciders that heard them, so that the same happening is told
// once: where the rows of those who do not see the member up began, or, when all do, what it recovered from.
func (w *watched) cause(at time.Duration, before string) string {
	if w.rule.verdict == message.VerdictUp {
		return "after " + strings.TrimPrefix(before, "after ")
	}
	out := w.check.Name
	for _, v := range w.sights {
		switch {
		case v.silent(at):
			out += "|" + v.vantage + ",silent," + v.boot + "," + strconv.FormatUint(v.seq, 10)
		case !v.sees(at) || !v.up() || v.saysDown:
			out += "|" + v.vantage + "," + v.markBoot + "," + strconv.FormatUint(v.markSeq, 10)
		}
	}
	return out
}

// views are the evidence about a member.
func (m *member) views(at Time) []message.View {
	var out []message.View
	for _, w := range slices.Concat(m.decides, m.readies, m.tells) {
		for _, v := range w.sights {
			out = append(out, v.view(at.Mono, m.name, w.check.Name))
		}
	}
	return out[:min(len(out), 120)]
}
