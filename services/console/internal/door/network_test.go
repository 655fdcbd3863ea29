package door

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
)

// TestWhereFrom: the peer's own address counts, unless the peer is a proxy that the file names; then the nearest address that is none.
func TestWhereFrom(t *testing.T) {
	for _, tc := range []struct {
		what, peer string
		hops       []string
		proxies    []string
		want       string // empty: refused
	}{
		{"nobody between", "192.0.2.7", nil, nil, "192.0.2.7"},
		{"a stranger says who they are", "192.0.2.7", []string{"127.0.0.1"}, nil, "192.0.2.7"},
		{"a stranger says so before a console behind a proxy, with TLS of its own", "192.0.2.7", []string{"127.0.0.1"}, []string{"198.51.100.1"}, ""},
		{"the proxy says", "198.51.100.1", []string{"192.0.2.7"}, []string{"198.51.100.1"}, "192.0.2.7"},
		{"the proxy repeats what a stranger said", "198.51.100.1", []string{"127.0.0.1, 192.0.2.7"}, []string{"198.51.100.1"}, "192.0.2.7"},
		{"in two lines", "198.51.100.1", []string{"127.0.0.1", "192.0.2.7"}, []string{"198.51.100.1"}, "192.0.2.7"},
		{"two proxies", "198.51.100.1", []string{"10.0.0.1, 192.0.2.7, 198.51.100.2"}, []string{"198.51.100.0/24"}, "192.0.2.7"},
		{"with a port", "198.51.100.1", []string{"192.0.2.7:4711"}, []string{"198.51.100.1"}, "192.0.2.7"},
		{"IPv6, with a port", "198.51.100.1", []string{"[2001:db8::7]:4711"}, []string{"198.51.100.1"}, "2001:db8::7"},
		{"IPv4 in IPv6", "::ffff:198.51.100.1", []string{"::ffff:192.0.2.7"}, []string{"198.51.100.1"}, "192.0.2.7"},
		{"the proxy says nothing", "198.51.100.1", nil, []string{"198.51.100.1"}, "198.51.100.1"},
		{"the proxy says nonsense", "198.51.100.1", []string{"192.0.2.7, unknown"}, []string{"198.51.100.1"}, ""},
		{"the peer is nowhere", "", nil, nil, ""},
	} {
		c := people()
		c.TrustedProxies = tc.proxies
		d, err := New(Options{Console: c})
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = net.JoinHostPort(tc.peer, "4711")
		r.Header["X-Forwarded-For"] = tc.hops
		from, no := d.examine(r)
		if tc.want == "" {
			require.NotNil(t, no, tc.what)
			continue
		}
		require.Nil(t, no, tc.what)
		require.Equal(t, tc.want, from.String(), tc.what)
	}
}

// TestNetworks: who comes from elsewhere sees not even the sign-in page, whatever they say of themselves.
func TestNetworks(t *testing.T) {
	c := people()
	c.Networks = []string{"192.0.2.0/24", "2001:db8:7::/48", "198.51.100.9"}
	d, err := New(Options{Console: c, Public: "/assets/"})
	require.NoError(t, err)
	mux := http.NewServeMux()
	d.Routes(mux)
	for from, want := range map[string]int{
		"192.0.2.1": http.StatusOK, "192.0.2.255": http.StatusOK, "2001:db8:7::1": http.StatusOK, "198.51.100.9": http.StatusOK, "::ffff:192.0.2.1": http.StatusOK,
		"192.0.3.1": http.StatusForbidden, "198.51.100.8": http.StatusForbidden, "2001:db8:8::1": http.StatusForbidden, "127.0.0.1": http.StatusForbidden,
	} {
		r := with(httptest.NewRequest(http.MethodGet, "/sign-in", nil), "X-Forwarded-For", "192.0.2.1", "Accept", "text/html")
		r.RemoteAddr = net.JoinHostPort(from, "4711")
		w := httptest.NewRecorder()
		d.Wrap(mux).ServeHTTP(w, r)
		require.Equal(t, want, w.Code, from)
	}
}

// TestNotBesideTheProxy: a console that speaks no TLS takes nobody who comes past the proxy that does.
func TestNotBesideTheProxy(t *testing.T) {
	c := people()
	c.Listen, c.TrustedProxies = "192.0.2.10:8321", []string{"198.51.100.1"}
	d, err := New(Options{Console: c})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/sign-in", nil)
	r.RemoteAddr = "192.0.2.66:4711"
	_, no := d.examine(r)
	require.NotNil(t, no)
	require.Equal(t, http.StatusForbidden, no.status)
	_, err = New(Options{Console: spec.Console{Listen: "127.0.0.1:8321", Networks: []string{"127.0.0.0/8"}}})
	require.NoError(t, err)
}
