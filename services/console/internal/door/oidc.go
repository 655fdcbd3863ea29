package door

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
)

const (
	// providerWithin bounds each call to the provider, and mostProvider what it answers, in bytes.
	providerWithin = 10 * time.Second
	mostProvider   = 1 << 20
	// againAfter is how long a provider that did not answer is left alone.
	againAfter = 3 * time.Second
	// attemptFor is how long somebody may take to sign in at the provider, and mostAttempts how many do so at once.
	attemptFor   = 10 * time.Minute
	mostAttempts = 1000
	mostPinned   = 10_000
)

// provider is the identity provider. It is asked for the first time when somebody signs in: a console starts without it, too.
type provider struct {
	c      *spec.OIDC
	host   string
	oauth  oauth2.Config
	client *http.Client
	starts *limiter

	finding sync.Mutex
	found   *oidc.Provider
	failed  time.Time
	why     error

	mu       sync.Mutex
	attempts map[fingerprint]attempt
	// pinned is whom each name belongs to, in the provider's own terms: a second one who is given the same name is not let in under it.
	pinned map[string]string
}

// attempt is one sign-in on its way. It is good for one return, by the browser that began it.
type attempt struct {
	state, nonce, verifier string
	next                   string
	begun                  time.Time
}

func newProvider(c *spec.Console, look spec.Lookup) (*provider, error) {
	o := c.OIDC
	secret, err := o.ClientSecret.Resolve(look)
	if err != nil {
		return nil, fmt.Errorf("ham.console.oidc.client_secret: %w", err)
	}
	issuer, err := url.Parse(o.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("ham.console.oidc.issuer: got %q, want an address such as https://id.example.org", o.Issuer)
	}
	if c.URL == "" {
		return nil, errors.New("ham.console.url: is missing, want what people type, such as https://ham.example.org:8321: the provider sends them back there")
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("ham.console.oidc.ca: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ham.console.oidc.ca: %s holds no certificate in PEM form", o.CA)
		}
	}
	scopes := slices.Clone(o.Scopes)
	if !slices.Contains(scopes, oidc.ScopeOpenID) {
		scopes = append([]string{oidc.ScopeOpenID}, scopes...)
	}
	return &provider{
		c: o, host: issuer.Host, starts: newLimiter(20, 3*time.Second), attempts: map[fingerprint]attempt{}, pinned: map[string]string{},
		oauth:  oauth2.Config{ClientID: o.ClientID, ClientSecret: secret, Scopes: scopes, RedirectURL: strings.TrimSuffix(c.URL, "/") + pathCallback},
		client: &http.Client{Timeout: providerWithin, Transport: bounded{&http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, ForceAttemptHTTP2: true, MaxIdleConns: 4, IdleConnTimeout: time.Minute}}},
	}, nil
}

// bounded reads no more of an answer than a provider has to say.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, mostProvider), answer.Body}
	}
	return answer, err
}

// find asks the provider who it is, until it has answered once.
func (p *provider) find(ctx context.Context) (*oidc.Provider, error) {
	p.finding.Lock()
	defer p.finding.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	if p.why != nil && time.Since(p.failed) < againAfter {
		return nil, p.why
	}
	found, err := oidc.NewProvider(p.ctx(ctx), p.c.Issuer)
	if err != nil {
		if ctx.Err() == nil {
			p.failed, p.why = time.Now(), err
		}
		return nil, err
	}
	p.found, p.why = found, nil
	return found, nil
}

// ctx makes the libraries use our client.
func (p *provider) ctx(ctx context.Context) context.Context { return oidc.ClientContext(ctx, p.client) }

// begin keeps an attempt under a secret that the browser alone knows.
func (p *provider) begin(a attempt) (cookie string) {
	cookie = secret()
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := fingerprint{}
	for key, x := range p.attempts {
		if a.begun.Sub(x.begun) > attemptFor {
			delete(p.attempts, key)
		} else if o, ok := p.attempts[oldest]; !ok || x.begun.Before(o.begun) {
			oldest = key
		}
	}
	if len(p.attempts) >= mostAttempts {
		delete(p.attempts, oldest)
	}
	p.attempts[sha256.Sum256([]byte(cookie))] = a
	return cookie
}

// take ends an attempt and returns it: whoever comes a second time finds none.
func (p *provider) take(cookie string, now time.Time) (attempt, bool) {
	key := fingerprint(sha256.Sum256([]byte(cookie)))
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.attempts[key]
	delete(p.attempts, key)
	return a, ok && now.Sub(a.begun) <= attemptFor
}

func (d *Door) attemptCookie() string { return d.cookie + "-oidc" }

// oidcStart sends somebody to the provider.
func (d *Door) oidcStart(w http.ResponseWriter, r *http.Request) {
	target := next(r.URL.Query().Get("next"))
	if wait := d.oidc.starts.take(addressKey(fromOf(r.Context()))); wait > 0 {
		d.refuse(w, r, tooMany(wait))
		return
	}
	found, err := d.oidc.find(r.Context())
	if err != nil {
		d.o.Log.Warn("console: the identity provider does not answer", "issuer", d.oidc.c.Issuer, "error", err)
		d.showSignIn(w, r, http.StatusBadGateway, target, d.oidc.host+" does not answer at this moment. Sign in by another way, or use ham on a host.")
		return
	}
	a := attempt{state: secret(), nonce: secret(), verifier: oauth2.GenerateVerifier(), next: target, begun: time.Now()}
	oauth := d.oidc.oauth
	oauth.Endpoint = found.Endpoint()
	// Lax: the provider sends the browser back here, and the cookie has to come along.
	d.put(w, d.attemptCookie(), d.oidc.begin(a), http.SameSiteLaxMode, attemptFor)
	http.Redirect(w, r, oauth.AuthCodeURL(a.state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)), http.StatusSeeOther)
}

// oidcBack takes somebody back from the provider.
func (d *Door) oidcBack(w http.ResponseWriter, r *http.Request) {
	cookie, _ := r.Cookie(d.attemptCookie())
	d.drop(w, d.attemptCookie())
	p, target, err := d.oidcPerson(r, cookie)
	if err != nil {
		d.tell(Event{What: Refused, Name: p.Name, Via: who.OIDC, From: fromOf(r.Context()).String(), Path: pathCallback, Why: err.Error()})
		d.showSignIn(w, r, http.StatusForbidden, target, "Signing in at "+d.oidc.host+" did not work: "+err.Error()+".")
		return
	}
	d.enter(w, r, p, fingerprint{}, time.Time{})
	d.onward(w, r, target) // and no redirect: the browser would still count the provider as the one who sends it, and keep the cookie back
}

// oidcPerson is who came back, if what they bring fits what they were sent with. The error holds no secret.
func (d *Door) oidcPerson(r *http.Request, cookie *http.Cookie) (p who.Person, target string, err error) {
	o, q := d.oidc, r.URL.Query()
	if cookie == nil {
		return p, "/", errors.New("this browser has not begun to sign in, or took too long")
	}
	a, ok := o.take(cookie.Value, time.Now())
	target = next(a.next)
	switch {
	case !ok:
		return p, target, errors.New("this sign-in is over: begin anew")
	case !same(q.Get("state"), a.state):
		return p, target, errors.New("the answer belongs to another sign-in")
	case q.Has("iss") && q.Get("iss") != o.c.Issuer:
		return p, target, errors.New("the answer comes from another provider")
	case q.Get("error") != "":
		return p, target, fmt.Errorf("it says %s", clip(q.Get("error")))
	}
	ctx, cancel := context.WithTimeout(r.Context(), providerWithin)
	defer cancel()
	found, err := o.find(ctx)
	if err != nil {
		return p, target, errors.New("it does not answer at this moment")
	}
	oauth := o.oauth
	oauth.Endpoint = found.Endpoint()
	token, err := oauth.Exchange(o.ctx(ctx), q.Get("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		d.o.Log.Warn("console: the identity provider does not take the code", "issuer", o.c.Issuer, "error", plain(err))
		return p, target, errors.New("it does not take its own code back")
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.Verifier(&oidc.Config{ClientID: o.c.ClientID}).Verify(o.ctx(ctx), raw)
	if err != nil {
		d.o.Log.Warn("console: the identity provider's token is not good", "issuer", o.c.Issuer, "error", err)
		return p, target, errors.New("its token is not good")
	}
	if !same(id.Nonce, a.nonce) {
		return p, target, errors.New("its token belongs to another sign-in")
	}
	if id.AccessTokenHash != "" && id.VerifyAccessToken(token.AccessToken) != nil {
		return p, target, errors.New("its two tokens do not belong together")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return p, target, errors.New("its token cannot be read")
	}
	if by, ok := claims["azp"].(string); ok && by != o.c.ClientID {
		return p, target, errors.New("its token was made for another program")
	}
	p, err = d.personOf(id.Subject, claims)
	return p, target, err
}

// plain is an error of the exchange without the provider's answer, which may repeat what was sent.
func plain(err error) string {
	var e *oauth2.RetrieveError
	if errors.As(err, &e) {
		return fmt.Sprintf("%s %s", e.Response.Status, clip(e.ErrorCode))
	}
	return err.Error()
}

// personOf is the person whom the claims describe: a user of the file whom the provider knows by the subject, or somebody with the name that it
// gives. Their roles are those of their groups, and of the user.
func (d *Door) personOf(subject string, claims map[string]any) (who.Person, error) {
	c := d.oidc.c
	p := who.Person{Via: who.OIDC, Roles: map[string]who.Role{}}
	known := d.users.find(func(x *user) bool { return x.Subject != "" && x.Subject == subject })
	if known != nil {
		p.Name = known.Name
		p.Roles = merge(p.Roles, known.roles)
	} else {
		text, _ := claims[c.NameClaim].(string)
		if p.Name = asName(text); p.Name == "" {
			return p, fmt.Errorf("its token has no name in the claim %s", c.NameClaim)
		}
		if verified, told := claims["email_verified"]; c.NameClaim == "email" && told && verified != true {
			return p, errors.New("it has not verified the mail address that is to be the name")
		}
		if taken := d.users.find(func(x *user) bool { return x.Name == p.Name }); taken != nil {
			return p, fmt.Errorf("%s is a user of this console, who is not known by this subject: an administrator can set subject in the file", p.Name)
		}
		if !d.oidc.pin(p.Name, subject) {
			return p, fmt.Errorf("somebody else signed in here as %s already", p.Name)
		}
	}
	for _, group := range listOf(claims[c.GroupsClaim]) {
		p.Roles = merge(p.Roles, rolesOf(c.Roles[group]))
	}
	if len(p.Roles) == 0 {
		return p, fmt.Errorf("%s is in no group that may do anything here (claim %s)", p.Name, c.GroupsClaim)
	}
	return p, nil
}

// pin says whether a name belongs to the subject: it does to the first one who comes with it.
func (p *provider) pin(name, subject string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, known := p.pinned[name]; known {
		return first == subject
	}
	if len(p.pinned) >= mostPinned {
		return false
	}
	p.pinned[name] = subject
	return true
}

// merge gives for each group the greater of two roles.
func merge(a, b map[string]who.Role) map[string]who.Role {
	out := make(map[string]who.Role, len(a)+len(b))
	for _, roles := range []map[string]who.Role{a, b} {
		for group, role := range roles {
			if p := (&who.Person{Roles: map[string]who.Role{group: out[group]}}); !p.May(group, role) {
				out[group] = role
			}
		}
	}
	return out
}

// asName makes a name of what a provider calls somebody: what no name has becomes '-'.
func asName(s string) string {
	if s == "" || len(s) > message.MaxName {
		return ""
	}
	out := []byte(s)
	for i := range out {
		if !message.IsName(string(out[i])) {
			out[i] = '-'
		}
	}
	return string(out)
}

// listOf reads a claim that is a list of texts, or one.
func listOf(claim any) []string {
	switch x := claim.(type) {
	case string:
		return []string{x}
	case []any:
		var out []string
		for _, item := range x {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
