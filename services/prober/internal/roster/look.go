package roster

import (
	"cmp"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/internal/schedule"
)

// Look is what one vantage knows of one member by one check.
type Look struct {
	Group, Member, Check, Vantage string
	Kind                          spec.CheckKind
	Every                         time.Duration
	// Seq is the number of the newest heartbeat in this run; 0: none yet, and the fields below are empty.
	Seq      uint64
	Answer   message.Answer
	Hard     bool
	Blind    bool
	Evidence string
	// Took is how long the newest look took, Late how late this prober was with it.
	Took, Late time.Duration
	// At is when it was made, Since when this answer was given first; InARow how often since. Wall clock.
	At, Since time.Time
	InARow    uint64
}

func (e *entry) remember(hb *message.Heartbeat, o schedule.Observation, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	since, row := at, uint64(1)
	if e.last.Answer == hb.Answer {
		since, row = e.last.Since, e.last.InARow+1
	}
	e.last = Look{
		Seq: hb.Seq, Answer: hb.Answer, Hard: hb.Hard, Blind: hb.Blind, Evidence: hb.Evidence, Took: o.Took, Late: max(o.Late, 0),
		At: at, Since: since, InARow: row,
	}
}

func (e *entry) look() Look {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.last
	l.Group, l.Member, l.Check, l.Vantage, l.Kind, l.Every = e.group, e.member, e.key.check, e.vantage, e.what.Kind, e.what.Every
	return l
}

// Looks returns a copy of what is known now, sorted by group, member, check, vantage.
func (r *Roster) Looks() []Look {
	r.mu.Lock()
	var all []Look
	for _, g := range r.groups {
		for _, e := range g {
			all = append(all, e.look())
		}
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b Look) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Member, b.Member), cmp.Compare(a.Check, b.Check), cmp.Compare(a.Vantage, b.Vantage))
	})
	return all
}

// Len is how many things are looked at.
func (r *Roster) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, g := range r.groups {
		n += len(g)
	}
	return n
}
