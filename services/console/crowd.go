package console

import (
	"net"
	"net/netip"
	"sync"
)

// mostConnections bounds those that are open at once, and mostOfAddress those from one address that is not this machine. The console may share its
// process with a decider and an executor: strangers who open connections and say nothing must not take the memory that a lease rests on.
const (
	mostConnections = 2048
	mostOfAddress   = 256
)

// crowd is a listener that turns away whom there is no room for.
type crowd struct {
	net.Listener
	most, mostOfOne int

	mu  sync.Mutex
	all int
	of  map[netip.Addr]int
}

// Bound turns away connections that there is no room for, before any of them may speak TLS: wrap it around the plain listener. Behind proxies that
// speak for many, one address may hold as many as all.
func Bound(l net.Listener, behindProxies bool) net.Listener {
	if behindProxies {
		return newCrowd(l, mostConnections, mostConnections)
	}
	return newCrowd(l, mostConnections, mostOfAddress)
}

func newCrowd(l net.Listener, most, mostOfOne int) *crowd {
	return &crowd{Listener: l, most: most, mostOfOne: mostOfOne, of: map[netip.Addr]int{}}
}

// Accept returns the next connection that there is room for, and closes those before it.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addressOf(conn)
		if c.enter(from) {
			return &guest{Conn: conn, leave: sync.OnceFunc(func() { c.leave(from) })}, nil
		}
		_ = conn.Close()
	}
}

func (c *crowd) enter(from netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.most || from.IsValid() && !from.IsLoopback() && c.of[from] >= c.mostOfOne {
		return false
	}
	c.all++
	c.of[from]++
	return true
}

func (c *crowd) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.of[from]--; c.of[from] <= 0 {
		delete(c.of, from)
	}
}

// guest is a connection that gives its place back.
type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

func addressOf(conn net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	a := at.Addr().Unmap().WithZone("")
	if a.Is6() && !a.IsLoopback() {
		if p, err := a.Prefix(64); err == nil { // in which one host can have any address
			return p.Addr()
		}
	}
	return a
}
