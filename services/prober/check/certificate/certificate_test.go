package certificate

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/certtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

const ample = 20 * time.Second

func served(t *testing.T, pair tls.Certificate) spec.Check {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = c.(*tls.Conn).HandshakeContext(t.Context())
				_ = c.Close()
			}()
		}
	}()
	return at(l.Addr().String())
}

func at(address string) spec.Check {
	return spec.Check{Name: "tls", Timeout: ample, Certificate: &spec.CertificateCheck{Address: address}}
}

func file(path string) spec.Check {
	return spec.Check{Name: "tls", Timeout: ample, Certificate: &spec.CertificateCheck{File: path}}
}

func TestSuite(t *testing.T) {
	checktest.Run(t, checktest.Suite{
		Kind: Kind, Measures: true,
		Up: func(t *testing.T) spec.Check {
			pair, _, _ := certtest.New(t).Issue(t, "up")
			return served(t, pair)
		},
		CannotAsk: func(t *testing.T) spec.Check { return file(filepath.Join(t.TempDir(), "none.pem")) },
		Hangs:     func(t *testing.T) spec.Check { return at(checktest.Silent(t)) },
		Gone:      func(t *testing.T) spec.Check { return at(checktest.Nobody(t)) },
		SaysNo: func(t *testing.T) spec.Check {
			return at(checktest.Listen(t, func(c net.Conn) { _, _ = c.Write([]byte("220 mail.example.org ESMTP\r\n")) }))
		},
	})
}

func look(t *testing.T, c spec.Check) check.Result {
	t.Helper()
	l, err := Kind.Open(check.Target{Check: c})
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), ample)
	defer cancel()
	return l.Look(ctx)
}

// The days of a real server and of files: of several certificates the one that ends first, and one that has ended or is signed by nobody known as well.
func TestDays(t *testing.T) {
	a := certtest.New(t)
	day := 24 * time.Hour
	pair, soon, _ := a.IssueUntil(t, "soon.example.org", time.Now().Add(10*day+time.Hour))
	_, later, key := a.IssueUntil(t, "later.example.org", time.Now().Add(90*day))
	ended, endedFile, _ := a.IssueUntil(t, "ended.example.org", time.Now().Add(-3*day))
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	var all []byte
	for _, f := range []string{key, later, soon} {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		all = append(all, b...)
	}
	require.NoError(t, os.WriteFile(bundle, all, 0o600))
	for name, c := range map[string]struct {
		check spec.Check
		days  float64
		says  string
	}{
		"server":                  {served(t, pair), 10, "soon.example.org is valid until "},
		"server that has ended":   {served(t, ended), -3, "ended.example.org is valid until "},
		"file":                    {file(later), 90, "later.example.org is valid until "},
		"file that has ended":     {file(endedFile), -3, "ended.example.org is valid until "},
		"file with key and three": {file(bundle), 10, "soon.example.org is valid until "},
	} {
		r := look(t, c.check)
		require.Equal(t, message.Up, r.Answer, "%s: %s", name, r.Evidence)
		require.InDelta(t, c.days, r.Perf[spec.FigureDays], 0.1, name)
		require.True(t, strings.HasPrefix(r.Evidence, c.says), "%s: %s", name, r.Evidence)
	}
}

func TestWhatHoldsNoCertificate(t *testing.T) {
	a := certtest.New(t)
	_, _, key := a.Issue(t, "x")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	text, binary := write("text.pem", "hello"), write("x.der", "\x30\x82\x01")
	torn := write("torn.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
	huge := write("huge.pem", strings.Repeat("x", 5<<20))
	plain := checktest.Listen(t, func(c net.Conn) { _, _ = c.Write([]byte("220 mail.example.org ESMTP\r\n")) })
	for _, c := range []struct {
		check spec.Check
		says  string
	}{
		{file(text), "cannot measure: file " + text + " holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"},
		{file(binary), "cannot measure: file " + binary + " holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"},
		{file(key), "cannot measure: file " + key + " holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"},
		{file(torn), "cannot measure: file " + torn + ": certificate 1 in it cannot be read"},
		{file(huge), "cannot measure: file " + huge + " has more than 4194304 bytes, which no certificate has"},
		{file(dir), "cannot measure: file " + dir + " is no regular file"},
		{file(filepath.Join(dir, "none")), "cannot measure: file " + filepath.Join(dir, "none") + ": no such file or directory"},
		{at(plain), "cannot measure the certificate of " + plain + ": TLS with " + plain + ": it does not speak TLS"},
	} {
		r := look(t, c.check)
		require.Equal(t, message.Unknown, r.Answer)
		require.Empty(t, r.Perf)
		require.True(t, strings.HasPrefix(r.Evidence, c.says), r.Evidence)
	}
}
