package core

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// One vocabulary of what can go wrong serves the properties (few things, found and shrunk by rapid) and the simulation (many
// things at once, from a seed).

// dice draws a number below n.
type dice func(n int) int

func pick[T any](d dice, of ...T) T { return of[d(len(of))] }

// brisk is the group with times short enough for many swaps in a minute.
func brisk(g *spec.Group) *spec.Group {
	g.Checks[0].Every, g.Checks[0].Timeout = 200*time.Millisecond, 100*time.Millisecond
	p := &g.Policy
	p.StableFor, p.Cooldown, p.Budget, p.BudgetWindow, p.SwapLimit, p.UndoWindow = 3*time.Second, 6*time.Second, 3, 40*time.Second, 4*time.Second, 5*time.Second
	return g
}

// withSteps is the pair with what makes people or executors wait: by number nothing, a ladder, an approval step before the looks, or a ladder and an
// approval step after the routes.
func withSteps(n uint64) *spec.Group {
	g := pair()
	if n%2 == 1 {
		g.Remedy, g.RemedyReset = []spec.Rung{
			{Restart: "systemd:app", Times: 2, Wait: 2 * time.Second, Timeout: 2 * time.Second},
			{Restart: "docker:cache", Times: 1, Wait: time.Second, Timeout: 2 * time.Second},
		}, 15*time.Second
	}
	if n%4 >= 2 {
		g.Steps = []spec.Step{{Name: "check", Place: []string{spec.BeforeLooks, spec.AfterRoutes}[n%2], When: spec.WhenGraceful, On: "any", Timeout: 3 * time.Second,
			OnFailure: message.FailPause, Approve: &spec.ApproveArgs{Text: "all is well"}}}
	}
	return g
}

// stepMischiefs are what can become of tries and of approvals.
var stepMischiefs = []mischief{
	{"tries lead to something else", func(w *world, d dice) {
		w.exec.mends = pick(d, "nothing", "helps", "helps", "fails", "worse", "dies", "gone")
	}},
	{"somebody answers a step", func(w *world, d dice) {
		w.request(&message.Request{ID: fmt.Sprintf("rq%d", w.order), Group: "web", Actor: "bob", Verb: pick(d, message.VerbApprove, message.VerbApprove, message.VerbReject)})
	}},
	{"somebody asks for a swap that waits, and its new primary dies", func(w *world, d dice) {
		_, c := w.newest()
		if c == nil {
			return
		}
		w.request(&message.Request{ID: fmt.Sprintf("rq%d", w.order), Group: "web", Actor: "ana", Verb: message.VerbSwitchover, ExpectEpoch: &c.Epoch})
		w.after(time.Duration(1000+d(14000))*time.Millisecond, func() {
			if _, now := w.newest(); now.Kind == message.KindSwitchover {
				w.set(now.Primary, conditions["refused"])
			}
		})
	}},
}

// mischief is something that happens to the world.
type mischief struct {
	what string
	do   func(*world, dice)
}

var recovery = mischief{"everything recovers", func(w *world, d dice) {
	for _, v := range w.vantages {
		v.state = ""
	}
	w.recover()
	for _, one := range w.deciders {
		if !one.up {
			one.boot()
		}
		one.link(true)
	}
	g := *w.spec
	g.Mode, g.Revision = spec.Auto, g.Revision+1
	w.apply(&g)
	w.run(w.now + time.Duration(d(15000))*time.Millisecond)
}}

var mischiefs = []mischief{
	{"a member changes for all", func(w *world, d dice) {
		w.set(pick(d, "a", "b"), conditions[pick(d, "up", "up", "refused", "failing", "silent", "degraded")])
	}},
	{"a member changes for one vantage", func(w *world, d dice) {
		w.set(pick(d, "a", "b"), conditions[pick(d, "refused", "failing", "silent")], pick(d, "sp", "rj", "wit"))
	}},
	{"two vantages see the primary down, the third sees it up", func(w *world, _ dice) {
		if _, c := w.newest(); c != nil {
			w.set(c.Primary, conditions["refused"], "rj")
			w.after(700*time.Millisecond, func() { w.set(c.Primary, conditions["refused"], "sp") })
		}
	}},
	{"the members recover", func(w *world, _ dice) { w.recover() }},
	recovery,
	{"the primary dies", func(w *world, _ dice) {
		if _, c := w.newest(); c != nil {
			w.set(c.Primary, conditions["refused"])
		}
	}},
	{"a vantage changes", func(w *world, d dice) {
		w.vantage(pick(d, "sp", "rj", "wit")).state = pick(d, "", "", "blind", "silent", "late", "unknown")
	}},
	{"a prober restarts", func(w *world, d dice) {
		v := w.vantage(pick(d, "sp", "rj", "wit"))
		v.boot++
		v.seq = map[string]uint64{}
	}},
	{"all probers are lost", func(w *world, _ dice) {
		for _, v := range w.vantages {
			v.state = "silent"
		}
	}},
	{"all probers are back", func(w *world, _ dice) {
		for _, v := range w.vantages {
			v.state = ""
		}
	}},
	{"a decider is killed", func(w *world, d dice) { pick(d, w.deciders...).stop() }},
	{"deciders start again", func(w *world, _ dice) {
		for _, d := range w.deciders {
			if !d.up {
				d.boot()
			}
		}
	}},
	{"a decider is frozen", func(w *world, d dice) {
		pick(d, w.deciders...).stalled = w.now + time.Duration(d(6000))*time.Millisecond
	}},
	{"a link goes", func(w *world, d dice) { pick(d, w.deciders...).link(false) }},
	{"links come", func(w *world, _ dice) {
		for _, d := range w.deciders {
			d.link(true)
		}
	}},
	{"somebody asks", func(w *world, d dice) {
		r := &message.Request{
			ID: fmt.Sprintf("rq%d", w.order), Group: "web", Actor: "ana", Reason: "because",
			Verb:   pick(d, message.VerbSwitchover, message.VerbFailover, message.VerbFailback, message.VerbAbort, message.VerbRetry, message.VerbSkip, message.VerbAdopt),
			Target: pick(d, "", "", "a", "b"), Override: pick(d, nil, []string{"R311", "R312", "R322", "R323", "R306"}),
		}
		if e := uint64(d(6)); d(3) == 0 {
			r.ExpectEpoch = &e
		}
		w.request(r)
	}},
	{"somebody rehearses", func(w *world, d dice) {
		r := &message.Request{ID: fmt.Sprintf("rq%d", w.order), Group: "web", Actor: "ana", Verb: message.VerbDrill, End: pick(d, "", "", message.EndBack, message.EndStay)}
		if _, c := w.newest(); c != nil {
			r.ExpectEpoch = &c.Epoch // so that it is not refused for what was before
		}
		if r.End == "" {
			hold := message.Duration(d(6000)) * message.Duration(time.Millisecond)
			r.Hold = &hold
		}
		w.request(r)
	}},
	{"somebody pauses", func(w *world, d dice) {
		w.request(&message.Request{ID: fmt.Sprintf("rq%d", w.order), Group: "web", Actor: "ana", Verb: message.VerbPause, For: pick(d, 0, message.Duration(3*time.Second), message.Duration(5*time.Second))})
	}},
	{"somebody resumes", func(w *world, d dice) {
		w.request(&message.Request{ID: fmt.Sprintf("rq%d", w.order), Group: "web", Actor: "ana", Verb: message.VerbResume})
	}},
	{"the mode changes", func(w *world, d dice) {
		g := *w.spec
		g.Mode, g.Revision = pick(d, spec.Auto, spec.Auto, spec.Manual, spec.DryRun), g.Revision+1
		w.apply(&g)
	}},
	{"the executor changes", func(w *world, d dice) {
		w.exec.mode = pick(d, "on", "on", "on", "off", "ends", "aborts", "aborts-late", "pauses")
		if w.exec.wait != nil {
			w.exec.begin(w.exec.wait)
		}
	}},
	{"a route changes", func(w *world, d dice) { w.route("front", "tcp://192.0.2.2:9999", pick(d, "a", "b")) }},
	{"nothing", func(*world, dice) {}},
}

// leasedMischiefs are what can go wrong beside the members of a leased group.
var leasedMischiefs = []mischief{
	{"a host is lost", func(w *world, d dice) { w.keepers.lose(pick(d, "a", "b", "c")) }},
	{"the primary's host is lost", func(w *world, _ dice) {
		if p := w.keepers.acting; p != "" {
			w.keepers.lose(p)
		}
	}},
	{"a host comes back", func(w *world, d dice) { w.keepers.back(pick(d, "a", "b", "c")) }},
	{"the primary's server crashes", func(w *world, d dice) {
		if p := w.keepers.acting; p != "" {
			w.keepers.crash(p, d(3) > 0)
			w.after(time.Duration(d(5000))*time.Millisecond, func() { w.set(p, conditions["up"]) })
		}
	}},
	{"a host is cut off", func(w *world, d dice) { w.keepers.cutOff(pick(d, "a", "b", "c")) }},
	{"replication is cut", func(w *world, d dice) { w.keepers.cut[pick(d, "a", "b", "c")] = true }},
	{"replication heals", func(w *world, d dice) { delete(w.keepers.cut, pick(d, "a", "b", "c")) }},
	{"replication flaps", func(w *world, d dice) {
		m := pick(d, "a", "b", "c")
		w.keepers.cut[m] = true
		w.after(time.Duration(d(1500))*time.Millisecond, func() { delete(w.keepers.cut, m) })
	}},
	{"the terms change", func(w *world, d dice) {
		g := *w.spec
		l := *g.Lease
		l.TTL = pick(d, time.Second, spec.DefaultTTL)
		l.Deciders = pick(d, []string{"d1", "d2", "d3"}, []string{"d1", "d2", "d4"}, []string{"d1", "d2", "d3", "d4", "d5"})
		g.Lease, g.Revision = &l, g.Revision+1
		w.apply(&g)
	}},
	{"who is to become primary lapses", func(w *world, _ dice) { w.exec.mode = "lapses" }},
	{"an old word comes again", func(w *world, d dice) {
		if len(w.keepers.fenced) == 0 {
			return
		}
		m := pick(d, "a", "b", "c")
		if e := w.keepers.fenced[m]; e > 0 {
			w.report(&message.Fenced{ID: fmt.Sprintf("again%d", w.order), Group: "web", Member: m, Epoch: 1 + uint64(d(int(e))), How: message.FencedItself, Able: true, Executor: m + "-x", Sentence: "again"})
		}
	}},
}

// mischiefs are those of the world's group.
func (w *world) mischiefs() []mischief {
	switch {
	case w.keepers == nil && len(w.spec.Remedy)+len(w.spec.Steps) > 0:
		return slices.Concat(mischiefs, stepMischiefs, stepMischiefs)
	case w.keepers == nil:
		return mischiefs
	}
	return slices.Concat(mischiefs, leasedMischiefs, leasedMischiefs)
}

// recover brings all members back.
func (w *world) recover() {
	for _, m := range w.spec.MemberNames() {
		w.set(m, conditions["up"])
		if w.keepers != nil {
			w.keepers.back(m)
		}
	}
}

// request is the shared queue of requests: one decider gets it, and another if that one dies before the outcome is stored.
func (w *world) request(r *message.Request) {
	stored := w.stream()
	var give func()
	give = func() {
		for _, in := range w.log {
			if o, ok := in.(OutcomeRead); ok && o.Outcome.Request == r.ID {
				return
			}
		}
		for _, d := range w.deciders {
			if d.up && d.linked {
				d.later(w.delay(), RequestReceived{r, stored})
				n := d.n
				var wait func()
				wait = func() {
					if d.n == n && d.linked {
						w.after(time.Second, wait) // it lives, and works on it
						return
					}
					give()
				}
				w.after(time.Second, wait)
				return
			}
		}
		w.after(time.Second, give)
	}
	give()
}

// heal ends all that went wrong and lets everything come to rest.
func (w *world) heal() {
	w.chaos = false
	w.run(w.now + 6*time.Second) // whoever is frozen thaws
	for _, v := range w.vantages {
		v.state = ""
	}
	w.recover()
	for _, d := range w.deciders {
		if !d.up {
			d.boot()
		}
		d.link(true)
	}
	g := *w.spec
	g.Mode, g.Revision = spec.Auto, g.Revision+1
	w.apply(&g)
	w.exec.mode, w.exec.mends, w.exec.approved = "on", "fails", true
	if w.exec.wait != nil {
		w.exec.begin(w.exec.wait)
	}
	w.run(w.now + 40*time.Second)
	w.request(&message.Request{ID: "heal-resume", Group: "web", Actor: "ana", Verb: message.VerbResume})
	w.run(w.now + time.Second)
	w.request(&message.Request{ID: "heal-retry", Group: "web", Actor: "ana", Verb: message.VerbRetry})
	w.request(&message.Request{ID: "heal-approve", Group: "web", Actor: "bob", Verb: message.VerbApprove})
	w.run(w.now + 10*time.Second)
	if _, c := w.newest(); c != nil { // executors set the routes right
		w.route("front", "tcp://192.0.2.2:9999", c.Primary)
	}
	w.run(w.now + w.spec.Policy.BudgetWindow + 5*time.Second)
}

// settled says what is not as it should be once all has healed.
func settled(w *world) (wrong []string) {
	_, c := w.newest()
	if c == nil {
		return []string{"nothing was ever adopted"}
	}
	var first string
	for _, d := range w.deciders {
		st := d.s.Status(d.time())
		one := fmt.Sprintf("epoch %d primary %s held %t swap %v incident %q", st.Epoch, st.Primary, st.Held, st.Swap != nil, st.Incident)
		if first == "" {
			first = one
		}
		if one != first {
			wrong = append(wrong, fmt.Sprintf("deciders disagree at rest: %s; %s of %s", first, one, d.name))
		}
		if !st.Held || st.Swap != nil || len(st.Refusals) > 0 || st.Incident != "" || st.Drill != nil {
			wrong = append(wrong, fmt.Sprintf("%s does not come to rest: %s: %s", d.name, one, st.Sentence))
		}
	}
	return wrong
}

// failsOver kills the primary and says what is wrong if nobody takes over in time.
func failsOver(w *world) (wrong []string) {
	_, before := w.newest()
	began := w.now
	if w.set(before.Primary, conditions["refused"]); w.keepers != nil {
		w.keepers.crash(before.Primary, true)
	}
	w.run(w.now + time.Second)
	next := before.Epoch + 1
	if len(w.spec.Remedy) > 0 { // the first try fails
		w.run(w.now + time.Second)
		next++
	}
	_, after := w.newest()
	held := false
	for _, e := range w.chain {
		switch m := e.m.(type) {
		case *message.Command:
			if m.Epoch == next {
				after = m // a third member may have joined since
			}
		case *message.Held:
			held = held || m.Epoch == next
		}
	}
	if !held || after.Kind != message.KindFailover || after.From != before.Primary || after.Epoch != next {
		wrong = append(wrong, fmt.Sprintf("%s died at %s, and a second later the newest command is %s of epoch %d", before.Primary, began, after.Kind, after.Epoch))
	}
	return wrong
}

var seeds = flag.Int("seeds", 12, "how many seeds TestSimulation runs")

// TestSimulation: three deciders, a network that loses, doubles, delays and reorders, and everything going wrong at once, from a seed.
// Invariants 2, 4, 5, 6 and 8 hold throughout; once all is healed, the deciders agree and a dead primary is replaced.
func TestSimulation(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			rest(t, simulateWith(seed, withSteps(seed), func(*world) {}))
			if t.Failed() {
				t.Logf("again: go test ./services/decider/core -run 'TestSimulation/seed=%d$' -args -seeds %d", seed, seed+1)
			}
		})
	}
}

// TestNobodyIsDeadInSilence: whatever a swap waits for, and whichever side dies meanwhile: somebody takes over, or a critical event says why nobody does.
func TestNobodyIsDeadInSilence(t *testing.T) {
	for seed := range uint64(48) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			w := strandedBySeed(seed)
			for _, line := range append(w.unsaid(), audit(w)...) {
				t.Error(line)
			}
		})
	}
}

// strandedBySeed is a world in which a swap is asked for that its executor does not carry through, a side of it dies, and perhaps somebody aborts it. Each way of
// waiting meets each side of each group within 48 seeds.
func strandedBySeed(seed uint64) *world {
	g := brisk(withSteps(seed / 12 % 4))
	g.Mode = []spec.Mode{spec.Auto, spec.Auto, spec.Manual}[seed%3]
	g.Policy.SwapLimit = 30 * time.Second
	w := newWorld(g)
	w.net = rand.New(rand.NewPCG(seed, 11))
	w.start("d1")
	w.route("front", "tcp://192.0.2.2:9999", "a")
	w.run(8 * time.Second)
	w.exec.mode = []string{"pauses", "stalls", "off", "pauses-look", "on", "aborts-late"}[seed%6]
	w.exec.mends = []string{"nothing", "dies", "gone", "worse"}[seed%4]
	w.request(&message.Request{ID: "swap", Group: "web", Actor: "ana", Verb: message.VerbSwitchover})
	dies := w.now + time.Duration(200+w.net.IntN(12000))*time.Millisecond
	w.after(dies-w.now, func() { w.set([]string{"b", "a"}[seed/6%2], conditions["refused"]) })
	if seed%5 == 0 {
		w.after(dies-w.now+time.Duration(w.net.IntN(5000))*time.Millisecond, func() {
			w.request(&message.Request{ID: "abort", Group: "web", Actor: "ana", Verb: message.VerbAbort})
		})
	}
	w.run(dies + time.Second)
	return w
}

// TestLeasedSimulation is the same for groups with a lease: besides, no failover goes to a member that was not promotable, none loses an
// acknowledged write with never-lose, each reconfigure changes one thing, and whoever is fenced and alone comes back.
func TestLeasedSimulation(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			rest(t, simulateWith(seed, leasedBySeed(seed), func(*world) {}))
			if t.Failed() {
				t.Logf("again: go test ./services/decider/core -run 'TestLeasedSimulation/seed=%d$' -args -seeds %d", seed, seed+1)
			}
		})
	}
}

// leasedBySeed is a pair or three members, that never lose or never stop.
func leasedBySeed(seed uint64) *spec.Group {
	g := leasedPair([]string{message.NeverLose, message.NeverLose, message.NeverStop}[seed%3])
	if seed%2 == 1 {
		g.Members = append(g.Members, spec.Member{Name: "c", Site: "wit"})
		beside(&g.Members[2])
		g.Routes[0].HAProxy.Servers["c"] = "s3"
	}
	return g
}

// rest heals the world, and says all that was or is not as it should be.
func rest(t *testing.T, w *world) {
	t.Helper()
	wrong := append(audit(w), w.unsaid()...)
	w.heal()
	wrong = append(wrong, settled(w)...)
	wrong = append(wrong, failsOver(w)...)
	wrong = append(wrong, audit(w)...)
	slices.Sort(wrong)
	for _, line := range slices.Compact(wrong) {
		t.Error(line)
	}
}

// trace, where set, gets a line for each thing that happens: to look into a seed.
var trace func(w *world, line string)

func simulate(seed uint64) *world { return simulateWith(seed, pair(), func(*world) {}) }

func simulateWith(seed uint64, g *spec.Group, prepare func(*world)) *world {
	w := newWorld(brisk(g))
	prepare(w)
	if trace != nil {
		w.say = func(d *decider, line string) {
			if d != nil {
				line = d.name + " " + line
			}
			trace(w, line)
		}
		w.out = func(d *decider, o Output) {
			if line := describe(o); line != "" {
				w.say(d, line)
			}
		}
	}
	w.net = rand.New(rand.NewPCG(seed, 7))
	for _, name := range []string{"d1", "d2", "d3"} {
		w.start(name)
	}
	w.route("front", "tcp://192.0.2.2:9999", "a")
	w.run(8 * time.Second)
	w.chaos = true
	for range 60 {
		all := w.mischiefs()
		m := all[w.net.IntN(len(all))]
		if w.net.IntN(4) == 0 {
			m = recovery
		}
		w.say(nil, m.what)
		m.do(w, w.net.IntN)
		w.run(w.now + time.Duration(w.net.IntN(3000))*time.Millisecond)
	}
	return w
}

// world draws a world in which a few things go wrong, from rapid.
func drawn(t *rapid.T, g *spec.Group, deciders int) *world {
	w := newWorld(brisk(g))
	w.net = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "network"), 7))
	w.chaos = rapid.Bool().Draw(t, "lossy")
	for i := range deciders {
		w.start(fmt.Sprintf("d%d", i+1))
	}
	w.route("front", "tcp://192.0.2.2:9999", "a")
	w.run(8 * time.Second)
	die := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
	for range rapid.IntRange(1, 12).Draw(t, "mischiefs") {
		m := rapid.SampledFrom(w.mischiefs()).Draw(t, "mischief")
		m.do(w, die)
		w.run(w.now + time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms"))*time.Millisecond)
	}
	return w
}

// --- SAFETY

// Whatever goes wrong: epochs grow by one and are held at most once (2), nothing moves in dry run or while paused (5), and nothing moves by
// itself while anything refuses it or without a quorum that saw the primary down (6, 8).
func TestSafety(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, line := range audit(drawn(t, withSteps(rapid.Uint64Range(0, 3).Draw(t, "group")), 2)) {
			t.Error(line)
		}
	})
}

// --- LIVENESS

// Whatever went wrong: once it is over, a group comes to rest, its deciders agree, and a dead primary is replaced.
func TestLiveness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawn(t, withSteps(rapid.Uint64Range(0, 3).Draw(t, "group")), 2)
		for _, line := range w.unsaid() {
			t.Error(line)
		}
		w.heal()
		for _, line := range append(settled(w), failsOver(w)...) {
			t.Error(line)
		}
	})
}

// The same of groups with a lease.
func TestLeasedSafety(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, line := range audit(drawn(t, leasedBySeed(rapid.Uint64Range(0, 5).Draw(t, "group")), 2)) {
			t.Error(line)
		}
	})
}

func TestLeasedLiveness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawn(t, leasedBySeed(rapid.Uint64Range(0, 5).Draw(t, "group")), 2)
		w.heal()
		for _, line := range append(settled(w), failsOver(w)...) {
			t.Error(line)
		}
	})
}
