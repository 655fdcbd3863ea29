package drivertest

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Relay stands before a server, counts the commands that change something there, and can be made silent or go away. Safe for concurrent use.
type Relay struct {
	listener net.Listener
	counts   func(sent string) int
	backend  atomic.Value // string
	changes  atomic.Int32
	silent   atomic.Bool
	mu       sync.Mutex
	conns    []net.Conn
}

// NewRelay leads to a backend: host:port, or unix:///path. Counts says how many of the commands that a client has sent in one piece change something.
func NewRelay(t testing.TB, backend string, counts func(sent string) int) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: l, counts: counts}
	r.Lead(backend)
	t.Cleanup(r.Gone)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, c)
			r.mu.Unlock()
			go r.serve(c)
		}
	}()
	return r
}

func (r *Relay) serve(c net.Conn) {
	defer c.Close()
	if r.silent.Load() {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	network, target := "tcp", r.backend.Load().(string)
	if path, ok := strings.CutPrefix(target, "unix://"); ok {
		network, target = "unix", path
	}
	b, err := net.DialTimeout(network, target, patience)
	if err != nil {
		return
	}
	defer b.Close()
	go func() { _, _ = io.Copy(c, b); _ = c.Close() }()
	for buf := make([]byte, 64<<10); ; {
		n, err := c.Read(buf) // commands are short, and written whole
		if err != nil {
			return
		}
		r.changes.Add(int32(r.counts(string(buf[:n]))))
		if _, err := b.Write(buf[:n]); err != nil {
			return
		}
	}
}

// Addr is host:port of the relay.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Lead leads those who come from now on to another backend.
func (r *Relay) Lead(backend string) { r.backend.Store(strings.TrimPrefix(backend, "tcp://")) }

// Changes is how many commands that change something have passed.
func (r *Relay) Changes() int { return int(r.changes.Load()) }

// Hang takes what those send who come from now on, and answers nothing.
func (r *Relay) Hang() { r.silent.Store(true) }

// Gone cuts everybody off, and takes nobody in any more.
func (r *Relay) Gone() {
	_ = r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
}
