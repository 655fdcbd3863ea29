// Package executor carries out what was decided: it turns the plan of each group's newest command step by step, by drivers, and
// keeps the routes of every group right for the epoch that is held. See DESIGN.md.
package executor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/lifecycle"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/control"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/engine"
	"github.com/isacloud/ha-manager/services/executor/internal/epochs"
	"github.com/isacloud/ha-manager/services/executor/internal/gather"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/keeper"
	"github.com/isacloud/ha-manager/services/executor/internal/outbox"
	"github.com/isacloud/ha-manager/services/executor/internal/peer"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
	"github.com/isacloud/ha-manager/services/executor/internal/reconcile"
	"github.com/isacloud/ha-manager/services/executor/internal/runbooks"
)

// Executor is one executor. Make it with New, run it once with Run.
type Executor struct {
	opts   Options
	name   string
	bus    *bus.Bus
	bind   driver.Binding
	began  time.Time
	offset time.Duration // what the stream's clock shows more than the time since began, beyond the Unix epoch

	epochs     *epochs.Store
	journal    *journal.Journal
	engine     *engine.Engine
	outbox     *outbox.Outbox
	metrics    *metrics
	reconciler *reconcile.Reconciler
	peers      *peer.Client
	gatherer   *gather.Gatherer
	runbooks   *runbooks.Keeper

	ctx      context.Context // of Run
	running  sync.WaitGroup  // desks and rehearsals
	mu       sync.Mutex
	desks    map[string]*group.Group
	keepers  map[string]*keeper.Keeper // of the own members, by group
	awaited  map[string]chan struct{}  // closed once there is a keeper
	shadows  map[string]*engine.News   // rehearsals under way, by journal key
	caughtUp bool
	applied  chan struct{} // holds one token when a spec has changed since the plans were evaluated
	missing  []string      // what has not been read to its end yet
}

// New checks the options. Nothing is opened yet.
func New(o Options) (*Executor, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	x := &Executor{
		opts: o, name: o.Bus.Name(), bus: o.Bus, bind: driver.Bind(o.Drivers), began: time.Now(),
		desks: map[string]*group.Group{}, shadows: map[string]*engine.News{}, keepers: map[string]*keeper.Keeper{}, awaited: map[string]chan struct{}{},
		peers: peer.NewClient(o.PeerSecret), applied: make(chan struct{}, 1),
		missing: []string{"chain", "specs"},
	}
	x.outbox = outbox.New(x.name, x.bus.Publish, o.Log, o.at)
	x.gatherer = x.newGatherer()
	x.runbooks = runbooks.New(o.Runbooks, o.Log)
	x.metrics = newMetrics(x)
	if o.Metrics != nil {
		if err := o.Metrics.Register(x.metrics); err != nil {
			return nil, fmt.Errorf("%w: metrics: %w", ErrOptions, err)
		}
	}
	return x, nil
}

// Run works until ctx ends. Steps in flight are then cut short and left to be taken up by the next life of this executor, or by another.
func (x *Executor) Run(ctx context.Context) error {
	x.opts.Ready("executor", "starting")
	if err := x.alone(ctx); err != nil {
		return err
	}
	var err error
	if x.epochs, err = epochs.Open(x.opts.StateDir); err != nil {
		return err
	}
	defer x.epochs.Close()
	if err := x.setClock(ctx); err != nil {
		return err
	}
	x.build()
	// What is cut short by the end of ctx says so, and is not taken for a failure of the step.
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { stop(engine.ErrStopped) })()
	defer x.running.Wait()
	defer stop(engine.ErrStopped)
	x.ctx = work

	service, err := x.serve()
	if err != nil {
		return err
	}
	defer service.Stop()
	cancel, err := x.bus.Hear([]string{subject.Root + ".stored.command.*", subject.Root + ".stored.safety.*." + subject.SafetyInstruction + ".*",
		subject.Root + ".stored.safety.*." + subject.SafetyFenced + ".*"}, x.hear)
	if err != nil {
		return err
	}
	defer cancel()
	// A subscription of its own: nothing that a swap waits for stands behind it.
	cancelGather, err := x.bus.Hear(worthGathering, x.wishToGather)
	if err != nil {
		return err
	}
	defer cancelGather()
	defer x.peers.Close()
	parts := []lifecycle.Part{
		x.part("outbox", x.outbox.Run),
		x.part("journal", x.watchJournal),
		x.part("chain", x.followChain),
		x.part("instructions", x.followInstructions),
		x.part("shadows", x.followShadows),
		x.part("specs", x.watchSpecs),
		x.part("routes", x.reconciler.Run),
		x.part("fenced", x.followFenced),
		x.part("gather", x.gatherer.Run),
		x.part("evaluations", x.evaluations),
		x.part("runbooks", x.runbooks.Run),
		x.part("control", func(ctx context.Context) error { return control.Serve(ctx, x.opts.StateDir, x.vouch) }),
	}
	if x.opts.Peer != "" {
		p, err := x.servePeers()
		if err != nil {
			return err
		}
		parts = append(parts, p)
	}
	return lifecycle.Run(ctx, x.opts.Log, driver.Grace+2*time.Second, parts...)
}

// part ends without an error when it is asked to.
func (x *Executor) part(name string, run func(context.Context) error) lifecycle.Part {
	return lifecycle.Part{Name: "executor " + name, Run: func(ctx context.Context) error {
		err := run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		return err
	}}
}

func (x *Executor) build() {
	x.journal = journal.New(x.bus)
	me := plan.Me{Name: x.name, Boot: x.epochs.Boot(), Sites: x.opts.Sites}
	x.engine = &engine.Engine{
		Me: me, Limits: plan.Limits{Yield: x.opts.Yield, TakeOver: x.opts.TakeOver}, Every: x.opts.Every,
		Journal: x.journal, Bind: x.bind, Lease: x.lease, Kept: x.kept, Fenced: x.sayFenced, Groups: ask.Client{Bus: x.bus}, Secrets: x.opts.Secrets, Log: x.opts.Log, Chance: rand.Float64, At: x.opts.at,
		Clock: engine.Clock{Mono: func() time.Duration { return time.Since(x.began) }, Wall: time.Now},
	}
	x.reconciler = reconcile.New(reconcile.Options{
		Name: x.name, Boot: me.Boot, Serves: me.Serves, Yield: x.opts.Yield, Every: x.opts.Watch, Secrets: x.opts.Secrets, Tell: x.tell, Wall: time.Now, Log: x.opts.Log,
	})
}

// alone looks whether another executor answers to this name.
func (x *Executor) alone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_, err := x.bus.Conn().RequestWithContext(ctx, subject.Look(x.name), nil)
	switch {
	case err == nil:
		return fmt.Errorf("%w: %s is running already; give this one another name, or stop that one", ErrNameTaken, x.name)
	case errors.Is(err, nats.ErrNoResponders):
		return nil
	}
	x.opts.Log.Warn("cannot tell whether another executor has this name; going on", "name", x.name, "error", err)
	return nil
}

// setClock reads the stream's clock once. From then on its time is counted on the own monotonic clock: no wall clocks are compared.
func (x *Executor) setClock(ctx context.Context) error {
	for {
		stream, err := x.bus.JS().Stream(ctx, subject.StreamCommands)
		if err == nil {
			x.offset = time.Duration(stream.CachedInfo().TimeStamp.UnixNano()) - time.Since(x.began)
			return nil
		}
		x.opts.Log.Warn("cannot read the stream of commands yet", "error", err)
		select {
		case <-time.After(200*time.Millisecond + rand.N(200*time.Millisecond)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// now is the time by the stream's clock.
func (x *Executor) now() time.Time { return time.Unix(0, int64(x.offset+time.Since(x.began))) }

// desk returns the group's desk, and opens it at first.
func (x *Executor) desk(name string) *group.Group {
	x.mu.Lock()
	defer x.mu.Unlock()
	if g := x.desks[name]; g != nil {
		return g
	}
	g := group.New(name, group.Deps{
		Name: x.name, Engine: x.engine, Chain: x.bus, Epochs: x.epochs, Tell: x.tell, Told: x.outbox.Told,
		Log: x.opts.Log, Now: x.now, Wall: time.Now,
	}, x.reconciler.Changed)
	x.desks[name] = g
	if x.caughtUp {
		g.CaughtUp()
	}
	x.running.Go(func() {
		if err := x.epochs.Prepare(name); err != nil { // not under x.mu: promises of other groups are answered while the disk works
			x.opts.Log.Error("the state directory cannot take the epochs of a group", "group", name, "error", err)
		}
		_ = g.Run(x.ctx) // ends with x.ctx only
	})
	x.reconciler.Add(name, g)
	return g
}

// ready tells what is still missing, once part is there.
func (x *Executor) ready(part string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.missing = slices.DeleteFunc(x.missing, func(s string) bool { return s == part })
	if len(x.missing) > 0 {
		x.opts.Ready("executor", "reading "+strings.Join(x.missing, " and "))
		return
	}
	x.opts.Ready("executor", "")
}

func (x *Executor) hear(d bus.Delivery) {
	switch m := d.Message.(type) {
	case *message.Command, *message.Held, *message.Mark, *message.DrillEnd, *message.Approval, *message.Planned, *message.Maintenance:
		x.desk(d.Parts.Group).Deliver(d)
	case *message.Instruction:
		x.desk(d.Parts.Group).Instruct(m)
	case *message.Fenced:
		x.desk(d.Parts.Group).Fenced(m)
		if k := x.keeper(d.Parts.Group); k != nil {
			k.Fenced(m)
		}
	}
}

func (x *Executor) followChain(ctx context.Context) error {
	return x.bus.Follow(ctx, bus.FollowOptions{
		Stream: subject.StreamCommands, From: bus.FromAll(),
		CaughtUp: func() {
			x.mu.Lock()
			x.caughtUp = true
			desks := make([]*group.Group, 0, len(x.desks))
			for _, g := range x.desks {
				desks = append(desks, g)
			}
			x.mu.Unlock()
			for _, g := range desks {
				g.CaughtUp()
			}
			x.ready("chain")
		},
	}, x.hear)
}

func (x *Executor) followInstructions(ctx context.Context) error {
	return x.bus.Follow(ctx, bus.FollowOptions{
		Stream: subject.StreamSafety, From: bus.FromAll(), Subjects: []string{subject.Root + ".safety.*." + subject.SafetyInstruction + ".*"},
	}, x.hear)
}

func (x *Executor) watchJournal(ctx context.Context) error {
	return x.journal.Watch(ctx, func(e journal.Entry) {
		if e.Record.DryRun {
			x.mu.Lock()
			news := x.shadows[e.Key]
			x.mu.Unlock()
			if news != nil {
				news.Journal(e)
			}
			return
		}
		if message.IsName(e.Record.Group) {
			x.desk(e.Record.Group).Journal(e)
		}
	}, func(err error) {
		x.opts.Log.Error("an entry of the journal cannot be read; it is passed over", "error", err)
	}, nil)
}

func (x *Executor) watchSpecs(ctx context.Context) error {
	return store.Watch(ctx, x.bus, x.opts.Log, func(c store.Change) {
		x.desk(c.Group).Spec(c.Spec)
		x.keep(c.Group, c.Spec)
		x.gatherer.Spec(c.Group, c.Spec)
		select {
		case x.applied <- struct{}{}:
		default:
		}
		x.runbooks.Spec(c.Group, c.Spec)
	}, store.OnReady(func() { x.ready("specs") }))
}
