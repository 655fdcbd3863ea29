package core

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
)

// taken is an input as a decider took it.
type taken struct {
	at Time
	in Input
}

// TestSameInputsSameOutputs: what was recorded once gives the same outputs every time. Fifty times, because Go shuffles maps.
func TestSameInputsSameOutputs(t *testing.T) {
	for seed := range uint64(3) {
		lives := map[int][]taken{} // by how often the decider was started
		w := simulateWith(seed, pair(), func(w *world) {
			w.took = func(d *decider, in Input) {
				if d == w.deciders[0] {
					lives[d.n] = append(lives[d.n], taken{d.time(), in})
				}
			}
		})
		var record []taken // of the longest life
		for _, life := range lives {
			if len(life) > len(record) {
				record = life
			}
		}
		first := replay(w.deciders[0].name, record)
		if len(record) < 1000 || len(first) < 1000 {
			t.Fatalf("seed %d: %d inputs, %d bytes of outputs: too little happened", seed, len(record), len(first))
		}
		for i := range 50 {
			if again := replay(w.deciders[0].name, record); again != first {
				t.Fatalf("seed %d: run %d differs:\n%s", seed, i, differs(first, again))
			}
		}
	}
}

// replay runs the inputs through a new state and writes down all that comes out, and all that is known at the end.
func replay(decider string, record []taken) string {
	s := New("web", decider)
	var out []byte
	var last Time
	for _, r := range record {
		last = r.at
		for _, o := range s.Step(r.at, r.in) {
			b, err := json.Marshal(o)
			if err != nil {
				panic(err)
			}
			out = fmt.Appendf(out, "%s %T %s\n", r.at.Mono, o, b)
		}
	}
	b, err := json.Marshal(s.Status(last))
	if err != nil {
		panic(err)
	}
	return string(append(out, b...))
}

func differs(a, b string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "…" + a[max(0, i-200):min(len(a), i+200)] + "\n…" + b[max(0, i-200):min(len(b), i+200)]
		}
	}
	return "one is longer"
}

// TestRestartEquivalence: a decider that was just started from nothing but what the bus holds knows and decides the same as one that has
// lived through it.
func TestRestartEquivalence(t *testing.T) {
	for seed := range uint64(8) {
		w := simulate(seed)
		w.heal()
		old := w.deciders[0]
		fresh := w.start("d9")
		w.run(w.now + 3*time.Second) // an interval is watched
		if a, b := known(old), known(fresh); a != b {
			t.Errorf("seed %d: the one that lived through it knows\n%s\nthe one that read it knows\n%s", seed, a, b)
		}
		proposed := map[*decider][]string{}
		w.out = func(d *decider, o Output) {
			if p, ok := o.(Propose); ok {
				c := *p.Entry.(*message.Command)
				proposed[d] = append(proposed[d], fmt.Sprintf("after %d epoch %d %s %s→%s %s %s", p.After, c.Epoch, c.Kind, c.From, c.Primary, c.Rule, c.Incident))
			}
		}
		w.holding = true // so that each of them speaks, and not only the first
		_, before := w.newest()
		w.set(before.Primary, conditions["refused"])
		w.run(w.now + time.Second)
		if a, b := proposed[old], proposed[fresh]; len(a) != 1 || !slices.Equal(a, b) {
			t.Errorf("seed %d: the one that lived through it proposes %q, the one that read it %q", seed, a, b)
		}
	}
}

// known is the status without what is each decider's own: its name, and the moment at which it heard of things.
func known(d *decider) string {
	st := d.s.Status(d.time())
	st.Decider = ""
	for i := range st.Members {
		for j := range st.Members[i].Views {
			st.Members[i].Views[j].AgoMS = 0
			st.Members[i].Views[j].InARow = 0
		}
	}
	b, err := json.MarshalIndent(st, "", " ")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestAGapIsNotReadOver: an entry that was heard is taken only if the one before it was read. Otherwise a decider could propose
// behind a pause or a command that it has not seen, with the right expectation.
func TestAGapIsNotReadOver(t *testing.T) {
	s := New("web", "d1")
	pause := &message.Mark{ID: "m1", Group: "web", Paused: true, Actor: "ana", Decider: "d2"}
	other := &message.Mark{ID: "m2", Group: "web", Actor: "ana", Decider: "d2"}
	s.Step(Time{}, ChainRead{Entry: other, Seq: 9, Prev: 4})
	if s.chain.seq != 0 || s.chain.mark != nil {
		t.Fatalf("read entry 9 without the one before it: %+v", s.chain)
	}
	s.Step(Time{}, ChainRead{Entry: pause, Seq: 4, InOrder: true})
	s.Step(Time{}, ChainRead{Entry: other, Seq: 9, Prev: 4})
	s.Step(Time{}, ChainRead{Entry: pause, Seq: 4, InOrder: true})
	if s.chain.seq != 9 || s.chain.mark != other {
		t.Fatalf("want entry 9 read after entry 4, once each: %+v", s.chain)
	}
}
