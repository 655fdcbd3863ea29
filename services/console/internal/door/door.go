package door

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
)

// Options of a door. Console is required.
type Options struct {
	// Console is what the process's file says. Without users and OIDC nobody signs in.
	Console spec.Console
	// Name and Site of this console, for the sign-in page and the cookie's name: two consoles on one host keep their sessions apart.
	Name, Site string
	// Secrets reads references; default spec.LookupSecret. It is asked when the door is made.
	Secrets spec.Lookup
	// Style and Icon are the paths of the style sheet and of the icon, and Public is how the paths begin that anybody may load: the assets.
	Style, Icon, Public string
	// Tell is called with what happened at the door. It must not block. May be nil.
	Tell func(Event)
	// Log gets the same; nil: nothing is logged.
	Log *slog.Logger
}

// Door is one console's door. All its methods may be called by many at once.
type Door struct {
	o        Options
	open     bool // nobody signs in: for this machine alone
	secure   bool // people speak TLS, with this process or with a proxy before it
	cookie   string
	networks []netip.Prefix
	proxies  []netip.Prefix
	sessions *sessions
	users    *users
	oidc     *provider // nil: none
	tls      *tls.Config
	origin   *http.CrossOriginProtection
	local    who.Person // who comes in where nobody signs in

	addresses *limiter // attempts to sign in, by address
	presses   *limiter // requests that change something, by session
	tells     *limiter // refusals told, by address
}

// New reads what the options name: secrets, certificates. It asks nothing of the network. Errors name the key below ham.console.
func New(o Options) (*Door, error) {
	if o.Secrets == nil {
		o.Secrets = spec.LookupSecret
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Name = cmp.Or(o.Name, "console")
	if !message.IsName(o.Name) {
		return nil, fmt.Errorf("the console's name is %q, want 1 to %d letters, digits, '-' or '_'", o.Name, message.MaxName)
	}
	c := &o.Console
	d := &Door{
		o: o, open: !c.SignIn(), origin: http.NewCrossOriginProtection(),
		sessions:  newSessions(cmp.Or(c.Idle, spec.DefaultSessionIdle), cmp.Or(c.Max, spec.DefaultSessionMax)),
		addresses: newLimiter(10, 6*time.Second), presses: newLimiter(30, time.Second), tells: newLimiter(10, 10*time.Second),
	}
	var errs [5]error
	d.networks, errs[0] = prefixes("networks", c.Networks)
	d.proxies, errs[1] = prefixes("trusted_proxies", c.TrustedProxies)
	d.tls, errs[2] = d.serverTLS()
	d.users, errs[3] = newUsers(c.Users, o.Secrets)
	if c.OIDC != nil {
		d.oidc, errs[4] = newProvider(c, o.Secrets)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	d.secure = d.tls != nil || len(d.proxies) > 0
	d.cookie = "ham-" + o.Name
	if d.secure {
		d.cookie = "__Host-" + d.cookie // which a browser takes only with Secure, for this host alone and for every path
	}
	d.local = who.Person{Name: message.ActorLoopback, Via: who.Loopback, Roles: map[string]who.Role{who.Everywhere: who.Admin}, CSRF: secret(), Session: who.Loopback}
	return d, d.fits()
}

// fits holds the listener to what the file's reader holds it to: a door that was set up by a program gets no further than one by a file.
func (d *Door) fits() error {
	c := &d.o.Console
	switch {
	case isLoopback(c.Listen):
		return nil
	case d.open:
		return fmt.Errorf("ham.console.listen: got %s, which others can reach, and nobody signs in: give users or oidc, or listen on 127.0.0.1", c.Listen)
	case !d.secure:
		return fmt.Errorf("ham.console.listen: got %s, which others can reach, without TLS: give cert and key, or trusted_proxies that speak it, or listen on 127.0.0.1", c.Listen)
	}
	return nil
}

// TLS is how the console's listener speaks; nil: in the clear.
func (d *Door) TLS() *tls.Config { return d.tls }

// Open says that nobody signs in here.
func (d *Door) Open() bool { return d.open }

// Paths of the door.
const (
	pathSignIn      = "/sign-in"
	pathSignOut     = "/sign-out"
	pathCertificate = "/sign-in/certificate"
	pathOIDC        = "/sign-in/oidc"
	pathCallback    = "/sign-in/oidc/callback"
)

// Routes adds sign-in and sign-out to mux. They pass through Wrap themselves where mux stands before it.
func (d *Door) Routes(mux *http.ServeMux) {
	add := func(pattern string, h http.HandlerFunc) {
		wrapped := d.Wrap(h)
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if fromOf(r.Context()).IsValid() {
				h(w, r) // it has passed
				return
			}
			wrapped.ServeHTTP(w, r)
		})
	}
	add("POST "+pathSignOut, d.signOut)
	if d.open {
		return
	}
	add("GET "+pathSignIn, d.signInPage)
	add("POST "+pathSignIn, d.signInLocal)
	add("POST "+pathCertificate, d.signInCertificate)
	if d.oidc != nil {
		add("GET "+pathOIDC, d.oidcStart)
		add("GET "+pathCallback, d.oidcBack)
	}
}

// isOwn says whether a path is one of the door's that need no person.
func (d *Door) isOwn(path string) bool {
	return !d.open && slices.Contains([]string{pathSignIn, pathCertificate, pathOIDC, pathCallback}, path)
}

// Wrap lets a request through to next with its person in the context, or answers by itself. What next does ends with the person's session.
func (d *Door) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.headers(w.Header())
		from, no := d.examine(r)
		if no != nil {
			d.refuse(w, r, no)
			return
		}
		r = r.WithContext(withFrom(r.Context(), from))
		switch {
		case d.isPublic(r):
			next.ServeHTTP(w, r)
		case d.isOwn(r.URL.Path):
			if no := d.mayTry(w, r); no != nil {
				d.tell(Event{What: Refused, From: from.String(), Path: r.URL.Path, Why: no.why})
				d.refuse(w, r, no)
				return
			}
			next.ServeHTTP(w, r)
		case d.open:
			p := d.local
			p.From = from.String()
			d.admit(w, r, next, &p)
		default:
			d.bySession(w, r, next)
		}
	})
}

// mayTry checks an attempt to sign in before anything of it is read: not too many from one address, and from a page of this console. There is
// no session yet whose token it could carry, so here the browser has to say where the form stood; each that can show these pages does.
func (d *Door) mayTry(w http.ResponseWriter, r *http.Request) *refusal {
	if !changes(r) {
		return nil
	}
	if wait := d.addresses.take(addressKey(fromOf(r.Context()))); wait > 0 {
		return tooMany(wait)
	}
	if d.origin.Check(r) != nil || (r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "") {
		return &refusal{status: http.StatusForbidden, title: "From another site", why: "this did not come from the sign-in page of this console", do: "Sign in on its page."}
	}
	return d.readForm(w, r, mostSignIn)
}

// isPublic says whether anybody may load this: the assets, which hold nothing of anybody's.
func (d *Door) isPublic(r *http.Request) bool {
	return d.o.Public != "" && !changes(r) && strings.HasPrefix(r.URL.Path, d.o.Public)
}

// bySession lets in who has a session, and shows the others where to sign in.
func (d *Door) bySession(w http.ResponseWriter, r *http.Request, next http.Handler) {
	s := d.session(r)
	if s == nil {
		d.signInFirst(w, r)
		return
	}
	if !live(r) {
		s.touch()
	}
	p := s.person
	p.From = fromOf(r.Context()).String()
	ctx, done := s.bind(r.Context())
	defer done()
	d.admit(w, r.WithContext(ctx), next, &p)
}

// admit lets a person through: to look without more ado, to change something after the checks.
func (d *Door) admit(w http.ResponseWriter, r *http.Request, next http.Handler, p *who.Person) {
	if changes(r) {
		if no := d.mayChange(w, r, p); no != nil {
			d.tell(Event{What: Refused, Name: p.Name, Via: p.Via, From: p.From, Path: r.URL.Path, Why: no.why})
			d.refuse(w, r, no)
			return
		}
		if r.URL.Path != pathSignOut {
			d.tell(Event{What: Pressed, Name: p.Name, Via: p.Via, From: p.From, Path: r.URL.Path})
		}
	}
	next.ServeHTTP(w, r.WithContext(who.With(r.Context(), p)))
}

// mayChange checks what a request that changes something must be: not too many, from a page of this console, with the session's token, by
// somebody who may do more than look.
func (d *Door) mayChange(w http.ResponseWriter, r *http.Request, p *who.Person) *refusal {
	key := p.Session
	if d.open {
		key = p.From
	}
	if wait := d.presses.take(key); wait > 0 {
		return tooMany(wait)
	}
	if err := d.origin.Check(r); err != nil {
		return &refusal{status: http.StatusForbidden, title: "From another site", why: "another site made your browser send this, and nothing was done", do: "Do it from a page of this console."}
	}
	if no := d.readForm(w, r, mostBody); no != nil {
		return no
	}
	if !same(tokenOf(r), p.CSRF) {
		return &refusal{status: http.StatusForbidden, title: "An old page", why: "the form does not carry your session's token, and nothing was done", do: "Load the page anew and do it again."}
	}
	if r.URL.Path != pathSignOut && !mayPress(p) {
		return &refusal{status: http.StatusForbidden, title: "You may only look", why: p.Name + " is a viewer, and nothing was done", do: "Ask somebody who is an operator of the group."}
	}
	return nil
}

// mayPress says whether a person may do more than look, anywhere.
func mayPress(p *who.Person) bool {
	for group := range p.Roles {
		if p.May(group, who.Operator) {
			return true
		}
	}
	return false
}

func (d *Door) signOut(w http.ResponseWriter, r *http.Request) {
	p := who.PersonOf(r.Context())
	d.sessions.end(d.cookieOf(r))
	d.drop(w, d.cookie)
	if p != nil && !d.open {
		d.tell(Event{What: SignedOut, Name: p.Name, Via: p.Via, From: p.From})
	}
	target := pathSignIn
	if d.open {
		target = "/"
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

func prefixes(key string, texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, aerr := netip.ParseAddr(text)
			if aerr != nil {
				return nil, fmt.Errorf("ham.console.%s: got %q, want an address or a network", key, text)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p)
	}
	return out, nil
}

func within(all []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
}

// isLoopback says whether nobody beyond this machine can reach what listens there.
func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	return err == nil && isLoopbackName(host)
}

// isLoopbackName says whether a host is this machine by any reading: no name that somebody else could have resolved to it.
func isLoopbackName(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
