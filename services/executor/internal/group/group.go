// Package group is the executor's desk for one group: it reads the group's chain as it grows, refuses what is stale, and has the
// newest command turned by the engine.
package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/executor/internal/chain"
	"github.com/isacloud/ha-manager/services/executor/internal/engine"
	"github.com/isacloud/ha-manager/services/executor/internal/epochs"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

// Deps are what all desks of an executor share.
type Deps struct {
	Name   string
	Engine *engine.Engine
	Chain  Chain
	Epochs *epochs.Store
	Tell   func(...message.Message)
	Told   func(context.Context) error
	Log    *slog.Logger
	// Now is the time by the stream's clock.
	Now  func() time.Time
	Wall func() time.Time
}

// Chain is the bus, as far as a desk needs it.
type Chain interface {
	Propose(ctx context.Context, subj string, m message.Message, after uint64) (bus.Result, error)
	Since(ctx context.Context, stream, subj string, seq uint64, limit int) ([]bus.Entry, error)
	Last(ctx context.Context, stream, subj string) (bus.Entry, error)
}

// Keeper keeps this executor's own member of a group with a lease.
type Keeper interface {
	// Chain takes in what the chain says, once it was read to its end, and whether the group is paused. It does not block.
	Chain(v chain.View, paused bool)
	// Hold takes the lease of the command's epoch and then has `held` written.
	Hold(ctx context.Context, cmd *message.Command, write func(context.Context) error) error
	// Vouched says whether the member acts on a person's word, of which the chain knows nothing yet.
	Vouched() bool
}

// Group is one desk. Run it; its other methods do not block and are safe for concurrent use.
type Group struct {
	name string
	deps Deps
	log  *slog.Logger

	inbox chan struct{} // holds one token when there is something to read
	mu    sync.Mutex
	queue []item

	view     chain.View
	keeper   Keeper             // nil: this executor keeps no member of the group
	live     bool               // the chain was read to its end once
	recent   []*message.Command // the newest last; those whose runs may have to be closed
	refused  error              // why nothing is done for the group
	active   *active            // the run of the newest command
	over     map[uint64]plan.Record
	fenced   map[string]uint64 // by member, the highest epoch at which it does not act any more
	untold   map[uint64]untold
	mine     map[uint64]bool        // runs that this life turns, or has closed
	orders   []*message.Instruction // for the newest epoch
	spec     *spec.Group
	onChange func()
}

// item is something to be read: an entry of the chain, or the end of what was there at the start.
type item struct {
	entry    bus.Entry
	previous uint64 // the entry before it on the subject, where the server said so
	heard    bool
	caughtUp bool
}

type active struct {
	cmd  *message.Command
	news *engine.News
}

// New makes the desk. onChange is called, from any goroutine, when Target may have changed.
func New(name string, deps Deps, onChange func()) *Group {
	return &Group{
		name: name, deps: deps, log: deps.Log.With("group", name), inbox: make(chan struct{}, 1),
		over: map[uint64]plan.Record{}, fenced: map[string]uint64{}, untold: map[uint64]untold{}, mine: map[uint64]bool{}, onChange: onChange,
	}
}

// Deliver hands over an entry of the chain. Heard entries may come twice, and may be missing.
func (g *Group) Deliver(d bus.Delivery) {
	i := item{entry: bus.Entry{Seq: d.Seq, Time: d.Time, Message: d.Message}, heard: d.Heard}
	if d.Heard {
		i.previous, _ = strconv.ParseUint(d.Header.Get("Nats-Last-Sequence"), 10, 64)
	}
	g.add(i)
}

// Keep hands over who keeps the own member.
func (g *Group) Keep(k Keeper) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keeper = k
	g.tellKeeper()
}

// tellKeeper tells the keeper what the chain says. Half a chain, or one that is older than what was seen, is not told: a member would be
// made the standby of a primary of long ago. Called with g.mu held.
func (g *Group) tellKeeper() {
	if g.keeper == nil || !g.live || g.view.Epoch() < g.deps.Epochs.Newest(g.name) {
		return
	}
	paused, _ := g.view.PausedAt(g.deps.Now())
	g.keeper.Chain(g.view, paused)
}

// CaughtUp says that everything was delivered that the chain held at the start: from here on commands are new.
func (g *Group) CaughtUp() { g.add(item{caughtUp: true}) }

func (g *Group) add(i item) {
	g.mu.Lock()
	g.queue = append(g.queue, i)
	g.mu.Unlock()
	g.wake()
}

func (g *Group) wake() {
	select {
	case g.inbox <- struct{}{}:
	default:
	}
}

// Instruct hands over an instruction, however old.
func (g *Group) Instruct(in *message.Instruction) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if in.Epoch < g.view.Epoch() {
		return
	}
	g.orders = append(g.orders, in)
	if a := g.active; a != nil && a.cmd.Epoch == in.Epoch {
		a.news.Instruct(in)
	}
}

// Fenced hands over that a member does not act at an epoch or below, ever again; however late, and however often.
func (g *Group) Fenced(f *message.Fenced) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.Epoch > g.fenced[f.Member] {
		g.fenced[f.Member] = f.Epoch
		g.changed()
	}
}

// Journal hands over a version of the record of one of the group's runs.
func (g *Group) Journal(e journal.Entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.Record.DryRun {
		return
	}
	if a := g.active; a != nil && a.cmd.ID == e.Record.Command {
		a.news.Journal(e)
	}
	if e.Record.Over() && e.Record.Epoch+maxRecent >= g.view.Epoch() {
		g.over[e.Record.Epoch] = e.Record
		g.noteTold(e)
		g.changed()
	}
}

// Spec hands over the group's spec; nil: it was deleted.
func (g *Group) Spec(s *spec.Group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spec = s
	g.changed()
}

func (g *Group) changed() {
	if g.onChange != nil {
		go g.onChange()
	}
}

// Run reads until ctx ends, and then waits for the runs it had begun.
func (g *Group) Run(ctx context.Context) error {
	var runs sync.WaitGroup
	defer runs.Wait()
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	report := time.NewTimer(time.Hour)
	defer report.Stop()
	for {
		for {
			i, ok := g.next()
			if !ok {
				break
			}
			if i.caughtUp {
				g.mu.Lock()
				g.live = true
				g.tellKeeper()
				g.mu.Unlock()
				g.begin(ctx, &runs, false)
				continue
			}
			if i.heard && !g.isLive() {
				continue // the chain itself brings it
			}
			g.read(ctx, &runs, i)
		}
		pause.Stop()
		if d := g.untilUnpaused(); d > 0 {
			pause.Reset(d)
		}
		due, next := g.unreported()
		g.report(ctx, &runs, due)
		report.Stop()
		if next > 0 {
			report.Reset(next)
		}
		select {
		case <-report.C:
		case <-g.inbox:
		case <-pause.C:
			g.tellPause()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (g *Group) isLive() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live
}

func (g *Group) next() (item, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		return item{}, false
	}
	i := g.queue[0]
	g.queue = g.queue[1:]
	return i, true
}

// read takes in one entry, and whatever it shows to be missing before it.
func (g *Group) read(ctx context.Context, runs *sync.WaitGroup, i item) {
	g.mu.Lock()
	last, live := g.view.Last, g.live
	g.mu.Unlock()
	entries := []bus.Entry{i.entry}
	if i.heard && i.entry.Seq > last && i.previous > last {
		missing, err := g.deps.Chain.Since(ctx, subject.StreamCommands, subject.Command(g.name), last+1, 1000)
		if err != nil {
			g.log.Debug("an entry of the chain was heard before the one before it; it will come by the chain", "seq", i.entry.Seq, "error", err)
			return
		}
		entries = missing
	}
	for _, e := range entries {
		if g.take(e) && live {
			g.begin(ctx, runs, true)
		}
	}
}

// take adds an entry to the view, and tells the run under way of it. True: it is a newer command.
func (g *Group) take(e bus.Entry) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	epoch := g.view.Epoch()
	// What is no valid entry says nothing, but it holds its place: held, too, has to be written after it.
	if !g.view.Add(e.Seq, e.Time, e.Message) {
		return false
	}
	g.changed()
	g.tellKeeper()
	switch e.Message.(type) {
	case *message.Held:
		if g.active != nil && g.view.IsHeld() && g.active.cmd.Epoch == g.view.Epoch() {
			g.active.news.Held()
		}
	case *message.Mark:
		g.tellPauseLocked()
		g.wake() // it may end by itself
	}
	if g.view.Epoch() == epoch {
		return false
	}
	g.recent = append(g.recent, g.view.Command)
	g.recent = g.recent[max(0, len(g.recent)-maxRecent):]
	g.orders = slices.DeleteFunc(g.orders, func(in *message.Instruction) bool { return in.Epoch < g.view.Epoch() })
	for old := range g.over {
		if old+maxRecent < epoch {
			delete(g.over, old)
			delete(g.mine, old)
		}
	}
	return true
}

// maxRecent is how many commands are looked back on, to close their runs before a newer one is begun.
const maxRecent = 16

// begin has the newest command turned, once its epoch is on disk.
//
// Invariant: an epoch is on this executor's disk before anything of it is done or said, and a lower one is refused.
func (g *Group) begin(ctx context.Context, runs *sync.WaitGroup, fresh bool) {
	g.mu.Lock()
	cmd, held := g.view.Command, g.view.IsHeld()
	paused := g.stopped(cmd)
	g.mu.Unlock()
	if cmd == nil {
		if seen := g.deps.Epochs.Newest(g.name); seen > 0 {
			g.refuse(ctx, runs, 0, seen)
		}
		return
	}
	g.deps.Engine.Point("before seen")
	ok, err := g.deps.Epochs.Saw(g.name, cmd.Epoch)
	g.deps.Engine.Point("after seen")
	g.supersede(cmd.Epoch)
	switch {
	case err != nil:
		g.mu.Lock()
		g.refused, g.active = err, nil
		g.mu.Unlock()
		g.log.Error("the disk does not take the newest epoch; nothing of it is begun", "epoch", cmd.Epoch, "error", err)
		g.alarm(fmt.Sprintf("disk.%d", cmd.Epoch), cmd.Epoch, fmt.Sprintf("executor %s cannot write epoch %d of %s to its disk and takes no part in it: %v; free or mend the disk of its state directory, then restart it",
			g.deps.Name, cmd.Epoch, g.name, err))
		return
	case !ok:
		g.refuse(ctx, runs, cmd.Epoch, g.deps.Epochs.Newest(g.name))
		return
	}
	news := engine.NewNews(cmd.Epoch)
	news.Paused(paused)
	if held {
		news.Held()
	}
	g.mu.Lock()
	g.active, g.refused, g.mine[cmd.Epoch] = &active{cmd, news}, nil, true
	for _, in := range g.orders {
		if in.Epoch == cmd.Epoch {
			news.Instruct(in)
		}
	}
	g.mu.Unlock()
	runs.Go(func() {
		err := g.deps.Engine.Run(ctx, engine.Job{
			Command: cmd, News: news, Fresh: fresh, Tell: g.deps.Tell, Told: g.deps.Told,
			Before: func(ctx context.Context) error {
				closed, err := g.closeEarlier(ctx, cmd)
				g.report(ctx, runs, closed)
				return err
			},
			Hold:    func(ctx context.Context) error { return g.hold(ctx, cmd) },
			Current: func(ctx context.Context) error { return g.current(ctx, cmd) },
			Over:    func(rec plan.Record) { g.Journal(journal.Entry{Record: rec}) },
		})
		if err != nil && ctx.Err() == nil {
			g.log.Error("the run cannot go on", "epoch", cmd.Epoch, "error", err)
			g.alarm(fmt.Sprintf("run.%d", cmd.Epoch), cmd.Epoch, fmt.Sprintf("executor %s cannot go on with epoch %d of %s: %v", g.deps.Name, cmd.Epoch, g.name, err))
		}
	})
}

// supersede ends the run under way, if it is of an older epoch.
func (g *Group) supersede(epoch uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active != nil && g.active.cmd.Epoch < epoch {
		g.active.news.Newer(epoch)
	}
}

// refuse keeps away from a chain that is older than what this executor has seen. Whether it is so, or was read where the newest entries have not arrived yet,
// only the stream's leader knows: nobody is alarmed before that was asked.
//
// A consumer is served by one server of the stream, which may be behind the others: what is there already is then delivered to its end, the chain counts as
// read, and the rest comes a moment later.
func (g *Group) refuse(ctx context.Context, runs *sync.WaitGroup, epoch, seen uint64) {
	what := fmt.Sprintf("epoch %d of %s", epoch, g.name)
	if epoch == 0 {
		what = fmt.Sprintf("the chain of %s, which is empty,", g.name)
	}
	g.mu.Lock()
	g.refused, g.active = fmt.Errorf("%s is refused: this executor has seen epoch %d", what, seen), nil
	g.mu.Unlock()
	g.log.Info("the chain as read so far is older than what this executor has seen; the stream's leader is asked", "epoch", epoch, "seen", seen)
	runs.Go(func() {
		if !g.isOld(ctx, epoch) {
			return
		}
		g.log.Error("stale epoch refused", "epoch", epoch, "seen", seen)
		g.staleAlarm(what, epoch, seen)
	})
}

// isOld waits until it is certain whether the chain ends with that epoch, as its leader has it. False: something newer stands there, and is begun as
// soon as it is read. A server that was cut off may take itself for the leader yet, so the answer has to stand for a while.
func (g *Group) isOld(ctx context.Context, epoch uint64) bool {
	var since time.Time
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		last, err := g.deps.Chain.Last(ctx, subject.StreamCommands, subject.Command(g.name))
		g.mu.Lock()
		read, newest := g.view.Last, g.view.Epoch()
		g.mu.Unlock()
		switch {
		case newest != epoch, ctx.Err() != nil:
			return false
		case err != nil && !errors.Is(err, bus.ErrNone), last.Seq != read: // no entry: 0, as where nothing was read
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= g.deps.Engine.Limits.TakeOver:
			return true
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// staleAlarm tells that a chain is refused.
func (g *Group) staleAlarm(what string, epoch, seen uint64) {
	g.alarm(fmt.Sprintf("stale.%d.%d", epoch, seen), epoch, fmt.Sprintf("executor %s refuses %s because it has seen epoch %d: the bus was put back to an older state, or it is another bus; "+
		"bring back the newer state, or let an operator adopt the roles as they are until the epoch is above %d", g.deps.Name, what, seen, seen))
}

func (g *Group) alarm(what string, epoch uint64, sentence string) {
	g.deps.Tell(&message.Event{
		ID: g.name + "." + g.deps.Name + "." + what, Group: g.name, Kind: message.EventDrift, Severity: message.Critical,
		Sentence: sentence, Epoch: epoch, Writer: g.deps.Name, At: g.deps.Wall().UnixMicro(),
	})
}
