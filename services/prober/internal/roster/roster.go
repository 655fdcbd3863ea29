// Package roster keeps one job for each thing to look at, as the specs say, and makes heartbeats of what the jobs see.
package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/internal/schedule"
	"github.com/isacloud/ha-manager/services/prober/internal/sight"
)

// Options say what the roster works with. All are required.
type Options struct {
	// Vantages are the names this prober looks from: each looks by itself at every check whose From contains it.
	Vantages []string
	// Open makes a looker of a target. It never fails: what cannot be looked at answers unknown.
	Open    func(check.Target) check.Looker
	Secrets spec.Lookup
	Sight   *sight.Sight
	// ConfirmWithin bounds how long a silence waits for a reference's word.
	ConfirmWithin time.Duration
	// Boot identifies this run of the prober.
	Boot string
	// Now is the wall clock, for people.
	Now func() time.Time
	// Offer takes each heartbeat and must not block.
	Offer func(*message.Heartbeat)
	// Seen is told of each observation.
	Seen func(schedule.Observation)
}

// Roster is safe for concurrent use.
type Roster struct {
	o       Options
	running sync.WaitGroup // lookers that are not closed yet

	mu     sync.Mutex
	groups map[string]group
	// seqs outlive their checks: a heartbeat's number never goes back within one run of the prober.
	seqs   map[key]*atomic.Uint64
	closed bool

	origin time.Time // of all slots
	chance uint64    // of this life's jitter
}

type group map[key]*entry

// key is what one job looks at, and from where.
type key struct{ group, member, check, vantage string }

// New knows no specs yet.
func New(o Options) *Roster {
	return &Roster{o: o, groups: map[string]group{}, seqs: map[key]*atomic.Uint64{}, origin: time.Now(), chance: rand.Uint64()}
}

// Apply takes the spec of a group that is in force now; nil: the group is gone. Checks that look as before go on
// undisturbed, with their connections and their history.
func (r *Roster) Apply(name string, g *spec.Group, revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	before, now := r.groups[name], group{}
	spread := bunches(g, r.o.Vantages)
	if g != nil {
		for _, c := range g.Checks {
			for _, m := range g.Members {
				if !c.Looks(m.Name) {
					continue
				}
				for _, v := range r.o.Vantages {
					if !slices.Contains(c.VantagesOf(m), v) {
						continue
					}
					k := key{name, m.Name, c.Name, v}
					now[k] = r.entry(k, before[k], c.For(m), g.Policy.Fall, revision, spread)
				}
			}
		}
	}
	if g != nil && g.Canary != nil {
		for _, v := range r.o.Vantages {
			if slices.Contains(g.Canary.From, v) {
				k := key{name, message.ClientsMember, message.ClientsCheck, v}
				now[k] = r.entry(k, before[k], g.Canary.Fresh(), 1, revision, 1) // fall 1: what failed is not asked again out of turn
			}
		}
	}
	for k, e := range before {
		if now[k] != e {
			e.job.Stop()
		}
	}
	if r.groups[name] = now; len(now) == 0 {
		delete(r.groups, name)
	}
}

// entry is the old one if it looks the same, else a new one that is started. The caller holds mu.
func (r *Roster) entry(k key, old *entry, c spec.Check, fall int, revision uint64, spread int) *entry {
	c.Effect, c.From, c.Members = "", nil, nil // the decider's; they do not change how a look is made
	c.Every = max(c.Every, time.Millisecond)
	if c.Timeout <= 0 {
		c.Timeout = c.Every
	}
	looks := signature(c)
	e := old
	if e == nil || e.looks != looks {
		e = &entry{roster: r, key: k, what: c, looks: looks, seq: r.seq(k), job: schedule.NewJob()}
	}
	e.fall.Store(int64(max(fall, 1)))
	e.revision.Store(revision)
	if e != old {
		r.start(e, spread)
	}
	return e
}

func (r *Roster) seq(k key) *atomic.Uint64 {
	s := r.seqs[k]
	if s == nil {
		s = new(atomic.Uint64)
		r.seqs[k] = s
	}
	return s
}

// together is about how many looks of one group a vantage makes at the same moment.
const together = 8

// bunches is into how many the looks of a group are spread over their interval. The few of an everyday group are made in one go: then the process
// wakes, sends and sleeps once for all of them, instead of once for each.
func bunches(g *spec.Group, vantages []string) int {
	if g == nil {
		return 1
	}
	n := 0
	for _, c := range g.Checks {
		for _, v := range vantages {
			if slices.Contains(c.From, v) {
				n += len(g.Members)
			}
		}
	}
	return max(1, (n+together*len(vantages)-1)/(together*len(vantages)))
}

// place is where in their interval the looks of the entry's bunch are made: another one for each vantage, so that the next to look comes soon.
func (e *entry) place(spread int) float64 {
	bunch := int(schedule.Place(e.member, e.key.check) * float64(spread))
	return schedule.Place(e.vantage, e.group, strconv.Itoa(bunch))
}

// jitter is the same for all looks of one slot, so that they stay together.
func (r *Roster) jitter(slot time.Time) float64 {
	x := uint64(slot.Sub(r.origin)) ^ r.chance
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

func (r *Roster) start(e *entry, spread int) {
	r.running.Add(1)
	looker := r.o.Open(check.Target{
		Group: e.group, Member: e.member, Vantage: e.vantage, Check: e.what, Secrets: r.o.Secrets, Wake: e.job.Wake,
	})
	task := schedule.Task{
		Every: e.what.Every, Timeout: e.what.Timeout, Place: e.place(spread), Origin: r.origin, Jitter: r.jitter,
		Looker: counted{looker, &r.running}, Fall: func() int { return int(e.fall.Load()) }, Done: e.seen,
	}
	if r.o.Sight.Possible() {
		task.Doubt = r.o.Sight.Doubt
	}
	e.job.Start(task)
}

// counted tells when the looker is closed.
type counted struct {
	check.Looker
	running *sync.WaitGroup
}

func (c counted) Close() {
	c.Looker.Close()
	c.running.Done()
}

// signature is equal for two checks that look alike.
func signature(c spec.Check) string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // a check holds nothing that JSON cannot
	}
	return string(b)
}

// Close stops all looks and waits until nothing of them runs any more.
func (r *Roster) Close() {
	r.mu.Lock()
	r.closed = true
	for _, g := range r.groups {
		for _, e := range g {
			e.job.Stop()
		}
	}
	r.mu.Unlock()
	r.running.Wait()
}

// entry is one thing that is looked at.
type entry struct {
	key
	roster   *Roster
	what     spec.Check // as it looks at this member
	looks    string
	job      *schedule.Job
	seq      *atomic.Uint64
	fall     atomic.Int64
	revision atomic.Uint64

	mu   sync.Mutex
	last Look
}

// seen makes a heartbeat of an observation.
//
// Invariants: no silence is told as down by a prober that itself stood still during the look, nor as seen by one that
// heard nobody since that look began.
func (e *entry) seen(ctx context.Context, o schedule.Observation) {
	r := e.roster
	if o.Silent && o.Stood > e.what.Timeout/4 {
		o.Result = check.Result{
			Answer: message.Unknown, Evidence: check.Clip(fmt.Sprintf("this prober itself stood still for %s meanwhile: %s", o.Stood.Round(time.Millisecond), o.Evidence), check.MaxEvidence),
		}
	}
	blind, _ := r.o.Sight.Now()
	switch {
	case o.Silent:
		bounded, cancel := context.WithTimeout(ctx, r.o.ConfirmWithin)
		blind = r.o.Sight.Confirm(bounded, o.Began)
		cancel()
	case o.Answer == message.Down && !o.Hard:
		r.o.Sight.Doubt() // should it come again, it will be known whether it is us
	}
	if ctx.Err() != nil {
		return // stopped meanwhile: a newer spec speaks for this check
	}
	at := r.o.Now()
	hb := &message.Heartbeat{
		Group: e.group, Member: e.member, Vantage: e.vantage, Check: e.key.check, Boot: r.o.Boot, Seq: e.seq.Add(1),
		Answer: o.Answer, Hard: o.Hard, Evidence: o.Evidence, Perf: o.Perf, Blind: blind,
		LatencyMicros: max(o.Took.Microseconds(), 0), LateMicros: max(o.Late.Microseconds(), 0), EveryMicros: e.what.Every.Microseconds(),
		SpecRevision: e.revision.Load(), At: max(at.UnixMicro(), 0),
	}
	e.remember(hb, o, at)
	r.o.Offer(hb)
	r.o.Seen(o)
}
