package bustest

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Relay stands between clients and a server on loopback, and can lose what passes.
type Relay struct {
	ln     net.Listener
	target string

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	refuse bool
	held   chan struct{} // not nil: nothing passes until it is closed
	down   rule
	up     rule
	wg     sync.WaitGroup
}

// rule loses the first chunk that contains what, and then what f says.
type rule struct {
	what  []byte
	after func()
}

// NewRelay listens on a free port and passes everything to the server at url ("nats://host:port").
func NewRelay(t testing.TB, url string) *Relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("relay: %v", err)
	}
	r := &Relay{ln: ln, target: strings.TrimPrefix(url, "nats://"), conns: map[net.Conn]struct{}{}}
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		r.Heal()
		r.Reset()
		r.wg.Wait()
	})
	return r
}

// URL is where clients connect.
func (r *Relay) URL() string { return "nats://" + r.ln.Addr().String() }

func (r *Relay) accept() {
	for {
		c, err := r.ln.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		refuse := r.refuse
		r.mu.Unlock()
		if refuse {
			_ = c.Close()
			continue
		}
		s, err := net.DialTimeout("tcp", r.target, 5*time.Second)
		if err != nil {
			_ = c.Close()
			continue
		}
		r.mu.Lock()
		r.conns[c], r.conns[s] = struct{}{}, struct{}{}
		r.mu.Unlock()
		r.wg.Go(func() { r.pass(s, c, &r.up) })
		r.wg.Go(func() { r.pass(c, s, &r.down) })
	}
}

func (r *Relay) pass(to, from net.Conn, lose *rule) {
	defer func() {
		_ = to.Close()
		_ = from.Close()
		r.mu.Lock()
		delete(r.conns, to)
		delete(r.conns, from)
		r.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		held := r.held
		var after func()
		if len(lose.what) > 0 && bytes.Contains(buf[:n], lose.what) {
			after = lose.after
			*lose = rule{}
		}
		r.mu.Unlock()
		if after != nil {
			after()
			return // the chunk is lost and with it this connection
		}
		if held != nil {
			<-held
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// LoseToClient loses the next chunk from the server that contains what, cuts that connection and calls then (may be nil).
func (r *Relay) LoseToClient(what string, then func()) { r.lose(&r.down, what, then) }

// LoseToServer loses the next chunk to the server that contains what, cuts that connection and calls then (may be nil).
func (r *Relay) LoseToServer(what string, then func()) { r.lose(&r.up, what, then) }

func (r *Relay) lose(l *rule, what string, then func()) {
	if then == nil {
		then = func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	*l = rule{[]byte(what), then}
}

// Hold lets nothing pass, as a network that went silent; connections stay open. Heal lets it pass again.
func (r *Relay) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held == nil {
		r.held = make(chan struct{})
	}
}

// Refuse cuts all connections and takes no new ones until Heal.
func (r *Relay) Refuse() {
	r.mu.Lock()
	r.refuse = true
	r.mu.Unlock()
	r.Reset()
}

// Heal ends Hold and Refuse.
func (r *Relay) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held != nil {
		close(r.held)
		r.held = nil
	}
	r.refuse = false
}

// Reset cuts all connections.
func (r *Relay) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
}
