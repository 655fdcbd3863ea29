// Package certtest makes certificates for tests: an authority that one test trusts, and what it vouches for.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates for one test. They are good for thirty days, so that nobody is reminded of their end.
type Authority struct {
	// CAFile is its own certificate in PEM form.
	CAFile string
	// Pool holds it.
	Pool *x509.CertPool

	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	issued int64
}

// New makes one; its files end with the test.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{dir: t.TempDir(), Pool: x509.NewCertPool(), key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	must(t, err)
	a.cert, err = x509.ParseCertificate(der)
	must(t, err)
	a.Pool.AddCert(a.cert)
	a.CAFile = a.write(t, "ca.pem", "CERTIFICATE", der)
	return a
}

// Issue makes a certificate for the name and 127.0.0.1, of a server or a client, and returns it with its two files. The same name again takes the
// files of the one before.
func (a *Authority) Issue(t testing.TB, name string) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	return a.IssueUntil(t, name, time.Now().Add(30*24*time.Hour))
}

// IssueUntil makes one that ends when it is told to, which may be past.
func (a *Authority) IssueUntil(t testing.TB, name string, end time.Time) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key := newKey(t)
	a.issued++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1 + a.issued), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &key.PublicKey, a.key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certFile, keyFile = a.write(t, name+".pem", "CERTIFICATE", der), a.write(t, name+".key", "PRIVATE KEY", secret)
	pair, err = tls.LoadX509KeyPair(certFile, keyFile)
	must(t, err)
	return pair, certFile, keyFile
}

// Server is how a server with a certificate of its own listens. It asks nobody for one; ClientCAs is the pool, should it be made to.
func (a *Authority) Server(t testing.TB) *tls.Config {
	t.Helper()
	pair, _, _ := a.Issue(t, "server")
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientCAs: a.Pool}
}

func (a *Authority) write(t testing.TB, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
