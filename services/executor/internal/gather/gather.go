package gather

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/mask"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Limit is how long one gathering takes at most.
const Limit = 5 * time.Second

const (
	// laneLength is how many wishes may wait, outLength how many results.
	laneLength, outLength = 32, 16
	// stale is how long a wish may wait before what would be found says nothing of it any more.
	stale = time.Minute
	// patience is how long a result waits for the end of a swap, telling how long the bus is asked to take it.
	patience, telling = time.Minute, 30 * time.Second
	// burst and refill are how many gatherings of one group may follow each other, and how soon there is one more.
	burst, refill = 4, 30 * time.Second
	// remembered is how many gatherings are remembered, to do none twice.
	remembered = 256
)

// ErrBusy says that the group is being looked at already.
var ErrBusy = errors.New("this group is being looked at already, ask again in some seconds")

// Options of a Gatherer. All but Known and Busy are required.
type Options struct {
	// Name of the executor.
	Name string
	// Serves says whether the executor serves a site: it stands beside the members there that name no executor of their own.
	Serves func(site string) bool
	// StateDir is the executor's folder: whether its disk is full is part of what is seen.
	StateDir string
	// Secrets reads references, Known lists the values that this process has read so far.
	Secrets spec.Lookup
	Known   func() []string
	// Busy says whether a swap of the group is under way: nothing is published then.
	Busy func(group string) bool
	// Publish stores what was gathered.
	Publish func(ctx context.Context, m *message.Gathered) error
	// Clock is the time by the bus, which the host's clock is compared with; false: it is not known.
	Clock func() (time.Time, bool)
	Log   *slog.Logger

	// Clues replaces what is looked at, Limit how long; for tests.
	Clues func(g *spec.Group, secrets *driver.Secrets) []Clue
	Limit time.Duration
}

// Clue is one thing to look at.
type Clue struct {
	// Name and What are those of [message.Clue].
	Name, What string
	// Look returns what is there; with an error also the part of it that was found. It changes nothing. It should end with ctx, and is not waited for
	// if it does not.
	Look func(ctx context.Context) (string, error)
}

// Wish is what to gather for.
type Wish struct {
	Group    string
	Incident string
	When     string // as in [message.Gathered]
	Epoch    uint64

	at time.Time
}

func (w Wish) key() string { return fmt.Sprintf("%s %s %s %d", w.Group, w.Incident, w.When, w.Epoch) }

// Gatherer is all of it. Safe for concurrent use.
type Gatherer struct {
	o    Options
	lane chan Wish
	out  chan *message.Gathered

	mu      sync.Mutex
	specs   map[string]*spec.Group
	under   map[string]bool      // groups that are being looked at
	hanging map[string]time.Time // looks that have not come back, since when
	seen    []string             // keys of wishes, the oldest first
	buckets map[string]*bucket
	dropped uint64
}

// bucket bounds how often a group is looked at unasked.
type bucket struct {
	left int
	at   time.Time // when the last one was filled in
}

// New makes one that knows no group.
func New(o Options) *Gatherer {
	g := &Gatherer{
		o: o, lane: make(chan Wish, laneLength), out: make(chan *message.Gathered, outLength),
		specs: map[string]*spec.Group{}, under: map[string]bool{}, hanging: map[string]time.Time{}, buckets: map[string]*bucket{},
	}
	g.o.Limit = cmp.Or(o.Limit, Limit)
	if o.Clues == nil {
		g.o.Clues = g.clues
	}
	if o.Known == nil {
		g.o.Known = func() []string { return nil }
	}
	if o.Busy == nil {
		g.o.Busy = func(string) bool { return false }
	}
	return g
}

// Spec says what the group is; nil: it is gone.
func (g *Gatherer) Spec(name string, s *spec.Group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s == nil {
		delete(g.specs, name)
		delete(g.buckets, name)
		return
	}
	g.specs[name] = s
}

// Wish asks for a gathering. It never blocks: what was wished for already, comes too often, or finds the lane full is dropped.
func (g *Gatherer) Wish(w Wish) {
	w.at = time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.specs[w.Group] == nil || slices.Contains(g.seen, w.key()) {
		return
	}
	if !g.mayLocked(w.Group, w.at) {
		g.dropLocked(w, "there was one just now")
		return
	}
	select {
	case g.lane <- w:
	default:
		g.dropLocked(w, "too many wait")
		return
	}
	if g.seen = append(g.seen, w.key()); len(g.seen) > remembered {
		g.seen = slices.Delete(g.seen, 0, 1)
	}
}

func (g *Gatherer) mayLocked(group string, now time.Time) bool {
	b := g.buckets[group]
	if b == nil {
		b = &bucket{left: burst, at: now}
		g.buckets[group] = b
	}
	if n := int(now.Sub(b.at) / refill); n > 0 {
		b.left, b.at = min(burst, b.left+n), b.at.Add(time.Duration(n)*refill)
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

func (g *Gatherer) dropLocked(w Wish, why string) {
	g.dropped++
	g.o.Log.Info("not gathered", "group", w.Group, "incident", w.Incident, "when", w.When, "because", why)
}

// Dropped is how many wishes and results came to nothing.
func (g *Gatherer) Dropped() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dropped
}

// Run works until ctx ends.
func (g *Gatherer) Run(ctx context.Context) error {
	var told sync.WaitGroup
	defer told.Wait()
	told.Go(func() { g.tell(ctx) })
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case w := <-g.lane:
			if time.Since(w.at) > stale {
				g.drop(w, "it waited for too long")
				continue
			}
			m, err := g.gather(ctx, w)
			if err != nil || len(m.Clues) == 0 {
				if err != nil {
					g.drop(w, err.Error())
				}
				continue
			}
			select {
			case g.out <- m:
			default:
				g.drop(w, "the bus takes nothing")
			}
		}
	}
}

func (g *Gatherer) drop(w Wish, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropLocked(w, why)
}

// tell publishes what was found, one after the other.
func (g *Gatherer) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-g.out:
			g.waitForQuiet(ctx, m.Group)
			try, cancel := context.WithTimeout(ctx, telling)
			err := g.o.Publish(try, m)
			cancel()
			if err != nil && ctx.Err() == nil {
				g.drop(Wish{Group: m.Group, Incident: m.Incident, When: m.When}, err.Error())
			}
		}
	}
}

// waitForQuiet lets a swap that is under way come to its end: what is told meanwhile is written to the same disks as its record.
func (g *Gatherer) waitForQuiet(ctx context.Context, group string) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); g.o.Busy(group) && time.Now().Before(end); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Now looks at the group for somebody who waits for it. The error is [ErrBusy], or why the secrets cannot be known.
func (g *Gatherer) Now(ctx context.Context, group string) (*message.Gathered, error) {
	return g.gather(ctx, Wish{Group: group, When: message.GatherAsked})
}

// gather looks at everything, for at most the limit.
func (g *Gatherer) gather(ctx context.Context, w Wish) (*message.Gathered, error) {
	g.mu.Lock()
	s := g.specs[w.Group]
	if g.under[w.Group] {
		g.mu.Unlock()
		return nil, ErrBusy
	}
	g.under[w.Group] = true
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.under, w.Group)
	}()
	began := time.Now()
	m := &message.Gathered{
		Group: w.Group, Incident: w.Incident, When: w.When, Epoch: w.Epoch, Executor: g.o.Name, Clues: []message.Clue{}, At: began.UnixMicro(),
	}
	if s == nil {
		return m, nil
	}
	if own := g.beside(s); len(own) > 0 {
		m.Site = own[0].Site
	}
	ctx, cancel := context.WithTimeoutCause(ctx, g.o.Limit, fmt.Errorf("it did not end within %s", g.o.Limit))
	defer cancel()
	secrets, err := g.secrets(ctx, s)
	if err != nil {
		return nil, err
	}
	clues := g.o.Clues(s, secrets)
	if most := 64; len(clues) > most {
		m.LeftOut, clues = len(clues)-most, clues[:most]
	}
	m.Clues = g.look(ctx, w.Group, clues)
	finish(m, secrets)
	m.TookMicros = time.Since(began).Microseconds()
	return m, nil
}

// look looks at all of it side by side, and returns what came back before ctx ended. Whatever does not is left alone.
func (g *Gatherer) look(ctx context.Context, group string, clues []Clue) []message.Clue {
	type found struct {
		i    int
		clue message.Clue
	}
	// Room for all: who comes late finds nobody, and goes.
	came := make(chan found, len(clues))
	out := make([]message.Clue, len(clues))
	open := 0
	for i, c := range clues {
		out[i] = message.Clue{Name: c.Name, What: c.What}
		key := group + " " + c.Name
		if since, hangs := g.begin(key); hangs {
			out[i].Err = fmt.Sprintf("not begun: the same look, begun %s ago, has not come back", time.Since(since).Round(time.Second))
			continue
		}
		open++
		go func() {
			defer g.end(key)
			began := time.Now()
			text, err := safely(ctx, c)
			f := found{i, message.Clue{Name: c.Name, What: c.What, Text: text, TookMicros: time.Since(began).Microseconds()}}
			if err != nil {
				f.clue.Err = err.Error()
			}
			came <- f
		}()
		out[i].Err = "nothing came back within " + g.o.Limit.String()
	}
	for ; open > 0; open-- {
		select {
		case f := <-came:
			out[f.i] = f.clue
			continue
		case <-ctx.Done():
		}
		// Whoever ended with ctx is about to say how far it came.
		late := time.NewTimer(200 * time.Millisecond)
		defer late.Stop()
		for ; open > 0; open-- {
			select {
			case f := <-came:
				out[f.i] = f.clue
			case <-late.C:
				return out
			}
		}
		return out
	}
	return out
}

// safely looks, and makes an error of a panic: what other programs answer is read here.
func safely(ctx context.Context, c Clue) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("this look failed in a way that it should not: %v", p)
		}
	}()
	return c.Look(ctx)
}

func (g *Gatherer) begin(key string) (since time.Time, hangs bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if since, hangs = g.hanging[key]; !hangs {
		g.hanging[key] = time.Now()
	}
	return since, hangs
}

func (g *Gatherer) end(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.hanging, key)
}

// finish makes what was found fit to be kept: clean, without secrets, and not too long. It is cut twice: to whole lines before, so that this
// takes no time that others need, and to what may be kept after.
func finish(m *message.Gathered, secrets *driver.Secrets) {
	tidy := func(s string) string { return mask.Text(secrets.Mask(mask.Clean(s))) }
	sizes := make([]int, len(m.Clues))
	for i, c := range m.Clues {
		sizes[i] = min(len(c.Text), rawMost)
	}
	for i, most := range share(sizes, rawTotal) {
		c := &m.Clues[i]
		if len(c.Text) <= most {
			continue
		}
		if c.Text, c.Cut = whole(c.Text[len(c.Text)-most:], true), true; c.Text == "" && c.Err == "" {
			c.Err = "its last line is longer than what is kept of it"
		}
	}
	for i := range m.Clues {
		c := &m.Clues[i]
		c.Name, c.What = head(tidy(c.Name), 128), head(tidy(c.What), 256)
		c.Err = head(tidy(c.Err), 1000)
		c.Text = tidy(c.Text)
		sizes[i] = min(message.Encoded(c.Text), message.MaxClue)
	}
	for i, most := range share(sizes, message.MaxGathered) {
		c := &m.Clues[i]
		if text := newest(c.Text, most); text != c.Text {
			c.Text, c.Cut = text, true
		}
	}
}
