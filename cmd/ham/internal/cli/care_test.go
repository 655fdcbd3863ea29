package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/cli"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/spec/store"
)

const pairText = `group: web
members:
  a: {site: sp, url: http://192.0.2.10:8080}
  b: {site: rj, url: http://198.51.100.10:8080}
checks:
  alive: {http: /alive, from: [sp, rj, wit]}
`

// runIn runs a command with these variables.
func runIn(env map[string]string, args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = cli.Main(context.Background(), args, cli.IO{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Env: func(k string) string { return env[k] }})
	return code, stdout.String(), stderr.String()
}

// The history says who changed what, when and why; going back is a new revision with the text of the old one, and no way past what somebody else applied.
func TestHistoryAndRollback(t *testing.T) {
	s := bustest.Start(t, bustest.Listening)
	b := bustest.Connect(t, s, "setup")
	bustest.Provision(t, b)
	ctx := t.Context()
	first, err := store.Put(ctx, b, pairText, "ana", "to begin with", 0, store.FromFile("web.yaml"))
	require.NoError(t, err)
	second, err := store.Put(ctx, b, pairText+"mode: auto\n", "bob", "it is time", first)
	require.NoError(t, err)

	code, out, errs := run("history", "web", "--server", s.ClientURL(), "-o", "json")
	require.Equal(t, 0, code, errs)
	var all []struct {
		Revision      uint64
		Actor, Reason string
		InForce       bool `json:"in_force"`
		Changed       []string
	}
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.Len(t, all, 2)
	require.Equal(t, []any{second, "bob", "it is time", true, []string{"+mode: auto"}}, []any{all[0].Revision, all[0].Actor, all[0].Reason, all[0].InForce, all[0].Changed})
	require.Equal(t, []any{first, "ana", false}, []any{all[1].Revision, all[1].Actor, all[1].InForce})

	rollback := func(revision string) (int, string, string) {
		return run("rollback", "web", revision, "--server", s.ClientURL(), "--as", "cleo", "--reason", "too early")
	}
	code, _, errs = rollback("99")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "no revision 99 of web is kept")
	code, out, errs = rollback("1")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "-mode: auto")
	now, err := store.Get(ctx, b, "web")
	require.NoError(t, err)
	require.Equal(t, []any{pairText, "cleo", "back to revision 1: too early", "web.yaml"}, []any{now.Written.Text, now.Written.Actor, now.Written.Reason, now.Written.File})
	require.Greater(t, now.Revision, second, "a new revision")
	code, _, errs = rollback("1")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "there is nothing to put back")
}

// A context says where the bus is and who one is. It holds no secret, is nobody else's to write, and sends no identity to a bus that it was not meant for.
func TestContexts(t *testing.T) {
	s := bustest.Start(t, bustest.Listening)
	bustest.Provision(t, bustest.Connect(t, s, "setup"))
	dir := t.TempDir()
	env := map[string]string{"XDG_CONFIG_HOME": dir}
	path := filepath.Join(dir, "ham", "contexts.yaml")
	ok := func(args ...string) string {
		t.Helper()
		code, out, errs := runIn(env, args...)
		require.Equal(t, 0, code, "%s%s", out, errs)
		return out
	}
	refused := func(says string, args ...string) {
		t.Helper()
		code, out, errs := runIn(env, args...)
		require.NotEqual(t, 0, code, out)
		require.Contains(t, errs, says)
	}
	require.Contains(t, ok("context"), "No context is named.")
	refused("holds no secret", "context", "set", "prod", "--server", "nats://ana:pass@192.0.2.1:4222")
	require.Contains(t, ok("context", "set", "here", "--server", s.ClientURL(), "--as", "ana"), "here")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Contains(t, ok("status"), "No group is declared", "the one in use")

	key := filepath.Join(dir, "prod.nk")
	require.NoError(t, os.WriteFile(key, []byte("SUA"), 0o644))
	refused("others may read it", "context", "set", "prod", "--server", "tls://192.0.2.1:4222", "--nkey", key)
	require.NoError(t, os.Chmod(key, 0o600))
	ok("context", "set", "prod", "--server", "tls://192.0.2.1:4222", "--nkey", key)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(text), "SUA")
	require.NoError(t, os.Chmod(key, 0o640))
	refused("others may read it", "status", "--context", "prod")
	refused(`there is no context "elsewhere"`, "status", "--context", "elsewhere")
	refused("both say where the bus is", "status", "--context", "here", "--server", s.ClientURL())

	ok("context", "use", "prod")
	require.Contains(t, ok("status", "--server", s.ClientURL()), "No group is declared", "a flag puts the whole context aside, its identity too")
	require.Contains(t, ok("status", "--context", "here"), "No group is declared")
	env["HAM_CONTEXT"] = "here"
	require.Contains(t, ok("status"), "No group is declared")
	require.NoError(t, os.Chmod(path, 0o620))
	refused("may be written by others", "status")
}
