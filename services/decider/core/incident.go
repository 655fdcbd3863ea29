package core

import (
	"slices"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// incident is the one that the group is in, if any. Its number is the one after the newest in the table: deciders that open it at
// once use the same number, and nobody waits for the table.
type incident struct {
	// record and revision are the newest that were read.
	record   message.Incident
	revision uint64

	open     bool
	n        uint64
	sentence string
	openedAt int64
	// wrote is when the table was last asked to take what it does not show yet; never: nothing is asked.
	wrote   time.Duration
	closing bool
	// wellSince is when all became well again; never: it is not.
	wellSince time.Duration
	// refused are the sets of reasons that were told; shadowed says that the dry run's swap was.
	refused  []string
	shadowed bool
	shadows  []string // incidents whose shadow was read
}

// id is the open incident's, or "".
func (i *incident) id(group string) string {
	if !i.open {
		return ""
	}
	return message.IncidentID(group, i.n)
}

// first says whether this set of reasons is new in this incident.
func (i *incident) first(key string) bool {
	if slices.Contains(i.refused, key) {
		return false
	}
	i.refused = append(i.refused, key)
	return true
}

// shadow takes in what some decider recorded, so that it is not recorded again after a restart.
func (i *incident) shadow(c *message.Command) {
	if c.Request != "" {
		return
	}
	i.shadows = remember(i.shadows, c.Incident)
	if i.open && c.Incident == i.id(c.Group) {
		i.shadowed = true
	}
}

// begin opens the incident with the number n here.
func (i *incident) begin(group string, n uint64, sentence string, at int64) {
	i.open, i.n, i.sentence, i.openedAt = true, n, sentence, at
	i.wrote, i.closing, i.wellSince, i.refused = never, false, never, nil
	i.shadowed = slices.Contains(i.shadows, i.id(group))
}

// suspect opens an incident about the primary, if none is open.
func (s *State) suspect(at Time, m *member) {
	if s.incident.open || s.chain.command == nil && !s.pool() {
		return
	}
	s.incident.begin(s.group, s.incident.record.N+1, clip(m.sentence(at), 1000), at.Wall)
	s.writeIncident(at)
}

// keepIncident opens, keeps and closes.
func (s *State) keepIncident(at Time) {
	i := &s.incident
	primary := s.member(s.chain.primary())
	if primary != nil && s.judging(at) && !s.pool() {
		for _, w := range primary.decides {
			if w.tally.downs > 0 && primary.verdict != message.VerdictUp {
				s.suspect(at, primary) // a vantage says down, enough or not; up all the same: what else makes it down with that serves
			}
		}
	}
	if s.pool() && s.judging(at) && s.short() && !i.open {
		i.begin(s.group, i.record.N+1, clip(s.poolSentence(at), 1000), at.Wall)
		s.writeIncident(at)
	}
	if f := s.fencedNow(); f != nil && !i.open {
		i.begin(s.group, i.record.N+1, clip(f.words(), 1000), at.Wall)
		s.writeIncident(at)
	}
	if !i.open {
		return
	}
	if i.wrote != never && at.Mono-i.wrote > time.Second {
		s.writeIncident(at) // the table does not show it yet
	}
	well := s.chain.held && !s.underWay() && s.judging(at) && primary != nil && primary.verdict == message.VerdictUp && s.fencedNow() == nil && !s.drill.running()
	if s.pool() {
		well = s.judging(at) && !s.short()
	}
	switch {
	case !well:
		i.wellSince, i.closing = never, false
	case i.wellSince == never:
		i.wellSince = at.Mono
	case !i.closing && at.Mono-i.wellSince >= s.spec.Policy.StableFor && i.record.N == i.n && i.record.Open:
		i.closing = true
		s.writeIncident(at)
	}
}

// writeIncident asks the table to take what holds here.
func (s *State) writeIncident(at Time) {
	i := &s.incident
	i.wrote = at.Mono
	r := &message.Incident{Group: s.group, N: i.n, Open: true, Sentence: i.sentence, Decider: s.decider, OpenedAt: i.openedAt}
	if i.closing {
		r.Open, r.ClosedAt = false, at.Wall
		r.Sentence = clip(s.chain.primary()+" is primary (epoch "+epoch(s.chain.epoch())+") and has been up for "+
			span(s.spec.Policy.StableFor)+"; it began with: "+i.sentence, 1500)
		if s.pool() {
			r.Sentence = clip(fill("{serve} of {active} serve and have for {stable}; it began with: {why}", words{"serve": strconv.Itoa(len(s.standing())),
				"active": strconv.Itoa(len(s.spec.Active())), "stable": span(s.spec.Policy.StableFor), "why": i.sentence}), 1500)
		}
	}
	s.emit(Record{Incident: r, Revision: i.revision})
}

// incidentRead takes what the table holds, and tells what it shows for the first time.
func (s *State) incidentRead(at Time, in IncidentRead) {
	i := &s.incident
	if in.Revision <= i.revision {
		return
	}
	r := *in.Incident
	i.record, i.revision = r, in.Revision
	retell := at.since(moment{in.Stored, at.Mono}) < retellLimit
	switch {
	case r.Open:
		if !i.open || i.n != r.N {
			i.begin(s.group, r.N, r.Sentence, r.OpenedAt)
		}
		i.wrote, i.openedAt = never, r.OpenedAt
		if retell {
			s.tellIncident(at, r)
		}
	case i.open && i.n <= r.N:
		if retell {
			s.tellIncident(at, r)
		}
		i.open, i.closing, i.wrote = false, false, never
	}
}

func (s *State) tellIncident(at Time, r message.Incident) {
	id := message.IncidentID(s.group, r.N)
	e := message.Event{
		ID: "incident." + id + ".opened", Kind: message.EventIncident, Severity: message.Warning, Incident: id, Epoch: s.chain.epoch(),
		Member: s.chain.primary(), Opened: &r.Open, Sentence: "incident " + id + ": " + r.Sentence,
	}
	if !r.Open {
		e.ID, e.Severity, e.Sentence = "incident."+id+".closed", message.Notice, "incident "+id+" is over: "+r.Sentence
	}
	s.tell(at, e)
}
