// Package decider is the service around the pure core: it reads the bus, feeds the core, and carries out what the core
// says. Every decision is in services/decider/core; this package has none of its own.
package decider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// ErrOptions says which option is wrong, and what would be right.
var ErrOptions = errors.New("wrong decider options")

// Options of New.
type Options struct {
	// Bus is this decider's own connection, to a provisioned bus. Required.
	Bus *bus.Bus
	// Name is this decider's name among others: the writer of what it publishes. Required, a name.
	Name string
	// Ready is called with the reason why the decider does not judge yet, and with "" once it does. May be nil.
	Ready func(reason string)
	// Metrics takes this decider's metrics. Nil: none are kept.
	Metrics prometheus.Registerer
	// Log gets what happens to the service itself; decisions are events. Nil: nothing is logged.
	Log *slog.Logger
}

// Decider runs one core per group. Several deciders run side by side: whoever proposes first wins the compare-and-set.
type Decider struct {
	o       Options
	bus     *bus.Bus
	log     *slog.Logger
	metrics *metrics
	began   time.Time
	clock   streamClock
	leases  *leases

	mu     sync.Mutex
	groups map[string]*group
	linked bool
	mute   bool // nobody answers for the record of decisions
	// seen is used for every heartbeat, one at a time: thousands a second shall not feed the garbage collector.
	seen core.HeartbeatSeen
	// waiting are the requests that this decider works on, by id: closed once the outcome is stored.
	waiting map[string]chan struct{}
	// asked are the askers that wait for an outcome, by the request's id.
	asked map[string][]chan *message.Outcome
	// life ends with Run; the lanes of groups that come later live in it.
	life  context.Context
	lanes sync.WaitGroup
	read  positions
	// loaded is closed when specs and incidents were read: tables counts them.
	loaded chan struct{}
	tables atomic.Int32
	// caught is closed once the record was read to its end for the first time.
	caught chan struct{}
	// rested has a token when roles have come to rest.
	rested chan struct{}
	// quiet: at the last tick every group was; stirred has a token when one is no longer.
	quiet   bool
	stirred chan struct{}
}

// group is one core, and the lanes that carry its outputs out. It is used under Decider.mu.
type group struct {
	state *core.State
	act   *lane // proposals and instructions: what executors wait for
	tell  *lane // events and outcomes, in their order: an outcome is said after what it is about
	table *lane // incidents: a decision does not wait for them
	// figures are what was told of thresholds: nothing waits for them.
	figures *lane
}

// New checks the options. It touches nothing.
func New(o Options) (*Decider, error) {
	if o.Bus == nil {
		return nil, fmt.Errorf("%w: bus is missing", ErrOptions)
	}
	if !message.IsName(o.Name) {
		return nil, fmt.Errorf("%w: name is %q, want 1 to %d letters, digits, '-' or '_'", ErrOptions, o.Name, message.MaxName)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ready == nil {
		o.Ready = func(string) {}
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("%w: metrics: %w", ErrOptions, err)
	}
	began := time.Now()
	d := &Decider{
		leases: newLeases(o.Name, o.Log, m, began),
		o:      o, metrics: m, bus: o.Bus, log: o.Log, began: began, groups: map[string]*group{},
		waiting: map[string]chan struct{}{}, asked: map[string][]chan *message.Outcome{},
		loaded: make(chan struct{}), caught: make(chan struct{}), rested: make(chan struct{}, 1), stirred: make(chan struct{}, 1),
	}
	if o.Metrics != nil {
		if err := o.Metrics.Register(newFigures(d)); err != nil {
			return nil, fmt.Errorf("%w: metrics: %w", ErrOptions, err)
		}
	}
	return d, nil
}

// tickEvery is how often the cores hear that time has passed, quietTick how often while all is well in every group and nothing is on its
// way: then what begins anything is an input itself, and what time alone brings (a vantage that fell silent, a standby that has been up for long
// enough) keeps nobody waiting.
const (
	tickEvery = 50 * time.Millisecond
	quietTick = 250 * time.Millisecond
)

// Run decides until ctx ends; it returns nil then, or the error that makes going on pointless. It may be called once.
func (d *Decider) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.life = ctx
	d.o.Ready("reading the record")
	var running sync.WaitGroup
	part := func(name string, run func(context.Context) error) {
		running.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	// A primary needs its lease whatever else this decider does: it is answered first and last.
	stop, err := d.leases.serve(d.bus)
	if err != nil {
		return fmt.Errorf("answer for leases: %w", err)
	}
	defer stop()
	service, err := d.serve()
	if err != nil {
		return err
	}
	part("specs", d.watchSpecs)
	part("incidents", d.watchIncidents)
	part("thresholds", d.watchThresholds)
	part("sessions", d.sessions)
	part("requests", d.work)
	part("ticks", d.tick)
	part("clock", d.keepClock)
	part("record", d.keepRecord)
	part("leaders", d.place)
	part("executors", d.callExecutors)
	<-ctx.Done()
	running.Wait()
	d.lanes.Wait()
	service.Stop()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// now is the time that an input carries.
func (d *Decider) now() core.Time { return d.at(time.Now()) }

func (d *Decider) at(wall time.Time) core.Time {
	return core.Time{Mono: wall.Sub(d.began), Stream: d.clock.at(wall), Wall: wall.UnixMicro()}
}

// step feeds one input to the group's core and hands its outputs to the lanes.
func (d *Decider) step(name string, in core.Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stepLocked(d.groupLocked(name), in)
}

func (d *Decider) stepLocked(g *group, in core.Input) {
	began := time.Now()
	outs := g.state.Step(d.at(began), in)
	d.metrics.step(in, time.Since(began))
	if d.quiet && !g.state.Quiet(d.at(began)) {
		d.quiet = false
		select {
		case d.stirred <- struct{}{}:
		default:
		}
	}
	for _, out := range outs {
		d.metrics.out(out)
		switch out.(type) {
		case core.Propose, core.Instruct, core.Send:
			g.act.put(out)
		case core.Record:
			g.table.put(out)
		case core.Keep:
			g.figures.put(out)
		default:
			if !g.tell.put(out) {
				d.metrics.lost.Inc()
				d.log.Error("an event is lost: the bus has taken none for too long", "event", out)
			}
		}
	}
}

// groupLocked returns the group's core, made when the group is first heard of.
func (d *Decider) groupLocked(name string) *group {
	g := d.groups[name]
	if g == nil {
		g = &group{state: core.New(name, d.o.Name), act: newLane(), tell: newLane(), table: newLane(), figures: newLane()}
		d.groups[name] = g
		for _, l := range []*lane{g.act, g.tell, g.table, g.figures} {
			d.lanes.Go(func() { l.run(d.life, func(out core.Output) { d.carryOut(d.life, name, out) }) })
		}
		if d.linked {
			d.stepLocked(g, core.LinkChanged{Up: true})
		}
		if d.mute {
			d.stepLocked(g, core.RecordChanged{})
		}
	}
	return g
}

// strange returns a core of a group that nobody declared and that no record speaks of: good for one answer, and kept nowhere, so
// that asking for made-up groups costs nothing.
func (d *Decider) strange(name string) *core.State {
	s := core.New(name, d.o.Name)
	s.Step(d.now(), core.LinkChanged{Up: true})
	return s
}

// all feeds the same input to every group.
func (d *Decider) all(in core.Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range d.groups {
		d.stepLocked(g, in)
	}
}

// tick tells the cores that time passes.
func (d *Decider) tick(ctx context.Context) error {
	t := time.NewTimer(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.stirred:
			t.Reset(tickEvery)
		case <-t.C:
			t.Reset(d.tickAll())
		}
	}
}

// tickAll is one tick of every core. It says when the next is due.
func (d *Decider) tickAll() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quiet = false
	quiet := true
	for _, g := range d.groups {
		d.stepLocked(g, core.Tick{})
		quiet = quiet && g.state.Quiet(d.now())
		if age, known := g.state.DrillAge(d.now()); known {
			d.metrics.drillAge.WithLabelValues(g.state.Group()).Set(age.Seconds())
		}
	}
	if d.quiet = quiet; quiet {
		return quietTick
	}
	return tickEvery
}

// Status is what the decider knows of the group now; false where it has never heard of it.
func (d *Decider) Status(name string) (*message.GroupStatus, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.groups[name]
	if g == nil || !g.state.Known() {
		return nil, false
	}
	now := time.Now()
	st := g.state.Status(d.at(now))
	if st.Lease != nil {
		if h, ok := d.leases.holdersAt(now)[name]; ok {
			st.Lease.Holder, st.Lease.HolderEpoch, st.Lease.Left = h.member, h.epoch, message.Duration(h.left)
		}
	}
	return st, true
}

func (d *Decider) preview(r *message.Request) *message.Preview {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.groups[r.Group]; g != nil {
		return g.state.Preview(d.now(), r)
	}
	return d.strange(r.Group).Preview(d.now(), r)
}
