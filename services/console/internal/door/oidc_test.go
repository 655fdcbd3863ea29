package door

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
)

// identity is a provider on loopback that holds to OpenID Connect: it gives out each code once, to the client that asked, for its
// redirect address, against the verifier of its challenge. A test may make it misbehave.
type identity struct {
	t      *testing.T
	server *httptest.Server
	key    *ecdsa.PrivateKey

	mu      sync.Mutex
	down    bool
	claims  map[string]any              // of the person who signs in
	change  func(claims map[string]any) // of the token, last; may be nil
	signer  *ecdsa.PrivateKey           // nil: key
	forward func(q url.Values)          // of the way back; may be nil
	codes   map[string]url.Values       // what each code was asked with
	asked   []string                    // paths
}

const clientSecret = "the client's own secret"

func newIdentity(t *testing.T) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := &identity{t: t, key: key, codes: map[string]url.Values{}, claims: map[string]any{"sub": "s-1", "preferred_username": "mia", "groups": []string{"ops"}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.asked = append(i.asked, r.URL.Path)
		down := i.down
		i.mu.Unlock()
		if down {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(i.server.Close)
	return i
}

func (i *identity) set(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func (i *identity) discovery(w http.ResponseWriter, _ *http.Request) {
	u := i.server.URL
	_ = json.NewEncoder(w).Encode(map[string]any{
		"issuer": u, "authorization_endpoint": u + "/authorize", "token_endpoint": u + "/token", "jwks_uri": u + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

func (i *identity) keys(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &i.key.PublicKey, KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
}

// authorize lets the person in without asking, as a provider does that knows them, and sends the browser back.
func (i *identity) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != "ham" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 ||
		!strings.Contains(" "+q.Get("scope")+" ", " openid ") || q.Get("nonce") == "" || q.Get("state") == "" {
		http.Error(w, "bad request: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	code := rand.Text()
	i.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {i.server.URL}}
	if i.forward != nil {
		i.forward(back)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (i *identity) token(w http.ResponseWriter, r *http.Request) {
	id, pass, _ := r.BasicAuth()
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	q, known := i.codes[r.PostForm.Get("code")]
	delete(i.codes, r.PostForm.Get("code"))
	challenge := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	pass, _ = url.QueryUnescape(pass)
	if !known || id != "ham" || pass != clientSecret || r.PostForm.Get("redirect_uri") != q.Get("redirect_uri") ||
		base64.RawURLEncoding.EncodeToString(challenge[:]) != q.Get("code_challenge") || r.PostForm.Get("grant_type") != "authorization_code" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	claims := map[string]any{"iss": i.server.URL, "aud": "ham", "nonce": q.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	maps.Copy(claims, i.claims)
	if i.change != nil {
		i.change(claims)
	}
	signer := i.key
	if i.signer != nil {
		signer = i.signer
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": signed(i.t, signer, claims)})
}

func signed(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	require.NoError(t, err)
	body, err := json.Marshal(claims)
	require.NoError(t, err)
	jws, err := s.Sign(body)
	require.NoError(t, err)
	text, err := jws.CompactSerialize()
	require.NoError(t, err)
	return text
}

// identified is a console whose people come from the provider, beside local users.
func identified(t *testing.T, i *identity) *desk {
	c := people()
	c.Users = append(c.Users, spec.ConsoleUser{Name: "kim", Subject: "s-kim", Roles: spec.Roles{"web": "admin"}})
	c.OIDC = &spec.OIDC{
		Issuer: i.server.URL, ClientID: "ham", ClientSecret: "${env:X}", Scopes: []string{"profile"}, NameClaim: "preferred_username", GroupsClaim: "groups",
		Roles: map[string]spec.Roles{"ops": {"*": "operator"}, "leads": {"*": "viewer", "orders": "admin"}},
	}
	c.URL = "http://127.0.0.1:1" // known once it listens
	k := newDesk(t, c, func(o *Options) { o.Secrets = func(string, string) (string, error) { return clientSecret, nil } })
	k.door.oidc.oauth.RedirectURL = k.url + pathCallback
	return k
}

// away follows the browser to the provider; the answer is where that sends it back to.
func (b *browser) away(path string) string {
	b.k.Helper()
	a := b.page(path)
	require.Equal(b.k, http.StatusSeeOther, a.StatusCode, a.text)
	return b.there(a.Header.Get("Location"))
}

// there lets the provider answer.
func (b *browser) there(address string) string {
	b.k.Helper()
	r, err := http.NewRequestWithContext(b.k.Context(), http.MethodGet, address, nil)
	require.NoError(b.k, err)
	a := b.do(r)
	require.Equal(b.k, http.StatusFound, a.StatusCode, a.text)
	back, ok := strings.CutPrefix(a.Header.Get("Location"), b.k.url)
	require.True(b.k, ok, a.Header.Get("Location"))
	return back
}

func (b *browser) back(path string) answer {
	b.k.Helper()
	return b.page(path, "Sec-Fetch-Site", "cross-site")
}

func TestSignInAtAProvider(t *testing.T) {
	i := newIdentity(t)
	k := identified(t, i)
	b := k.browser()
	require.Empty(t, i.asked, "a console starts without its provider")
	require.Contains(t, b.page("/sign-in?next=/group/orders").text, `href="/sign-in/oidc?next=%2Fgroup%2Forders"`)
	back := b.away("/sign-in/oidc?next=/group/orders")
	a := b.back(back)
	require.Equal(t, http.StatusOK, a.StatusCode, a.text)
	require.Contains(t, a.text, `content="0;url=/group/orders"`, "a page of our own goes on, so that the browser sends the new cookie")
	require.Equal(t, http.SameSiteStrictMode, cookieOf(k, a).SameSite)
	p := b.person()
	require.Equal(t, "mia", p.Name)
	require.Equal(t, who.OIDC, p.Via)
	require.Equal(t, map[string]who.Role{"*": who.Operator}, p.Roles)
	require.Equal(t, http.StatusOK, b.press(p).StatusCode)

	i.set(func() {
		i.claims = map[string]any{"sub": "s-2", "preferred_username": "lee@example.org", "groups": []string{"leads", "ops", "others"}}
	})
	b = k.browser()
	b.back(b.away("/sign-in/oidc"))
	p = b.person()
	require.Equal(t, "lee-example-org", p.Name, "as a name is written in the record")
	require.Equal(t, map[string]who.Role{"*": who.Operator, "orders": who.Admin}, p.Roles, "the greater of each")

	i.set(func() { i.claims = map[string]any{"sub": "s-kim", "preferred_username": "whatever", "groups": "leads"} })
	b = k.browser()
	b.back(b.away("/sign-in/oidc"))
	p = b.person()
	require.Equal(t, "kim", p.Name, "a user whom the provider knows by the subject comes under the user's name")
	require.Equal(t, map[string]who.Role{"*": who.Viewer, "orders": who.Admin, "web": who.Admin}, p.Roles)
}

// TestReplayedAnswer: what the provider sent back is good once, in the browser that asked for it, for the sign-in that it belongs to.
func TestReplayedAnswer(t *testing.T) {
	i := newIdentity(t)
	k := identified(t, i)
	victim, thief := k.browser(), k.browser()
	back := victim.away("/sign-in/oidc")
	a := thief.back(back)
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	require.Contains(t, a.text, "this browser has not begun to sign in")
	thief.away("/sign-in/oidc")
	a = thief.back(back)
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	require.Contains(t, a.text, "the answer belongs to another sign-in", "the state is the victim's")
	require.Nil(t, thief.person())

	require.Equal(t, http.StatusOK, victim.back(back).StatusCode, "what the thief tried has spoilt nothing")
	require.NotNil(t, victim.person())
	a = victim.back(back)
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	require.Contains(t, a.text, "has not begun to sign in", "once is enough: the cookie is gone")
	u, err := url.Parse(back)
	require.NoError(t, err)

	again := k.browser()
	cookies := again.attempt()
	back = again.there(cookies.Header.Get("Location"))
	var planted string
	for _, c := range cookies.Cookies() {
		if c.Name == k.door.attemptCookie() {
			require.Equal(t, http.SameSiteLaxMode, c.SameSite, "else it would not come along when the provider sends the browser back")
			require.True(t, c.HttpOnly)
			planted = c.Value
		}
	}
	require.Equal(t, http.StatusOK, again.back(back).StatusCode)
	a = k.browser().page(back, "Cookie", k.door.attemptCookie()+"="+planted)
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	require.Contains(t, a.text, "this sign-in is over", "and with the cookie, too")

	other := k.browser()
	forged, err := url.Parse(other.away("/sign-in/oidc"))
	require.NoError(t, err)
	q := forged.Query()
	q.Set("code", u.Query().Get("code"))
	require.Equal(t, http.StatusForbidden, other.back(pathCallback+"?"+q.Encode()).StatusCode, "a used code")
}

func (b *browser) attempt() answer { return b.page("/sign-in/oidc") }

// TestForgedTokens: a token that is another's, of another sign-in, of another time or by another hand lets nobody in.
func TestForgedTokens(t *testing.T) {
	i := newIdentity(t)
	k := identified(t, i)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for what, tc := range map[string]struct {
		change  func(map[string]any)
		forward func(url.Values)
		signer  *ecdsa.PrivateKey
		want    string
	}{
		"another nonce":            {change: func(c map[string]any) { c["nonce"] = "replayed" }, want: "belongs to another sign-in"},
		"no nonce":                 {change: func(c map[string]any) { delete(c, "nonce") }, want: "belongs to another sign-in"},
		"another audience":         {change: func(c map[string]any) { c["aud"] = "shop" }, want: "its token is not good"},
		"made for another program": {change: func(c map[string]any) { c["aud"], c["azp"] = []string{"ham", "shop"}, "shop" }, want: "made for another program"},
		"another issuer":           {change: func(c map[string]any) { c["iss"] = "https://evil.example" }, want: "its token is not good"},
		"expired":                  {change: func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }, want: "its token is not good"},
		"signed by another":        {signer: other, want: "its token is not good"},
		"two tokens of two":        {change: func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }, want: "do not belong together"},
		"the answer of another":    {forward: func(q url.Values) { q.Set("iss", "https://evil.example") }, want: "comes from another provider"},
		"another state":            {forward: func(q url.Values) { q.Set("state", "replayed") }, want: "belongs to another sign-in"},
		"no state":                 {forward: func(q url.Values) { q.Del("state") }, want: "belongs to another sign-in"},
		"another code":             {forward: func(q url.Values) { q.Set("code", "guessed") }, want: "does not take its own code back"},
		"refused there":            {forward: func(q url.Values) { q.Set("error", "access_denied"); q.Del("code") }, want: "it says access_denied"},
		"markup":                   {forward: func(q url.Values) { q.Set("error", "<script>x\r\n") }, want: "it says &lt;script&gt;x??"},
		"no name":                  {change: func(c map[string]any) { delete(c, "preferred_username") }, want: "no name in the claim preferred_username"},
		"a name that is none":      {change: func(c map[string]any) { c["preferred_username"] = []string{"mia"} }, want: "no name in the claim"},
		"the name of a local user": {change: func(c map[string]any) { c["preferred_username"] = "ana" }, want: "ana is a user of this console"},
		"in no group":              {change: func(c map[string]any) { c["groups"] = []string{"sales", "OPS"} }, want: "mia is in no group that may do anything here"},
		"groups that are no list":  {change: func(c map[string]any) { c["groups"] = map[string]any{"ops": true} }, want: "mia is in no group"},
	} {
		i.set(func() { i.change, i.forward, i.signer = tc.change, tc.forward, tc.signer })
		b := k.browser()
		a := b.back(b.away("/sign-in/oidc"))
		require.Equal(t, http.StatusForbidden, a.StatusCode, what)
		require.Contains(t, a.text, tc.want, what)
		require.NotContains(t, a.text, "<script", what)
		require.Nil(t, cookieOf(k, a), what)
		require.Nil(t, b.person(), what)
		k.door.oidc.starts = newLimiter(20, time.Second)
	}
	require.Zero(t, k.door.sessions.count())
	for _, e := range k.told() {
		require.Equal(t, Refused, e.What)
		require.NotContains(t, e.Why, clientSecret)
	}
}

// TestOneNameOnePerson: two people of the provider do not share a name in the record, whatever the provider calls them.
func TestOneNameOnePerson(t *testing.T) {
	i := newIdentity(t)
	k := identified(t, i)
	b := k.browser()
	b.back(b.away("/sign-in/oidc"))
	require.NotNil(t, b.person())
	i.set(func() { i.claims["sub"] = "s-9" })
	b = k.browser()
	a := b.back(b.away("/sign-in/oidc"))
	require.Contains(t, a.text, "somebody else signed in here as mia already")
	require.Nil(t, b.person())

	k.door.oidc.c.NameClaim = "email"
	i.set(func() {
		i.claims = map[string]any{"sub": "s-5", "email": "zoe@example.org", "email_verified": false, "groups": []string{"ops"}}
	})
	b = k.browser()
	require.Contains(t, b.back(b.away("/sign-in/oidc")).text, "has not verified the mail address")
	i.set(func() { i.claims["email_verified"] = true })
	b.back(b.away("/sign-in/oidc"))
	require.Equal(t, "zoe-example-org", b.person().Name)
}

// TestProviderAway: without its provider the console serves all others, and says what is wrong; it asks again when it is back.
func TestProviderAway(t *testing.T) {
	i := newIdentity(t)
	i.set(func() { i.down = true })
	k := identified(t, i)
	b := k.browser()
	a := b.page("/sign-in/oidc")
	require.Equal(t, http.StatusBadGateway, a.StatusCode)
	require.Contains(t, a.text, "does not answer at this moment. Sign in by another way, or use ham on a host.")
	require.Contains(t, a.text, `type="password"`)
	require.Equal(t, http.StatusBadGateway, b.page("/sign-in/oidc").StatusCode)
	i.mu.Lock()
	require.Len(t, i.asked, 1, "it is not asked for each click")
	i.mu.Unlock()
	require.Equal(t, http.StatusSeeOther, b.signIn("ana", horse).StatusCode)
	i.set(func() { i.down = false })
	k.door.oidc.finding.Lock()
	k.door.oidc.failed = time.Now().Add(-againAfter)
	k.door.oidc.finding.Unlock()
	require.Equal(t, http.StatusOK, b.back(b.away("/sign-in/oidc")).StatusCode)
	require.Equal(t, "mia", b.person().Name, "who signs in anew is who counts")
	require.Equal(t, 1, k.door.sessions.count())
}

// TestAttempts: those who never come back are forgotten, and their number is bounded.
func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{attempts: map[fingerprint]attempt{}}
		first := p.begin(attempt{begun: time.Now()})
		time.Sleep(time.Second)
		for range mostAttempts {
			p.begin(attempt{begun: time.Now()})
		}
		require.Len(t, p.attempts, mostAttempts)
		_, ok := p.take(first, time.Now())
		require.False(t, ok)
		last := p.begin(attempt{begun: time.Now()})
		time.Sleep(attemptFor + time.Second)
		_, ok = p.take(last, time.Now())
		require.False(t, ok, "too late")
		p.begin(attempt{begun: time.Now()})
		require.Len(t, p.attempts, 1)
	})
}

func TestManyStarts(t *testing.T) {
	i := newIdentity(t)
	k := identified(t, i)
	b := k.browser()
	for n := range 100 {
		if b.page("/sign-in/oidc").StatusCode == http.StatusTooManyRequests {
			require.GreaterOrEqual(t, n, 20)
			return
		}
	}
	t.Fatal("a hundred starts from one address")
}
