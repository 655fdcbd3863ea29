package decider

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// positions are the last sequences read of each stream, so that a session goes on where the last one ended.
type positions struct {
	commands, safety, events, heartbeats atomic.Uint64
	// heartbeatAt is when the newest heartbeat was read, since the decider began.
	heartbeatAt atomic.Int64
}

// sessions reads the bus for as long as the link is up, again and again. Each session begins with reading the chain and the safety
// messages to their ends; only then do the cores hear that the link is up, and watch a full interval before they judge.
func (d *Decider) sessions(ctx context.Context) error {
	for ctx.Err() == nil {
		up, changed := d.bus.Link()
		if !up {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if err := d.session(ctx, changed); err != nil {
			return err
		}
	}
	return nil
}

// session reads until the link is lost (lost is closed) or ctx ends.
func (d *Decider) session(ctx context.Context, lost <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	caughtUp := make(chan struct{}, 3) // one for each stream
	ended := make(chan error, 4)
	follow := func(run func(context.Context) error) {
		go func() { ended <- run(ctx) }()
	}
	running, behind := 0, 0
	stream := func(name string, subjects []string, read *atomic.Uint64, take func(bus.Delivery), end func()) {
		// A stream that was put back while the link was down ends the decider: it has to read all of it anew.
		from := bus.FromAfter(read.Load())
		running++
		behind++
		follow(func(ctx context.Context) error {
			return d.bus.Follow(ctx, bus.FollowOptions{Stream: name, Subjects: subjects, From: from, CaughtUp: func() { end(); caughtUp <- struct{}{} }}, func(b bus.Delivery) {
				take(b)
				read.Store(b.Seq)
			})
		})
	}
	if err := d.clock.set(ctx, d.bus); err != nil && ctx.Err() == nil {
		d.log.Warn("the bus's clock could not be read; the local one stands in", "error", err)
	}
	// What was stored is also heard, earlier than any consumer brings it.
	stop, err := d.bus.Hear([]string{subject.AllStored}, d.heard)
	if err != nil {
		return err
	}
	defer stop()
	stream(subject.StreamCommands, nil, &d.read.commands, func(b bus.Delivery) { d.chainRead(b, true) }, func() {
		if at, known := d.clock.known(); known {
			d.leases.chainsRead(at)
		}
	})
	stream(subject.StreamSafety, nil, &d.read.safety, d.safetyRead, func() {})
	stream(subject.StreamEvents, eventsNeeded, &d.read.events, d.eventRead, func() {})
	running++
	past := d.past()
	follow(func(ctx context.Context) error {
		select {
		case <-d.loaded: // the past of a group is of use only once it is declared
		case <-ctx.Done():
			return nil
		}
		return d.bus.FollowHeartbeats(ctx, bus.HeartbeatOptions{From: past, Hear: true}, d.heartbeat)
	})

	loaded := d.loaded
	begin := func() {
		if behind > 0 || loaded != nil || ctx.Err() != nil {
			return
		}
		d.link(true)
		d.o.Ready("")
		d.log.Info("deciding", "decider", d.o.Name)
	}
	for running > 0 {
		select {
		case <-caughtUp:
			behind--
			begin()
		case <-loaded:
			loaded = nil
			begin()
		case <-lost:
			lost = nil
			d.link(false)
			d.o.Ready("the bus is away")
			d.log.Warn("the bus is away: nothing is decided until it is back")
			cancel()
		case err := <-ended:
			running--
			if err != nil && ctx.Err() == nil {
				cancel()
				return err
			}
			if ctx.Err() == nil {
				cancel()
			}
		}
	}
	d.link(false)
	return nil
}

// history is how far back heartbeats are read after a start or a lost link: so much a decider knows of how long a standby has been
// up. Nothing else is concluded from them.
const history = 90 * time.Second

// past is where a session begins with the heartbeats.
func (d *Decider) past() bus.From {
	now := time.Now()
	if seq, at := d.read.heartbeats.Load(), d.read.heartbeatAt.Load(); seq > 0 && now.Sub(d.began)-time.Duration(at) < history {
		return bus.FromAfter(seq)
	}
	return bus.FromTime(time.UnixMicro(d.clock.at(now)).Add(-history))
}

// link tells every core whether the bus is there.
func (d *Decider) link(up bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.linked == up {
		return
	}
	d.linked = up
	select {
	case <-d.caught:
	default:
		if up {
			close(d.caught)
		}
	}
	for _, g := range d.groups {
		d.stepLocked(g, core.LinkChanged{Up: up})
	}
}

// eventsNeeded are the events that the core reads.
var eventsNeeded = []string{
	subject.Root + ".event.*." + string(message.EventRoute) + ".*",
	subject.Root + ".event.*." + string(message.EventOutcome) + ".*",
	subject.Root + ".event.*." + string(message.EventShadow) + ".*",
	subject.Root + ".event.*." + string(message.EventJudged) + ".*",
	subject.Root + ".event.*." + string(message.EventClients) + ".*",
}

// heard takes the quick copy of what was stored a moment ago.
func (d *Decider) heard(b bus.Delivery) {
	switch b.Parts.What {
	case "command":
		d.chainRead(b, false)
	case "safety":
		d.safetyRead(b)
	}
}

func (d *Decider) chainRead(b bus.Delivery, inOrder bool) {
	if c, ok := b.Message.(*message.Command); ok {
		d.leases.saw(c, b.Time)
	}
	in := core.ChainRead{Seq: b.Seq, Stored: b.Time.UnixMicro(), InOrder: inOrder}
	switch b.Message.(type) {
	case *message.Command, *message.Held, *message.Mark, *message.DrillEnd, *message.Approval, *message.Planned, *message.Maintenance:
		in.Entry = b.Message
	}
	if !inOrder {
		// The republished copy says which entry of its subject it followed.
		prev, err := strconv.ParseUint(b.Header.Get("Nats-Last-Sequence"), 10, 64)
		if err != nil {
			return // the reader in order brings it
		}
		in.Prev = prev
	}
	d.step(b.Parts.Group, in)
}

func (d *Decider) safetyRead(b bus.Delivery) {
	switch m := b.Message.(type) {
	case *message.Fenced:
		d.leases.fenced(m)
	case *message.RunResult:
		if m.State == message.StateDone {
			select {
			case d.rested <- struct{}{}:
			default:
			}
		}
	}
	d.step(b.Parts.Group, core.SafetyRead{Message: b.Message, Seq: b.Seq, Stored: b.Time.UnixMicro()})
}

func (d *Decider) eventRead(b bus.Delivery) {
	e, ok := b.Message.(*message.Event)
	if !ok {
		return
	}
	switch {
	case e.Judged != nil:
		d.step(e.Group, core.JudgedRead{Judgement: e.Judged, Stored: b.Time.UnixMicro()})
	case e.Clients != nil:
		d.step(e.Group, core.ClientsRead{Outage: e.Clients})
	case e.Route != nil:
		d.step(e.Group, core.RouteRead{Route: e.Route, Seq: b.Seq, Executor: e.Writer})
	case e.Outcome != nil:
		if e.Outcome.Accepted || e.Code != core.CodeUnknownGroup { // a made-up group gets no core
			d.step(e.Group, core.OutcomeRead{Outcome: e.Outcome})
		}
		d.reply(e.Outcome)
	case e.Kind == message.EventShadow && e.Command != nil:
		d.step(e.Group, core.ShadowRead{Command: e.Command})
	}
}

// heartbeat is called tens of thousands of times a second. A group that nobody declared is not made up by a stray heartbeat.
func (d *Decider) heartbeat(hb *message.Heartbeat, meta bus.HeartbeatMeta) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !meta.Heard {
		d.read.heartbeats.Store(meta.Seq)
		d.read.heartbeatAt.Store(int64(time.Since(d.began)))
	}
	g := d.groups[hb.Group]
	if g == nil {
		return
	}
	d.seen = core.HeartbeatSeen{Heartbeat: hb, Seq: meta.Seq}
	if !meta.Heard {
		d.seen.Stored = meta.Time.UnixMicro()
	}
	d.stepLocked(g, &d.seen)
}

// tableRead is called once by each of the three tables, when what it held was read.
func (d *Decider) tableRead() {
	if d.tables.Add(1) == 3 {
		close(d.loaded)
	}
}

func (d *Decider) watchSpecs(ctx context.Context) error {
	return store.Watch(ctx, d.bus, d.log, func(c store.Change) { d.step(c.Group, core.SpecChanged{Spec: c.Spec}) },
		store.OnReady(d.tableRead))
}

func (d *Decider) watchIncidents(ctx context.Context) error {
	return d.bus.Table(subject.BucketIncident).Watch(ctx, "", func(r bus.Record) {
		if r.Deleted {
			return
		}
		m := new(message.Incident)
		if err := r.Into(m); err != nil {
			d.log.Error("an incident's record cannot be read; it counts as none", "key", r.Key, "revision", r.Revision, "error", err)
			return
		}
		d.step(m.Group, core.IncidentRead{Incident: m, Revision: r.Revision, Stored: r.Time.UnixMicro()})
	}, d.tableRead)
}

func (d *Decider) watchThresholds(ctx context.Context) error {
	return d.bus.Table(subject.BucketThreshold).Watch(ctx, "*", func(r bus.Record) {
		if r.Deleted {
			return
		}
		m := new(message.Thresholds)
		if err := r.Into(m); err != nil {
			d.log.Error("what was told of a group's figures cannot be read; it counts as nothing", "key", r.Key, "revision", r.Revision, "error", err)
			return
		}
		d.step(m.Group, core.ThresholdsRead{Thresholds: m, Revision: r.Revision})
	}, d.tableRead)
}
