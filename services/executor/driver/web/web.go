// Package web makes one HTTP call for a driver: no redirects, no kept connections, secrets resolved at the moment of use.
package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync/atomic"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Call is one call.
type Call struct {
	Method, URL string
	Headers     map[string]spec.Secret
	Body        string
	TLS         *spec.TLS
	// MaxBody is how much of the answer is read, in bytes.
	MaxBody int64
}

// Answer is what came back.
type Answer struct {
	Code   int
	Status string // "503 Service Unavailable"
	Body   []byte
}

// Ask makes the call. An error is driver.ErrUnasked where nothing was sent, and wraps what the network said; otherwise the call was
// sent, and nobody knows what it did.
func Ask(ctx context.Context, in driver.Input, c Call) (Answer, error) {
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, c.Method, c.URL, strings.NewReader(c.Body))
	if err != nil {
		return Answer{}, driver.Unasked("the request cannot be made: %w", bare(err))
	}
	for name, secret := range c.Headers {
		value, err := in.Secrets.Resolve(secret)
		if err != nil {
			return Answer{}, driver.Unasked("header %s: %w", name, err)
		}
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	cfg := &tls.Config{}
	if c.TLS != nil {
		if cfg, err = TLSConfig(*c.TLS); err != nil {
			return Answer{}, err
		}
	}
	transport := &http.Transport{Proxy: nil, TLSClientConfig: cfg, DisableKeepAlives: true, ForceAttemptHTTP2: false}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		if !sent.Load() && ctx.Err() == nil {
			return Answer{}, driver.Unasked("%w", bare(err))
		}
		return Answer{}, bare(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.MaxBody))
	if err != nil && ctx.Err() != nil {
		return Answer{}, bare(err)
	}
	return Answer{Code: resp.StatusCode, Status: resp.Status, Body: body}, nil
}

// bare takes the URL out of an error: it may hold a password.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// TLSConfig reads the files that t names. The error is driver.ErrUnasked and names the file.
func TLSConfig(t spec.TLS) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, driver.Unasked("ca file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, driver.Unasked("ca file %s holds no certificate in PEM form", t.CAFile)
		}
	}
	if t.CertFile != "" || t.KeyFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, driver.Unasked("client certificate %s, key %s: %w", t.CertFile, t.KeyFile, err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}
