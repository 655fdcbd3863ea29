package executor

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/guard"
	"github.com/isacloud/ha-manager/services/executor/internal/gather"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

// ErrOptions says that the options contradict themselves or name something that is not there.
var ErrOptions = errors.New("wrong executor options")

// ErrNameTaken says that an executor of that name answers on the bus: two of one name would take each other's work for their own.
var ErrNameTaken = errors.New("executor name is taken")

// Options of an executor. Bus and StateDir are required.
type Options struct {
	// Bus is its connection; the name of the writer on it is the executor's name.
	Bus *bus.Bus
	// Sites are those whose members it may change; none: all.
	Sites []string
	// StateDir is its own folder on a disk that outlives it; see the package epochs.
	StateDir string
	// Runbooks is the folder with a page for each group, for when ham is gone. Default: runbooks in StateDir.
	Runbooks string
	// Secrets reads references. Default spec.LookupSecret.
	Secrets spec.Lookup
	// Known lists the values of secrets that this process has read so far, so that none is in what is gathered. Default: those that the executor has read.
	Known func() []string
	// Drivers default to the list in drivers.go, Resources to that in resources.go.
	Drivers   []driver.Kind
	Resources []resource.Kind
	// Guard makes the guard of a member. Default: the one that the group's spec asks for.
	Guard func(g *spec.Group, m spec.Member) (guard.Guard, error)
	// Peer is the address at which it answers the executors beside other members, with the secret that all of them share; "": it does not.
	Peer, PeerSecret string
	// Log gets what happens. Default: nothing.
	Log *slog.Logger
	// Ready is told, with the part "executor", why it is not ready; "" once all of it is. May be nil.
	Ready func(part, reason string)
	// Metrics registers this executor's metrics; nil: none.
	Metrics prometheus.Registerer
	// Version is told on the bus. Default 0.0.0.
	Version string

	// TakeOver is how long an executor must have been silent before another goes on in its place. Default 10 s, longer than an election
	// of the bus takes. An executor that is cut off stops its own work after four fifths of it.
	TakeOver time.Duration
	// Every is how often a step in flight shows that it is alive, and how often a run is looked at. Default 1 s.
	Every time.Duration
	// Yield is how long an executor lets those at the preferred site go first. Default 300 ms.
	Yield time.Duration
	// Evaluate is about how often the plans of each group are looked at. Default 3 min.
	Evaluate time.Duration
	// Watch is how often each proxy is looked at. Default 500 ms.
	Watch time.Duration

	// gather changes what is gathered; tests do.
	gather func(*gather.Options)
	// at is called at each point at which a crash must do no harm; tests crash there.
	at func(point string)
}

func (o *Options) complete() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	if o.Bus == nil {
		return bad("no bus")
	}
	if o.StateDir == "" {
		return bad("no state directory: the newest epochs seen must outlive the executor")
	}
	if o.Runbooks == "" {
		o.Runbooks = filepath.Join(o.StateDir, "runbooks")
	}
	for _, s := range o.Sites {
		if !message.IsName(s) {
			return bad("site %q is no name", s)
		}
	}
	if o.Secrets == nil {
		o.Secrets = spec.LookupSecret
	}
	if o.Known == nil {
		store := spec.Remember(o.Secrets)
		o.Secrets, o.Known = store.Lookup, store.Values
	}
	if o.Drivers == nil {
		o.Drivers = Drivers()
	}
	if o.Guard == nil {
		o.Guard = makeGuard
	}
	if o.Resources == nil {
		o.Resources = Resources()
	}
	if err := driver.Check(o.Drivers); err != nil {
		return bad("%w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ready == nil {
		o.Ready = func(string, string) {}
	}
	if o.Version == "" {
		o.Version = "0.0.0"
	}
	for _, d := range []struct {
		name     string
		value    *time.Duration
		def, min time.Duration
	}{
		{"take over", &o.TakeOver, 10 * time.Second, 100 * time.Millisecond}, {"every", &o.Every, time.Second, 10 * time.Millisecond},
		{"yield", &o.Yield, 300 * time.Millisecond, 0}, {"evaluate", &o.Evaluate, 3 * time.Minute, 10 * time.Millisecond}, {"watch", &o.Watch, 500 * time.Millisecond, 10 * time.Millisecond},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
		if *d.value < d.min {
			return bad("%s is %s, want at least %s", d.name, *d.value, d.min)
		}
	}
	if o.TakeOver < 4*o.Every {
		return bad("take over is %s, want at least four times every (%s): a living executor must have been seen by then", o.TakeOver, o.Every)
	}
	return nil
}
