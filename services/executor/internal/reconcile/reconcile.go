// Package reconcile keeps the routes of all groups right for the epoch that is held: it watches every proxy over one standing
// connection, tells what each is seen to do, and sets right what a reload, a restart, a cut or a foreign hand has changed.
//
// It keeps its hands off while a swap is under way (the run does it), while the group is paused or in dry run, and before it has read
// through the stream's leader that the epoch is still the newest. HAProxy and PgBouncer keep no epoch: a setting that arrives late all the same,
// from another executor or from a connection that was given up, is found at the next look and corrected. A PgBouncer is watched by the executor beside
// it alone; that it holds clients back although no swap is under way is one more thing that is set right.
package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/internal/group"
)

// Desk is what is known of one group; see the package group.
type Desk interface {
	Target() group.Target
	Confirm(ctx context.Context, order uint64) bool
}

// Options of a Reconciler.
type Options struct {
	// Name and Boot of the executor: they make the ids of its events unlike all others.
	Name string
	Boot uint64
	// Serves says whether the executor serves a site: those at the primary's site go first, others Yield later.
	Serves func(site string) bool
	Yield  time.Duration
	// Every is how often each proxy is looked at; it bounds how late a reload or a foreign hand is noticed.
	Every time.Duration
	// Secrets reads what references refer to.
	Secrets spec.Lookup
	Tell    func(...message.Message)
	Wall    func() time.Time
	Log     *slog.Logger
}

// Reconciler is all of it. Safe for concurrent use.
type Reconciler struct {
	opts    Options
	changed chan struct{} // holds one token
	events  atomic.Uint64

	mu    sync.Mutex
	desks map[string]Desk
}

// New makes one that knows no group.
func New(o Options) *Reconciler {
	return &Reconciler{opts: o, changed: make(chan struct{}, 1), desks: map[string]Desk{}}
}

// Add adds a group.
func (r *Reconciler) Add(name string, d Desk) {
	r.mu.Lock()
	r.desks[name] = d
	r.mu.Unlock()
	r.Changed()
}

// Changed says that some group's target may have changed: its proxies are looked at now. It does not block.
func (r *Reconciler) Changed() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Run watches until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	proxies, bouncers, processes := map[string]*proxy{}, map[string]*bouncer{}, map[string]*process{}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		wanted := r.watches()
		for _, addr := range slices.Sorted(maps.Keys(wanted)) {
			p := proxies[addr]
			if p == nil {
				c, err := haproxy.New(addr, haproxy.Options{Timeout: wanted[addr][0].route.Timeout})
				if err != nil {
					r.opts.Log.Error("no proxy can have this address", "error", err)
					continue
				}
				pctx, stop := context.WithCancel(ctx)
				p = &proxy{r: r, addr: addr, client: c, stop: stop, look: make(chan struct{}, 1)}
				proxies[addr] = p
				p.set(wanted[addr])
				running.Go(func() { p.run(pctx) })
			}
			p.set(wanted[addr])
		}
		for addr, p := range proxies {
			if _, still := wanted[addr]; !still {
				p.stop()
				delete(proxies, addr)
			}
		}
		r.followBouncers(ctx, bouncers, &running)
		r.followProcesses(ctx, processes, &running)
		select {
		case <-r.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// watches lists what is to be watched on each proxy, in a fixed order.
func (r *Reconciler) watches() map[string][]*watch {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string][]*watch{}
	for _, name := range slices.Sorted(maps.Keys(r.desks)) {
		t := r.desks[name].Target()
		if t.Spec == nil {
			continue
		}
		for _, route := range t.Spec.Routes {
			if route.HAProxy == nil {
				continue
			}
			for _, addr := range route.HAProxy.Proxies {
				out[addr] = append(out[addr], &watch{teller: teller{r: r, desk: r.desks[name], group: name, name: route.Name, proxy: addr}, route: *route.HAProxy})
			}
		}
	}
	return out
}

// event tells something of a group, under an id of its own.
func (r *Reconciler) event(e message.Event) {
	e.ID = fmt.Sprintf("%s.%s.%d.%d", e.Group, r.opts.Name, r.opts.Boot, r.events.Add(1))
	e.Writer, e.At = r.opts.Name, r.opts.Wall().UnixMicro()
	r.opts.Tell(&e)
}

// goes first: the executor stands at the primary's site, or serves all. In a pool it is the site of the first member.
func (r *Reconciler) first(g *spec.Group, primary string) bool {
	if g.Pool != nil {
		primary = g.Active()[0]
	}
	m, ok := g.Member(primary)
	return !ok || r.opts.Serves(m.Site)
}
