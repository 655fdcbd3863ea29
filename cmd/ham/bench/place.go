package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

// place is where the two sites, the proxy and the clients stand, and how a site is lost there.
type place interface {
	// addr of a site (a, b), of the proxy (front), of the bus (bus).
	addr(what string) string
	// start runs a site and returns when it listens.
	start(ctx context.Context, name string) (*child, error)
	// lose takes the site from its clients. It returns when the deed is done; the process is to be killed afterwards.
	lose(ctx context.Context, name string, site *child) error
}

// loopback is a place on this machine where sites are lost by kill -9. Its addresses are this process's own, so that
// ports can be bound again and again and no other program takes them in between.
type loopback struct {
	self string
	net  string // "127.x.y."
}

func newLoopback(self string) *loopback {
	pid := os.Getpid()
	return &loopback{self, fmt.Sprintf("127.%d.%d.", 1+pid>>8&0x7f, pid&0xff)}
}

func (l *loopback) addr(what string) string {
	switch what {
	case "a":
		return l.net + "1:8080"
	case "b":
		return l.net + "2:8080"
	case "front":
		return l.net + "3:8080"
	}
	return l.net + "3:4222"
}

func (l *loopback) start(ctx context.Context, name string) (*child, error) {
	return listening(ctx, start{name: "site " + name, program: l.self, args: []string{"child", "site", name, l.addr(name), ""}})
}

func (l *loopback) lose(_ context.Context, _ string, site *child) error {
	site.kill()
	return nil
}

// listening starts a child and waits until it says that it listens.
func listening(ctx context.Context, s start) (*child, error) {
	c, err := s.spawn()
	if err != nil {
		return nil, err
	}
	if line, err := c.line(ctx); err != nil || line != "listening" {
		c.kill()
		return nil, fmt.Errorf("%s: said %q: %w", s.name, line, err)
	}
	return c, nil
}

// frozen is loopback where a site is lost by SIGSTOP: it falls silent, though its kernel still takes connections. It stands in
// where this program may not make networks.
type frozen struct{ *loopback }

func (f frozen) lose(_ context.Context, _ string, site *child) error { return site.freeze() }

// bridged is a network of this process's own (see [ownNetwork]) with one bridge, on it the proxy and the clients, and two hosts, each a
// network of its own with one cable to the bridge. A host is lost by pulling its cable: silence, no reset.
type bridged struct {
	self string
	made int // cables so far, for their names
	plug map[string]string
}

const bridgeNet = "10.77.0."

// cardOf is the address of a site's host in a network, and of its card.
func cardOf(net, site string) (host, card string) {
	if site == "a" {
		return net + "1", "02:77:00:00:00:01"
	}
	return net + "2", "02:77:00:00:00:02"
}

// newBridged builds the bridge in this process's network, which must be its own.
func newBridged(ctx context.Context, self string) (*bridged, error) {
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "ham0", "type", "bridge"},
		{"addr", "add", bridgeNet + "254/24", "dev", "ham0"},
		{"link", "set", "ham0", "up"},
	} {
		if err := ip(ctx, args...); err != nil {
			return nil, err
		}
	}
	// Who has which card never changes here. Left to itself the kernel would ask for it again after a host was away, once a second, and
	// some of the gaps measured would be that second.
	for _, name := range []string{"a", "b"} {
		host, card := cardOf(bridgeNet, name)
		if err := ip(ctx, "neigh", "add", host, "lladdr", card, "dev", "ham0", "nud", "permanent"); err != nil {
			return nil, err
		}
	}
	return &bridged{self: self, plug: map[string]string{}}, nil
}

func (n *bridged) addr(what string) string {
	switch what {
	case "a", "b":
		host, _ := cardOf(bridgeNet, what)
		return host + ":8080"
	case "front":
		return bridgeNet + "254:8080"
	}
	return "127.0.0.1:4222"
}

// start runs the site in a new network and plugs it in. The address of its card is always the same, so that nobody has to learn it anew.
func (n *bridged) start(ctx context.Context, name string) (_ *child, err error) {
	n.made++
	cable, card := fmt.Sprintf("ham-%s%d", name, n.made), fmt.Sprintf("eth%d", n.made)
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	defer out.Close()
	c, err := start{
		name: "site " + name, program: n.self, args: []string{"child", "site", name, n.addr(name), card}, stdin: in, network: ownNetwork,
	}.spawn()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.kill()
		}
	}()
	_, mac := cardOf(bridgeNet, name)
	for _, args := range [][]string{
		{"link", "add", cable, "type", "veth", "peer", "name", card, "address", mac, "netns", fmt.Sprint(c.pid())},
		{"link", "set", cable, "master", "ham0"},
		{"link", "set", cable, "up"},
	} {
		if err = ip(ctx, args...); err != nil {
			return nil, err
		}
	}
	n.plug[name] = cable
	if _, err = out.WriteString("\n"); err != nil {
		return nil, err
	}
	var line string
	if line, err = c.line(ctx); err == nil && line != "listening" {
		err = fmt.Errorf("said %q", line)
	}
	if err == nil {
		err = reached(ctx, n.addr(name)) // the kernel may take a second to see that a cable is plugged in
	}
	return c, err
}

// reached waits until something takes connections there.
func reached(ctx context.Context, addr string) error {
	dialer := net.Dialer{Timeout: 20 * time.Millisecond}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not reached: %w: %w", addr, err, context.Cause(ctx))
		}
	}
}

// lose pulls the cable, at the end that the host does not see.
func (n *bridged) lose(ctx context.Context, name string, _ *child) error {
	return ip(ctx, "link", "set", n.plug[name], "nomaster")
}
