// Package prober looks at the members of all groups from one or more vantages and publishes what it sees as
// heartbeats. It judges nothing: that is the deciders' part.
//
// DESIGN.md beside this file says why it is built as it is.
package prober

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/lifecycle"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/internal/roster"
)

// Options say who this prober is and what it works with.
type Options struct {
	// Bus is provisioned. Required.
	Bus *bus.Bus
	// Name is the writer of what this prober tells. Required, a name.
	Name string
	// Vantages are the names it looks from, at least one. Each looks by itself at every check that names it.
	Vantages []string
	// References are targets that it must see to count as a witness: tcp://host:port, http://host/path or https://host/path. Empty:
	// it is never blind. Choose some beyond its own switch and router, that belong to no group.
	References []string
	// ReferenceTimeout bounds a look at a reference, 10 ms to 1 s. Default 500 ms.
	ReferenceTimeout time.Duration
	// Secrets resolves references in headers and environments, at each look. Nil: checks that need a secret answer unknown.
	Secrets spec.Lookup
	// Log may be nil.
	Log *slog.Logger
	// Metrics registers this prober's metrics; nil: none.
	Metrics prometheus.Registerer
	// Ready is told why this prober is not ready yet, and "" once it is. May be nil.
	Ready func(reason string)
	// Now is the wall clock that is written into messages, for people. Default time.Now. Nothing is scheduled by it.
	Now func() time.Time
}

// Prober looks. Safe for concurrent use.
type Prober struct {
	o          Options
	log        *slog.Logger
	boot       string
	references *references
	roster     *roster.Roster
	writer     *bus.HeartbeatWriter
	metrics    *metrics
	ran        atomic.Bool
}

// Look is what one vantage knows of one member by one check.
type Look = roster.Look

// stopWithin bounds how long the parts take to stop; looks end at once when cancelled.
const stopWithin = 5 * time.Second

// New checks the options and touches nothing outside. The error names the option.
func New(o Options) (*Prober, error) {
	switch {
	case o.Bus == nil:
		return nil, errors.New("prober: there is no bus")
	case !message.IsName(o.Name):
		return nil, fmt.Errorf("prober: name is %q, want 1 to %d letters, digits, '-' or '_'", o.Name, message.MaxName)
	case len(o.Vantages) == 0:
		return nil, errors.New("prober: there is no vantage: say where it looks from, such as its site's name")
	}
	for _, v := range o.Vantages {
		if !message.IsName(v) {
			return nil, fmt.Errorf("prober: vantage is %q, want 1 to %d letters, digits, '-' or '_'", v, message.MaxName)
		}
	}
	o.Vantages = slices.Compact(slices.Sorted(slices.Values(o.Vantages)))
	if o.ReferenceTimeout == 0 {
		o.ReferenceTimeout = 500 * time.Millisecond
	}
	if o.ReferenceTimeout < 10*time.Millisecond || o.ReferenceTimeout > referenceEvery {
		return nil, fmt.Errorf("prober: reference timeout is %s, want 10ms to %s", o.ReferenceTimeout, referenceEvery)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ready == nil {
		o.Ready = func(string) {}
	}
	refs, err := newReferences(o.Name, o.References, o.ReferenceTimeout)
	if err != nil {
		return nil, fmt.Errorf("prober: %w", err)
	}
	p := &Prober{
		o: o, log: o.Log.With("prober", o.Name), boot: strings.ToLower(rand.Text()[:16]), references: refs,
		writer: o.Bus.NewHeartbeatWriter(bus.WriterOptions{Linger: linger}),
	}
	p.metrics = newMetrics(p)
	if o.Metrics != nil {
		if err := o.Metrics.Register(p.metrics); err != nil {
			return nil, fmt.Errorf("prober: metrics: %w", err)
		}
	}
	p.roster = roster.New(roster.Options{
		Vantages: o.Vantages, Open: p.open, Secrets: o.Secrets, Sight: refs.sight, Boot: p.boot, Now: o.Now, Offer: p.offer, Seen: p.metrics.seen,
		// A look at a reference that is under way, and one after it.
		ConfirmWithin: 2*o.ReferenceTimeout + referenceGap,
	})
	o.Ready("waiting for the specs")
	return p, nil
}

// open opens a look with all that this prober has.
func (p *Prober) open(t check.Target) check.Looker {
	t.Groups = ask.Client{Bus: p.o.Bus}.Status
	return open(t)
}

// linger is how long the word that a member is up may wait for that about the next one. It is short beside any interval, and a member that
// is not up is told of at once.
const linger = 25 * time.Millisecond

// Run looks until ctx ends, then stops every look and returns nil; or it returns the error that ended it. It is called
// once. While the bus is away it goes on looking.
func (p *Prober) Run(ctx context.Context) error {
	if p.ran.Swap(true) {
		return errors.New("prober: Run was called twice")
	}
	p.log.Info("prober looks", "vantages", p.o.Vantages, "references", len(p.o.References), "boot", p.boot)
	service, err := p.o.Bus.Serve("ham-prober", "1.0.0", "looks at members from "+strings.Join(p.o.Vantages, ", "))
	if err != nil {
		return fmt.Errorf("prober: %w", err)
	}
	defer service.Stop()
	p.references.start()
	defer p.references.stop()
	defer p.roster.Close()
	return lifecycle.Run(ctx, p.log, stopWithin,
		lifecycle.Part{Name: "heartbeats", Run: p.writer.Run},
		lifecycle.Part{Name: "specs", Run: p.watch},
		lifecycle.Part{Name: "sight", Run: p.tellSight},
	)
}

// Looks returns what this prober knows now, sorted by group, member, check, vantage.
func (p *Prober) Looks() []Look { return p.roster.Looks() }

// Blind says whether this prober sees none of its references.
func (p *Prober) Blind() bool {
	blind, _ := p.references.sight.Now()
	return blind
}

func (p *Prober) watch(ctx context.Context) error {
	return store.Watch(ctx, p.o.Bus, p.log, func(c store.Change) {
		p.roster.Apply(c.Group, c.Spec, c.Revision)
		p.log.Info("spec taken", "group", c.Group, "revision", c.Revision, "deleted", c.Spec == nil, "checks", p.roster.Len())
	}, store.OnReady(func() { p.o.Ready("") }))
}

// offer never blocks. A heartbeat that is not valid is a mistake in this program: it is told once and counted.
func (p *Prober) offer(hb *message.Heartbeat) {
	if err := p.writer.Offer(hb); err != nil && p.metrics.firstInvalid() {
		p.log.Error("a heartbeat is not valid and was not sent; please report this", "group", hb.Group, "member", hb.Member, "check", hb.Check, "error", err)
	}
}
