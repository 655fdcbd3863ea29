package haproxy

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// maxSocketPath is the longest path a Unix socket address holds on Linux, without its closing NUL.
const maxSocketPath = 107

// Address says where a runtime API listens. The zero Address is not valid; make one with [ParseAddress].
type Address struct {
	network string // "unix" or "tcp"
	target  string // what a dialer takes: a path, or host:port
}

// ParseAddress reads one of the three forms of an address:
//
//	unix:///run/haproxy/admin.sock
//	/run/haproxy/admin.sock
//	tcp://host:port
//
// The error names the address, what is wrong with it, and the forms. It wraps [ErrInvalid].
func ParseAddress(s string) (Address, error) {
	bad := func(why string) (Address, error) {
		shown := strconv.Quote(s)
		if strings.Contains(s, "@") {
			// What stands before an @ is often a password: it must not reach a log.
			shown = "(not shown, it has an @)"
		}
		return Address{}, fmt.Errorf("%w: haproxy address %s: %s; write unix:///run/haproxy/admin.sock, /run/haproxy/admin.sock or tcp://host:port",
			ErrInvalid, shown, why)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return bad("has a space or a control character")
	}
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case s == "":
		return bad("is empty")
	case !found && strings.HasPrefix(s, "/"):
		rest = s
		fallthrough
	case found && scheme == "unix":
		if !strings.HasPrefix(rest, "/") {
			return bad("the path of the socket must be absolute")
		}
		if strings.HasSuffix(rest, "/") {
			return bad("is a folder, not a socket")
		}
		if len(rest) > maxSocketPath {
			return bad(fmt.Sprintf("the path has %d bytes, a socket's may have %d", len(rest), maxSocketPath))
		}
		return Address{"unix", rest}, nil
	case found && scheme == "tcp":
		if strings.ContainsAny(rest, "/@?#") {
			return bad("after tcp:// only host:port may stand")
		}
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			return bad("has no host:port after tcp://")
		}
		if host == "" {
			return bad("has no host")
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return bad("its port must be a number from 1 to 65535")
		}
		return Address{"tcp", rest}, nil
	case found:
		return bad(fmt.Sprintf("unknown scheme %q", scheme))
	default:
		return bad("has no scheme")
	}
}

// String returns the address in the form with a scheme.
func (a Address) String() string {
	if a.network == "" {
		return "no address"
	}
	return a.network + "://" + a.target
}
