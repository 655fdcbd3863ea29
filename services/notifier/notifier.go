// Package notifier tells people what happened, in chat and by webhooks: every event that a rule routes there, once, in
// order, in words that say what happened, why, and what to do.
//
// It reads HAM_EVENTS and never writes anything that a decision rests on: nothing in the loop waits for it. DESIGN.md beside this
// file says how one post of one event comes about.
package notifier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/lane"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

// Version of the service as $SRV.INFO says it.
const Version = "1.0.0"

// reachBack is how much of the past a target is told that is new: what happened while the notifier was being started
// counts, last week does not.
const reachBack = 10 * time.Minute

// Notifier is one notifier. Explain and Status may be called by anybody at any time.
type Notifier struct {
	o        Options
	channels map[string]opened
	run      string // tells this run from others of the same name
	sign     sign

	mu      sync.Mutex
	groups  map[string]*spec.Group
	changed chan struct{} // closed and replaced when the rules change
	lanes   map[route.Target]*running
}

// running is a lane at work.
type running struct {
	lane    *lane.Lane
	durable string
	stop    context.CancelFunc
	done    chan struct{}
}

// Status is how one target is.
type Status = lane.Status

// New checks the options and makes the channels. It asks nothing of the network.
func New(o Options) (*Notifier, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	channels, err := o.open()
	if err != nil {
		return nil, err
	}
	n := &Notifier{
		o: o, channels: channels, run: strings.ToLower(rand.Text()[:10]),
		groups: map[string]*spec.Group{}, changed: make(chan struct{}), lanes: map[route.Target]*running{},
	}
	n.sign.n = n
	return n, nil
}

// Run works until ctx ends; then it lets posts that are under way end, for a moment, and returns nil. Its errors are those
// that no retry mends: a missing permission, a bus that is not provisioned.
func (n *Notifier) Run(ctx context.Context) error {
	n.o.Ready("the rules are not read yet")
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	service, err := n.o.Bus.Serve("ham-notifier", Version, "tells people what happened")
	if err != nil {
		return err
	}
	defer service.Stop()
	fail := func(err error) { stop(&fatal{err}) }
	defer n.stopAll()
	listening := n.listen(ctx)
	defer listening.Wait()
	defer stop(nil)
	ready := false
	var beside sync.WaitGroup
	defer func() {
		stop(nil)
		beside.Wait()
	}()
	err = store.Watch(ctx, n.o.Bus, n.o.Log, func(c store.Change) {
		n.take(c)
		if ready {
			n.reconcile(ctx, fail)
		}
	}, store.OnReady(func() {
		ready = true
		n.reconcile(ctx, fail)
		n.o.Ready("")
		n.schedules(ctx, beside.Go)
		if n.o.Notify.Alive != nil {
			beside.Go(func() { n.sign.run(ctx) })
		}
	}))
	var dead *fatal
	switch {
	case errors.As(context.Cause(ctx), &dead):
		return dead.err
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// listen has the channels in which people answer take what they press, until ctx ends.
func (n *Notifier) listen(ctx context.Context) *sync.WaitGroup {
	var all sync.WaitGroup
	for name, ch := range n.channels {
		l, ok := ch.channel.(channel.Listener)
		if !ok {
			continue
		}
		all.Go(func() {
			l.Listen(ctx, channel.Desk{Bus: n.o.Bus, Notifier: n.o.Name, Tell: n.tell, Log: n.o.Log.With("channel", name)})
		})
	}
	return &all
}

// tell puts an event into the record.
func (n *Notifier) tell(ctx context.Context, e *message.Event) error {
	_, err := n.o.Bus.Publish(ctx, subject.Event(e.Group, e.Kind, e.Writer), e)
	return err
}

type fatal struct{ err error }

func (f *fatal) Error() string { return f.err.Error() }

// take puts a change of a spec in force.
func (n *Notifier) take(c store.Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.Spec == nil {
		delete(n.groups, c.Group)
	} else {
		n.groups[c.Group] = c.Spec
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *Notifier) table() route.Table {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := route.Table{
		Channels: n.o.Channels, Rules: make(map[string][]spec.NotifyRule, len(n.groups)),
		Silence: n.o.Notify.Silence, GroupSilence: make(map[string][]spec.Silence, len(n.groups)),
	}
	for name, g := range n.groups {
		t.Rules[name], t.GroupSilence[name] = g.Notify, g.Silence
	}
	return t
}

func (n *Notifier) whenChanged() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// Explain says which targets an event goes to, and why or why not, by the rules as they are now.
func (n *Notifier) Explain(e *message.Event) []route.Decision { return n.table().Explain(e, nil) }

// Status returns how each target is, sorted by name.
func (n *Notifier) Status() []Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Status, 0, len(n.lanes))
	for _, r := range n.lanes {
		out = append(out, r.lane.Status())
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.Target, b.Target) })
	return out
}

// reconcile starts lanes for targets that rules lead to now, and stops those that none leads to any more.
func (n *Notifier) reconcile(ctx context.Context, fail func(error)) {
	table := n.table()
	for _, problem := range table.Problems() {
		n.o.Log.Warn("a notify rule leads nowhere", "problem", problem)
	}
	want := table.Targets()
	n.mu.Lock()
	var gone []*running
	for target, r := range n.lanes {
		if !slices.Contains(want, target) {
			gone = append(gone, r)
			delete(n.lanes, target)
		}
	}
	for _, target := range want {
		if n.lanes[target] == nil {
			n.lanes[target] = n.start(ctx, target, fail)
		}
	}
	n.mu.Unlock()
	for _, r := range gone {
		r.stop()
		<-r.done
		// With its queue goes its place in the stream: a target that comes back begins anew.
		err := n.o.Bus.JS().DeleteConsumer(ctx, subject.StreamEvents, r.durable)
		if err != nil && ctx.Err() == nil {
			n.o.Log.Warn("the queue of a target that no rule leads to any more was not deleted", "queue", r.durable, "error", err)
		}
	}
}

// start begins to work for a target.
func (n *Notifier) start(ctx context.Context, target route.Target, fail func(error)) *running {
	ch := n.channels[target.Channel]
	key := route.Key(target)
	if ch.driver.Local {
		// What one process prints, no other one printed.
		key = route.Key(route.Target{Channel: target.Channel + "@" + n.o.Name, To: target.To})
	}
	b := n.o.Bus
	l := lane.New(lane.Options{
		Target: target, Channel: ch.channel, Limit: ch.driver.Limit, Lang: words.Lang(ch.lang), Ledger: ledger.Open(b.Table(subject.BucketLedger), key), Stream: b,
		Routing: n.table, Changed: n.whenChanged, Writer: n.o.Name, Run: n.run, Log: n.o.Log,
		Tell: n.tell,
		Link: func(ctx context.Context, k *message.Link) error {
			_, err := b.Publish(ctx, subject.Link(k.Group, k.Writer), k)
			return err
		},
		Dead: func(ctx context.Context, d *message.DeadLetter) error {
			_, err := b.Publish(ctx, subject.DeadLetter(d.Stream, d.Writer), d)
			return err
		},
	})
	lctx, stop := context.WithCancel(ctx)
	r := &running{lane: l, durable: "notifier-" + key, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		kept := make(chan struct{})
		go func() {
			defer close(kept)
			l.Keep(lctx)
		}()
		defer func() { <-kept }()
		defer stop()
		for lctx.Err() == nil {
			if err := n.stint(lctx, r); err != nil && lctx.Err() == nil {
				fail(fmt.Errorf("tell %s: %w", target, err))
				return
			}
			_ = l.Rest(lctx)
		}
	}()
	return r
}

// stint works off a lane's queue until ctx ends, or until its channel does not take posts from here: then the queue is
// left to other notifiers for a while.
func (n *Notifier) stint(ctx context.Context, r *running) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return n.o.Bus.Work(ctx, bus.WorkOptions{
		Stream: subject.StreamEvents, Durable: r.durable, Since: time.Now().Add(-reachBack),
		// One at a time over all notifiers keeps the order. No event is given up for being delivered often: the lane decides that.
		MaxAckPending: 1, MaxDeliver: -1, AckWait: 10 * time.Second, Backoff: []time.Duration{time.Second}, Limit: time.Hour,
	}, func(ctx context.Context, d bus.Delivery) error {
		err := r.lane.Handle(ctx, d)
		if errors.Is(err, lane.ErrBack) {
			stop()
		}
		return err
	})
}

func (n *Notifier) stopAll() {
	n.mu.Lock()
	lanes := n.lanes
	n.lanes = map[route.Target]*running{}
	n.mu.Unlock()
	for _, r := range lanes {
		r.stop()
	}
	for _, r := range lanes {
		<-r.done
	}
}
