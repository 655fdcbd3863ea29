package core

import (
	"fmt"
	"slices"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// auditLeased is audit for a group with a lease: it knows the chain, what was said of fences and when, and what every member really had.
func auditLeased(w *world) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	var (
		newest, last *message.Command // last is the one that was held last
		mark         *message.Mark
		marked       int64
		auto         []int64
		holder       *swap // the last swap that was held
	)
	for _, e := range w.chain {
		switch m := e.m.(type) {
		case *message.Mark:
			mark, marked = m, e.stored
		case *message.Held:
			if newest == nil || m.Epoch != newest.Epoch || last == newest {
				bad("held %d stands where it must not", m.Epoch)
				continue
			}
			if k := newest.Kind; (k == message.KindFailover || k == message.KindSwitchover) && newest.Drill == nil {
				holder = &swap{epoch: newest.Epoch, at: moment{stream: e.stored}}
			}
			last = newest
		case *message.Command:
			if newest == nil && m.Epoch != 1 || newest != nil && m.Epoch != newest.Epoch+1 {
				bad("epoch %d follows %v", m.Epoch, newest)
			}
			switch m.Kind {
			case message.KindAdopt:
				if last != nil && m.Primary != last.Primary {
					bad("epoch %d adopts %s while %s held", m.Epoch, m.Primary, last.Primary)
				}
			case message.KindResume:
				// Invariant 10.
				if last == nil || m.Primary != last.Primary {
					bad("epoch %d resumes %s, which did not hold last", m.Epoch, m.Primary)
				}
			case message.KindReconfigure:
				if last != newest || m.Primary != last.Primary {
					bad("epoch %d changes terms, and epoch %d is not held", m.Epoch, newest.Epoch)
				} else if n := changes(last, m); n != 1 {
					bad("epoch %d changes %d things: %v %+v to %v %+v", m.Epoch, n, last.Members, last.Lease, m.Members, m.Lease)
				}
			default:
				w.auditLeasedSwap(bad, m, e.stored, newest, last)
				if mark != nil && mark.Paused && (mark.For == 0 || e.stored-marked < mark.For.Std().Microseconds()) {
					bad("epoch %d was decided while paused", m.Epoch)
				}
				if m.Request == "" && m.Drill == nil {
					w.auditAutomatic(bad, m, e.stored, holder, auto)
				}
			}
			if m.Request == "" && (m.Kind == message.KindFailover || m.Rule == ruleOverdue) {
				auto = append(auto, e.stored)
			}
			newest = m
		}
	}
	w.auditOutcomes(bad)
	w.auditDrills(bad)
	return append(wrong, w.keepers.wrong...)
}

// auditLeasedSwap: a swap goes only to a member of the newest command and of the last that was held, with the guard in force at both, and takes all
// terms over.
func (w *world) auditLeasedSwap(bad complain, m *message.Command, stored int64, newest, last *message.Command) {
	if last == nil || m.From != last.Primary || newest.Primary != last.Primary {
		bad("epoch %d moves from %s, which is not who held last", m.Epoch, m.From)
		return
	}
	if newest != last && (m.Kind == message.KindSwitchover || newest.Kind != message.KindReconfigure && newest.Kind != message.KindResume) {
		bad("epoch %d is a %s, and epoch %d is a %s that is not held", m.Epoch, m.Kind, newest.Epoch, newest.Kind)
	}
	for _, c := range []*message.Command{newest, last} {
		if !slices.Contains(c.Members, m.Primary) {
			bad("epoch %d moves to %s, which is not promotable at epoch %d: %v", m.Epoch, m.Primary, c.Epoch, c.Members)
		}
		if c.Lease == nil || !c.Lease.Armed {
			bad("epoch %d moves, and epoch %d is not armed", m.Epoch, c.Epoch)
		}
	}
	if !slices.Equal(m.Members, []string{m.Primary}) {
		bad("epoch %d moves to %s and has members %v, none of which was seen to follow it", m.Epoch, m.Primary, m.Members)
	}
	if m.Lease != newest.Lease {
		bad("epoch %d moves and changes terms", m.Epoch)
	}
	if !w.everWas(stored, func(g *spec.Group) bool { return g.Mode != spec.DryRun }) {
		bad("epoch %d was decided in dry run", m.Epoch)
	}
}

// changes counts what a reconfigure changes.
func changes(a, b *message.Command) int {
	n := 0
	add := func(differs bool) {
		if differs {
			n++
		}
	}
	apart := func(a, b []string) (n int) {
		for _, x := range a {
			if !slices.Contains(b, x) {
				n++
			}
		}
		return n
	}
	if a.Lease.Durability == b.Lease.Durability { // with which the members begin anew
		n += apart(a.Members, b.Members) + apart(b.Members, a.Members)
	} else {
		n++
	}
	n += apart(a.Lease.Deciders, b.Lease.Deciders) + apart(b.Lease.Deciders, a.Lease.Deciders)
	add(a.Lease.TTL != b.Lease.TTL)
	add(a.Lease.Armed != b.Lease.Armed)
	add(!slices.Equal(a.Lease.Beside, b.Lease.Beside))
	return n
}

// heldBefore is the last epoch before this one that was held.
func (w *world) heldBefore(epoch uint64) uint64 {
	last := uint64(0)
	for _, e := range w.chain {
		if h, ok := e.m.(*message.Held); ok && h.Epoch < epoch {
			last = h.Epoch
		}
	}
	return last
}

// proven says whether the member had said by then that it is fenced up to an epoch.
func (w *world) proven(member string, epoch uint64, stored int64) bool {
	return slices.ContainsFunc(w.log, func(in Input) bool {
		r, ok := in.(SafetyRead)
		if !ok || r.Stored > stored {
			return false
		}
		f, ok := r.Message.(*message.Fenced)
		return ok && f.Member == member && f.Epoch >= epoch
	})
}
