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

// The agenda: drills by the calendar of the spec. Every decider finds the same moment and sends the same request, so that it is stored once;
// what becomes of it is decided like everything that is asked for. What was due while nobody ran is sent late and refused as missed: it is
// told, and not made up for.

// calendar is what is known of it.
type calendar struct {
	// next are the coming times of the spec's drills, in their order; empty: to be worked out anew.
	next []int64
	// known are requests of the calendar that have their outcome, or that this decider has sent.
	known []string
}

const (
	// agendaShown is how many coming times of each drill the status shows.
	agendaShown = 3
	// clocksApart is by how much two deciders may differ about the stream's clock: each reads it over its own way, within two seconds. One of them
	// sends what is due, and another one may decide it.
	clocksApart = 2 * time.Second
	agendaMark  = "agenda."
	codeBlocked = "R363"
	codeFrozen  = "R473"
)

// looksBack are the times in which a drill that was missed is looked for, shortest first: what comes often is found in the first.
var looksBack = []time.Duration{2 * time.Hour, 25 * time.Hour, 8 * 24 * time.Hour, 32 * 24 * time.Hour}

func (s *State) agendaID(due int64) string {
	return agendaMark + s.group + "." + strconv.FormatInt(due/1e6, 10)
}

// agendaKnown takes in that a request has its outcome.
func (s *State) agendaKnown(request string) {
	if strings.HasPrefix(request, agendaMark) && !slices.Contains(s.agenda.known, request) {
		s.agenda.known = remember(s.agenda.known, request)
	}
}

// keepAgenda sends what is due.
func (s *State) keepAgenda(at Time) {
	s.keepPlanned(at)
	a := &s.agenda
	if len(s.spec.Drills) == 0 || !s.judging(at) {
		return
	}
	now := time.UnixMicro(at.Stream)
	if len(a.next) != len(s.spec.Drills) {
		a.next = make([]int64, len(s.spec.Drills))
		for i := range s.spec.Drills {
			if due, ok := s.missed(&s.spec.Drills[i], now); ok {
				s.sendDrill(&s.spec.Drills[i], due)
			}
			a.next[i] = after(&s.spec.Drills[i], now)
		}
	}
	for i := range s.spec.Drills {
		if a.next[i] > 0 && at.Stream >= a.next[i] {
			s.sendDrill(&s.spec.Drills[i], a.next[i])
			a.next[i] = after(&s.spec.Drills[i], now)
		}
	}
}

// after is the next time in Unix microseconds; 0: none.
func after(d *spec.Drill, now time.Time) int64 {
	next, ok := d.Next(now)
	if !ok {
		return 0
	}
	return next.UnixMicro()
}

// missed is the newest time before now at which the drill was due by the spec that is in force.
func (s *State) missed(d *spec.Drill, now time.Time) (due int64, ok bool) {
	if s.spec.Applied == 0 {
		return 0, false
	}
	for _, back := range looksBack {
		from := now.Add(-back)
		if applied := time.UnixMicro(s.spec.Applied); from.Before(applied) {
			from = applied
		}
		for t := from; ; {
			next, more := d.Next(t)
			if !more || next.After(now) {
				break
			}
			due, ok, t = next.UnixMicro(), true, next
		}
		if ok {
			return due, true
		}
	}
	return 0, false
}

func (s *State) sendDrill(d *spec.Drill, due int64) {
	id := s.agendaID(due)
	if _, known := s.Outcome(id); known || slices.Contains(s.agenda.known, id) {
		return
	}
	if _, led := s.chain.of(id); led {
		return
	}
	s.agendaKnown(id)
	hold := message.Duration(d.Hold)
	s.emit(Send{&message.Request{
		ID: id, Group: s.group, Verb: message.VerbDrill, Actor: message.ActorSchedule, Via: message.ViaSchedule, Target: d.To, Hold: &hold,
		Reason: clip(d.Reason, 1000), Due: due,
	}})
}

// scheduled says whether the request is one that the spec's calendar asks for, and nobody else.
func (s *State) scheduled(r *message.Request) bool {
	if s.spec == nil || r.End != "" || r.Due == 0 || r.Actor != message.ActorSchedule {
		return false
	}
	if r.Of != "" {
		return s.asPlanned(r)
	}
	if r.Verb != message.VerbDrill || r.ID != s.agendaID(r.Due) {
		return false
	}
	return slices.ContainsFunc(s.spec.Drills, func(d spec.Drill) bool {
		next, ok := d.Next(time.UnixMicro(r.Due).Add(-time.Second))
		return ok && next.UnixMicro() == r.Due && d.To == r.Target && r.Hold != nil && r.Hold.Std() == d.Hold
	})
}

// DrillAge is how long ago the last drill that went there and back was over; false: there never was one.
func (s *State) DrillAge(at Time) (age time.Duration, known bool) {
	if s.drilled == nil {
		return 0, false
	}
	return at.since(*s.drilled), true
}

// coming is what the calendar holds, the soonest first.
func (s *State) coming(at Time) []message.AgendaEntry {
	var out []message.AgendaEntry
	if s.spec == nil {
		return nil
	}
	for i := range s.spec.Drills {
		d, t := &s.spec.Drills[i], time.UnixMicro(at.Stream)
		for range agendaShown {
			next, ok := d.Next(t)
			if !ok {
				break
			}
			hold := message.Duration(d.Hold)
			e := message.AgendaEntry{Verb: message.VerbDrill, At: next.UnixMicro(), Target: d.To, Hold: &hold, Actor: message.ActorSchedule, Reason: d.Reason}
			e.Blocked = s.shut(&message.Request{Due: next.UnixMicro()})
			out, t = append(out, e), next
		}
	}
	for _, p := range s.chain.planned {
		r := p.Asks
		e := message.AgendaEntry{Verb: r.Verb, At: r.Due, Target: r.Target, Actor: r.Actor, Reason: r.Reason, Name: p.Name}
		if r.Verb == message.VerbDrill {
			hold := message.Duration(holdOf(r))
			e.Hold = &hold
		}
		e.Blocked = s.shut(r)
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b message.AgendaEntry) int { return cmp.Compare(a.At, b.At) })
	if len(out) > 0 {
		out[0].Refusals = s.refusedNow(at, &out[0])
	}
	return out
}

// shut is why what is due at that time would be refused by the windows of the spec, unless the request sets them aside; "": by none.
func (s *State) shut(r *message.Request) string {
	due := time.UnixMicro(r.Due)
	if b := s.spec.FrozenAt(due); b != nil && !slices.Contains(r.Override, codeFrozen) {
		return b.Why
	}
	if b := s.spec.BlockedAt(due); b != nil && !slices.Contains(r.Override, codeBlocked) {
		return b.Why
	}
	return ""
}

// refusedNow is what would refuse something of the calendar if it were due now.
func (s *State) refusedNow(at Time, e *message.AgendaEntry) []message.Reason {
	r := &message.Request{Group: s.group, Verb: message.VerbDrill, Actor: message.ActorSchedule, Target: e.Target, Hold: e.Hold, Due: at.Stream}
	if p := s.plannedAs(e.Name); p != nil {
		r = s.planRequest(p)
		r.Due, r.Of = at.Stream, ""
	}
	stand, _ := override(s.refusals(at, s.asking(at, &ask{request: r}, s.requestRule(&message.Request{Verb: r.Verb}))), r.Override)
	return slices.DeleteFunc(stand, func(r message.Reason) bool { return r.Code == codeBlocked || r.Code == codeFrozen }) // which are about the time it is due at
}

// blockedSoon is how far ahead blocked windows are shown, blockedShown how many.
const (
	blockedSoon  = 8 * 24 * time.Hour
	blockedShown = 8
)

// windows are the times in which nothing planned begins, now and soon.
func (s *State) windows(at Time) []message.BlockedWindow {
	if s.spec == nil {
		return nil
	}
	var out []message.BlockedWindow
	now := time.UnixMicro(at.Stream)
	add := func(windows []spec.Blocked, freeze bool) {
		for i := range windows {
			b := &windows[i]
			if from, until, ok := b.Window(now); ok && from.Sub(now) < blockedSoon {
				out = append(out, message.BlockedWindow{From: from.UnixMicro(), Until: until.UnixMicro(), Why: b.Why, Freeze: freeze})
			}
		}
	}
	add(s.spec.Freezes, true)
	add(s.spec.Blocked, false)
	slices.SortStableFunc(out, func(a, b message.BlockedWindow) int { return cmp.Compare(a.From, b.From) })
	return out[:min(len(out), blockedShown)]
}

// --- the rows of the table

// isBlocked: a window holds back what was planned, and no swap that a person asks for at the time.
func isBlocked(s *State, at Time, q question) words {
	if s.spec == nil || q.request == nil || q.who&swapAsked != 0 && s.planOf(q) == nil {
		return nil
	}
	when, says := s.begins(at, q)
	b := s.spec.BlockedAt(when)
	if b == nil {
		return nil
	}
	return words{"what": string(q.request.Verb), "when": says, "why": clip(b.Why, 300)}
}

// begins is when what is asked for is to begin.
func (s *State) begins(at Time, q question) (when time.Time, says string) {
	if q.who&planAsked != 0 {
		return time.UnixMicro(q.request.Due), "at " + dueWords(q.request.Due) + " UTC"
	}
	return time.UnixMicro(at.Stream), "now"
}

// isFrozen: a freeze holds back what a person asks for, too, but for a failover, which nobody chooses the time of.
//
// Invariant: a freeze never refuses what the decider does by itself.
func isFrozen(s *State, at Time, q question) words {
	if s.spec == nil || q.request == nil || q.request.Verb == message.VerbFailover {
		return nil
	}
	when, says := s.begins(at, q)
	b := s.spec.FrozenAt(when)
	if b == nil {
		return nil
	}
	_, until, _ := b.Window(when)
	return words{"when": says, "until": until.UTC().Format(time.DateTime), "why": clip(b.Why, 300)}
}

// frozenWords are added to what the decider does by itself during a freeze.
func (s *State) frozenWords(at Time) string {
	b := s.spec.FrozenAt(time.UnixMicro(at.Stream))
	if b == nil {
		return ""
	}
	return "; changes are frozen (" + clip(b.Why, 300) + "), which stops no failover"
}

func wasMissed(_ *State, at Time, q question) words {
	if q.request == nil || q.request.Due == 0 {
		return nil
	}
	ago := time.Duration(at.Stream-q.request.Due) * time.Microsecond
	if ago >= -clocksApart && ago <= MaxRequestAge {
		return nil
	}
	return words{"due": time.UnixMicro(q.request.Due).UTC().Format(time.DateTime), "limit": span(MaxRequestAge)}
}

// troubled: what nobody watches begins in quiet times alone.
func troubled(s *State, _ Time, q question) words {
	if q.request == nil || q.request.Due == 0 || !s.incident.open {
		return nil
	}
	return words{"incident": s.incident.id(s.group)}
}

func drillLongAgo(s *State, at Time, q question) words {
	if s.spec == nil || s.spec.Policy.DrillWithin <= 0 || s.chain.command == nil {
		return nil
	}
	within := span(s.spec.Policy.DrillWithin)
	if s.drilled == nil {
		return words{"when": "was never drilled", "within": within}
	}
	ago := at.since(*s.drilled)
	if ago <= s.spec.Policy.DrillWithin {
		return nil
	}
	return words{"when": "was last drilled " + span(ago) + " ago", "within": within}
}
