package core

import (
	"cmp"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// A member in maintenance is one that a person has taken out: in a pool no proxy leads new clients to it, in a pair it is no standby to count on. When it
// began and when it ends are entries of the chain (message.Maintenance), so that of two that are wanted at once the second is decided knowing of the
// first. One that was given a time ends by itself after it, once the member is up; who forgot it is reminded.

// upkeep is the maintenance that a member is in.
type upkeep struct {
	entry *message.Maintenance
	at    moment
	// began is when the member was taken out: earlier than at where the entry renewed it.
	began moment
}

// Reminders are told once for each of these.
const (
	// remindAhead is the longest time before the end at which it is told; one that is short is told when a quarter of it is left.
	remindAhead = 15 * time.Minute
	// remindLeast is the shortest that is worth a reminder.
	remindLeast = time.Minute
	// remindEvery is how often one without an end is told of.
	remindEvery = 24 * time.Hour
)

// maintenanceTaken follows the chain.
func (c *chain) maintenanceTaken(e *message.Maintenance, now moment) {
	if e.Request != "" {
		c.asked = remember(c.asked, asked{request: e.Request, epoch: c.epoch()})
	}
	began := now
	if u := c.upkeepOf(e.Member); u != nil {
		began = u.began
	}
	c.leaveMaintenance(e.Member)
	if !e.Begins && e.Request != "" { // whoever puts a member back has looked at it
		c.looked(e.Member)
	}
	if e.Begins {
		c.upkeep = append(c.upkeep, upkeep{entry: e, at: now, began: began})
		slices.SortFunc(c.upkeep, func(a, b upkeep) int { return cmp.Compare(a.entry.Member, b.entry.Member) })
	}
}

// leaveMaintenance: who has become primary is in no maintenance, whoever overrode it.
func (c *chain) leaveMaintenance(member string) {
	c.upkeep = slices.DeleteFunc(slices.Clone(c.upkeep), func(u upkeep) bool { return u.entry.Member == member })
}

// upkeepOf is the maintenance that the member is in; nil: none.
func (c *chain) upkeepOf(member string) *upkeep {
	i := slices.IndexFunc(c.upkeep, func(u upkeep) bool { return u.entry.Member == member })
	if i < 0 {
		return nil
	}
	return &c.upkeep[i]
}

// over says that its time has passed.
func (u *upkeep) over(at Time) bool {
	return u.entry.For > 0 && at.since(u.at) >= u.entry.For.Std()
}

func (u *upkeep) status(at Time) *message.MaintenanceStatus {
	out := &message.MaintenanceStatus{ID: u.entry.ID, By: u.entry.Actor, Reason: u.entry.Reason, Since: max(0, u.began.stream), Over: u.over(at)}
	if u.entry.For > 0 {
		out.Until = max(0, u.at.stream) + u.entry.For.Std().Microseconds()
	}
	return out
}

// what says what it is, as a noun.
func (u *upkeep) what() string {
	return "the maintenance of " + u.entry.Member + " by " + u.entry.Actor
}

// forHowLong says how long it was asked for.
func forHowLong(d time.Duration) string {
	if d <= 0 {
		return "until somebody puts it back"
	}
	return "for " + span(d)
}

// renews says whether the request renews the maintenance that its target is in, so that nobody is taken out by it. Whoever means a certain one, and
// it is another now, asks for a new one, and is refused. Whoever means a certain one goes on with the work there: what is asked in a freeze or a
// pause is refused then.
func (s *State) renews(r *message.Request) bool {
	u := s.chain.upkeepOf(r.Target)
	return r.Verb == message.VerbDrain && r.Renew && u != nil && (r.Of == "" || r.Of == u.entry.ID)
}

func (s *State) askedMaintenance(at Time, a *ask, q question, rule *requestRule) {
	r := a.request
	w := s.words(a, q)
	if u := s.chain.upkeepOf(q.to); u != nil {
		w["what"] = u.what()
	}
	says := clip(fill(rule.Says, w), 1000)
	if s.pool() && s.dryRun() {
		o := s.outcome(a)
		o.Accepted, o.DryRun, o.Sentence = true, true, "accepted as a dry run, nothing is applied: "+says
		s.answer(at, o, rule.Code)
		return
	}
	a.sentence = "accepted: " + says
	s.propose(at, &message.Maintenance{
		ID: s.group + ".maintenance." + hash(s.decider, epoch(s.chain.seq), r.ID), Group: s.group, Member: q.to, Begins: r.Verb == message.VerbDrain,
		For: r.For, Rule: rule.Code, Sentence: says, Actor: r.Actor, Reason: r.Reason, Request: r.ID, Reasons: a.aside, Decider: s.decider, At: at.Wall,
	})
}

// maintenanceOver finds one whose time has passed and whose member is up.
func maintenanceOver(s *State, at Time) words {
	if _, paused := s.chain.paused(at); s.underWay() || paused && s.pool() {
		return nil // while a pool is paused its proxies are left alone: it ends afterwards
	}
	for i := range s.chain.upkeep {
		u := &s.chain.upkeep[i]
		if m := s.member(u.entry.Member); u.over(at) && m != nil && m.verdict == message.VerdictUp {
			return words{"member": m.name, "what": u.what(), "for": span(u.entry.For.Std())}
		}
	}
	return nil
}

func (s *State) endMaintenance(at Time, r *situationRule, w words) {
	s.propose(at, &message.Maintenance{
		ID: s.group + ".maintenance." + hash(s.decider, epoch(s.chain.seq), w["member"]), Group: s.group, Member: w["member"],
		Rule: r.Code, Sentence: clip(fill(r.Says, w), 1000), Decider: s.decider, At: at.Wall,
	})
}

// tellMaintenance tells an entry that was read.
func (s *State) tellMaintenance(at Time, e *message.Maintenance) {
	s.tell(at, message.Event{
		ID: "maintenance." + e.ID, Kind: message.EventMaintenance, Severity: message.Notice, Member: e.Member, Epoch: s.chain.epoch(), Code: e.Rule,
		Sentence: e.Sentence, Request: e.Request, Actor: e.Actor, Reasons: e.Reasons,
	})
}

// expected says that what is seen of a member is what its maintenance leads one to expect.
func (s *State) expected(member string) string {
	u := s.chain.upkeepOf(member)
	if u == nil {
		return ""
	}
	return "; expected, since it is in maintenance by " + u.entry.Actor + because(u.entry.Reason)
}

// remind tells of a maintenance or a pause that is about to end, that has no end, or that outlasts its time. A reminder whose moment is long past
// was told by somebody else, or nobody was there to tell it.
func (s *State) remind(at Time) {
	if !s.judging(at) {
		return // the chain may not have been read to its end
	}
	for i := range s.chain.upkeep {
		u := &s.chain.upkeep[i]
		name, why, stays := u.entry.Member, "the spec does not declare it any more", true
		if m := s.member(name); m != nil {
			why, stays = m.sentence(at), m.verdict != message.VerdictUp
		}
		s.remindOf(at, u.entry.ID, message.EventMaintenance, name, u.at, u.entry.For.Std(), words{
			"what": u.what(), "member": name, "then": "if " + name + " is up", "end": "ham undrain " + s.group + " " + name, "why": why,
		}, stays)
	}
	s.remindPlanned(at)
	if k := s.chain.mark; k != nil && k.Paused {
		s.remindOf(at, k.ID, message.EventMode, "", s.chain.marked, k.For.Std(), words{
			"what": "the pause of " + s.group + " by " + k.Actor, "then": "whatever is done by then", "end": "ham resume " + s.group,
		}, false)
	}
}

// remindOf tells what is due of one thing that began then and is to last so long; stays says that it outlasts that.
func (s *State) remindOf(at Time, id string, kind message.EventKind, member string, began moment, lasts time.Duration, w words, stays bool) {
	since := at.since(began)
	w["group"], w["since"] = s.group, span(since)
	tell := func(rule *reminderRule, severity message.Severity, due time.Duration, mark string) {
		key := id + "." + mark
		if since < due || slices.Contains(s.reminded, key) {
			return
		}
		s.reminded = remember(s.reminded, key)
		if since-due < retellLimit {
			s.tell(at, message.Event{ID: "remind." + key, Kind: kind, Severity: severity, Member: member, Epoch: s.chain.epoch(), Code: rule.Code, Sentence: fill(rule.Says, w)})
		}
	}
	daily := func(from time.Duration) (time.Duration, string) {
		n := (since - from) / remindEvery
		return from + n*remindEvery, epoch(uint64(max(n, 0)))
	}
	switch {
	case lasts <= 0:
		if due, n := daily(0); due > 0 {
			tell(&reminderRules[2], message.Notice, due, "day"+n)
		}
	case since >= lasts && stays:
		due, n := daily(lasts)
		tell(&reminderRules[1], message.Warning, due, "over"+n)
	case lasts >= remindLeast && since < lasts:
		w["left"] = span(lasts - since)
		tell(&reminderRules[0], message.Notice, lasts-min(remindAhead, lasts/4), "soon")
	}
}

// --- the rows of the table

func alreadyOut(s *State, at Time, q question) words {
	u := s.chain.upkeepOf(q.to)
	if u == nil {
		return nil
	}
	return words{"to": q.to, "who": u.entry.Actor, "ago": span(at.since(u.began)), "reason": because(u.entry.Reason)}
}

func notOut(s *State, _ Time, q question) words {
	if s.spec == nil || s.member(q.to) == nil || s.chain.upkeepOf(q.to) != nil {
		return nil
	}
	return words{"to": q.to}
}

func isPrimary(s *State, _ Time, q question) words {
	if s.pool() || q.to == "" || q.to != s.chain.primary() && q.to != s.acting() {
		return nil
	}
	return words{"to": q.to}
}

// inMaintenance: a standby that a person has taken out is not counted on.
func inMaintenance(s *State, at Time, q question) words {
	if s.pool() {
		return nil
	}
	return alreadyOut(s, at, q)
}
