package channeltest

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
)

// Net is a network inside the process: hosts served over pipes. Unlike sockets, pipes stand still in a bubble of
// testing/synctest, so that hours of outage take no time.
type Net struct {
	mu    sync.Mutex
	hosts map[string]*host
}

type host struct {
	conns chan net.Conn
	down  bool
	done  chan struct{}
}

// NewNet makes an empty network.
func NewNet() *Net { return &Net{hosts: map[string]*host{}} }

// Serve answers for a host until the test ends: http://<name>/.
func (n *Net) Serve(t testing.TB, name string, h http.Handler) {
	t.Helper()
	at := &host{conns: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	n.hosts[name] = at
	n.mu.Unlock()
	server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener{at}); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve %s: %v", name, err)
		}
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
}

// ServeConn answers for a host that speaks no HTTP, a connection at a time in a goroutine of its own, until the test ends.
func (n *Net) ServeConn(t testing.TB, name string, serve func(net.Conn)) {
	t.Helper()
	at := &host{conns: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	n.hosts[name] = at
	n.mu.Unlock()
	var open sync.WaitGroup
	open.Go(func() {
		for {
			select {
			case c := <-at.conns:
				open.Go(func() {
					defer c.Close()
					serve(c)
				})
			case <-at.done:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(at.done)
		open.Wait()
	})
}

// Dial opens a connection to a host of this network.
func (n *Net) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return n.dial(ctx, network, address)
}

// Down has a host refuse connections, or take them again.
func (n *Net) Down(name string, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[name].down = down
}

// Client reaches the hosts of this network. It follows no redirects.
func (n *Net) Client(t testing.TB) *http.Client {
	tr := &http.Transport{DialContext: n.dial, DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (n *Net) dial(ctx context.Context, _, address string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	at := n.hosts[name]
	refused := at == nil || at.down
	n.mu.Unlock()
	if refused {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	here, there := net.Pipe()
	select {
	case at.conns <- there:
		return here, nil
	case <-at.done:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listener hands over the server's ends of pipes.
type listener struct{ at *host }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.at.conns:
		return c, nil
	case <-l.at.done:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error {
	close(l.at.done)
	return nil
}

func (l listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
