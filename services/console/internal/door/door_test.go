package door

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
)

// The hash of "correct horse", cheaper than a new one would be.
const (
	horse     = "correct horse"
	horseHash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$sDq4SJydHwxWnLTlXqq5ZzNDfmXrJUlaeTohxQaFrio"
)

// people is a console with an operator, a viewer and somebody who may press in one group alone.
func people() spec.Console {
	return spec.Console{Listen: "127.0.0.1:8321", Users: []spec.ConsoleUser{
		{Name: "ana", Password: horseHash, Roles: spec.Roles{"*": "operator"}},
		{Name: "vic", Password: horseHash, Roles: spec.Roles{"*": "viewer"}},
		{Name: "olga", Password: horseHash, Roles: spec.Roles{"*": "viewer", "orders": "operator"}},
	}}
}

// desk is a door with a small console behind it, served on loopback.
type desk struct {
	*testing.T
	door    *Door
	url     string
	server  *httptest.Server
	outside bool

	mu     sync.Mutex
	events []Event
	acts   int
}

func newDesk(t *testing.T, c spec.Console, tune ...func(*Options)) *desk {
	t.Helper()
	k := &desk{T: t}
	o := Options{Console: c, Name: "sp1", Site: "sp", Style: "/assets/style.css", Public: "/assets/", Tell: k.tell}
	for _, f := range tune {
		f(&o)
	}
	var err error
	k.door, err = New(o)
	require.NoError(t, err)
	k.server = httptest.NewUnstartedServer(k.handler())
	secure := k.door.TLS() != nil
	if secure { // as the console listens
		k.server.Listener = tls.NewListener(k.server.Listener, k.door.TLS())
	}
	k.server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail as they should
	k.server.Start()
	t.Cleanup(k.server.Close)
	if k.url = k.server.URL; secure {
		k.url = strings.Replace(k.url, "http:", "https:", 1)
	}
	return k
}

func (k *desk) tell(e Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, e)
}

func (k *desk) told() []Event {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Event(nil), k.events...)
}

func (k *desk) acted() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.acts
}

// handler is what stands behind the door: a page that tells who looks, a button, a stream, an asset.
func (k *desk) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { _ = json.NewEncoder(w).Encode(who.PersonOf(r.Context())) })
	mux.HandleFunc("POST /act", func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		k.acts++
		k.mu.Unlock()
		_, _ = io.WriteString(w, "done for "+who.PersonOf(r.Context()).Name+": "+r.PostFormValue("note"))
	})
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: begun\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("GET /assets/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "asset") })
	if k.outside { // the door's own pages beside what it guards, as a console may mount them
		outer := http.NewServeMux()
		k.door.Routes(outer)
		outer.Handle("/", k.door.Wrap(mux))
		return outer
	}
	k.door.Routes(mux)
	return k.door.Wrap(mux)
}

// browser keeps cookies and follows nothing by itself.
type browser struct {
	k      *desk
	client *http.Client
}

func (k *desk) browser() *browser {
	k.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(k, err)
	c := *k.server.Client()
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{k: k, client: &c}
}

// answer is a response that was read whole.
type answer struct {
	*http.Response
	text string
}

func (b *browser) do(r *http.Request) answer {
	b.k.Helper()
	res, err := b.client.Do(r)
	require.NoError(b.k, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(b.k, err)
	return answer{res, string(text)}
}

// with sets headers, in pairs.
func with(r *http.Request, headers ...string) *http.Request {
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// page asks for a page as a person does who types the address.
func (b *browser) page(path string, headers ...string) answer {
	b.k.Helper()
	r, err := http.NewRequestWithContext(b.k.Context(), http.MethodGet, b.k.url+path, nil)
	require.NoError(b.k, err)
	return b.do(with(with(r, "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none"), headers...))
}

// send sends a form as a page of the console does.
func (b *browser) send(path string, form url.Values, headers ...string) answer {
	b.k.Helper()
	return b.do(b.form(path, form, headers...))
}

func (b *browser) form(path string, form url.Values, headers ...string) *http.Request {
	b.k.Helper()
	r, err := http.NewRequestWithContext(b.k.Context(), http.MethodPost, b.k.url+path, strings.NewReader(form.Encode()))
	require.NoError(b.k, err)
	return with(with(r, "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html", "Sec-Fetch-Mode", "navigate",
		"Sec-Fetch-Site", "same-origin", "Origin", b.k.url), headers...)
}

func (b *browser) signIn(name, password string) answer {
	b.k.Helper()
	return b.send(pathSignIn, url.Values{"name": {name}, "password": {password}})
}

// person is who the console says looks at it; nil: nobody does.
func (b *browser) person() *who.Person {
	b.k.Helper()
	a := b.page("/")
	if a.StatusCode != http.StatusOK {
		return nil
	}
	p := new(who.Person)
	require.NoError(b.k, json.Unmarshal([]byte(a.text), p), a.text)
	return p
}

// signedIn is a browser in which somebody is.
func (k *desk) signedIn(name string) (*browser, *who.Person) {
	k.Helper()
	b := k.browser()
	a := b.signIn(name, horse)
	require.Equal(k, http.StatusSeeOther, a.StatusCode, a.text)
	p := b.person()
	require.NotNil(k, p)
	return b, p
}

func (b *browser) press(p *who.Person, headers ...string) answer {
	b.k.Helper()
	return b.send("/act", url.Values{"csrf": {p.CSRF}, "note": {"hello"}}, headers...)
}

func cookieOf(k *desk, a answer) *http.Cookie {
	for _, c := range a.Cookies() {
		if c.Name == k.door.cookie {
			return c
		}
	}
	return nil
}

func TestSignInWithAPassword(t *testing.T) {
	k := newDesk(t, people())
	b := k.browser()
	a := b.page("/group/orders?at=3")
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	require.Equal(t, "/sign-in?next=%2Fgroup%2Forders%3Fat%3D3", a.Header.Get("Location"))
	a = b.page("/sign-in?next=%2Fgroup%2Forders%3Fat%3D3")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Contains(t, a.text, `value="/group/orders?at=3"`)
	require.Contains(t, a.text, "Console sp1, site sp. Each console has its own sign-in.")
	require.Contains(t, a.text, `href="/assets/style.css"`)

	for _, wrong := range [][2]string{{"ana", "wrong horse"}, {"ana", ""}, {"nobody", horse}, {"", ""}, {"Ana", horse}, {"ana ", horse}} {
		a = b.signIn(wrong[0], wrong[1])
		require.Equal(t, http.StatusUnauthorized, a.StatusCode)
		require.NotContains(t, a.text, horse)
		require.Contains(t, a.text, "do not belong together", "one sentence for all that may be wrong")
		require.Nil(t, cookieOf(k, a))
		require.Nil(t, b.person())
	}
	a = b.send(pathSignIn, url.Values{"name": {"ana"}, "password": {horse}, "next": {"/group/orders?at=3"}})
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	require.Equal(t, "/group/orders?at=3", a.Header.Get("Location"))
	p := b.person()
	require.Equal(t, "ana", p.Name)
	require.Equal(t, who.Local, p.Via)
	require.Equal(t, "127.0.0.1", p.From)
	require.Equal(t, map[string]who.Role{"*": who.Operator}, p.Roles)
	require.NotEmpty(t, p.Session)

	a = b.press(p)
	require.Equal(t, http.StatusOK, a.StatusCode, a.text)
	require.Equal(t, "done for ana: hello", a.text, "the form is there for those behind the door")

	old := cookieValue(t, b)
	a = b.send(pathSignOut, url.Values{"csrf": {p.CSRF}})
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	require.Equal(t, "/sign-in", a.Header.Get("Location"))
	require.Nil(t, b.person())
	require.Equal(t, http.StatusSeeOther, k.browser().page("/", "Cookie", k.door.cookie+"="+old).StatusCode, "the secret of a session that was signed out of opens nothing")
	require.Zero(t, k.door.sessions.count())

	var whats []What
	for _, e := range k.told() {
		require.NotContains(t, e.Why+e.Name+e.Path, horse)
		whats = append(whats, e.What)
	}
	require.Equal(t, []What{Refused, Refused, Refused, Refused, Refused, Refused, SignedIn, Pressed, SignedOut}, whats)
}

func cookieValue(t *testing.T, b *browser) string {
	u, err := url.Parse(b.k.url)
	require.NoError(t, err)
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == b.k.door.cookie {
			return c.Value
		}
	}
	return ""
}

// TestRoutesBesideTheGuard: the door's own pages keep their checks where a console mounts them beside what the door guards.
func TestRoutesBesideTheGuard(t *testing.T) {
	k := newDesk(t, people())
	k.outside = true
	k.server.Config.Handler = k.handler()
	b, p := k.signedIn("ana")
	require.Equal(t, http.StatusForbidden, b.send(pathSignOut, nil).StatusCode, "without the token")
	require.Equal(t, http.StatusForbidden, k.browser().send(pathSignIn, url.Values{"name": {"ana"}, "password": {horse}}, "Sec-Fetch-Site", "cross-site").StatusCode)
	require.Equal(t, http.StatusOK, b.press(p).StatusCode)
	require.Equal(t, http.StatusSeeOther, b.send(pathSignOut, url.Values{"csrf": {p.CSRF}}).StatusCode)
	require.Nil(t, b.person())
}

// TestNobodyGetsPastTheDoor: without a session there is neither a page, nor a stream, nor a button; only what a sign-in page needs.
func TestNobodyGetsPastTheDoor(t *testing.T) {
	k := newDesk(t, people())
	b := k.browser()
	for _, cookie := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 10_000)} {
		for _, path := range []string{"/", "/group/orders", "/live", "/sign-in/", "/sign-in/other", "/sign-out", "/assets"} {
			a := b.page(path, "Cookie", k.door.cookie+"="+cookie)
			require.NotContains(t, a.text, "Roles", path)
			require.NotEqual(t, http.StatusOK, a.StatusCode, path)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, k.url+"/live", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, b.do(with(r, "Accept", "text/event-stream", "Sec-Fetch-Mode", "cors")).StatusCode)
	a := b.send("/act", url.Values{"csrf": {"x"}})
	require.Equal(t, http.StatusUnauthorized, a.StatusCode)
	require.Contains(t, a.text, "nothing was done")
	require.Zero(t, k.acted())
	require.Equal(t, "asset", b.page("/assets/style.css").text)
	require.Equal(t, http.StatusUnauthorized, b.send("/assets/style.css", nil).StatusCode, "assets are for reading")
}

func TestHeadersAndCookies(t *testing.T) {
	k := newDesk(t, people())
	a := k.browser().page("/sign-in")
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	require.Contains(t, a.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(t, a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.Empty(t, a.Header.Get("Strict-Transport-Security"), "in the clear it means nothing")
	for _, inline := range []string{"<script", "<style", " style=", " onclick="} {
		require.NotContains(t, a.text, inline, "the policy forbids it")
	}
	c := cookieOf(k, k.browser().signIn("ana", horse))
	require.Equal(t, "ham-sp1", c.Name)
	require.True(t, c.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain)
	require.GreaterOrEqual(t, len(c.Value), 43, "256 bits")

	proxied := people()
	proxied.TrustedProxies = []string{"127.0.0.1"}
	k = newDesk(t, proxied)
	a = k.browser().signIn("ana", horse)
	c = cookieOf(k, a)
	require.Equal(t, "__Host-ham-sp1", c.Name)
	require.True(t, c.Secure)
	require.NotEmpty(t, a.Header.Get("Strict-Transport-Security"))
}

// TestFollowedLink: who comes by a link in a chat has a session, but the browser does not send it from there: a page of our own goes on.
func TestFollowedLink(t *testing.T) {
	k := newDesk(t, people())
	a := k.browser().page("/incident/i-1?x=1&y=2", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Contains(t, a.text, `<meta http-equiv="refresh" content="0;url=/incident/i-1?x=1&amp;y=2">`)
	require.NotContains(t, a.text, "Roles")
	a = k.browser().page("/incident/i-1", "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusSeeOther, a.StatusCode, "once, not for ever")
}

// TestLoopbackWithoutSignIn: on this machine nobody signs in, and every form still carries its token.
func TestLoopbackWithoutSignIn(t *testing.T) {
	k := newDesk(t, spec.Console{Listen: "127.0.0.1:8321"})
	b := k.browser()
	p := b.person()
	require.Equal(t, who.Loopback, p.Name)
	require.Equal(t, who.Loopback, p.Via)
	require.True(t, p.May("orders", who.Admin))
	require.Equal(t, http.StatusOK, b.press(p).StatusCode)
	require.Equal(t, http.StatusForbidden, b.press(&who.Person{}).StatusCode)
	require.Equal(t, http.StatusForbidden, b.press(p, "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site").StatusCode)
	require.Equal(t, 1, k.acted())
	require.True(t, k.door.Open())
}

func TestNew(t *testing.T) {
	c := people()
	c.Users[0].Password = "${env:NOWHERE_TO_BE_FOUND}"
	c.Users[1].Password = "hunter2"
	c.Networks = []string{"everywhere"}
	c.Cert, c.Key = "/nowhere/c.pem", "/nowhere/c.key"
	_, err := New(Options{Console: c})
	for _, want := range []string{
		"ham.console.users.ana.password: reference ${env:NOWHERE_TO_BE_FOUND}: the environment variable is not set",
		"ham.console.users.vic.password: is no argon2id hash", `ham.console.networks: got "everywhere"`, "ham.console.cert and key: ",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "hunter2")

	_, err = New(Options{Console: spec.Console{Listen: "0.0.0.0:8321"}})
	require.ErrorContains(t, err, "nobody signs in")
	c = people()
	c.Listen = "192.0.2.10:8321"
	_, err = New(Options{Console: c})
	require.ErrorContains(t, err, "without TLS")
	_, err = New(Options{Console: people(), Name: "a.b"})
	require.ErrorContains(t, err, "a.b")
}

func TestHeadIsNoPress(t *testing.T) {
	k := newDesk(t, people())
	b, _ := k.signedIn("vic")
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodTrace, http.MethodConnect, "get", "X"} {
		r := httptest.NewRequest(method, "/act", bytes.NewReader(nil))
		r.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		k.handler().ServeHTTP(w, r)
		require.Contains(t, []int{http.StatusMethodNotAllowed, http.StatusBadRequest}, w.Code, method)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, k.url+"/act", nil)
	require.NoError(t, err)
	b.do(r)
	require.Zero(t, k.acted())
}
