package door

import (
	"bufio"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
)

// TestCrossSiteRequest: what another site makes a browser send is refused, whichever of the two defences is left; so is a form without the
// session's own token, or with it in the address.
func TestCrossSiteRequest(t *testing.T) {
	k := newDesk(t, people())
	ana, p := k.signedIn("ana")
	_, olga := k.signedIn("olga")
	form := url.Values{"csrf": {p.CSRF}}
	for what, a := range map[string]answer{
		"another site, with a token that it cannot have": ana.send("/act", form, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"),
		"another port of this host":                      ana.send("/act", form, "Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:3000"),
		"an old browser, another origin":                 ana.send("/act", form, "Sec-Fetch-Site", "", "Origin", "https://evil.example"),
		"an old browser, a frame without an origin":      ana.send("/act", form, "Sec-Fetch-Site", "", "Origin", "null"),
		"no token":                           ana.send("/act", nil),
		"an empty token":                     ana.send("/act", url.Values{"csrf": {""}}),
		"somebody else's token":              ana.send("/act", url.Values{"csrf": {olga.CSRF}}),
		"no header says where, and no token": ana.send("/act", nil, "Sec-Fetch-Site", "", "Origin", ""),
		"the token in the address":           ana.send("/act?csrf="+p.CSRF, nil),
		"as JSON, without the header":        ana.do(with(ana.form("/act", form), "Content-Type", "application/json")),
		"as text, which a form can send":     ana.do(with(ana.form("/act", form), "Content-Type", "text/plain")),
		"signing out":                        ana.send(pathSignOut, nil, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"),
	} {
		require.Equal(t, http.StatusForbidden, a.StatusCode, what)
		require.NotContains(t, a.text, p.CSRF, what)
	}
	require.Zero(t, k.acted())
	require.NotNil(t, ana.person(), "and nobody was signed out")

	require.Equal(t, http.StatusOK, ana.press(p).StatusCode)
	require.Equal(t, http.StatusOK, ana.send("/act", nil, "X-CSRF", p.CSRF, "Sec-Fetch-Mode", "cors").StatusCode, "a script says it in a header")
	require.Equal(t, http.StatusOK, ana.press(p, "Sec-Fetch-Site", "", "Origin", "").StatusCode, "a program with the token")
	require.Equal(t, 3, k.acted())
}

// TestForcedSignIn: another site cannot sign the browser in as somebody of its choice.
func TestForcedSignIn(t *testing.T) {
	k := newDesk(t, people())
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "null"}, {"Sec-Fetch-Site", "", "Origin", ""},
	} {
		a := k.browser().send(pathSignIn, url.Values{"name": {"ana"}, "password": {horse}}, headers...)
		require.Equal(t, http.StatusForbidden, a.StatusCode, "%q", headers)
		require.Nil(t, cookieOf(k, a))
	}
	require.Equal(t, http.StatusSeeOther, k.browser().send(pathSignIn, url.Values{"name": {"ana"}, "password": {horse}}, "Sec-Fetch-Site", "").StatusCode, "Origin alone will do")
}

// TestSessionFixation: a secret that was there before the sign-in opens nothing after it, whether it was made up or was a session of the
// attacker's own.
func TestSessionFixation(t *testing.T) {
	k := newDesk(t, people())
	attacker, _ := k.signedIn("vic")
	for what, planted := range map[string]string{"made up": strings.Repeat("A", 43), "the attacker's own": cookieValue(t, attacker)} {
		victim := k.browser()
		u, err := url.Parse(k.url)
		require.NoError(t, err)
		victim.client.Jar.SetCookies(u, []*http.Cookie{{Name: k.door.cookie, Value: planted, Path: "/"}})
		a := victim.signIn("ana", horse)
		require.Equal(t, http.StatusSeeOther, a.StatusCode)
		require.NotEqual(t, planted, cookieOf(k, a).Value, what)
		require.Equal(t, "ana", victim.person().Name)
		require.Equal(t, http.StatusSeeOther, k.browser().page("/", "Cookie", k.door.cookie+"="+planted).StatusCode, what)
	}
	b, first := k.signedIn("ana")
	old := cookieValue(t, b)
	require.Equal(t, http.StatusSeeOther, b.signIn("ana", horse).StatusCode)
	again := b.person()
	require.NotEqual(t, first.Session, again.Session)
	require.NotEqual(t, first.CSRF, again.CSRF)
	require.Equal(t, http.StatusSeeOther, k.browser().page("/", "Cookie", k.door.cookie+"="+old).StatusCode, "one browser has one session")
}

// TestViewerPresses: who may only look changes nothing, whatever they send; who may press somewhere gets as far as the button, which asks again.
func TestViewerPresses(t *testing.T) {
	k := newDesk(t, people())
	vic, p := k.signedIn("vic")
	a := vic.press(p)
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	require.Contains(t, a.text, "vic is a viewer, and nothing was done")
	require.Zero(t, k.acted())
	olga, p := k.signedIn("olga")
	require.Equal(t, http.StatusOK, olga.press(p).StatusCode)
	require.False(t, p.May("web", who.Operator))
	require.Equal(t, http.StatusSeeOther, vic.send(pathSignOut, url.Values{"csrf": {vic.person().CSRF}}).StatusCode, "a viewer may leave")
}

// TestNameThatLeadsHere: a page of somebody else whose name was made to lead to this machine gets nothing from a console without sign-in.
func TestNameThatLeadsHere(t *testing.T) {
	k := newDesk(t, spec.Console{Listen: "127.0.0.1:8321"})
	b := k.browser()
	p := b.person()
	port := k.url[strings.LastIndexByte(k.url, ':'):]
	for _, host := range []string{"evil.example", "evil.example" + port, "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.10", "[2001:db8::1]" + port, "0.0.0.0" + port, "localhost.", "a@localhost", "[::1", " "} {
		a := b.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
		require.Contains(t, []int{http.StatusMisdirectedRequest, http.StatusBadRequest}, a.StatusCode, host)
		require.NotContains(t, a.text, p.CSRF, host)
		require.NotContains(t, a.text, "Roles", host)
	}
	require.Equal(t, http.StatusMisdirectedRequest, b.raw("GET / HTTP/1.0\r\n\r\n").StatusCode, "no name at all")
	require.Equal(t, http.StatusMisdirectedRequest, b.press(p, "Host", "evil.example", "Origin", "http://evil.example").StatusCode)
	for _, host := range []string{"localhost", "LOCALHOST" + port, "127.0.0.1", "127.0.0.53" + port, "[::1]" + port} {
		require.Equal(t, http.StatusOK, b.page("/", "Host", host).StatusCode, host)
	}
	for _, h := range []string{"X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"} {
		require.Equal(t, http.StatusForbidden, b.page("/", h, "192.0.2.7").StatusCode, h)
	}
	require.Zero(t, k.acted())

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr, r.Host = "192.0.2.7:4711", "127.0.0.1"
	w := httptest.NewRecorder()
	k.handler().ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code, "from elsewhere")
}

// raw sends bytes as they are and reads one answer.
func (b *browser) raw(text string) answer {
	b.k.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(b.k.url, "http://"), 5*time.Second)
	require.NoError(b.k, err)
	defer c.Close()
	require.NoError(b.k, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, text)
	require.NoError(b.k, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(b.k, err, text)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(b.k, err)
	return answer{res, string(body)}
}

// TestPathGames: an address that could be read in two ways is read in none.
func TestPathGames(t *testing.T) {
	k := newDesk(t, people())
	b, _ := k.signedIn("ana")
	cookie := "Cookie: " + k.door.cookie + "=" + cookieValue(t, b) + "\r\n"
	for _, target := range []string{
		"//evil.example/", "/%2f/evil.example", "/../", "/assets/../group/orders", "/assets/%2e%2e/group/orders", "/assets/..%2fgroup", "/sign-in/../group/orders",
		"/./", "//", "/a//b", `/\evil.example`, "/%5cevil.example", "/a%00b", "/a%0d%0ab", "http://evil.example/", "http://user@127.0.0.1/", "*", "/" + strings.Repeat("a", 3000),
	} {
		for _, who := range []string{"", cookie} {
			a := b.raw("GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nConnection: close\r\n" + who + "\r\n")
			require.Equal(t, http.StatusBadRequest, a.StatusCode, target)
			require.Empty(t, a.Header.Get("Location"), target)
			require.NotContains(t, a.text, "Roles", target)
		}
	}
	for _, good := range []string{"/", "/group/orders", "/group/orders/", "/incident/orders.3.x%20y?a=%2f..%2f", "/post-mortem.md"} {
		require.Equal(t, http.StatusOK, b.page(good).StatusCode, good)
	}
}

// TestOpenRedirect: sign-in leads to a page of this console and to nowhere else.
func TestOpenRedirect(t *testing.T) {
	for target, want := range map[string]string{
		"/group/orders?a=b#c": "/group/orders?a=b#c", "/group/orders/": "/group/orders/", "/": "/", "": "/",
		"//evil.example": "/", "///evil.example": "/", "https://evil.example": "/", "evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/", "/\t/evil.example": "/",
		"/\n//evil.example": "/", " //evil.example": "/", "javascript:alert(1)": "/", "/%2f/evil": "/", "/a/../../x": "/", "/./x": "/", "/a//evil": "/", "@evil.example": "/",
		"/sign-in": "/", "/sign-in/oidc": "/", "/sign-out": "/", "/\x00": "/", "/ä": "/", "/" + strings.Repeat("a", 5000): "/", "/%zz": "/", "http:/evil": "/", "?next=/": "/",
		"/x\r\nSet-Cookie: a=b": "/",
	} {
		require.Equal(t, want, next(target), "%q", target)
	}
	k := newDesk(t, people())
	for _, target := range []string{"//evil.example/", "https://evil.example", `/\evil.example`, "/x\r\nSet-Cookie: planted=1"} {
		a := k.browser().send(pathSignIn, url.Values{"name": {"ana"}, "password": {horse}, "next": {target}})
		require.Equal(t, "/", a.Header.Get("Location"))
		require.Len(t, a.Cookies(), 1)
		require.Contains(t, k.browser().page("/sign-in?next="+url.QueryEscape(target)).text, `name="next" value="/"`)
		require.NotContains(t, k.browser().page("/sign-in?next="+url.QueryEscape(target)).text, "evil")
	}
}

// TestHeaderInjection: nothing that a stranger sends becomes a header, a line of the log, or markup.
func TestHeaderInjection(t *testing.T) {
	k := newDesk(t, people())
	const evil = "x\r\nSet-Cookie: planted=1\r\n\r\n<script>alert(1)</script>"
	a := k.browser().signIn(evil, evil)
	require.Equal(t, http.StatusUnauthorized, a.StatusCode)
	require.Empty(t, a.Cookies())
	require.NotContains(t, a.text, "<script")
	for _, e := range k.told() {
		require.NotContains(t, e.Name, "\n")
		require.NotContains(t, e.Name, "\r")
		require.LessOrEqual(t, len(e.Name), 63)
	}
	a = k.browser().raw("GET /" + url.PathEscape(evil) + " HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.NotContains(t, a.text, "<script")
	a = k.browser().raw("GET /group/x HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
	require.Equal(t, "/sign-in?next=%2Fgroup%2Fx", a.Header.Get("Location"), "no header says where we are")
}

// TestBigBody: more than a form of ours can hold is not read to its end.
func TestBigBody(t *testing.T) {
	k := newDesk(t, people())
	b, p := k.signedIn("ana")
	a := b.send("/act", url.Values{"csrf": {p.CSRF}, "note": {strings.Repeat("a", mostBody)}})
	require.Equal(t, http.StatusRequestEntityTooLarge, a.StatusCode)
	require.Equal(t, http.StatusRequestEntityTooLarge, k.browser().send(pathSignIn, url.Values{"name": {"ana"}, "password": {strings.Repeat("a", mostSignIn)}}).StatusCode)
	endless := b.form("/act", nil)
	endless.Body, endless.ContentLength = io.NopCloser(io.LimitReader(zeros{}, 1<<30)), -1
	res, err := b.client.Do(endless)
	if err == nil { // the connection may be cut before the answer is read
		require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
		res.Body.Close()
	}
	require.Zero(t, k.acted())
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// TestSlowBody: a form that trickles in is given up after its time, and holds nothing meanwhile but its own connection.
func TestSlowBody(t *testing.T) {
	for name, tc := range map[string]struct{ cookie bool }{"sign-in": {}, "press": {cookie: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &desk{T: t}
				var err error
				k.door, err = New(Options{Console: people(), Name: "sp1"})
				require.NoError(t, err)
				ours, theirs := net.Pipe()
				server := &http.Server{Handler: k.handler(), ReadHeaderTimeout: time.Second}
				go func() { _ = server.Serve(&oneConn{conn: theirs}) }()
				head := "POST /sign-in HTTP/1.1\r\n"
				if tc.cookie {
					token := k.door.sessions.begin(who.Person{Name: "ana", Roles: map[string]who.Role{"*": who.Operator}}, fingerprint{}, time.Time{})
					head = "POST /act HTTP/1.1\r\nCookie: " + k.door.cookie + "=" + token + "\r\n"
				}
				begun := time.Now()
				_, err = io.WriteString(ours, head+"Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n")
				require.NoError(t, err)
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					for range 1000 {
						if _, err := io.WriteString(ours, "a"); err != nil {
							return
						}
						time.Sleep(time.Second) // of the bubble's own clock
					}
				}()
				res, err := http.ReadResponse(bufio.NewReader(ours), nil)
				require.NoError(t, err)
				require.Equal(t, http.StatusRequestTimeout, res.StatusCode)
				require.Equal(t, bodyWithin, time.Since(begun))
				ours.Close()
				server.Close()
				k.door.sessions.endAll()
				<-gone
				require.Zero(t, k.acted())
			})
		})
	}
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn, l.done = nil, make(chan struct{})
		return addressed{c}, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	close(l.done)
	return nil
}
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// addressed is a pipe that comes from somewhere.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711} }

// TestBruteForce: whoever guesses is slowed down, by address and by name; the right password at the wrong moment tells nothing; and who signed
// in from a place before is not kept out of it.
func TestBruteForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New(Options{Console: people(), Name: "sp1"})
		require.NoError(t, err)
		mux := http.NewServeMux()
		d.Routes(mux)
		try := func(from, name, password string) int {
			r := httptest.NewRequest(http.MethodPost, "/sign-in", strings.NewReader(url.Values{"name": {name}, "password": {password}}.Encode()))
			r.RemoteAddr = net.JoinHostPort(from, "4711")
			with(r, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
			w := httptest.NewRecorder()
			d.Wrap(mux).ServeHTTP(w, r)
			return w.Code
		}
		for tries := d.users.tries; tries.cell("as ana") == tries.cell("from 192.0.2.1 as ana"); { // keys may share a cell; here they must not
			tries.seed = maphash.MakeSeed()
		}
		for range 12 {
			require.Equal(t, http.StatusSeeOther, try("192.0.2.1", "ana", horse), "good ones do not count")
		}
		limit := func(from func(i int) string, name func(i int) string) (n int) {
			for n = range 100 {
				code := try(from(n), name(n), "wrong horse")
				if code == http.StatusTooManyRequests {
					return n
				}
				require.Equal(t, http.StatusUnauthorized, code)
			}
			return n
		}
		same := func(s string) func(int) string { return func(int) string { return s } }
		require.Equal(t, 10, limit(same("192.0.2.2"), func(i int) string { return fmt.Sprintf("user%d", i) }), "by address")
		require.Equal(t, http.StatusTooManyRequests, try("192.0.2.2", "ana", horse), "even the right one")
		time.Sleep(time.Hour) // of the bubble's own clock
		require.Equal(t, 10, limit(func(i int) string { return fmt.Sprintf("2001:db8:0:7::%x", i+1) }, func(i int) string { return fmt.Sprintf("other%d", i) }), "of IPv6 a whole network")
		time.Sleep(time.Hour)
		require.Equal(t, 10, limit(func(i int) string { return fmt.Sprintf("198.51.100.%d", i+1) }, same("ana")), "by name, from everywhere")
		require.Equal(t, http.StatusTooManyRequests, try("198.51.100.200", "ana", horse))
		require.Equal(t, http.StatusSeeOther, try("192.0.2.1", "ana", horse), "from where she was before, ana gets in")
		time.Sleep(time.Minute)
		require.Equal(t, http.StatusSeeOther, try("198.51.100.200", "ana", horse))
		d.sessions.endAll()
	})
}

// TestLimiterKeepsItsSize: a million keys take no more memory than one, and a key that waited is free again.
func TestLimiterKeepsItsSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(3, time.Second)
		for range 3 {
			require.Zero(t, l.take("a"))
		}
		require.Equal(t, time.Second, l.take("a"))
		time.Sleep(time.Second)
		require.Zero(t, l.take("a"))
		require.Equal(t, time.Second, l.take("a"))
		l.back("a")
		require.Zero(t, l.take("a"))
		time.Sleep(time.Hour)
		for range 3 {
			require.Zero(t, l.take("a"), "no more are saved up than the burst")
		}
		require.NotZero(t, l.take("a"))
		require.Zero(t, testing.AllocsPerRun(100, func() { l.take("b") }))
		require.Len(t, l.free, limiterCells)
	})
}

// TestUnknownUserTakesAsLong: where there is no such user, the same work is done as for one that there is.
func TestUnknownUserTakesAsLong(t *testing.T) {
	c := people()
	c.Users[1].Password = "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHRzYWx0$sDq4SJydHwxWnLTlXqq5ZzNDfmXrJUlaeTohxQaFrio"
	d, err := New(Options{Console: c})
	require.NoError(t, err)
	costs := map[string]int{}
	for i := range 100 {
		name := fmt.Sprintf("nobody%d", i)
		u, h := d.users.hashOf(name)
		require.Nil(t, u)
		_, again := d.users.hashOf(name)
		require.Equal(t, h.String(), again.String(), "the same name is always the same work")
		costs[strings.Join(strings.Split(h.String(), "$")[:4], "$")]++
		require.NotContains(t, h.String(), "sDq4SJydHwxWnLTlXqq5ZzNDfmXrJUlaeTohxQaFrio")
	}
	require.Len(t, costs, 2, "as many kinds as there are among the users: %v", costs)
}

// endAll ends every session, so that a bubble has no timer left.
func (s *sessions) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.by {
		s.drop(x)
	}
}
