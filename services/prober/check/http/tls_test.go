package http

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/certtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

func secured(t *testing.T, config *tls.Config) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = config
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func with(declared spec.TLS) func(*spec.HTTPCheck) {
	return func(h *spec.HTTPCheck) { h.TLS = declared }
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := certtest.New(t), certtest.New(t)
	pair, _, _ := ours.Issue(t, "site.example")
	_, clientCert, clientKey := ours.Issue(t, "prober")
	_, strangeCert, strangeKey := theirs.Issue(t, "stranger")
	open := secured(t, &tls.Config{Certificates: []tls.Certificate{pair}})
	mutual := secured(t, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.Pool})
	plain := "https" + server(t, status(200))[len("http"):]
	for _, c := range []struct {
		name     string
		url      string
		tls      spec.TLS
		answer   message.Answer
		evidence string
	}{
		{"trusted", open, spec.TLS{CAFile: ours.CAFile}, message.Up, ""},
		{"trusted by another name", open, spec.TLS{CAFile: ours.CAFile, ServerName: "site.example"}, message.Up, ""},
		{"wrong name", open, spec.TLS{CAFile: ours.CAFile, ServerName: "other.example"}, message.Down, "not other.example"},
		{"signed by nobody we know", open, spec.TLS{CAFile: theirs.CAFile}, message.Down, "an authority that is not trusted here"},
		{"anything goes", open, spec.TLS{InsecureSkipVerify: true}, message.Up, ""},
		{"no TLS there", plain, spec.TLS{CAFile: ours.CAFile}, message.Down, "it does not speak TLS"},
		{"mutual", mutual, spec.TLS{CAFile: ours.CAFile, CertFile: clientCert, KeyFile: clientKey}, message.Up, ""},
		{"it wants our certificate", mutual, spec.TLS{CAFile: ours.CAFile}, message.Unknown, "it refuses the certificate that this prober shows"},
		{"it refuses our certificate", mutual, spec.TLS{CAFile: ours.CAFile, CertFile: strangeCert, KeyFile: strangeKey}, message.Unknown, "it refuses the certificate that this prober shows"},
		{"our key is missing", open, spec.TLS{CAFile: ours.CAFile, CertFile: clientCert, KeyFile: "/nonexistent/key"}, message.Unknown, "client key /nonexistent/key: no such file"},
		{"our CA file is no CA", open, spec.TLS{CAFile: clientKey}, message.Unknown, "holds no certificate"},
	} {
		look, _ := looking(t, page(c.url, with(c.tls)), nil)
		for range 2 {
			r := look()
			require.Equal(t, c.answer, r.Answer, "%s: %s", c.name, r.Evidence)
			require.Contains(t, r.Evidence, c.evidence, c.name)
			require.False(t, r.Hard, c.name)
		}
	}
}

func TestTLSKeepsOneConnection(t *testing.T) {
	t.Parallel()
	ours := certtest.New(t)
	pair, _, _ := ours.Issue(t, "site.example")
	handshakes := make(chan struct{}, 8)
	url := secured(t, &tls.Config{Certificates: []tls.Certificate{pair}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		handshakes <- struct{}{}
		return nil, nil
	}})
	look, woken := looking(t, page(url, with(spec.TLS{CAFile: ours.CAFile})), nil)
	for range 5 {
		require.Equal(t, message.Up, look().Answer)
	}
	require.Len(t, handshakes, 1)
	require.Empty(t, woken)
}

// A rotated CA file is taken with the next connection.
func TestRotatedAuthorityIsTaken(t *testing.T) {
	t.Parallel()
	old, fresh := certtest.New(t), certtest.New(t)
	pair, _, _ := fresh.Issue(t, "site.example")
	url := secured(t, &tls.Config{Certificates: []tls.Certificate{pair}})
	look, _ := looking(t, page(url, with(spec.TLS{CAFile: old.CAFile})), nil)
	require.Equal(t, message.Down, look().Answer)
	pem, err := os.ReadFile(fresh.CAFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(old.CAFile, pem, 0o600))
	require.NoError(t, os.Chtimes(old.CAFile, time.Time{}, time.Now().Add(time.Minute))) // the clock of the file system may be coarse
	r := look()
	require.Equal(t, message.Up, r.Answer, r.Evidence)
}
