package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Step is what was being done when a look failed.
type Step string

const (
	Resolving   Step = "resolve"
	Connecting  Step = "connect"
	Handshaking Step = "tls"
	Asking      Step = "ask" // a connection is there
)

// Error says at which step reaching addr failed.
type Error struct {
	Step Step
	// Addr is host:port, as declared or as resolved.
	Addr string
	Err  error
}

func (e *Error) Error() string { return string(e.Step) + " " + e.Addr + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Dialer makes connections to one host and port. Used by one goroutine at a time.
type Dialer struct {
	host, port string
	tls        *TLS
	names      names
	// hasRoute says whether this host has a route to ip; replaced in tests.
	hasRoute func(ip netip.Addr) bool
}

// NewDialer takes host:port; tls is nil for a plain connection.
func NewDialer(address string, tls *TLS) (*Dialer, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" {
		return nil, errors.New("address is " + address + ", want host:port")
	}
	return &Dialer{host: host, port: port, tls: tls, names: names{lookup: net.DefaultResolver.LookupNetIP}, hasRoute: hasRoute}, nil
}

// keepAlive finds a peer that went away without a word between looks that are far apart. Nothing is sent where looks
// follow each other within idle.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 3}

// Dial connects, and shakes hands where TLS is declared, within ctx. The error is an [*Error].
//
// A name with several addresses is tried in the resolver's order, each with its share of the time that is left. If all
// fail, one that could be tried counts before one that could not, and silence before a refusal: one silent address makes the refusal of the
// others no proof that nobody is there.
func (d *Dialer) Dial(ctx context.Context) (net.Conn, error) {
	ips, err := d.names.resolve(ctx, d.host)
	if err != nil {
		return nil, &Error{Resolving, d.host, err}
	}
	var worst error
	for i, ip := range ips {
		addr := net.JoinHostPort(ip.String(), d.port)
		conn, err := connect(ctx, addr, len(ips)-i)
		if err == nil {
			return d.secure(ctx, addr, conn)
		}
		if unreachable(err) && !d.hasRoute(ip) {
			err = &own{err}
		}
		if worst == nil || weight(err) > weight(worst) {
			worst = &Error{Connecting, addr, err}
		}
	}
	return nil, worst
}

// weight orders what several addresses of one name said.
func weight(err error) int {
	var mine *own
	switch {
	case errors.As(err, &mine), exhausted(err):
		return 0
	case errors.Is(err, syscall.ECONNREFUSED):
		return 1
	}
	return 2
}

// connect gives one of several addresses its share of the time.
func connect(ctx context.Context, addr string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	dialer := net.Dialer{KeepAliveConfig: keepAlive}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // the address stands in our own error
		}
		return nil, err
	}
	return conn, nil
}

func (d *Dialer) secure(ctx context.Context, addr string, conn net.Conn) (net.Conn, error) {
	if d.tls == nil {
		return conn, nil
	}
	config, err := d.tls.config(d.host)
	if err != nil {
		_ = conn.Close()
		return nil, &Error{Handshaking, addr, &own{err}}
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, &Error{Handshaking, addr, err}
	}
	return secured, nil
}

// hasRoute asks the kernel without sending anything: connecting a datagram socket only looks up the route.
func hasRoute(ip netip.Addr) bool {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 9)))
	if err != nil {
		return !unreachable(err)
	}
	_ = conn.Close()
	return true
}

func unreachable(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH)
}
