package file

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// The functions here return what is wrong with an address, or "". They never repeat what may be a password.

// badURL wants one of the schemes, a host, no user and no fragment.
func badURL(s string, schemes ...string) string {
	want := "want an address such as " + schemes[0] + "://192.0.2.10:8080"
	u, err := url.Parse(s)
	switch {
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "has a space or a control character, " + want
	case err != nil || u.Hostname() == "":
		return want
	case u.User != nil:
		return "want it without what stands before the @: an address is stored and shown, a secret must not be"
	case u.Fragment != "":
		return "has a part after '#', which is never sent: leave it out"
	}
	known := false
	for _, scheme := range schemes {
		known = known || u.Scheme == scheme
	}
	if !known {
		return want + " (" + strings.Join(schemes, ", ") + ")"
	}
	if p := u.Port(); p != "" {
		return badPort(p)
	}
	if u.Scheme == "tcp" || strings.HasSuffix(u.Host, ":") {
		return "has no port, " + want
	}
	return ""
}

// badHostPort wants host:port.
func badHostPort(s string) string {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return "want host:port, such as 192.0.2.10:5432"
	}
	return badPort(port)
}

// badIPPort wants ip:port: HAProxy's runtime API takes no names.
func badIPPort(s string) string {
	if _, err := netip.ParseAddrPort(s); err != nil {
		return "want ip:port, such as 192.0.2.10:8080: the proxy's runtime API takes no names"
	}
	return badHostPort(s)
}

// badPrefix wants an address or a network; a network's address has no bits beyond its length.
func badPrefix(s string) string {
	const want = "want an address such as 192.0.2.10, or a network such as 192.0.2.0/24"
	if _, err := netip.ParseAddr(s); err == nil {
		return ""
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return want
	case p.Bits() == 0:
		return "which is everybody, " + want
	case p.Masked() != p:
		return "want " + p.Masked().String() + ": the address has bits beyond its length"
	}
	return ""
}

func badPort(p string) string {
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
		return "want a port from 1 to 65535"
	}
	return ""
}

// badProxy wants the address of HAProxy's runtime API.
func badProxy(s string) string {
	if path, ok := strings.CutPrefix(s, "unix://"); ok || strings.HasPrefix(s, "/") {
		if !ok {
			path = s
		}
		if !filepath.IsAbs(path) || strings.HasSuffix(path, "/") || len(path) > 107 {
			return "want the absolute path of a socket, at most 107 bytes, such as unix:///run/haproxy/admin.sock"
		}
		return ""
	}
	rest, ok := strings.CutPrefix(s, "tcp://")
	if !ok {
		return "want the address of a runtime API, such as tcp://192.0.2.2:9999 or unix:///run/haproxy/admin.sock"
	}
	return badHostPort(rest)
}

// address reads one text that bad has nothing against.
func (c cursor) address(form string, bad func(string) string, into *string) {
	var s string
	if c.text(form, &s); s == "" {
		return
	}
	if problem := bad(s); problem != "" {
		c.fail("got %s, %s", c.got(), problem)
		return
	}
	*into = s
}

func addressKey[T any](name, form, means string, bad func(string) string, get func(*T) *string) key[T] {
	return key[T]{name: name, form: form, means: means, read: func(c cursor, into *T) { c.address(form, bad, get(into)) }}
}

// pathKey is an absolute path: where a service is started from must not matter.
func pathKey[T any](name, means string, get func(*T) *string) key[T] {
	return addressKey(name, formPath, means, func(s string) string {
		if strings.Contains(s, "${") {
			return "want " + formPath + " without ${…}: a path is no secret"
		}
		return badPath(s)
	}, get)
}

const formPath = "an absolute path"

func badPath(s string) string {
	if !filepath.IsAbs(s) {
		return "want " + formPath + ", such as /etc/ham/" + filepath.Base(s)
	}
	return ""
}

// badListen wants host:port that one can listen on; port 0 is any free one.
func badListen(s string) string {
	host, port, err := net.SplitHostPort(s)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n > 65535 || strings.ContainsAny(host, "/@ ") {
		return fmt.Sprintf("want an address to listen on, such as %s", "127.0.0.1:4222")
	}
	return ""
}

// loopback says whether nobody beyond this machine can reach what listens there.
func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
