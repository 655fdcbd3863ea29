package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

// TestInitHAProxy: from the file of a real HAProxy, and from what it says of its servers, to a spec that is right; over nothing that is there.
func TestInitHAProxy(t *testing.T) {
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	p := haproxytest.Start(t, haproxytest.PairWith("", a.Addr(), b.Addr()))
	c, err := haproxy.New(p.Runtime("admin"), haproxy.Options{})
	require.NoError(t, err)
	require.NoError(t, c.SetState(t.Context(), "web", "s2", haproxy.Drain))

	dir := t.TempDir()
	config, out := filepath.Join(dir, "haproxy.cfg"), filepath.Join(dir, "web.yaml")
	text := haproxytest.PairWith("", a.Addr(), "$ADDR")
	text = strings.ReplaceAll(text, `{{addr "front"}}`, ":80")
	text = strings.ReplaceAll(text, `{{unix "admin"}}`, strings.TrimPrefix(p.Runtime("admin"), "unix://"))
	text = strings.ReplaceAll(text, `{{addr "admin-tcp"}}`, "127.0.0.1:9999")
	text = strings.Replace(text, "server s2 $ADDR", `server s2 "$ADDR" backup`, 1) + "backend gone\n    server x 192.0.2.1:80\n    server y 192.0.2.2:80\n"
	require.NoError(t, os.WriteFile(config, []byte(text), 0o644))

	args := []string{"init", "haproxy", config, "--socket", p.Runtime("admin"), "--socket", p.Runtime("admin-tcp"), "--file", out}
	code, stdout, errs := run(args...)
	require.Equal(t, 0, code, errs)
	require.Empty(t, stdout)
	require.Contains(t, errs, "web: ? server s2 holds the environment variable ADDR of HAProxy in its address: is it this one, which the running HAProxy has?")
	require.Contains(t, errs, "web: ? server s2 is held back in the HAProxy at "+p.Runtime("admin")+" (forced drain)")
	require.Contains(t, errs, "gone: ? the HAProxy at "+p.Runtime("admin-tcp")+" has no such backend")
	require.Contains(t, errs, "2 groups, ")
	spec, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Contains(t, string(spec), `"http://`+b.Addr()+`"`, "from the running HAProxy")
	require.Contains(t, string(spec), "adopt: s1")
	code, _, errs = run("validate", out)
	require.Equal(t, 0, code, errs)

	code, _, errs = run(args...)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "web.yaml is there already: name another file by --file, or take it away")

	code, stdout, errs = run("init", "haproxy", config, "--backend", "web", "-o", "json")
	require.Equal(t, 0, code, errs)
	var said struct {
		Spec   string
		Groups []string
		Notes  []struct {
			Kind, File, Group, Text string
			Line                    int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &said))
	require.Equal(t, []string{"web"}, said.Groups)
	require.NotEmpty(t, said.Notes)

	// Where nothing can be managed, each reason is told, nothing is written, and it counts as failed.
	code, stdout, errs = run("init", "haproxy", config, "--socket", "tcp://127.0.0.1:1", "--backend", "web")
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, errs, "HAProxy at tcp://127.0.0.1:1")
	require.NoError(t, os.WriteFile(config, []byte("global\n stats socket /run/h.sock level admin\nbackend b\n server-template s 1-3 a.example.org:80\n"), 0o644))
	code, stdout, errs = run("init", "haproxy", config, "-f", filepath.Join(dir, "none.yaml"))
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, errs, "haproxy.cfg:4: left out: backend b: server-template makes its servers out of what DNS says")
	require.Contains(t, errs, "ham: nothing was found that ham can manage")
	require.NoFileExists(t, filepath.Join(dir, "none.yaml"))
	code, _, errs = run("init", "haproxy", filepath.Join(dir, "not-there.cfg"))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "no such file")
}

// TestInitKeepalived: the spec goes to the standard output, what is open to the standard error, and it is right as it stands.
func TestInitKeepalived(t *testing.T) {
	const tests = "../existing/testdata/keepalived/"
	code, out, errs := run("init", "keepalived", tests+"a.conf", tests+"b.conf", "--holds", "redis")
	require.Equal(t, 0, code, errs)
	require.Contains(t, errs, "a.conf:7: ? two managers of one address put it on two hosts")
	path := filepath.Join(t.TempDir(), "vip.yaml")
	require.NoError(t, os.WriteFile(path, []byte(out), 0o644))
	code, _, errs = run("validate", path)
	require.Equal(t, 0, code, errs)
	code, _, errs = run("init", "keepalived", tests+"a.conf", "--holds", "mysql")
	require.Equal(t, 2, code)
	require.Contains(t, errs, `--holds is "mysql", want postgres or redis`)
}
