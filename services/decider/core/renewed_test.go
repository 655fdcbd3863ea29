package core

import (
	"testing"
	"time"
)

// Where a check of what only the primary's side runs begins to count, its row begins there: a command does not say that the look which the failing began
// with was heard then, since a replay would hear it then, too.
func TestARowThatBeginsAnewNamesNoLook(t *testing.T) {
	g := pair()
	c := g.Checks[0]
	c.Name, c.OfPrimary = "app", true
	g.Checks = append(g.Checks, c)
	w := newWorld(g)
	d := w.start("d1")
	w.route("front", g.Routes[0].HAProxy.Proxies[0], "a")
	w.run(20 * time.Second)
	w.set("b", conditions["crashed"])
	w.run(25 * time.Second)
	b := d.s.member("b")
	rows := func() (named int) {
		for _, l := range d.s.basis(d.time(), question{}).Looks {
			if l.Member == "b" && l.Check == "app" && l.RowSeq != 0 {
				named++
			}
		}
		return named
	}
	if rows() != 3 {
		t.Fatalf("%d rows of app at b name the look that they began with, want 3: it has failed for five seconds", rows())
	}
	for _, one := range b.decides {
		for _, v := range one.sights {
			v.anew(d.time().Mono)
		}
	}
	if n := rows(); n != 0 {
		t.Fatalf("%d rows of app at b name a look of before they began", n)
	}
	w.set("b", conditions["up"])
	w.run(30 * time.Second)
	w.set("b", conditions["crashed"])
	w.run(35 * time.Second)
	if rows() != 3 {
		t.Fatalf("%d rows of app at b name the look that they began with, want 3: it fails anew", rows())
	}
}
