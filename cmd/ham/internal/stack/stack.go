// Package stack puts a process together: the embedded server if there is one, the connection of each service, the
// services themselves, health and metrics. It is the one place that knows every service.
package stack

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/isacloud/ha-manager/cmd/ham/internal/build"
	"github.com/isacloud/ha-manager/cmd/ham/internal/expiries"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/lifecycle"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/console"
	"github.com/isacloud/ha-manager/services/decider"
	"github.com/isacloud/ha-manager/services/executor"
	"github.com/isacloud/ha-manager/services/notifier"
	"github.com/isacloud/ha-manager/services/prober"
)

// The services that a process may run.
const (
	Prober   = "prober"
	Decider  = "decider"
	Executor = "executor"
	Notifier = "notifier"
	Console  = "console"
)

// All lists every service, in the order of the loop.
var All = []string{Prober, Decider, Executor, Notifier, Console}

// Options of Start.
type Options struct {
	Process spec.Process
	// Services that run here; nil: all.
	Services []string
	// Out is where channels of kind log print.
	Out io.Writer
	Log *slog.Logger
	// Layout of the streams, where this process provisions them.
	Layout bus.Layout
	// Faults are buttons of the demo's page.
	Faults []console.Fault
}

// Stack is a process that was put together and not yet run.
type Stack struct {
	o       Options
	server  *embedded.Server
	buses   []*bus.Bus
	parts   []lifecycle.Part
	ready   lifecycle.Ready
	metrics *prometheus.Registry
	// secrets is what every service reads references with: whatever one of them has read is masked in what another gathers.
	secrets *spec.Store
	// Bus is a connection of the process itself, for provisioning and for applying specs.
	Bus *bus.Bus
	// HTTP is the address of health and metrics; "" where there are none.
	HTTP string
	// Console is the address of the page; "" where there is none.
	Console string
}

// URL is where clients reach the bus; "" where the embedded server does not listen.
func (s *Stack) URL() string {
	if s.server != nil {
		return s.server.ClientURL()
	}
	if len(s.o.Process.Bus.URLs) > 0 {
		return s.o.Process.Bus.URLs[0]
	}
	return ""
}

// LoseBus takes the embedded server away for d, as if its host were switched off; false where there is none, or it is away already.
func (s *Stack) LoseBus(d time.Duration) bool { return s.server != nil && s.server.Away(d) }

// Start opens everything that can fail at once: directories, ports, the bus. On an error nothing stays open.
// Close what it returns, whether Run was called or not.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	s := &Stack{o: o, metrics: prometheus.NewRegistry(), secrets: spec.Remember(spec.LookupSecret)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p := o.Process
	if len(p.Bus.URLs) == 0 {
		if s.server, err = startServer(ctx, p, o.Log); err != nil {
			return nil, err
		}
		s.parts = append(s.parts, lifecycle.Part{Name: "bus", Run: s.watchServer})
	}
	if s.Bus, err = s.connect(ctx, s.own()); err != nil {
		return nil, err
	}
	if err = s.provision(ctx); err != nil {
		return nil, err
	}
	if err = s.listen(); err != nil {
		return nil, err
	}
	s.parts = append(s.parts, lifecycle.Part{Name: "certificates", Run: func(ctx context.Context) error {
		return expiries.Run(ctx, expiries.Options{Bus: s.Bus, Process: p, Log: o.Log})
	}})
	return s, s.addServices(ctx)
}

// provision makes the streams. A server of a cluster waits for a majority of the servers as long as it takes: one that gave up when
// it boots first, or alone, would not be there when the others come.
func (s *Stack) provision(ctx context.Context) error {
	layout := s.o.Layout
	layout.Replicas = cmp.Or(layout.Replicas, s.o.Process.Bus.Replicas)
	if s.server == nil || s.o.Process.Bus.Cluster == nil {
		return s.Bus.Provision(ctx, layout)
	}
	for {
		try, cancel := context.WithTimeout(ctx, provisionTry)
		err := s.Bus.Provision(try, layout)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, bus.ErrUnavailable) {
			return err
		}
		s.o.Log.Warn("waiting for a majority of the cluster's servers", "cluster", s.o.Process.Bus.Cluster.Name, "error", err)
	}
}

// provisionTry is how often a server of a cluster says that it waits for the others.
const provisionTry = 10 * time.Second

func startServer(ctx context.Context, p spec.Process, log *slog.Logger) (*embedded.Server, error) {
	users, err := busUsers(p.Bus)
	if err != nil {
		return nil, err
	}
	tls, err := serverTLS(p.Bus)
	if err != nil {
		return nil, err
	}
	cluster, err := busCluster(p.Bus)
	if err != nil {
		return nil, err
	}
	return embedded.Start(ctx, embedded.Options{
		Name: p.Name, StoreDir: filepath.Join(p.StateDir, "bus"), Listen: p.Bus.Listen, TLS: tls, Users: users, Cluster: cluster,
		Tags: []string{"site:" + p.Site}, Log: log.With("part", "nats-server"),
	})
}

// healthEvery is how often the embedded server is asked how it is.
const healthEvery = time.Second

// watchServer says on /readyz how the embedded server is, until ctx ends.
func (s *Stack) watchServer(ctx context.Context) error {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		reason := ""
		if err := s.server.Healthz(); err != nil {
			reason = err.Error()
		}
		s.ready.Set("bus", reason)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// own is who the process itself is on the bus: the one service that it has, whose user may read the replies to that service alone; else it is ham.
func (s *Stack) own() string {
	if len(s.o.Services) == 1 {
		return s.o.Services[0]
	}
	return "ham"
}

// connect opens a connection for one service, so that each has its own identity on the bus.
func (s *Stack) connect(ctx context.Context, service string) (*bus.Bus, error) {
	o, err := s.busOptions(service)
	if err != nil {
		return nil, err
	}
	o.Log = s.o.Log.With("part", service)
	b, err := bus.Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	s.buses = append(s.buses, b)
	return b, nil
}

func (s *Stack) busOptions(service string) (bus.Options, error) {
	name, p := s.o.Process.Name, s.o.Process.Bus
	if s.server != nil {
		return s.server.BusOptions(name, service), nil
	}
	o := bus.Options{Name: name, Service: service, URLs: p.URLs, CredsFile: p.Creds, NKeySeedFile: p.NKey, User: p.User}
	var err error
	if o.Password, err = p.Pass.Resolve(s.secrets.Lookup); err != nil {
		return o, fmt.Errorf("ham.bus.pass: %w", err)
	}
	o.TLS, err = ClientTLS("ham.bus.tls.", p.TLS)
	return o, err
}

// listen opens the port for health and metrics.
func (s *Stack) listen() error {
	if s.o.Process.HTTP == "off" {
		return nil
	}
	l, err := net.Listen("tcp", s.o.Process.HTTP)
	if err != nil {
		return fmt.Errorf("ham.http: listen on %s: %w (another address, or off)", s.o.Process.HTTP, err)
	}
	s.HTTP = l.Addr().String()
	s.parts = append(s.parts, lifecycle.Part{Name: "http", Run: func(ctx context.Context) error {
		return lifecycle.Serve(ctx, l, &s.ready, s.metrics)
	}})
	return nil
}

func (s *Stack) addServices(ctx context.Context) error {
	for _, name := range All {
		if s.o.Services != nil && !slices.Contains(s.o.Services, name) || name == Console && s.o.Services == nil && s.o.Process.Console.Off() {
			continue
		}
		b, err := s.connect(ctx, name)
		if err != nil {
			return err
		}
		run, err := s.service(name, b)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.parts = append(s.parts, lifecycle.Part{Name: name, Run: run})
	}
	return nil
}

// service makes one service. Each says by itself when it is ready.
func (s *Stack) service(name string, b *bus.Bus) (func(context.Context) error, error) {
	p, log := s.o.Process, s.o.Log.With("part", name)
	ready := func(reason string) { s.ready.Set(name, reason) }
	if name != Executor { // which names its parts by itself
		ready("starting")
	}
	switch name {
	case Prober:
		x, err := prober.New(prober.Options{
			Bus: b, Name: p.Name, Vantages: p.Prober.Vantages, References: p.Prober.References, ReferenceTimeout: p.Prober.Timeout,
			Secrets: s.secrets.Lookup, Log: log, Metrics: s.metrics, Ready: ready,
		})
		if err != nil {
			return nil, err
		}
		return x.Run, nil
	case Decider:
		x, err := decider.New(decider.Options{Bus: b, Name: p.Name, Log: log, Ready: ready, Metrics: s.metrics})
		if err != nil {
			return nil, err
		}
		return x.Run, nil
	case Executor:
		secret, err := p.Executor.PeerSecret.Resolve(s.secrets.Lookup)
		if err != nil {
			return nil, fmt.Errorf("ham.executor.peer_secret: %w", err)
		}
		x, err := executor.New(executor.Options{
			Peer: p.Executor.Peer, PeerSecret: secret,
			Bus: b, Sites: p.Executor.Sites, StateDir: filepath.Join(p.StateDir, "executor"), Runbooks: filepath.Join(p.StateDir, "runbooks"), Secrets: s.secrets.Lookup, Known: s.secrets.Values, Log: log,
			Metrics: s.metrics, Ready: func(part, reason string) { s.ready.Set(name+" "+part, reason) },
		})
		if err != nil {
			return nil, err
		}
		return x.Run, nil
	case Notifier:
		x, err := notifier.New(notifier.Options{Bus: b, Name: p.Name, Channels: p.Channels, Notify: p.Notify, Secrets: s.secrets.Lookup, Out: s.o.Out, Log: log, Ready: ready})
		if err != nil {
			return nil, err
		}
		return x.Run, nil
	case Console:
		return s.console(b, log, ready)
	}
	return nil, fmt.Errorf("no such service")
}

// console makes the page.
func (s *Stack) console(b *bus.Bus, log *slog.Logger, ready func(string)) (func(context.Context) error, error) {
	p := s.o.Process
	door, speaks, err := console.OpenDoor(console.DoorOptions{Console: p.Console, Name: p.Name, Site: p.Site, Secrets: s.secrets.Lookup, Bus: b, Log: log})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", p.Console.Listen)
	if err != nil && p.Console.Listen == spec.DefaultConsoleListen {
		log.Warn("the console's usual port is taken, so it has another one", "usual", p.Console.Listen, "error", err)
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("ham.console: listen on %s: %w (another address, or off)", p.Console.Listen, err)
	}
	l = console.Bound(l, len(p.Console.TrustedProxies) > 0)
	if speaks != nil {
		l = tls.NewListener(l, speaks)
	}
	siblings := make([]console.Sibling, len(p.Console.Siblings))
	for i, k := range p.Console.Siblings {
		siblings[i] = console.Sibling(k)
	}
	x, err := console.New(console.Options{
		Bus: b, Name: p.Name, Site: p.Site, Listener: l, Door: door, Siblings: siblings, Faults: s.o.Faults, Program: build.Version(), Log: log, Metrics: s.metrics, Ready: ready,
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s.Console = cmp.Or(p.Console.URL, x.URL())
	return x.Run, nil
}

// Run runs all parts until ctx ends or one of them fails.
func (s *Stack) Run(ctx context.Context) error {
	limit := s.o.Process.ShutdownTimeout
	if limit <= 0 {
		limit = 10 * time.Second
	}
	return lifecycle.Run(ctx, s.o.Log, limit, s.parts...)
}

// Close ends the connections, then the embedded server. It may be called after a failed start.
func (s *Stack) Close() error {
	for _, b := range slices.Backward(s.buses) {
		b.Close()
	}
	s.buses = nil
	if s.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer func() { s.server = nil }()
	return s.server.Shutdown(ctx)
}

// DefaultStateDir is where a process keeps its files if nothing is declared: /var/lib/ham for root, else below the user's state directory.
func DefaultStateDir(env func(string) string) string {
	if d := env("HAM_STATE_DIR"); d != "" {
		return d
	}
	if os.Geteuid() == 0 {
		return "/var/lib/ham"
	}
	if d := env("XDG_STATE_HOME"); d != "" {
		return filepath.Join(d, "ham")
	}
	return filepath.Join(env("HOME"), ".local", "state", "ham")
}
