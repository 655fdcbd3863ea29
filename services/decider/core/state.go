package core

import (
	"time"

	"github.com/isacloud/ha-manager/pkg/ledger"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

const (
	// StallLimit is how long the core may go without any input before it takes the decider itself for one that was stopped: what then
	// comes in a heap may be long past, so it starts blind.
	StallLimit = 2 * time.Second
	// MaxRequestAge is how old a request may be when a decider gets to it. What was asked while no decider ran must not happen hours later.
	MaxRequestAge = 2 * time.Minute
	// routeGrace is how long the first adoption waits for an executor to say what the routes serve.
	routeGrace = 5 * time.Second
	// driftGrace is how long a drift lasts before it is told: executors set a restarted proxy right within two seconds.
	driftGrace = 3 * time.Second
	// retellLimit is how old an entry may be for its event to be told on reading it. It lies below the events' dedupe window of
	// ten minutes, so that what two deciders tell, or one before and after a restart, is stored once.
	retellLimit = 9 * time.Minute
	// proposalPause is the wait after a proposal that was not stored, before anything is proposed again.
	proposalPause = 250 * time.Millisecond
	// blindPatience is the longest interval that a swap which is asked for waits to be watched, instead of being refused for it.
	blindPatience = 5 * time.Second
	// answerLimit bounds how long a request waits for what it led to.
	answerLimit = 30 * time.Second
)

// State is all that a decider knows of one group. The zero value is of no use: see [New].
type State struct {
	group, decider string
	spec           *spec.Group

	// linked: the bus is there. judgeFrom is when a full interval has been watched; last the time of the last input.
	linked    bool
	watchFrom time.Duration
	judgeFrom time.Duration
	// mute: the link is there, and nobody answers for the record since muteSince.
	mute      bool
	muteSince time.Duration
	last      time.Duration

	members []*member // sorted by name
	sights  map[sightKey]*sight
	hbSeq   uint64 // newest heartbeat of the stream
	routes  []*route
	// routeSeq is the newest word about any proxy: a sequence of the events.
	routeSeq uint64

	chain chain
	// chainHeard and safetyHeard are when the newest entry and the newest safety message came; never: none did.
	chainHeard, safetyHeard time.Duration

	run      run
	leased   leased
	past     []pastRun
	incident incident
	drill    drill
	agenda   calendar
	ledger   ledger.Ledger
	canary   canary
	// lastDrill is the newest that is over, drilled when the newest that went there and back was: nil: none.
	lastDrill *drill
	drilled   *moment
	// evaluations are what executors found of the plans to standbys.
	evaluations   []evaluated
	evaluatedNews bool
	// tryEnds are what became of the tries of ladders; mendShown those that dry run has shown, remedyTolds what was told of them.
	tryEnds     []tryEnd
	mendShown   []string
	remedyTolds []string
	// finished are swaps that executors carried through.
	finished []finished

	// thresholds are read by nothing that decides.
	thresholds thresholds

	// proposal is the one that is on its way, if any. Nothing else is proposed meanwhile.
	proposal     *proposal
	proposeAfter time.Duration

	asks     []*ask // in the order they came; the first one is worked on
	outcomes []*message.Outcome
	previews []preview
	// pauseSeen: it was paused a moment ago. Drift and adoption refusals as last told.
	pauseSeen bool
	// reminded are the reminders that were told.
	reminded     []string
	driftTold    string
	driftSince   time.Duration
	adoptRefused string

	// executors are when each was last heard of; told: somebody has asked for them at all.
	executors     map[string]time.Duration
	executorsTold bool
	// protectedTold is what was last told of whether a write survives its primary.
	protectedTold string

	out []Output
}

// proposal is a Propose on its way.
type proposal struct {
	id    string
	after uint64
	// won is the sequence of the entry that took the place; 0: not yet known.
	won   uint64
	since time.Duration
}

// New returns the state of a group of which nothing is known yet. Both names are names as message.IsName has them.
func New(group, decider string) *State {
	return &State{group: group, decider: decider, driftSince: never, chainHeard: never, safetyHeard: never, incident: incident{wellSince: never}, executors: map[string]time.Duration{}}
}

// Group is the group's name.
func (s *State) Group() string { return s.group }

// Known says whether the group has a spec, or ever had a command.
func (s *State) Known() bool { return s.spec != nil || s.chain.command != nil }

// judging says that verdicts may be concluded: the bus is there, and a full interval was watched.
func (s *State) judging(at Time) bool { return s.linked && at.Mono >= s.judgeFrom }

// watch begins to watch anew: what was seen before counts no more.
func (s *State) watch(at Time) {
	s.watchFrom = at.Mono
	s.judgeFrom = at.Mono + s.interval()
	for _, a := range s.asks {
		a.since = at.Mono // the bus had no chance to answer
	}
	for _, m := range s.members {
		m.calm = false
		for _, ws := range [][]*watched{m.decides, m.readies, m.tells} {
			for _, w := range ws {
				for _, v := range w.sights {
					v.heard = false
					v.forget()
				}
			}
		}
	}
}

// interval is the time in which every check that decides is heard of once.
func (s *State) interval() time.Duration {
	var d time.Duration
	if s.spec != nil {
		for _, c := range s.spec.Checks {
			if c.Effect == spec.EffectDown || c.Effect == "" {
				d = max(d, c.Every+c.Timeout)
			}
		}
	}
	return d
}

func (s *State) emit(o Output) { s.out = append(s.out, o) }

// never is a time that has not come.
const never = time.Duration(-1)

// Quiet says that all is well and nothing is on its way: nothing that the mere passing of time leads to here is waited for by a swap or by a
// person, so that hearing of it a few times a second is enough. Whatever ends it comes as an input of its own, and is concluded from at once.
func (s *State) Quiet(at Time) bool {
	if s.spec == nil {
		return len(s.asks) == 0
	}
	if !s.judging(at) || s.proposal != nil || len(s.asks) > 0 || s.incident.open || !s.pool() && !s.chain.held || s.underWay() || s.fencedNow() != nil {
		return false
	}
	for _, m := range s.members {
		if !m.calm {
			return false
		}
	}
	return true
}
