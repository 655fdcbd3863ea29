package core

import (
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// leasedWorld is a pair at rest, with one decider.
func leasedWorld(durability string) *world {
	w := newWorld(leasedPair(durability))
	w.start("d1")
	w.route("front", "tcp://192.0.2.2:9999", "a")
	w.run(19 * time.Second)
	return w
}

// The mode is dry run from now on, and the guard still in force, when the primary says that it is fenced: nobody is made to act.
func TestFencedInDryRun(t *testing.T) {
	w := leasedWorld(message.NeverLose)
	s := w.deciders[0].s
	w.holding = true // what is proposed from now on is not stored, such as that the guard is no longer in force
	w.keepers.fence("a", w.keepers.epoch, true)
	w.apply(with(w.spec, func(g *spec.Group) { g.Mode = spec.Manual }))
	w.run(w.now + time.Second)
	at := w.deciders[0].time()
	if fencedAlone(s, at) == nil {
		t.Error("it does not come back where nobody may take over by itself")
	}
	w.apply(with(w.spec, func(g *spec.Group) { g.Mode = spec.DryRun }))
	if words := fencedAlone(s, at); words != nil {
		t.Errorf("it comes back in dry run: %v", words)
	}
}

// with is the group with a change.
func with(g *spec.Group, change func(*spec.Group)) *spec.Group {
	one := *g
	change(&one)
	one.Revision++
	return &one
}

// No look told any figures, and the primary says nothing: how much would be lost is not known, which is no reason to lose it.
func TestALagThatNobodyKnowsIsRefused(t *testing.T) {
	w := leasedWorld(message.NeverStop)
	s, at := w.deciders[0].s, w.deciders[0].time()
	q := question{who: itself, kind: message.KindFailover, from: "a", to: "b", died: true}
	s.spec.Objectives = spec.Objectives{RPO: time.Hour, HasRPO: true}
	if r := s.refusals(at, q); len(r) != 0 {
		t.Fatalf("with figures: %v", r)
	}
	for _, m := range s.members {
		m.figures, m.progress = figures{}, nil
	}
	if l, known := s.lag(at, "a", "b"); !known || l.bytes != 0 {
		t.Errorf("the primary's own word stands in: %+v %t", l, known)
	}
	s.leased.word = nil
	if r := s.refusals(at, q); codes(r) != "R327" || !r[0].Overridable {
		t.Errorf("without any: %v", r)
	}
	s.spec.Objectives = spec.Objectives{}
	if r := s.refusals(at, q); len(r) != 0 {
		t.Errorf("without an objective: %v", r)
	}
}

// How far behind is counted from when the primary had written no more than the standby has received.
func TestLag(t *testing.T) {
	w := leasedWorld(message.NeverStop)
	s, at := w.deciders[0].s, w.deciders[0].time()
	a, b := s.member("a"), s.member("b")
	sec := func(n int) time.Duration { return at.Mono - time.Duration(n)*time.Second }
	a.figures = figures{known: true, at: sec(2), acts: true, wrote: 5000, limit: time.Minute}
	a.progress = []written{{sec(12), 1000}, {sec(7), 3000}, {sec(2), 5000}}
	b.figures = figures{known: true, at: sec(1), got: 3500, limit: time.Minute}
	for _, c := range []struct {
		got  float64
		want lag
		says string
	}{
		{3500, lag{bytes: 1500, behind: 5 * time.Second, age: 2 * time.Second}, "was 1.5 KiB, 5s behind, 2s ago"},
		{500, lag{bytes: 4500, behind: 10 * time.Second, more: true, age: 2 * time.Second}, "was 4.4 KiB, more than 10s behind, 2s ago"},
		{6000, lag{age: 2 * time.Second}, "had everything 2s ago"},
	} {
		b.figures.got = c.got
		if l, known := s.lag(at, "a", "b"); !known || l != c.want || l.words() != c.says {
			t.Errorf("received %v: %+v, %t, %q; want %+v, %q", c.got, l, known, l.words(), c.want, c.says)
		}
	}
}

// Which servers bear the primaries, for whoever places the leaders of the bus.
func TestBeside(t *testing.T) {
	w := leasedWorld(message.NeverLose)
	s := w.deciders[0].s
	if p, others, moving := s.Beside(); p != "a-x" || len(others) != 1 || others[0] != "b-x" || moving {
		t.Errorf("at rest: %s %v %t", p, others, moving)
	}
	w.keepers.fence("a", w.keepers.epoch, true)
	w.run(w.now + 2*time.Millisecond)
	if _, _, moving := s.Beside(); !moving {
		t.Error("the primary is fenced, and roles are said to be at rest")
	}
	if p, _, _ := New("web", "d1").Beside(); p != "" {
		t.Errorf("nothing is known, and %s is beside the primary", p)
	}
}
