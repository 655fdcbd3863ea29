package door

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path"
	"strings"
	"time"
)

// Bounds of what is read of a request that changes something.
const (
	mostBody   = 64 << 10 // bytes
	mostSignIn = 8 << 10
	bodyWithin = 10 * time.Second
	mostPath   = 2048
)

// refusal is why a request goes no further.
type refusal struct {
	status int
	title  string
	why    string // a part of a sentence
	do     string // a sentence: what helps
	wait   time.Duration
}

func tooMany(wait time.Duration) *refusal {
	wait = wait.Truncate(time.Second) + time.Second
	return &refusal{status: http.StatusTooManyRequests, title: "Too many tries", why: "this was tried too often in a short time", do: "Wait " + wait.String() + " and try again.", wait: wait}
}

// changes says whether a request may change something.
func changes(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// live says whether a request is for a stream of events, which a page that is left open asks for by itself.
func live(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/event-stream") }

// wantsPage says whether a person waits for a page, and not a script for an answer.
func wantsPage(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// examine looks at a request as it came, before anything of it is used: its path, its method, where it came from, which host it asks for.
func (d *Door) examine(r *http.Request) (netip.Addr, *refusal) {
	if badPath(r) {
		return netip.Addr{}, &refusal{status: http.StatusBadRequest, title: "No such address", why: "the address has a form that no page of this console has", do: "Begin at the overview."}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		return netip.Addr{}, &refusal{status: http.StatusMethodNotAllowed, title: "Not here", why: "a console takes GET, HEAD and POST", do: "Begin at the overview."}
	}
	from, no := d.from(r)
	if no != nil {
		return from, no
	}
	if len(d.networks) > 0 && !within(d.networks, from) {
		d.tell(Event{What: Refused, From: from.String(), Path: r.URL.Path, Why: "the address is in none of the networks that people may come from"})
		return from, &refusal{
			status: http.StatusForbidden, title: "Not from there", why: from.String() + " is in none of the networks that people may come from",
			do: "Come from one of them, or use ham on a host.",
		}
	}
	if d.open {
		return from, d.fromThisMachine(r, from)
	}
	return from, nil
}

// fromThisMachine holds a console without sign-in to this machine: the peer is here, nobody passed the request on, and it asks for a name
// of this machine. The last keeps out a page of somebody else whose own name leads here.
func (d *Door) fromThisMachine(r *http.Request, from netip.Addr) *refusal {
	if !from.IsLoopback() {
		return &refusal{status: http.StatusForbidden, title: "Not from there", why: "nobody signs in here, so this console is for its own machine alone", do: "Give it users (ham.console.users) to open it to others."}
	}
	if !isLoopbackName(hostOf(r.Host)) {
		return &refusal{status: http.StatusMisdirectedRequest, title: "Not by that name", why: "nobody signs in here, so this console answers to localhost and 127.0.0.1 alone", do: "Call it by one of these."}
	}
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return &refusal{status: http.StatusForbidden, title: "Not through a proxy", why: "nobody signs in here, and a proxy passed this on from somewhere else", do: "Give the console users and trusted_proxies to stand behind one."}
		}
	}
	return nil
}

// hostOf is the host without its port and brackets.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	if strings.HasPrefix(hostport, "[") && strings.HasSuffix(hostport, "]") {
		return hostport[1 : len(hostport)-1]
	}
	return hostport
}

// badPath says whether an address has a form that no page has: one that this door and what is behind it might read in two ways.
func badPath(r *http.Request) bool {
	p := r.URL.Path
	if !strings.HasPrefix(p, "/") || len(r.RequestURI) > mostPath || r.URL.Host != "" || r.URL.User != nil {
		return true
	}
	if strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }) {
		return true
	}
	if !isClean(p) {
		return true
	}
	escaped := strings.ToLower(r.URL.EscapedPath())
	return strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%2e")
}

// from is where a person comes from: the peer, or what a trusted proxy says of them. Nobody else's word counts.
func (d *Door) from(r *http.Request) (netip.Addr, *refusal) {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, &refusal{status: http.StatusBadRequest, title: "From nowhere", why: "the request has no address that it came from", do: "Begin at the overview."}
	}
	peer := at.Addr().Unmap().WithZone("")
	if !within(d.proxies, peer) {
		if len(d.proxies) > 0 && d.tls == nil && !peer.IsLoopback() {
			return peer, &refusal{status: http.StatusForbidden, title: "Not from there", why: "this console speaks no TLS and stands behind a proxy that does", do: "Come through the proxy."}
		}
		return peer, nil
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if hop == "" {
			continue
		}
		a, err := netip.ParseAddr(hop)
		if err != nil { // some proxies tell the port, too
			var ap netip.AddrPort
			if ap, err = netip.ParseAddrPort(hop); err == nil {
				a = ap.Addr()
			}
		}
		if err != nil {
			return peer, &refusal{status: http.StatusBadRequest, title: "From nowhere", why: "the proxy does not say in X-Forwarded-For where this came from", do: "Mend the proxy."}
		}
		if a = a.Unmap().WithZone(""); !within(d.proxies, a) {
			return a, nil
		}
	}
	return peer, nil
}

// readForm reads the body of a request that changes something, whole, within bounds, and puts it back for those behind.
func (d *Door) readForm(w http.ResponseWriter, r *http.Request, most int64) *refusal {
	if !changes(r) || r.Body == nil {
		return nil
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyWithin)) // a recorder of a test has none
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	_ = control.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &refusal{status: http.StatusRequestEntityTooLarge, title: "Too much", why: "what was sent is larger than any form of this console", do: "Make it shorter."}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{status: http.StatusRequestTimeout, title: "Too slow", why: "what was sent took too long to arrive", do: "Try again."}
	case err != nil:
		return &refusal{status: http.StatusBadRequest, title: "Not understood", why: "what was sent did not arrive whole", do: "Try again."}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		return nil // its token stands in the header
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return &refusal{status: http.StatusBadRequest, title: "Not understood", why: "what was sent is no form", do: "Try again."}
	}
	r.PostForm = form
	return nil
}

// tokenOf is the token that a request carries: in the header, or in the form's body. An address is no place for it: addresses are logged.
func tokenOf(r *http.Request) string {
	if t := r.Header.Get("X-CSRF"); t != "" {
		return t
	}
	return r.PostForm.Get("csrf")
}

// same compares two secrets; an empty one is like none.
func same(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// next is where somebody goes after sign-in: a page of this console, or else the overview.
func next(target string) string {
	if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") || len(target) > mostPath ||
		strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
		return "/"
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, pathSignIn) || u.Path == pathSignOut {
		return "/"
	}
	if !isClean(u.Path) {
		return "/"
	}
	return target
}

// isClean says whether a path says what it means: no empty part, no dots.
func isClean(p string) bool {
	clean := path.Clean(p)
	return clean == p || clean != "/" && clean+"/" == p
}

type fromKey struct{}

func withFrom(ctx context.Context, a netip.Addr) context.Context {
	return context.WithValue(ctx, fromKey{}, a)
}

func fromOf(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(fromKey{}).(netip.Addr)
	return a
}
