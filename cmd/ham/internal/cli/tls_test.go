package cli_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus/embedded"
)

// authority writes a certificate that vouches for itself and its key, and returns the files with what a server shows.
func authority(t *testing.T, dir string) (cert, key string, conf *tls.Config) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &private.PublicKey, private)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	trusted, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(trusted)
	return cert, key, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// A bus with TLS that asks for a certificate is reached by three flags, and each that is missing or wrong is named.
func TestABusWithTLSIsReached(t *testing.T) {
	cert, key, conf := authority(t, t.TempDir())
	other, _, _ := authority(t, t.TempDir())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := embedded.Start(ctx, embedded.Options{Name: "one", StoreDir: t.TempDir(), Listen: "127.0.0.1:0", NoSync: true, TLS: conf, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Shutdown(ctx)) }()
	at := s.ClientURL()
	at = "tls://" + at[strings.LastIndex(at, "/")+1:]

	code, out, errs := run("doctor", "--server", at, "--ca", cert, "--cert", cert, "--key", key)
	require.Contains(t, out, "reached one", errs)
	require.Equal(t, 1, code) // nothing else runs

	for want, args := range map[string][]string{
		"hint: name the certificate of the authority that vouches for the bus: --ca or HAM_CA":             {"--timeout", "300ms", "--log-level", "error"},
		"hint: the bus refuses what this side shows; if it asks for a certificate: --cert and --key":       {"--timeout", "300ms", "--ca", cert},
		"--cert and --key (HAM_CERT, HAM_KEY) belong together: one of them is missing":                     {"--ca", cert, "--cert", cert},
		"ham: --ca: open /nonexistent/ca.crt: no such file or directory":                                   {"--ca", "/nonexistent/ca.crt"},
		"ham: --ca: " + key + " holds no certificate in PEM form":                                          {"--ca", key},
		"ham: --cert and --key: tls: found a certificate rather than a key in the PEM for the private key": {"--ca", cert, "--cert", cert, "--key", cert},
		"certificate signed by unknown authority":                                                          {"--timeout", "300ms", "--ca", other, "--cert", cert, "--key", key},
	} {
		code, _, errs := run(append([]string{"status", "--server", at}, args...)...)
		require.NotEqual(t, 0, code, want)
		require.Contains(t, errs, want)
	}
}
