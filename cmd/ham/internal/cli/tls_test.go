package cli_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/certtest"
)

// A bus with TLS that asks for a certificate is reached by three flags, and each that is missing or wrong is named.
func TestABusWithTLSIsReached(t *testing.T) {
	ours := certtest.New(t)
	ca, other := ours.CAFile, certtest.New(t).CAFile
	_, cert, key := ours.Issue(t, "ana")
	conf := ours.Server(t)
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := embedded.Start(ctx, embedded.Options{Name: "one", StoreDir: t.TempDir(), Listen: "127.0.0.1:0", NoSync: true, TLS: conf, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Shutdown(ctx)) }()
	at := s.ClientURL()
	at = "tls://" + at[strings.LastIndex(at, "/")+1:]

	code, out, errs := run("doctor", "--server", at, "--ca", ca, "--cert", cert, "--key", key)
	require.Contains(t, out, "reached one", errs)
	require.Equal(t, 1, code) // nothing else runs

	for want, args := range map[string][]string{
		"hint: name the certificate of the authority that vouches for the bus: --ca or HAM_CA":             {"--timeout", "300ms", "--log-level", "error"},
		"hint: the bus refuses what this side shows; if it asks for a certificate: --cert and --key":       {"--timeout", "300ms", "--ca", ca},
		"--cert and --key (HAM_CERT, HAM_KEY) belong together: one of them is missing":                     {"--ca", ca, "--cert", cert},
		"ham: --ca: open /nonexistent/ca.crt: no such file or directory":                                   {"--ca", "/nonexistent/ca.crt"},
		"ham: --ca: " + key + " holds no certificate in PEM form":                                          {"--ca", key},
		"ham: --cert and --key: tls: found a certificate rather than a key in the PEM for the private key": {"--ca", ca, "--cert", cert, "--key", cert},
		"certificate signed by unknown authority":                                                          {"--timeout", "300ms", "--ca", other, "--cert", cert, "--key", key},
	} {
		code, _, errs := run(append([]string{"status", "--server", at}, args...)...)
		require.NotEqual(t, 0, code, want)
		require.Contains(t, errs, want)
	}
}
