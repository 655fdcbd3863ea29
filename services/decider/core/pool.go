package core

import (
	"slices"
	"strconv"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// A pool has no primary, no epoch and no swap: its members serve side by side, and HAProxy's own configuration says how. What is decided here is
// who may be taken out for maintenance, and that never fewer than the minimum are left by it.

// pool says that the group is one.
func (s *State) pool() bool { return s.spec != nil && s.spec.Pool != nil }

// standing are the active members of a pool that serve, as far as is known: up, not in maintenance, and passed over by no proxy that
// answers. Sorted.
//
// Invariant: whoever is in doubt does not stand, so that nobody is taken out because of one that might serve.
func (s *State) standing() []string {
	var out []string
	for _, name := range s.spec.Active() {
		if m := s.member(name); m != nil && m.verdict == message.VerdictUp && s.chain.upkeepOf(name) == nil && s.passedOver(name) == "" {
			out = append(out, name)
		}
	}
	return out
}

// passedOver is a proxy that answers and leads nobody to the member; "": there is none.
func (s *State) passedOver(member string) string {
	for _, r := range s.routes {
		if r.counts(s) && !slices.Contains(r.seen.Serves, member) {
			return r.seen.Proxy
		}
	}
	return ""
}

// free is how many of the active members may be taken out now.
func (s *State) free() int { return max(0, len(s.standing())-s.spec.Pool.Minimum) }

// short says that fewer active members than the minimum are left, by what vantages say of them. Who is unknown is not counted as lost: a blind
// prober is no evidence. Whether HAProxy leads clients to them is not asked: a proxy that was just started or put back needs a moment.
func (s *State) short() bool {
	left := 0
	for _, name := range s.spec.Active() {
		m := s.member(name)
		if m != nil && m.verdict != message.VerdictDown && m.verdict != message.VerdictDisputed && s.chain.upkeepOf(name) == nil {
			left++
		}
	}
	return left < s.spec.Pool.Minimum
}

// spares are the backups that are up and not in maintenance, sorted.
func (s *State) spares() []string {
	var out []string
	for _, m := range s.spec.Members {
		if have := s.member(m.Name); m.Backup && have != nil && have.verdict == message.VerdictUp && s.chain.upkeepOf(m.Name) == nil {
			out = append(out, m.Name)
		}
	}
	return out
}

// absent says of each active member that does not serve why.
func (s *State) absent(at Time) string {
	standing := s.standing()
	var out []string
	for _, name := range s.spec.Active() {
		m := s.member(name)
		if m == nil || slices.Contains(standing, name) {
			continue
		}
		switch u := s.chain.upkeepOf(name); {
		case u != nil:
			out = append(out, name+" is in maintenance by "+u.entry.Actor+because(u.entry.Reason))
		case m.verdict != message.VerdictUp:
			out = append(out, m.sentence(at))
		default:
			out = append(out, s.passedOver(name)+" leads no clients to "+name)
		}
	}
	return clip(strings.Join(out, "; "), 1200)
}

// poolSentence is one that is always true of a pool.
func (s *State) poolSentence(at Time) string {
	if s.blindNow(at) {
		return fill("This decider starts blind: who of {group} serves is not known yet.", words{"group": s.group})
	}
	standing, active := s.standing(), len(s.spec.Active())
	w := words{"group": s.group, "serve": strconv.Itoa(len(standing)), "active": strconv.Itoa(active), "minimum": strconv.Itoa(s.spec.Pool.Minimum),
		"free": strconv.Itoa(s.free()), "why": s.absent(at), "spares": list(s.spares())}
	says := "{serve} of {active} serve"
	unknown := slices.ContainsFunc(s.members, func(m *member) bool { return m.verdict == message.VerdictUnknown && s.chain.upkeepOf(m.name) == nil })
	switch {
	case len(standing) == 0 && unknown: // a blind prober is no evidence
		return fill("Who of {group} serves is not known, because {why}.", w)
	case len(standing) == 0 && len(s.spares()) == 0:
		return fill("Nobody of {group} serves, because {why}.", w)
	case len(standing) == 0 && len(s.spares()) == 1:
		return fill("{spares} serves alone, because {why}.", w)
	case len(standing) == 0:
		return fill("{spares} serve alone, because {why}.", w)
	case len(standing) < s.spec.Pool.Minimum:
		return fill("{serve} of {active} serve, fewer than the minimum of {minimum}: {why}.", w)
	case s.free() == 0:
		says += "; none may be taken out"
	default:
		says += "; {free} may be taken out"
	}
	if len(standing) < active {
		says += ": {why}"
	}
	return fill(says+".", w)
}

func (s *State) poolStatus() *message.PoolStatus {
	out := &message.PoolStatus{Minimum: s.spec.Pool.Minimum, Active: len(s.spec.Active()), Serve: s.standing(), Free: s.free()}
	if out.Serve == nil {
		out.Serve = []string{}
		out.Backups = s.spares()
	}
	return out
}

// poolRole is what a member of a pool is now, and whether it serves, or as a backup could.
func (s *State) poolRole(m *member) (message.Role, bool) {
	declared, _ := s.spec.Member(m.name)
	switch {
	case s.chain.upkeepOf(m.name) != nil:
		return message.RoleDrained, false
	case declared.Backup:
		return message.RoleBackup, m.verdict == message.VerdictUp
	}
	return message.RoleActive, slices.Contains(s.standing(), m.name)
}

// --- the rows of the table

// aPool ends the table for a pool: what follows is about a primary.
func aPool(s *State, at Time) words {
	if !s.pool() {
		return nil
	}
	return words{"sentence": strings.TrimSuffix(s.poolSentence(at), ".")}
}

func poolHasNone(s *State, _ Time, q question) words {
	if !s.pool() {
		return nil
	}
	verb := "swap"
	if q.request != nil {
		verb = string(q.request.Verb)
	}
	return words{"verb": verb}
}

// belowMinimum: what would be left is counted without the member, whoever it is.
//
// Invariant: ham takes nobody out of a pool where fewer than the minimum would serve then.
func belowMinimum(s *State, at Time, q question) words {
	if !s.pool() || s.member(q.to) == nil {
		return nil
	}
	left := slices.DeleteFunc(s.standing(), func(m string) bool { return m == q.to })
	if len(left) >= s.spec.Pool.Minimum {
		return nil
	}
	why := s.absent(at)
	if why != "" {
		why = ": " + why
	}
	return words{"to": q.to, "left": list(left), "count": strconv.Itoa(len(left)), "minimum": strconv.Itoa(s.spec.Pool.Minimum), "why": why}
}

// poolCutOff: nothing could keep clients from who is taken out.
func poolCutOff(s *State, _ Time, q question) words {
	if !s.pool() {
		return nil
	}
	if w := s.cutOff(); w != nil {
		w["to"] = q.to
		return w
	}
	for _, d := range s.spec.Routes { // of a pool a route that nobody has told of is not known to be reached
		if !slices.ContainsFunc(s.routes, func(r *route) bool { return r.seen.Route == d.Name && r.counts(s) }) {
			return words{"to": q.to, "route": d.Name, "where": list(d.HAProxy.Proxies)}
		}
	}
	return nil
}

func poolPaused(s *State, at Time, q question) words {
	if !s.pool() {
		return nil
	}
	return isPaused(s, at, q)
}
