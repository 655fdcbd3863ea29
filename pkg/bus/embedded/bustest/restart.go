package bustest

import (
	"net"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/porttest"
)

// Server is one that can be stopped and started again under the same store and, where it listens, the same port. Clients in this
// process reach whichever instance runs.
type Server struct {
	t    testing.TB
	opts embedded.Options
	mu   sync.Mutex
	now  *embedded.Server
	// settle, where set, waits until everything is idle; conns are then what clients of this process hold.
	settle func()
	conns  []net.Conn
}

// Restartable is Start for a server that the test stops and starts.
func Restartable(t testing.TB, edit ...func(*embedded.Options)) *Server {
	t.Helper()
	o := embedded.Options{Name: "test", StoreDir: t.TempDir(), NoSync: true, MaxStore: 2 << 30}
	for _, f := range edit {
		f(&o)
	}
	if o.Listen == anyPort {
		o.Listen = porttest.Hold(t)
	}
	s := &Server{t: t, opts: o}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts it again.
func (s *Server) Start() {
	s.t.Helper()
	n := start(s.t, s.opts)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = n
}

// Stop shuts it down, as a host that is switched off in an orderly way.
func (s *Server) Stop() {
	s.t.Helper()
	s.mu.Lock()
	n, conns := s.now, s.conns
	s.now, s.conns = nil, nil
	s.mu.Unlock()
	if s.settle != nil {
		// A server that stops sleeps for a moment with its locks held. In virtual time a client that asks for something then would stop the clock
		// for ever: so clients lose their links first.
		for _, c := range conns {
			_ = c.Close()
		}
		s.settle()
	}
	if n != nil {
		Stop(s.t, n)
	}
}

// URL is where it listens.
func (s *Server) URL() string { return "nats://" + s.opts.Listen }

// StoreDir is where it keeps everything.
func (s *Server) StoreDir() string { return s.opts.StoreDir }

// InProcessConn makes a Server a nats.InProcessConnProvider.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return nil, nats.ErrNoServers
	}
	c, err := s.now.InProcess().InProcessConn()
	if err == nil && s.settle != nil {
		s.conns = append(s.conns, c)
	}
	return c, err
}

// Options are those of a bus in this process that reconnects to whichever instance runs.
func (s *Server) Options(name string) bus.Options {
	return bus.Options{Name: name, Service: "test", InProcess: s}
}

// Connect returns a provisioned bus on it.
func (s *Server) Connect(name string) *bus.Bus {
	s.t.Helper()
	b := Dial(s.t, s.Options(name))
	Provision(s.t, b)
	return b
}
