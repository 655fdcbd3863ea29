package embedded

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/isacloud/ha-manager/pkg/bus"
)

// Server is a running nats-server. Safe for concurrent use.
type Server struct {
	opts   Options
	log    *slog.Logger
	lock   *lock
	inside User   // the identity of this process, where users are asked for credentials
	addr   string // where clients connect, once known: kept over a restart

	mu  sync.Mutex
	srv *server.Server // replaced by a restart

	away     chan time.Duration // asks the watch to take the server away for so long
	stop     context.CancelFunc // ends the watch
	watching sync.WaitGroup
	shutdown sync.Once
	down     chan struct{}
}

// Start starts a server and returns when it takes connections and JetStream is on (in a cluster: not yet when a leader is elected). It ends only by
// [Server.Shutdown]; ctx bounds the start alone. Errors: [ErrOptions], [ErrLocked], [ErrStart].
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	held, err := lockDir(o.StoreDir)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, log: o.Log.With("server", o.Name), lock: held, addr: o.Listen, away: make(chan time.Duration, 1), down: make(chan struct{})}
	if len(o.Users) > 0 {
		s.inside = User{Name: "inside-" + o.Name, Password: rand.Text()}
	}
	if s.srv, err = s.boot(ctx); err != nil {
		held.release()
		return nil, err
	}
	if o.Listen != "" {
		s.addr = s.srv.Addr().String()
	}
	var life context.Context
	life, s.stop = context.WithCancel(context.Background())
	s.watching.Go(func() { s.watch(life) })
	return s, nil
}

// boot runs one nats-server until it is ready; if it does not get there nothing of it is left.
func (s *Server) boot(ctx context.Context) (*server.Server, error) {
	srv, err := server.NewServer(s.serverOptions())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	log := newLogger(s.log)
	srv.SetLoggerV2(log, s.opts.Trace, s.opts.Trace, false)
	fail := func(why string) (*server.Server, error) {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("%w: %s", ErrStart, why)
	}
	srv.Start()
	for !srv.ReadyForConnections(10 * time.Millisecond) {
		select {
		case <-log.dead:
			return fail(log.reason())
		case <-ctx.Done():
			return fail(fmt.Sprintf("not ready when the start was given up: %s", context.Cause(ctx)))
		default:
		}
	}
	if why := log.reason(); why != "" {
		return fail(why)
	}
	if !srv.JetStreamEnabled() {
		return fail("JetStream is not on")
	}
	return srv, nil
}

// current is the running nats-server.
func (s *Server) current() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.srv
}

func (s *Server) serverOptions() *server.Options {
	o := s.opts
	so := &server.Options{
		ServerName: o.Name, NoSigs: true, DisableJetStreamBanner: true, DontListen: o.Listen == "",
		JetStream: true, StoreDir: o.StoreDir, JetStreamMaxMemory: o.MaxMemory, JetStreamMaxStore: o.MaxStore,
		SyncAlways: !o.NoSync, JetStreamUniqueTag: o.UniqueTag, MaxPayload: 1 << 20,
		Trace: o.Trace, Debug: o.Trace,
	}
	if so.JetStreamMaxMemory == 0 {
		so.JetStreamMaxMemory = 64 << 20
	}
	for _, t := range o.Tags {
		so.Tags.Add(t)
	}
	if o.Listen != "" {
		so.Host, so.Port = hostPort(s.addr)
	}
	if o.Monitor != "" {
		so.HTTPHost, so.HTTPPort = hostPort(o.Monitor)
	}
	if o.TLS != nil {
		so.TLSConfig, so.TLS, so.TLSTimeout = o.TLS, true, 5
		so.TLSVerify = o.TLS.ClientAuth == tls.RequireAndVerifyClientCert
	}
	if len(o.Users) > 0 {
		for _, u := range append([]User{s.inside}, o.Users...) {
			p := permissions(u)
			if u.NKey != "" {
				so.Nkeys = append(so.Nkeys, &server.NkeyUser{Nkey: u.NKey, Permissions: p})
			} else {
				so.Users = append(so.Users, &server.User{Username: u.Name, Password: u.Password, Permissions: p})
			}
		}
	}
	if c := o.Cluster; c != nil {
		so.Cluster = server.ClusterOpts{Name: c.Name, TLSConfig: c.TLS, Username: c.User, Password: c.Password, NoAdvertise: true}
		if c.TLS != nil {
			so.Cluster.TLSTimeout = 5
		}
		so.Cluster.Host, so.Cluster.Port = hostPort(c.Listen)
		for _, r := range c.Routes {
			if u, err := url.Parse(r); err == nil { // checked before
				if c.User != "" && u.User == nil {
					u.User = url.UserPassword(c.User, c.Password)
				}
				so.Routes = append(so.Routes, u)
			}
		}
	}
	return so
}

// hostPort is for addresses that were checked before. nats-server takes port -1 for "any free one".
func hostPort(addr string) (string, int) {
	host, port, err := split(addr)
	if err != nil {
		panic(err)
	}
	if port == 0 {
		port = -1
	}
	return host, port
}

func permissions(u User) *server.Permissions {
	if u.Publish == nil && u.Subscribe == nil {
		return nil
	}
	p := &server.Permissions{Publish: &server.SubjectPermission{Allow: u.Publish}, Subscribe: &server.SubjectPermission{Allow: u.Subscribe}}
	if u.Publish == nil {
		p.Publish = nil
	} else if len(u.Publish) == 0 {
		p.Publish.Deny = []string{">"}
	}
	if u.Subscribe == nil {
		p.Subscribe = nil
	} else if len(u.Subscribe) == 0 {
		p.Subscribe.Deny = []string{">"}
	}
	if u.Responses {
		p.Response = &server.ResponsePermission{MaxMsgs: 1, Expires: 2 * time.Minute}
	}
	return p
}

// InProcess lets a client of this process in without a socket: for bus.Options.InProcess. Where users have to show credentials, so does this
// process: see [Server.BusOptions].
func (s *Server) InProcess() InProcess { return InProcess{s} }

// InProcess is a nats.InProcessConnProvider.
type InProcess struct{ s *Server }

// InProcessConn returns one end of a pipe whose other end the server reads.
func (p InProcess) InProcessConn() (net.Conn, error) { return p.s.current().InProcessConn() }

// BusOptions are those of a Bus inside this process, with unrestricted rights.
func (s *Server) BusOptions(name, service string) bus.Options {
	return bus.Options{Name: name, Service: service, InProcess: s.InProcess(), User: s.inside.Name, Password: s.inside.Password, Log: s.opts.Log}
}

// ClientURL is where clients connect, or "" where nothing listens.
func (s *Server) ClientURL() string {
	if s.opts.Listen == "" {
		return ""
	}
	return s.current().ClientURL()
}

// MonitorURL is where the monitoring pages are, or "".
func (s *Server) MonitorURL() string {
	if a := s.current().MonitorAddr(); a != nil {
		return "http://" + a.String()
	}
	return ""
}

// Version of nats-server.
func (s *Server) Version() string { return server.VERSION }

// SyncAlways says whether what is acknowledged was synced to disk.
func (s *Server) SyncAlways() bool { return !s.opts.NoSync }

// Healthz is nil while the server takes connections and JetStream serves all its streams; else it says what is wrong.
func (s *Server) Healthz() error {
	select {
	case <-s.down:
		return errors.New("server is shut down")
	default:
	}
	h := s.current().Healthz(&server.HealthzOptions{})
	if h.StatusCode != 200 {
		return fmt.Errorf("server %s: %s: %s", s.opts.Name, h.Status, h.Error)
	}
	return nil
}

// Shutdown hands over what this server leads, closes everything and lets go of the store directory. It may be called twice. Its error is that ctx ended first;
// the server then ends in the background.
func (s *Server) Shutdown(ctx context.Context) error {
	go s.shutdown.Do(func() {
		s.stop()
		s.watching.Wait()
		srv := s.current()
		srv.Shutdown()
		srv.WaitForShutdown()
		s.lock.release()
		close(s.down)
	})
	select {
	case <-s.down:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("server %s still stopping: %w", s.opts.Name, context.Cause(ctx))
	}
}
