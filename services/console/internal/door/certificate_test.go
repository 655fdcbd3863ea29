package door

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/certtest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/who"
)

// certified is a console with TLS whose people have certificates.
func certified(t *testing.T) (*desk, *certtest.Authority) {
	ca := certtest.New(t)
	_, cert, key := ca.Issue(t, "localhost")
	return newDesk(t, spec.Console{Listen: "127.0.0.1:8321", Cert: cert, Key: key, ClientCA: ca.CAFile, Users: []spec.ConsoleUser{
		{Name: "ana", Certificate: "ana.example.org", Roles: spec.Roles{"*": "operator"}},
		{Name: "ben", Certificate: "ben", Roles: spec.Roles{"*": "viewer"}},
	}}), ca
}

// browserWith shows a certificate; nil: none.
func (k *desk) browserWith(ca *certtest.Authority, pair *tls.Certificate) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(k, err)
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool}, ForceAttemptHTTP2: true}
	if pair != nil {
		t.TLSClientConfig.Certificates = []tls.Certificate{*pair}
	}
	k.Cleanup(t.CloseIdleConnections)
	return &browser{k: k, client: &http.Client{Transport: t, Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func TestSignInWithACertificate(t *testing.T) {
	k, ca := certified(t)
	anas, _, _ := ca.Issue(t, "ana.example.org")
	b := k.browserWith(ca, &anas)
	a := b.page("/sign-in?next=/group/orders")
	require.Equal(t, 2, a.ProtoMajor, "one connection for pages and streams")
	require.Contains(t, a.text, "the certificate of <strong>ana</strong>")
	require.NotContains(t, a.text, `type="password"`, "nobody has one")
	require.NotEmpty(t, a.Header.Get("Strict-Transport-Security"))
	require.Nil(t, b.person(), "to show a certificate is not yet to sign in")
	a = b.send(pathCertificate, url.Values{"next": {"/group/orders"}})
	require.Equal(t, http.StatusSeeOther, a.StatusCode, a.text)
	require.Equal(t, "/group/orders", a.Header.Get("Location"))
	c := cookieOf(k, a)
	require.Equal(t, "__Host-ham-sp1", c.Name)
	require.True(t, c.Secure)
	p := b.person()
	require.Equal(t, "ana", p.Name)
	require.Equal(t, who.Certificate, p.Via)
	require.Equal(t, http.StatusOK, b.press(p).StatusCode)

	// The session is good with that certificate alone: who has stolen the cookie has not got in.
	bens, _, _ := ca.Issue(t, "ben")
	for what, thief := range map[string]*browser{"no certificate": k.browserWith(ca, nil), "another": k.browserWith(ca, &bens)} {
		require.Equal(t, http.StatusSeeOther, thief.page("/", "Cookie", c.Name+"="+c.Value).StatusCode, what)
		require.Equal(t, http.StatusUnauthorized, thief.send("/act", url.Values{"csrf": {p.CSRF}}, "Cookie", c.Name+"="+c.Value).StatusCode, what)
	}
	require.Equal(t, 1, k.acted())
}

func TestCertificatesThatDoNotCount(t *testing.T) {
	k, ca := certified(t)
	stranger, _, _ := ca.Issue(t, "eve")
	a := k.browserWith(ca, &stranger).send(pathCertificate, nil)
	require.Equal(t, http.StatusForbidden, a.StatusCode)
	require.Contains(t, a.text, "the certificate of eve belongs to no user")
	a = k.browserWith(ca, nil).send(pathCertificate, nil)
	require.Equal(t, http.StatusUnauthorized, a.StatusCode)
	require.Contains(t, a.text, "showed no certificate")
	require.Contains(t, k.browserWith(ca, nil).page("/sign-in").text, "your browser showed none")

	forged, _, _ := certtest.New(t).Issue(t, "ana.example.org")
	b := k.browserWith(ca, &forged)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, k.url+"/sign-in", nil)
	require.NoError(t, err)
	res, err := b.client.Do(r)
	if err == nil {
		res.Body.Close()
	}
	require.Error(t, err, "one that nobody vouches for ends the handshake")
	require.Zero(t, k.door.sessions.count())
}

// TestWhoseCertificate: the common name and each alternative name count, and one certificate is one person's.
func TestWhoseCertificate(t *testing.T) {
	u, err := newUsers([]spec.ConsoleUser{
		{Name: "ana", Certificate: "ana@example.org"}, {Name: "ben", Certificate: "ben"}, {Name: "cleo", Certificate: "spiffe://example.org/cleo"}, {Name: "dan", Password: horseHash},
	}, spec.LookupSecret)
	require.NoError(t, err)
	spiffe, err := url.Parse("spiffe://example.org/cleo")
	require.NoError(t, err)
	for want, leaf := range map[string]*x509.Certificate{
		"ana":  {EmailAddresses: []string{"ana@example.org"}},
		"ben":  {Subject: pkix.Name{CommonName: "ben"}},
		"cleo": {Subject: pkix.Name{CommonName: "Cleo C."}, URIs: []*url.URL{spiffe}},
	} {
		x, err := u.named(leaf)
		require.NoError(t, err)
		require.Equal(t, want, x.Name)
	}
	for want, leaf := range map[string]*x509.Certificate{
		"belongs to no user":           {Subject: pkix.Name{CommonName: "dan"}},
		"of x???y belongs to no user":  {Subject: pkix.Name{CommonName: "x\r\n y"}},
		"belongs to no user of this":   {},
		"names ana and ben at once":    {Subject: pkix.Name{CommonName: "ben"}, EmailAddresses: []string{"ana@example.org"}},
		"of BEN belongs to no user of": {Subject: pkix.Name{CommonName: "BEN"}},
	} {
		_, err := u.named(leaf)
		require.ErrorContains(t, err, want)
	}
}

// TestRenewedCertificate: the console takes a new certificate from its file without a restart, and goes on with the old one where the new one is
// not whole.
func TestRenewedCertificate(t *testing.T) {
	ca := certtest.New(t)
	first, cert, key := ca.Issue(t, "console")
	synctest.Test(t, func(t *testing.T) {
		warned := 0
		k := &keyPair{cert: cert, key: key, warn: func(error) { warned++ }}
		got := func() []byte {
			p, err := k.get(nil)
			require.NoError(t, err)
			return p.Certificate[0]
		}
		require.Equal(t, first.Certificate[0], got())
		whole, err := os.ReadFile(cert)
		require.NoError(t, err)
		change := func(text []byte, at time.Time) {
			require.NoError(t, os.WriteFile(cert, text, 0o600))
			require.NoError(t, os.Chtimes(cert, at, at))
		}
		change(whole[:len(whole)/2], time.Now().Add(time.Hour))
		require.Equal(t, first.Certificate[0], got(), "the file is not looked at for each handshake")
		time.Sleep(lookEvery)
		require.Equal(t, first.Certificate[0], got())
		require.Equal(t, 1, warned)
		second, _, _ := ca.Issue(t, "console")
		at := time.Now().Add(2 * time.Hour)
		require.NoError(t, os.Chtimes(cert, at, at))
		time.Sleep(lookEvery)
		require.Equal(t, second.Certificate[0], got())
	})
}
