package lease

import (
	"flag"
	"strings"
	"testing"
	"time"
)

var all = flag.Bool("all", false, "explore the large systems too: half an hour on two cores, and up to 8 GiB")

// run is one system: its sizes, what may happen in it, and which rules outside this package are kept.
type run struct {
	name  string
	large bool // only with -all

	members, deciders, epochs int
	interchangeable           bool  // no decider differs from another: states that differ in their order alone are one
	deciderRestarts           uint8 // in all
	executorRestarts          uint8
	stray                     bool // old requests arrive at any time; answers are lost after the grant
	delay                     bool // grants arrive late
	failsafe                  bool // members promise
	switchovers, resumes      bool // such commands are written
	deciderSees               bool // deciders read the chain; else they never refuse an epoch for being old
	alone                     bool // a failover makes the new primary the only member
	wild                      bool // A acts without a guard until it first arms one
	changes                   uint8
	deciderSets, memberSets   []uint8 // a change is to another one of these; the first is that of the start
	ttls                      bool    // or it makes the ttl half as long again, or what it was
	long                      bool    // it begins with the longer one
	guardLate                 uint8   // for how many ticks after its deadline the guard lets answers out
	toldLate                  time.Duration

	// Rules of the callers.
	expects        bool // held(e) is refused once a newer command exists
	armsFirst      bool // the guard is armed before held(e) is written
	countsFromSend bool // a grant is handed in with the time of its request
	fencedOnDisk   bool // fenced is written down before it is said
	seenOnDisk     bool
	inForce        bool // a change or a swap only after the change before is held; a swap only to a member of an epoch that is held
	oneByOne       bool // deciders change by one at a time
	breaks         bool // what is missing must show
}

// keeps is a system of two members and three deciders in which every rule is kept.
func keeps(name string, change ...func(r *run)) *run {
	r := &run{
		name: name, members: 2, deciders: 3, epochs: 2, interchangeable: true, deciderRestarts: 1,
		stray: true, switchovers: true, resumes: true, deciderSets: []uint8{0b0111},
		expects: true, armsFirst: true, countsFromSend: true, fencedOnDisk: true, seenOnDisk: true, inForce: true, oneByOne: true,
	}
	for _, f := range change {
		f(r)
	}
	if r.memberSets == nil {
		r.memberSets = []uint8{1<<r.members - 1}
	}
	return r
}

// lacks is one in which a rule of the callers is not kept: two primaries must come of it, or the like.
func lacks(name string, change ...func(r *run)) *run {
	r := keeps("without "+name, change...)
	r.breaks = true
	return r
}

func large(r *run)    { r.large = true }
func three(r *run)    { r.epochs = 3 }
func failsafe(r *run) { r.failsafe, r.executorRestarts = true, 1 }
func swift(r *run)    { r.deciderRestarts, r.stray = 0, false } // what is left out here is looked at by other runs

func oneDecider(r *run) { r.deciders, r.deciderSets = 1, []uint8{0b0001} }

// The deciders change, one by one, to wholly others; the ttl changes while grants are late; a member joins.
func deciderChange(r *run) {
	swift(r)
	r.epochs, r.deciders, r.changes, r.interchangeable, r.switchovers = 4, 2, 2, false, false
	r.deciderSets = []uint8{0b0001, 0b0011, 0b0010}
}

func ttlChange(r *run) {
	swift(r)
	r.changes, r.ttls, r.delay, r.resumes, r.switchovers = 1, true, true, false, false
}

func memberChange(r *run) {
	swift(r)
	r.epochs, r.members, r.changes, r.failsafe, r.switchovers, r.resumes = 3, 3, 1, true, false, false
	r.memberSets = []uint8{0b011, 0b111}
}

// runs are those of the protocol's model, after which each is named, over the real code. What the model calls without-one-holder,
// restart-wait, once, deadline, fenced-epoch, entry-up, promise-kept, promise-restart and rearm are rules inside this package: each is a
// mutant (mutants/lease-*.patch) for which one of these runs goes red. Its promise-refuse is about progress: a story shows it.
func runs() []*run {
	return []*run{
		// fixed, in parts: each leaves out something that another has.
		keeps("two epochs"),
		keeps("three epochs", three, oneDecider),
		keeps("switchovers", three, swift),
		// fixed-failsafe, fixed-small
		keeps("failsafe", failsafe, swift),
		keeps("failsafe with everything", failsafe, oneDecider, func(r *run) { r.delay = true }),           // fixed-all
		keeps("late grants", swift, func(r *run) { r.delay = true }),                                       // fixed-late
		keeps("late guard", func(r *run) { r.guardLate, r.toldLate, r.deciderRestarts = 1, oneLate, 0 }),   // fixed-margin
		keeps("three members", func(r *run) { r.members, r.deciderRestarts = 3, 0 }),                       // fixed-three
		keeps("deciders change", deciderChange, func(r *run) { r.resumes = false }),                        // fixed-deciders
		keeps("members change", memberChange, oneDecider),                                                  // fixed-members
		keeps("first start", oneDecider, func(r *run) { r.wild = true }),                                   // fixed-first
		keeps("deciders refuse", three, oneDecider, func(r *run) { r.deciderSees, r.stray = true, false }), // fixed-refuse
		// Not in the model.
		keeps("alone", three, swift, oneDecider, func(r *run) { r.alone, r.failsafe, r.switchovers = true, true, false }),
		keeps("ttl longer", three, ttlChange, oneDecider),
		keeps("ttl shorter", three, ttlChange, oneDecider, func(r *run) { r.long = true }),

		// The same, larger.
		keeps("large three epochs", large, three),
		keeps("large restarts", large, func(r *run) { r.deciderRestarts = 2 }),  // fixed-restarts
		keeps("large four epochs", large, swift, func(r *run) { r.epochs = 4 }), // fixed-epochs
		keeps("large failsafe", large, three, failsafe, swift),
		keeps("large failsafe with restarts", large, failsafe, func(r *run) { r.stray = false }),
		keeps("large failsafe with everything", large, three, failsafe, oneDecider),
		keeps("large late grants", large, three, swift, func(r *run) { r.delay, r.switchovers = true, false }),
		keeps("large late guard", large, three, func(r *run) { r.guardLate, r.toldLate, r.stray = 1, oneLate, false }),
		keeps("large three members", large, three, swift, func(r *run) { r.members = 3 }),
		keeps("large three members with failsafe", large, failsafe, swift, func(r *run) { r.members = 3 }), // fixed-three-failsafe
		keeps("large deciders change", large, deciderChange, func(r *run) {
			r.epochs, r.changes, r.deciders, r.deciderSets = 3, 1, 4, []uint8{0b0111, 0b1111, 0b1011}
		}),
		keeps("large members change", large, memberChange),
		keeps("large deciders refuse", large, func(r *run) { r.deciderSees = true }),
		keeps("large ttl longer", large, three, ttlChange),
		keeps("large ttl shorter", large, three, ttlChange, func(r *run) { r.long = true }),

		// Without a rule of the callers: its name in the model is without- and what follows.
		lacks("from-send", swift, func(r *run) { r.countsFromSend, r.delay = false, true }),
		lacks("margin", func(r *run) { r.guardLate = 1 }),
		lacks("chain", three, swift, func(r *run) { r.expects = false }),
		lacks("arm-first", func(r *run) { r.armsFirst = false }),
		lacks("disk", oneDecider, func(r *run) { r.fencedOnDisk, r.deciderRestarts, r.executorRestarts = false, 0, 1 }),
		lacks("deciders-in-force", deciderChange, func(r *run) { r.inForce = false }),
		lacks("deciders-one-by-one", deciderChange, func(r *run) { r.oneByOne = false }),
		lacks("first-held", func(r *run) { r.wild, r.inForce = true, false }),
		lacks("members-in-force", memberChange, oneDecider, func(r *run) { r.inForce = false }),
		// This one is not needed, since fenced is on disk.
		keeps("without seen-on-disk", failsafe, swift, oneDecider, func(r *run) { r.seenOnDisk = false }),
	}
}

// TestExplore visits every state of each system. With -v it tells their number, and what came of the rules left out:
//
//	go test ./pkg/lease -run TestExplore -v
//	go test ./pkg/lease -run TestExplore -v -timeout 2h -args -all
func TestExplore(t *testing.T) {
	for _, r := range runs() {
		if r.large && !*all {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			o := r.explore()
			t.Logf("%d states, %d steps deep, in %.1f s", o.states, o.depth, time.Since(began).Seconds())
			switch {
			case r.breaks && o.bad == "":
				t.Error("nothing comes of what is missing: the exploration does not see it")
			case r.breaks:
				t.Logf("after %d steps: %s\n%s", len(o.way)-1, o.bad, strings.Join(o.way, "\n"))
			case o.bad != "":
				t.Errorf("after %d steps: %s\n%s", len(o.way)-1, o.bad, strings.Join(o.way, "\n"))
			case o.acted != r.epochs:
				t.Errorf("nobody ever acts at epoch %d, at most at %d: too much is refused", r.epochs, o.acted)
			}
		})
	}
}
