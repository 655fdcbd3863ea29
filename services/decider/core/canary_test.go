package core

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// act is one thing that happens in a story of its own.
type act struct {
	at   time.Duration
	what func(*world)
}

// decisions plays the story and returns everything that one decider proposed, answered and told, but for what is about clients.
func decisions(g *spec.Group, story []act) (lines []string, told int) {
	w := newWorld(g)
	w.out = func(_ *decider, o Output) {
		if t, ok := o.(Tell); ok && t.Event.Kind == message.EventClients {
			told++
			return
		}
		if line := describe(o); line != "" {
			lines = append(lines, fmt.Sprintf("%9.3fs %s", w.now.Seconds(), line))
		}
	}
	d := w.start("d1")
	w.route("front", "tcp://192.0.2.2:9999", "a")
	for _, a := range story {
		w.run(a.at)
		a.what(w)
	}
	w.run(w.now + 30*time.Second)
	st := d.s.Status(d.time())
	st.Clients = nil
	return append(lines, st.Sentence, codes(st.Refusals), fmt.Sprint(d.s.Quiet(d.time()))), told
}

// TestNothingIsDecidedByACanary: whatever clients lose, the decisions of a story are those of the same story without a canary, to the millisecond.
func TestNothingIsDecidedByACanary(t *testing.T) {
	told := 0
	for seed := range uint64(60) {
		die := rand.New(rand.NewPCG(seed, 5))
		of := func(names ...string) string { return names[die.IntN(len(names))] }
		var with, without []act
		at := 15 * time.Second
		for range 1 + die.IntN(12) {
			at += time.Duration(die.IntN(6000)) * time.Millisecond
			how := conditions[of("up", "failing", "silent", "refused", "unknown", "degraded")]
			who, state := of("a", "b", message.ClientsMember, message.ClientsMember), of("", "", "blind", "silent", "late", "unknown")
			if who == message.ClientsMember {
				with = append(with, act{at, func(w *world) { w.truth[who], w.vantage("outside").state = how, state }})
				continue
			}
			a := act{at, func(w *world) { w.set(who, how) }}
			with, without = append(with, a), append(without, a)
		}
		end := act{at, func(*world) {}}
		with, without = append(with, end), append(without, end)
		g := pair()
		want, _ := decisions(g, without)
		watched := *g
		watched.Canary = &spec.Check{Name: message.ClientsCheck, Kind: spec.CheckTCP, Every: 200 * time.Millisecond, Timeout: time.Second, From: []string{"outside"},
			TCP: &spec.TCPCheck{Address: "192.0.2.2:80"}}
		got, n := decisions(&watched, with)
		told += n
		if !slices.Equal(want, got) {
			t.Fatalf("seed %d, without a canary:\n%s\nwith it:\n%s", seed, strings.Join(want, "\n"), strings.Join(got, "\n"))
		}
	}
	if told == 0 {
		t.Fatal("no story had clients lose anything")
	}
}

// TestDecidersTellOneOutage: of several deciders that see the same, and one that is restarted in between, each outage is told under one name.
func TestDecidersTellOneOutage(t *testing.T) {
	g := pair()
	g.Canary = &spec.Check{Name: message.ClientsCheck, Kind: spec.CheckTCP, Every: 200 * time.Millisecond, Timeout: time.Second, From: []string{"inside", "outside"},
		TCP: &spec.TCPCheck{Address: "192.0.2.2:80"}}
	w := newWorld(g)
	ids := map[string]string{}
	w.out = func(_ *decider, o Output) {
		if e, ok := o.(Tell); ok && e.Event.Clients != nil {
			ids[e.Event.ID] = e.Event.Sentence
		}
	}
	for _, name := range []string{"d1", "d2", "d3"} {
		w.start(name)
	}
	w.route("front", "tcp://192.0.2.2:9999", "a")
	w.run(20 * time.Second)
	w.set(message.ClientsMember, conditions["failing"])
	w.run(25 * time.Second)
	w.deciders[1].boot()
	w.run(30 * time.Second)
	w.set(message.ClientsMember, conditions["up"])
	w.run(60 * time.Second)
	if len(ids) != 2 {
		t.Fatalf("want one beginning and one end, got %v", ids)
	}
	for _, d := range w.deciders {
		st := d.s.Status(d.time()).Clients
		if st.Outage != nil || len(st.Past) != 1 {
			t.Fatalf("%s knows %+v", d.name, st)
		}
		if o := st.Past[0]; o.Lasted(0).Std() < 9800*time.Millisecond || o.Lasted(0).Std() > 10200*time.Millisecond {
			t.Errorf("%s says that it lasted %s, want 10s, give or take one look", d.name, o.Lasted(0))
		}
	}
}
