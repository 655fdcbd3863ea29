package core

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"math/rand/v2"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// poolOf is a pool of n active members and one backup.
func poolOf(n, minimum int) *spec.Group {
	g := brisk(pair())
	g.Adopt, g.Pool, g.Members = "", &spec.Pool{Minimum: minimum}, nil
	for i := range n {
		g.Members = append(g.Members, spec.Member{Name: fmt.Sprintf("w%d", i+1), Site: "sp"})
	}
	g.Members = append(g.Members, spec.Member{Name: "spare", Site: "rj", Backup: true})
	return g
}

// dead is since when the member has been truly down, as all vantages that see find it; negative: it is not.
type dead map[string]time.Duration

// TestPoolNeverBelowItsMinimum: whatever is asked of whichever decider at whatever moment, with a network that loses, doubles and reorders, with
// members that die and deciders that are cut off, restarted and frozen: nobody is taken out where fewer than the minimum would be left.
func TestPoolNeverBelowItsMinimum(t *testing.T) {
	entries, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 6).Draw(t, "active")
		g := poolOf(n, rapid.IntRange(1, n).Draw(t, "minimum"))
		w := newWorld(g)
		w.net = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "network"), 7))
		w.chaos = rapid.Bool().Draw(t, "lossy")
		down, audited := dead{}, 0
		audit := func() {
			out := map[string]bool{}
			for i, e := range w.chain {
				m, ok := e.m.(*message.Maintenance)
				if !ok {
					continue
				}
				renewed := m.Begins && out[m.Member] // nobody was taken out by it
				out[m.Member] = m.Begins
				if i < audited {
					continue
				}
				audited = i + 1
				entries++
				var left []string
				for _, name := range g.Active() {
					// A member that has been down for long is known to be by whoever judges at all; one that just died may be counted on.
					since, isDown := down[name]
					if !out[name] && !(isDown && w.now-since > 10*time.Second) {
						left = append(left, name)
					}
				}
				if m.Begins && !renewed && len(left) < g.Pool.Minimum {
					t.Fatalf("%s: %s was taken out by %s, %v are left, and the minimum is %d", w.now, m.Member, m.Decider, left, g.Pool.Minimum)
				}
			}
		}
		w.out = func(_ *decider, o Output) {
			if a, ok := o.(Answer); ok && !a.Event.Outcome.Accepted {
				refused++
			}
			switch o := o.(type) {
			case Propose:
				if c, ok := o.Entry.(*message.Command); ok {
					t.Fatalf("a command in a pool: %s", c.Sentence)
				}
			}
		}
		for _, name := range []string{"d1", "d2"} {
			w.start(name)
		}
		w.poolRoute()
		w.run(8 * time.Second)
		member := rapid.SampledFrom(g.MemberNames())
		for i := range rapid.IntRange(3, 14).Draw(t, "happenings") {
			switch what := rapid.SampledFrom([]string{"drain", "drain", "drain", "undrain", "die", "live", "restart", "link"}).Draw(t, "what"); what {
			case "drain", "undrain": // two at once, each of another decider
				for k, d := range w.deciders {
					r := &message.Request{ID: fmt.Sprintf("r%d-%d", i, k), Group: "web", Actor: "ana", Verb: message.Verb(what), Target: member.Draw(t, "member"),
						Renew: what == "drain" && rapid.Bool().Draw(t, "renew")}
					if rapid.Bool().Draw(t, "for a while") {
						r.For = message.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * message.Duration(time.Second)
					}
					d.later(w.delay(), RequestReceived{r, w.stream()})
				}
			case "die":
				m := member.Draw(t, "member")
				if _, already := down[m]; !already {
					down[m] = w.now
				}
				w.set(m, conditions["refused"])
			case "live":
				m := member.Draw(t, "member")
				delete(down, m)
				w.set(m, conditions["up"])
			case "restart":
				w.deciders[rapid.IntRange(0, 1).Draw(t, "decider")].boot()
			case "link":
				d := w.deciders[rapid.IntRange(0, 1).Draw(t, "decider")]
				d.link(!d.linked)
			}
			for range rapid.IntRange(1, 30).Draw(t, "tenths") {
				w.run(w.now + 100*time.Millisecond)
				audit()
			}
		}
		w.chaos = false
		for _, d := range w.deciders {
			d.link(true)
		}
		w.run(w.now + 15*time.Second)
		audit()
		a, b := w.deciders[0].s.Status(w.deciders[0].time()), w.deciders[1].s.Status(w.deciders[1].time())
		require.NoError(t, message.Validate(a))
		if a.Sentence != b.Sentence || !slices.Equal(a.Pool.Serve, b.Pool.Serve) {
			t.Fatalf("deciders disagree at rest:\n%s\n%s", a.Sentence, b.Sentence)
		}
	})
	require.Greater(t, entries, 20, "drawings that never take anybody out prove nothing")
	require.Greater(t, refused, 20)
}

// TestTwoDrainsAtOnce: each of two deciders is asked to take another member out, at the same moment, where only one may go: one place in the chain
// is won, and the other is decided anew, knowing of the first.
func TestTwoDrainsAtOnce(t *testing.T) {
	w := newWorld(poolOf(3, 2))
	outcomes := map[string]*message.Outcome{}
	proposed := 0
	w.out = func(_ *decider, o Output) {
		switch o := o.(type) {
		case Answer:
			outcomes[o.Event.Outcome.Request] = o.Event.Outcome
		case Propose:
			proposed++
		}
	}
	d1, d2 := w.start("d1"), w.start("d2")
	w.poolRoute()
	w.run(10 * time.Second)
	d1.feed(RequestReceived{&message.Request{ID: "one", Group: "web", Actor: "ana", Verb: message.VerbDrain, Target: "w1"}, w.stream()})
	d2.feed(RequestReceived{&message.Request{ID: "two", Group: "web", Actor: "bob", Verb: message.VerbDrain, Target: "w2"}, w.stream()})
	require.Equal(t, 2, proposed, "each had every reason to, by what it knew")
	w.run(12 * time.Second)
	require.True(t, outcomes["one"].Accepted, outcomes["one"].Sentence)
	require.False(t, outcomes["two"].Accepted)
	require.Equal(t, "R434", outcomes["two"].Reasons[0].Code)
	require.Len(t, w.chain, 1)
}
