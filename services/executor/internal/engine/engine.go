// Package engine turns runs: it asks internal/plan what follows, stores that, and only then does it.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

// Journal is where records are kept; see the package of that name for what its errors mean.
type Journal interface {
	Load(ctx context.Context, key string) (journal.Entry, error)
	Store(ctx context.Context, key string, rec plan.Record, revision uint64) (uint64, error)
}

// Clock is time, handed in. Mono only grows and measures; Wall is for people, and may jump.
type Clock struct {
	Mono func() time.Duration
	Wall func() time.Time
}

// Engine is what all runs of an executor share.
type Engine struct {
	Me      plan.Me
	Limits  plan.Limits
	Journal Journal
	Bind    driver.Binding
	Secrets spec.Lookup
	// Groups asks the deciders about other groups. Nil: nobody can be asked.
	Groups driver.Groups
	// Fenced tells deciders and members that a step has proven a member to be fenced; nil: nobody is told.
	Fenced func(ctx context.Context, cmd *message.Command, member, evidence string) error
	// Lease is what may be done about the lease of the own member of a group; nil, or returning nil: nothing.
	Lease func(group string) driver.Lease
	// Kept is closed once Lease returns what may be done about the own member of the group. Nil: nothing is waited for.
	Kept   func(group string) <-chan struct{}
	Clock  Clock
	Chance func() float64
	Log    *slog.Logger
	// Every is how often a run shows that it is alive, or looks whether another is.
	Every time.Duration
	// At is called at each point at which a crash must do no harm. Nil but in tests, which crash there.
	At func(point string)
}

// Job is one run to be turned.
type Job struct {
	Command *message.Command
	News    *News
	// Fresh: the command was decided this moment, so that nobody can have begun it before us but in a race.
	Fresh bool
	// Before is done before anything is begun: it closes the runs of earlier epochs. Nil: nothing to close.
	Before func(context.Context) error
	// Hold writes `held`; it returns when that stands in the chain, or cannot any more.
	Hold func(context.Context) error
	// Current says that no newer command stands in the chain, as its leader has it. Nil: nobody can say.
	Current func(context.Context) error
	// Over is called once, as soon as the run is known to be over.
	Over func(plan.Record)
	// Tell queues messages in their order and does not block; Told waits until all of them are stored.
	Tell func(...message.Message)
	Told func(context.Context) error
}

// ErrStopped is the cause with which an orderly stop cuts work short: the run is left as it is, for the next life of the executor.
var ErrStopped = errors.New("the executor stops")

// Run turns a run until it is over and told, or until ctx ends; what is then in flight is cut short and left to be taken up again.
func (e *Engine) Run(ctx context.Context, job Job) error {
	t := e.turning(ctx, job)
	defer t.stop()
	if job.Fresh {
		t.prepare()
	} else {
		if err := t.load(ctx); err != nil {
			return err
		}
	}
	if job.Before != nil && !t.over() {
		if err := insist(ctx, t.log, "close the runs of earlier epochs", job.Before); err != nil {
			return err
		}
	}
	tick := time.NewTicker(e.Every)
	defer tick.Stop()
	overSaid := false
	for {
		if err := t.advance(ctx); err != nil {
			return err
		}
		if t.over() && !overSaid {
			overSaid = true
			job.Over(t.run.Record())
		}
		if t.over() && !t.run.Busy() {
			return t.finish(ctx)
		}
		select {
		case o := <-t.outcomes:
			t.run.Take(o)
		case <-job.News.changed:
			t.hear()
		case <-t.wake.C:
		case <-tick.C:
			t.touch(ctx)
			t.warn()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close ends the runs of earlier commands in the journal, so that no executor can begin another step of them. They come newest first, and it goes back
// no further than to one that is over: whoever closed that had closed those before it. It returns those that this call has closed, also with an error:
// people are to be told of them, see Report.
//
// Invariant: the oldest is closed first, so that behind a run that is over none is left open by whoever dies between two of them.
func (e *Engine) Close(ctx context.Context, earlier []*message.Command, by uint64) (closed []*message.Command, err error) {
	var open []journal.Entry
	for _, cmd := range earlier {
		entry, err := e.Journal.Load(ctx, journal.Key(cmd))
		if err != nil {
			return nil, err
		}
		if entry.Record.Over() {
			break
		}
		open = append(open, entry)
	}
	for i, entry := range slices.Backward(open) {
		did, err := e.close(ctx, earlier[i], entry, by)
		if err != nil {
			return closed, err
		}
		if did {
			closed = append(closed, earlier[i])
		}
	}
	return closed, nil
}

// close ends one run, of which that entry was read. False: it had come to its end meanwhile.
func (e *Engine) close(ctx context.Context, cmd *message.Command, entry journal.Entry, by uint64) (bool, error) {
	key := journal.Key(cmd)
	for !entry.Record.Over() {
		rec := plan.Superseded(cmd, entry.Record, by, e.Me.Name, e.Clock.Wall().UnixMicro())
		e.Point("before close")
		_, err := e.Journal.Store(ctx, key, rec, entry.Revision)
		if err == nil {
			e.Point("after close")
			return true, nil
		}
		if !errors.Is(err, journal.ErrLost) {
			return false, err
		}
		if entry, err = e.Journal.Load(ctx, key); err != nil {
			return false, err
		}
	}
	return false, nil
}

// Report makes sure that the end of a run was told, which this executor does not turn: it was closed before anybody had begun it, or whoever ended it
// died before it came to telling. It tells the whole run, under the same ids, and returns once the journal says that it was told. A run that is not over,
// or was told, it leaves alone.
func (e *Engine) Report(ctx context.Context, cmd *message.Command, tell func(...message.Message), told func(context.Context) error) error {
	key := journal.Key(cmd)
	return insist(ctx, e.Log.With("group", cmd.Group, "epoch", cmd.Epoch), "tell how a run ended", func(ctx context.Context) error {
		for {
			entry, err := e.Journal.Load(ctx, key)
			rec := entry.Record
			if err != nil || !rec.Over() || rec.Told || rec.Command != cmd.ID {
				return err
			}
			tell(plan.Tell(cmd, key, e.Me.Name, plan.Record{}, rec)...)
			if err := told(ctx); err != nil {
				return err
			}
			e.Point("before told")
			rec.Told = true
			if _, err = e.Journal.Store(ctx, key, rec, entry.Revision); !errors.Is(err, journal.ErrLost) {
				return err
			}
		}
	})
}

// advance stores what follows from all that is known, and begins the work of it.
//
// Invariant: nothing is begun before the record that shows it is stored; only looked at, which changes nothing.
func (t *turning) advance(ctx context.Context) error {
	for {
		if t.foreign != nil {
			return t.foreign
		}
		move := t.run.Next(t.engine.Clock.Mono(), t.job.News.seen(t.engine.Clock.Wall().UnixMicro()))
		if move.Store {
			t.glances(move.Work)
			if err := t.store(ctx, move.Record); err != nil {
				t.forget(move.Work)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err := t.load(ctx); err != nil {
					return err
				}
				continue
			}
		}
		t.run.Stored(move, t.engine.Clock.Mono())
		for _, w := range move.Work {
			t.begin(w)
		}
		t.wakeAt(move.Wake)
		return nil
	}
}

// store writes the record over the one that was read, and tells what is new in it.
func (t *turning) store(ctx context.Context, rec plan.Record) error {
	t.engine.Point("before store")
	revision, err := t.engine.Journal.Store(ctx, t.key, rec, t.revision)
	if err != nil {
		if !errors.Is(err, journal.ErrLost) {
			t.log.Warn("the journal did not take the record; it is read again before anything is begun", "error", err)
		}
		return err
	}
	t.engine.Point("after store")
	t.revision = revision
	if was := t.run.Record(); rec.Over() && !was.Over() {
		t.ended = true
	}
	t.alive.heard()
	t.tell(rec)
	return nil
}

// tell queues what this executor changed in the record. What an earlier holder changed and perhaps did not come to tell, it tells first.
func (t *turning) tell(rec plan.Record) {
	since := t.run.Record()
	if t.untold || rec.TakenOver(since) {
		since, t.untold = plan.Record{}, false
	}
	t.job.Tell(plan.Tell(t.job.Command, t.key, t.engine.Me.Name, since, rec)...)
}

// load reads the record through the journal's leader, for as long as it takes.
func (t *turning) load(ctx context.Context) error {
	return insist(ctx, t.log, "read the journal", func(ctx context.Context) error {
		e, err := t.engine.Journal.Load(ctx, t.key)
		if err == nil {
			t.observe(e)
			t.read()
		}
		return err
	})
}

// observe takes in a version of the record, unless a newer one is known.
func (t *turning) observe(e journal.Entry) {
	if e.Revision <= t.revision || !e.Record.Exists() {
		t.revision = max(t.revision, e.Revision)
		return
	}
	if e.Record.Command != t.job.Command.ID {
		t.foreign = fmt.Errorf("journal %s is about command %s, this run about %s: the bus was put back to an older state, or written by another hand; nothing is begun", t.key, e.Record.Command, t.job.Command.ID)
		return
	}
	var gap time.Duration
	if t.revision == 0 {
		gap = max(0, t.engine.Clock.Wall().Sub(time.UnixMicro(e.Record.At))) // nobody counted; it is told, and nothing is decided by it
	}
	t.untold = t.untold || (t.revision == 0 && e.Record.Has(t.engine.Me.Name)) // from an earlier life
	t.revision = e.Revision
	t.run.Observe(e.Record, t.engine.Clock.Mono(), gap)
}

// read says that the journal was read now, and holds what was observed.
func (t *turning) read() {
	t.alive.heard()
	t.run.Saw(t.engine.Clock.Mono(), t.engine.Every)
}

// hear takes in what was mailed.
func (t *turning) hear() {
	entries, instructions := t.job.News.take()
	for _, e := range entries {
		t.observe(e)
	}
	for _, in := range instructions {
		t.run.Instruct(in)
	}
}

// touch shows others that own work is alive, or looks whether theirs is.
func (t *turning) touch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, t.engine.Every)
	defer cancel()
	if rec, working := t.run.Beat(t.engine.Clock.Mono(), t.engine.Clock.Wall().UnixMicro()); working {
		revision, err := t.engine.Journal.Store(ctx, t.key, rec, t.revision)
		if err == nil {
			t.revision = revision
			t.run.Beaten(rec)
			t.read()
			return
		}
	}
	if e, err := t.engine.Journal.Load(ctx, t.key); err == nil {
		t.observe(e)
		t.read()
	}
}

// warn tells of steps that nobody begins. All executors that see it tell it under the same id.
func (t *turning) warn() {
	if t.job.Command.DryRun {
		return
	}
	wall := t.engine.Clock.Wall().UnixMicro()
	for _, step := range t.run.Unclaimed(t.engine.Clock.Mono(), t.job.News.seen(wall)) {
		if t.warned[step.Name] {
			continue
		}
		t.warned[step.Name] = true
		cmd := t.job.Command
		t.job.Tell(&message.Event{
			ID: t.key + "." + step.Name + ".unclaimed", Group: cmd.Group, Kind: message.EventRun, Severity: message.Critical, Incident: cmd.Incident, Epoch: cmd.Epoch,
			Sentence: fmt.Sprintf("nobody runs step %s of epoch %d of %s: it runs on %s, at site %q, and no executor that serves it has begun it; start that executor, or abort the swap",
				step.Name, cmd.Epoch, cmd.Group, step.On, step.Site),
			Writer: t.engine.Me.Name, At: wall,
		})
	}
}

// Point marks a place at which a crash must do no harm.
func (e *Engine) Point(point string) {
	if e.At != nil {
		e.At(point)
	}
}
