package runbooks

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

func parse(t *testing.T, text string) *spec.Group {
	t.Helper()
	f, err := file.Parse("web.yaml", []byte(text))
	require.NoError(t, err)
	return f.Groups[0].Group
}

const web = `group: web
members: {a: {site: sp, url: "http://192.0.2.10"}, b: {site: rj, url: "http://198.51.100.10"}}
checks: {alive: {http: /alive, from: [sp, rj]}}
routes: {front: {haproxy: "tcp://192.0.2.2:9999", backend: web, servers: {a: s1, b: s2}}}
`

// TestRenewedWithTheSpec: the page follows the spec in force, is never seen half, and goes with its group.
func TestRenewedWithTheSpec(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runbooks")
	k := New(dir, slog.New(slog.DiscardHandler))
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	until := func(what string, right func(page string, err error) bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			text, err := os.ReadFile(filepath.Join(dir, "web.md"))
			return right(string(text), err)
		}, 30*time.Second, time.Millisecond, what)
	}
	g := parse(t, web)
	g.Revision = 7
	k.Spec("web", g)
	until("the page", func(page string, err error) bool { return err == nil && len(page) > 0 })
	text, err := os.ReadFile(filepath.Join(dir, "web.md"))
	require.NoError(t, err)
	require.Contains(t, string(text), "Made of revision 7")
	require.Contains(t, string(text), "set server web/s2 state ready")

	k.Spec("../web", g) // no name, and no file
	next := *g
	next.Revision = 8
	k.Spec("web", &next)
	until("revision 8", func(page string, _ error) bool { return len(page) > 0 && page != string(text) })
	k.Spec("web", nil)
	until("it is gone", func(_ string, err error) bool { return os.IsNotExist(err) })
	end()
	require.ErrorIs(t, <-done, context.Canceled)
	left, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

// TestADiskThatTakesNothing: it is logged, and nothing else comes of it.
func TestADiskThatTakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.Error(t, New(filepath.Join(path, "runbooks"), slog.New(slog.DiscardHandler)).write("web", parse(t, web)))
}
