// Package board keeps what the console knows now: the last answer about every group with its age, the newest events, and the short history
// that pages show. It holds nothing that matters: everything is asked of the deciders or read from the record, and a console that
// starts anew shows the same.
//
// What it keeps is bounded, however many events pass: see the limits below.
package board

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/ledger"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

const (
	// Every is how often each group is asked about while somebody looks; Idle while nobody does.
	Every = time.Second
	Idle  = 10 * time.Second
	// StaleAfter is the age from which an answer is no longer shown as what is.
	StaleAfter = 3 * time.Second
	// lookedFor is for how long after the last look the board stays awake.
	lookedFor = time.Minute
	// patience bounds one question; askers is how many are asked at once.
	patience = 2 * time.Second
	askers   = 8

	maxLines     = 40   // newest events kept of each group
	maxIncidents = 100  // of each group
	maxRuns      = 100  // of each group: swaps that were done, for the figures
	maxDrills    = 100  // of each group
	maxOutcomes  = 1000 // of all groups: what became of requests
	maxShadows   = 100  // of each group: entries of the shadow ledger that are shown
	maxRefused   = 20   // of each group: drills of the calendar that did not begin
	maxPending   = 64   // of each group: commands whose end is still to be told
)

// Options of a board. Bus is required.
type Options struct {
	Bus *bus.Bus
	Log *slog.Logger
	// Now tells the time; default time.Now. Ages are measured with it.
	Now func() time.Time
}

// Board is safe for concurrent use.
type Board struct {
	o    Options
	ask  ask.Client
	work chan string

	mu       sync.Mutex
	groups   map[string]*entry
	watchers map[chan struct{}]struct{}
	outcomes map[string]*message.Event
	order    []string // of the outcomes, oldest first
	link     Link
	read     bool // the record was read up to now
	listed   bool // the specs were read
	looked   time.Time
	version  uint64
	wake     chan struct{}
}

// Link is how the way to the bus is.
type Link struct {
	Up    bool
	Since time.Time
}

// entry is a group's place on the board. Snapshots are handed out by value: what its pointers lead to is never changed.
type entry struct {
	Group
	asking, again bool
	pending       map[string]*message.Command // by id
	pendingOrder  []string
	ledger        ledger.Ledger
}

// Group is what is known of one group.
type Group struct {
	Name string
	// Spec is what is in force; nil: not read.
	Spec *spec.Group
	// Status is the last answer, Answered when it came; nil: none yet.
	Status   *message.GroupStatus
	Answered time.Time
	// Problem is why the last question had no answer; "": it had one.
	Problem string
	// Lines are the newest events, newest first.
	Lines []*Line
	// Run is the newest swap as it was told step by step; nil: none since the record begins.
	Run *Run
	// Incidents, Runs and Drills are newest first.
	Incidents []Incident
	Runs      []Done
	Drills    []Drill
	// Shadows are the newest entries of the shadow ledger, newest first; their commands hold what is shown of them alone.
	Shadows []ledger.Entry
	// NotBegun are drills of the calendar that were refused, newest first.
	NotBegun []*Line
	// Version grows with every change of the group.
	Version uint64
}

// Age is how old the answer is; 0 and false where there is none.
func (g *Group) Age(now time.Time) (time.Duration, bool) {
	if g.Status == nil {
		return 0, false
	}
	return max(0, now.Sub(g.Answered)), true
}

// Stale says that what is known is no longer what is.
func (g *Group) Stale(now time.Time) bool {
	age, known := g.Age(now)
	return !known || age > StaleAfter
}

// Line is one event.
type Line struct {
	At    time.Time
	Seq   uint64
	Event *message.Event
}

// New makes a board. Run fills it.
func New(o Options) *Board {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	up := false
	if o.Bus != nil {
		up, _ = o.Bus.Link() // so that nobody is told of a way that went away before anybody had looked
	}
	return &Board{
		o: o, ask: ask.Client{Bus: o.Bus, Timeout: patience}, work: make(chan string, 4096), wake: make(chan struct{}, 1),
		groups: map[string]*entry{}, watchers: map[chan struct{}]struct{}{}, outcomes: map[string]*message.Event{},
		link: Link{Up: up, Since: o.Now()},
	}
}

// Run keeps the board until ctx ends. Its errors are those that no retry mends: a missing permission, a bus that is not provisioned.
func (b *Board) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	off := b.o.Bus.OnLink(func(up bool) { b.setLink(up) })
	defer off()
	// What passes is a hint to ask anew; the record is followed beside it.
	silence, err := b.o.Bus.Hear([]string{subject.AllStored}, func(d bus.Delivery) { b.hint(d.Parts.Group) })
	if err != nil {
		return err
	}
	defer silence()
	var all sync.WaitGroup
	run := func(f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				stop(err)
			}
		})
	}
	run(func(ctx context.Context) error {
		return store.Watch(ctx, b.o.Bus, b.o.Log, b.take, store.OnReady(func() { b.change(func() { b.listed = true }) }))
	})
	run(b.follow)
	run(b.tick)
	for range askers {
		run(b.asker)
	}
	<-ctx.Done()
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// follow reads the record of events from its beginning, and goes on with what happens.
func (b *Board) follow(ctx context.Context) error {
	return b.o.Bus.Follow(ctx, bus.FollowOptions{
		Stream: subject.StreamEvents, Subjects: []string{subject.AllEvents}, From: bus.FromAll(),
		CaughtUp: func() { b.change(func() { b.read = true }) },
	}, func(d bus.Delivery) {
		e, ok := d.Message.(*message.Event)
		if !ok {
			return
		}
		b.mu.Lock()
		b.eventLocked(e, d)
		live := b.read
		if live {
			b.notifyLocked()
		}
		b.mu.Unlock()
		if live {
			b.hint(e.Group)
		}
	})
}

// tick asks about every group again and again.
func (b *Board) tick(ctx context.Context) error {
	last := time.Time{}
	t := time.NewTicker(Every)
	defer t.Stop()
	for {
		b.mu.Lock()
		now := b.o.Now()
		awake := now.Sub(b.looked) < lookedFor
		names := []string(nil)
		if awake || now.Sub(last) >= Idle {
			names, last = slices.Collect(maps.Keys(b.groups)), now // hint passes over those that nobody declared
		}
		b.notifyLocked() // ages go on, also where nothing is answered
		b.mu.Unlock()
		for _, name := range names {
			b.hint(name)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-b.wake:
		}
	}
}

// hint has the group asked about soon. Groups that nobody declared are passed over.
func (b *Board) hint(name string) {
	b.mu.Lock()
	g := b.groups[name]
	if g == nil || g.Spec == nil || g.asking {
		if g != nil {
			g.again = true
		}
		b.mu.Unlock()
		return
	}
	g.asking = true
	b.mu.Unlock()
	select {
	case b.work <- name:
	default: // thousands wait already: the next tick comes back to it
		b.mu.Lock()
		g.asking = false
		b.mu.Unlock()
	}
}

func (b *Board) asker(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case name := <-b.work:
			b.question(ctx, name)
		}
	}
}

// question asks about one group, again at once where something happened meanwhile.
func (b *Board) question(ctx context.Context, name string) {
	for range 2 {
		b.mu.Lock()
		if g := b.groups[name]; g != nil {
			g.again = false
		}
		b.mu.Unlock()
		s, err := b.ask.Status(ctx, name)
		b.mu.Lock()
		g := b.groups[name]
		if g == nil {
			b.mu.Unlock()
			return
		}
		switch {
		case err == nil:
			g.Status, g.Answered, g.Problem = s, b.o.Now(), ""
		case ctx.Err() == nil:
			g.Problem = b.whyLocked(err)
		}
		b.touchLocked(g)
		b.notifyLocked()
		again := g.again
		if !again {
			g.asking = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.groups[name]; g != nil {
		g.asking = false
	}
}

// whyLocked says why a question had no answer.
func (b *Board) whyLocked(err error) string {
	switch {
	case !b.link.Up:
		return "the bus is away"
	case errors.Is(err, ask.ErrNobody):
		return "no decider answers"
	case errors.Is(err, ask.ErrLate):
		return "no decider answered in time"
	}
	return err.Error()
}

// take puts a change of a spec on the board.
func (b *Board) take(c store.Change) {
	b.change(func() {
		if c.Spec == nil {
			delete(b.groups, c.Group)
			return
		}
		g := b.entryLocked(c.Group)
		g.Spec = c.Spec
		b.touchLocked(g)
	})
	b.hint(c.Group)
}

func (b *Board) entryLocked(name string) *entry {
	g := b.groups[name]
	if g == nil {
		g = &entry{Group: Group{Name: name}, pending: map[string]*message.Command{}}
		b.groups[name] = g
	}
	return g
}

func (b *Board) setLink(up bool) {
	b.change(func() { b.link = Link{Up: up, Since: b.o.Now()} })
	if up {
		b.rouse()
	}
}

func (b *Board) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	b.notifyLocked()
}

func (b *Board) touchLocked(g *entry) {
	b.version++
	g.Version = b.version
}

func (b *Board) notifyLocked() {
	for c := range b.watchers {
		select {
		case c <- struct{}{}:
		default: // it has not looked since the last one
		}
	}
}

// rouse has the ticker ask at once.
func (b *Board) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Watch gives a channel that holds something whenever the board may have changed since it was last received from, at least each [Every].
// While somebody watches, groups are asked about each [Every].
func (b *Board) Watch() (changed <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	b.watchers[c] = struct{}{}
	b.mu.Unlock()
	b.Look()
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, c)
	}
}

// Look keeps the board awake: somebody looks at it.
func (b *Board) Look() {
	b.mu.Lock()
	asleep := b.o.Now().Sub(b.looked) >= lookedFor
	b.looked = b.o.Now()
	b.mu.Unlock()
	if asleep {
		b.rouse()
	}
}

// Fresh waits until every answer is younger than [StaleAfter], as long as ctx lasts: for the first page after nobody looked for a while.
// What is not answered by then is shown with its age.
func (b *Board) Fresh(ctx context.Context) {
	changed, cancel := b.Watch()
	defer cancel()
	for {
		now := b.o.Now()
		stale := slices.ContainsFunc(b.Groups(), func(g Group) bool { return g.Problem == "" && g.Stale(now) })
		if !stale && b.Listed() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// Groups are all that are declared, sorted by name.
func (b *Board) Groups() []Group {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Group, 0, len(b.groups))
	for _, g := range b.groups {
		if g.Spec != nil {
			all = append(all, g.Group)
		}
	}
	slices.SortFunc(all, func(x, y Group) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

// Group is the group of that name.
func (b *Board) Group(name string) (Group, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[name]
	if g == nil {
		return Group{}, false
	}
	return g.Group, g.Spec != nil
}

// Bus says how the way to the bus is.
func (b *Board) Bus() Link {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.link
}

// Listed says whether the specs were read; Read, whether the record of events was, so that a short history is not taken for all of it.
func (b *Board) Listed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.listed
}

// Read is told at [Board.Listed].
func (b *Board) Read() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read
}

// Outcome is what became of a request, as far as it was told; nil: not yet, or long ago.
func (b *Board) Outcome(request string) *message.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outcomes[request]
}
