package stack_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/certtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/password"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// TestConsoleWithSignIn: a console that a file opens to people speaks TLS, shows nothing before sign-in, and the record says who signed in.
func TestConsoleWithSignIn(t *testing.T) {
	hash, err := password.New("three plain words")
	require.NoError(t, err)
	ca := certtest.New(t)
	_, cert, key := ca.Issue(t, "console")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := stack.Start(ctx, stack.Options{
		Process: spec.Process{
			Name: "sp1", Site: "sp", HTTP: "off", StateDir: t.TempDir(), Bus: spec.Bus{Listen: "127.0.0.1:0"},
			Console: spec.Console{Listen: "127.0.0.1:0", Cert: cert, Key: key, Users: []spec.ConsoleUser{{Name: "ana", Password: spec.Secret(hash.String()), Roles: spec.Roles{"*": "operator"}}}},
		},
		Services: []string{stack.Console}, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	running := make(chan error, 1)
	run, stop := context.WithCancel(ctx)
	go func() { running <- s.Run(run) }()
	defer func() { stop(); require.NoError(t, <-running) }()

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	browser := &http.Client{Transport: transport, Jar: jar, Timeout: 20 * time.Second}
	require.True(t, strings.HasPrefix(s.Console, "https://"), s.Console)
	page := func(r *http.Request) (string, string) {
		r.Header.Set("Accept", "text/html")
		res, err := browser.Do(r.WithContext(ctx))
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return string(body), res.Request.URL.Path
	}
	get := func() (string, string) {
		r, err := http.NewRequest(http.MethodGet, s.Console, nil)
		require.NoError(t, err)
		return page(r)
	}
	text, at := get()
	require.Equal(t, "/sign-in", at)
	require.Contains(t, text, "Console sp1, site sp")

	events := make(chan *message.Event, 16)
	following, done := context.WithCancel(ctx)
	go func() {
		_ = s.Bus.Follow(following, bus.FollowOptions{Stream: subject.StreamEvents}, func(d bus.Delivery) {
			if e, ok := d.Message.(*message.Event); ok {
				events <- e
			}
		})
	}()
	defer done()
	form := url.Values{"name": {"ana"}, "password": {"three plain words"}, "next": {"/"}}
	r, err := http.NewRequest(http.MethodPost, strings.TrimSuffix(s.Console, "/")+"/sign-in", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	text, at = page(r)
	require.Equal(t, "/", at, text)
	require.Contains(t, text, ">ana<")
	require.Contains(t, text, `action="/sign-out"`)
	select {
	case e := <-events:
		require.Equal(t, "ana signed in to console sp1 by a password, from 127.0.0.1", e.Sentence)
		require.Equal(t, "ana", e.Actor)
	case <-ctx.Done():
		t.Fatal("the record does not say who signed in")
	}
}

// TestConsoleThatWouldBeOpen: what the file's reader refuses, a process refuses, too.
func TestConsoleThatWouldBeOpen(t *testing.T) {
	_, err := stack.Start(t.Context(), stack.Options{
		Process: spec.Process{
			Name: "sp1", Site: "sp", HTTP: "off", StateDir: t.TempDir(), Bus: spec.Bus{Listen: "127.0.0.1:0"},
			Console: spec.Console{Listen: "0.0.0.0:0"},
		},
		Services: []string{stack.Console}, Log: slog.New(slog.DiscardHandler),
	})
	require.ErrorContains(t, err, "ham.console.listen: got 0.0.0.0:0, which others can reach, and nobody signs in")
}
