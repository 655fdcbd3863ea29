package existing_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/existing"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

var update = flag.Bool("update", false, "write the golden files anew")

func read(t testing.TB, paths ...string) []existing.Text {
	t.Helper()
	var texts []existing.Text
	for _, p := range paths {
		text, err := os.ReadFile(p)
		require.NoError(t, err)
		texts = append(texts, existing.Text{Name: filepath.Base(p), Text: text})
	}
	return texts
}

// golden holds a spec and its notes, and that a service could read the spec.
func golden(t *testing.T, s *existing.Spec, path string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(s.Text)
	b.WriteString("# === the notes\n")
	for _, n := range s.Notes {
		b.WriteString("# " + n.Place() + " [" + n.Kind + "] " + n.Group + ": " + n.Text + "\n")
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
	valid(t, s)
}

// valid holds that the spec can be read, that nothing but looking would come of it, and that each question stands in it.
func valid(t *testing.T, s *existing.Spec) {
	t.Helper()
	f, err := file.Parse("spec.yaml", []byte(s.Text))
	require.NoError(t, err, s.Text)
	require.NoError(t, f.CheckSecrets(spec.LookupSecret))
	var groups []string
	for _, g := range f.Groups {
		require.Equal(t, spec.DryRun, g.Mode)
		groups = append(groups, g.Name)
	}
	require.Equal(t, s.Groups, groups)
	questions := 0
	for _, n := range s.Notes {
		require.NotEmpty(t, n.Text)
		if n.Kind == existing.Question {
			questions++
		}
	}
	require.Equal(t, questions, strings.Count("\n"+s.Text, "\n# ? ")+strings.Count(s.Text, "\n  # ? ")+strings.Count(s.Text, "\n    # ? "))
}

// TestHAProxyFiles: what is written for a HAProxy of every day, and for one with all that ham cannot manage: each of it is told with its line.
func TestHAProxyFiles(t *testing.T) {
	for _, name := range []string{"everyday", "hard"} {
		s, err := existing.HAProxy(read(t, "testdata/haproxy/"+name+".cfg"), existing.HAProxyOptions{})
		require.NoError(t, err)
		golden(t, s, "testdata/haproxy/"+name+".yaml")
	}
}

// TestHAProxyReadsThem: the files of the tests are what a real HAProxy takes, so that nothing here is about a language of our own.
func TestHAProxyReadsThem(t *testing.T) {
	text, err := os.ReadFile("testdata/haproxy/hard.cfg")
	require.NoError(t, err)
	// What HAProxy itself refuses is there on purpose: a name of two words, a parameter that there is not, and what only its environment or DNS says.
	mended := strings.NewReplacer(`"s 1"`, "s1", " sparkle on", "", "${DEFAULT_BACKEND}", "two", "${S1}", "192.0.2.1",
		"app2.example.org", "192.0.2.2", "app.example.org", "192.0.2.3").Replace(string(text))
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(path, []byte(mended), 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, haproxytest.Require(t), "-c", "-f", path).CombinedOutput()
	require.NoError(t, err, string(out))
}

// TestHAProxyRefuses: what keeps ham from a HAProxy as a whole is one clear error.
func TestHAProxyRefuses(t *testing.T) {
	const backend = "\nbackend b\n  server a 192.0.2.1:80\n  server b 192.0.2.2:80 backup\n"
	for text, want := range map[string]string{
		"":                           "h.cfg: no section of HAProxy stands in it",
		"listen 80;\nserver {}\n":    "", // an nginx, see below
		"hello world\n":              "h.cfg:1: \"hello\" stands before the first section: is this a haproxy.cfg?",
		"global\n  log \"x\n":        "h.cfg:2: has a \" that is not closed",
		"global\n  log x\\\n":        "h.cfg:2: ends in a backslash",
		"global\n.if 1\n" + backend:  "h.cfg:2: .if without an .endif",
		"global\n.endif\n" + backend: "h.cfg:2: .endif without an .if",
		"backend b from x\n":         "h.cfg:1: takes its defaults from \"x\", and no section defaults above has that name",
		"global\n" + backend:         "h.cfg: no stats socket is declared, by which ham would set the state of servers: write `stats socket /run/haproxy/admin.sock mode 660 level admin` into the section global",
		"global\n stats socket /run/h.sock\n" + backend:                           "h.cfg:2: stats socket /run/h.sock has the level operator, want admin",
		"global\n stats socket \"$SOCK\" level admin\n" + backend:                 "h.cfg:2: stats socket $SOCK holds the environment variable SOCK of HAProxy: name the socket by --socket",
		"global\n stats socket fd@3 level admin\n" + backend:                      "h.cfg:2: stats socket fd@3 is not one that ham can reach",
		"global\n nbproc 4\n stats socket /run/h.sock level admin\n" + backend:    "h.cfg:2: nbproc 4: several processes each have servers of their own",
		"global\n stats socket /run/h.sock level admin\nbackend b\n server a :\n": "nothing was found that ham can manage",
		"\x00": "h.cfg: is not a text in UTF-8",
	} {
		_, err := existing.HAProxy([]existing.Text{{Name: "h.cfg", Text: []byte(text)}}, existing.HAProxyOptions{})
		require.Error(t, err, text)
		require.Contains(t, err.Error(), want)
	}
}

// TestKeepalivedFiles: one host with all that ham cannot manage, and both hosts of a pair, whose files complete each other.
func TestKeepalivedFiles(t *testing.T) {
	s, err := existing.Keepalived(read(t, "testdata/keepalived/one-host.conf"), existing.KeepalivedOptions{})
	require.NoError(t, err)
	golden(t, s, "testdata/keepalived/one-host.yaml")
	s, err = existing.Keepalived(read(t, "testdata/keepalived/a.conf", "testdata/keepalived/b.conf"), existing.KeepalivedOptions{})
	require.NoError(t, err)
	golden(t, s, "testdata/keepalived/both.yaml")
}

// TestKeepalivedRefuses: each in one sentence.
func TestKeepalivedRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"vrrp_instance x {\n":                "k.conf:1: the block of vrrp_instance is not closed",
		"}\n":                                "k.conf:1: } without a {",
		"{\n":                                "k.conf:1: { stands without a keyword before it",
		"x \"y\n":                            "k.conf:1: has a \" that is not closed",
		strings.Repeat("x {\n", 40):          "k.conf:17: blocks stand 16 deep in each other",
		"":                                   "nothing was found that ham can manage",
		"vrrp_instance x {\n state MASTER }": "nothing was found that ham can manage",
	} {
		_, err := existing.Keepalived([]existing.Text{{Name: "k.conf", Text: []byte(text)}}, existing.KeepalivedOptions{})
		require.Error(t, err, text)
		require.Contains(t, err.Error(), want)
	}
	_, err := existing.Keepalived(nil, existing.KeepalivedOptions{})
	require.ErrorContains(t, err, "0 files, want the keepalived.conf of one host or of both")
}

// FuzzHAProxy: whatever stands in a file, it is refused or becomes a spec that ham itself takes, and says the same each time.
func FuzzHAProxy(f *testing.F) {
	for _, t := range read(f, "testdata/haproxy/everyday.cfg", "testdata/haproxy/hard.cfg") {
		f.Add(t.Text)
	}
	for _, line := range []string{
		`server "a b" 1.2.3.4:80`, "server a [::1]:80", "server a 1:2:3:4", "server yes 1.1.1.1:1", "server a 1.1.1.1:1 check port 99999 addr ::1", "option httpchk GET /${x} HTTP/1.1\\r\\nHost:\\ x",
		"http-check expect status 2", "default-server inter 1us fall 0", "server __ fe80::1%eth0:80", "server a 1.1.1.1:+1", "server a 0x7f.1:80", "mode health", "cookie x", "option redis-check",
	} {
		f.Add([]byte("global\n stats socket /s level admin\nbackend b\n server x 192.0.2.1:80\n server y 192.0.2.2:80\n " + line + "\n"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		same(t, func() (*existing.Spec, error) {
			return existing.HAProxy([]existing.Text{{Name: "h.cfg", Text: text}}, existing.HAProxyOptions{Sockets: []string{"tcp://127.0.0.1:9999"}})
		})
		_, _ = existing.HAProxyBackends([]existing.Text{{Name: "h.cfg", Text: text}})
	})
}

// FuzzKeepalived: the same for keepalived.conf.
func FuzzKeepalived(f *testing.F) {
	for _, t := range read(f, "testdata/keepalived/one-host.conf", "testdata/keepalived/a.conf") {
		f.Add(t.Text)
	}
	f.Add([]byte("vrrp_instance \"a b\" {\n interface ..\n virtual_ipaddress { ::ffff:1.2.3.4/100 1.2.3.4/32 dev . }\n track_script { \x7f } }\nglobal_defs { router_id 1 }"))
	f.Fuzz(func(t *testing.T, text []byte) {
		same(t, func() (*existing.Spec, error) {
			k := existing.Text{Name: "k.conf", Text: text}
			if len(text)%2 == 1 {
				return existing.Keepalived([]existing.Text{k}, existing.KeepalivedOptions{})
			}
			return existing.Keepalived([]existing.Text{k, {Name: "l.conf", Text: text}}, existing.KeepalivedOptions{Holds: "redis"})
		})
	})
}

func same(t *testing.T, make func() (*existing.Spec, error)) {
	s, err := make()
	if err != nil {
		require.NotEmpty(t, err.Error())
		return
	}
	valid(t, s)
	again, err := make()
	require.NoError(t, err)
	one, err := json.Marshal(s)
	require.NoError(t, err)
	two, err := json.Marshal(again)
	require.NoError(t, err)
	require.JSONEq(t, string(one), string(two))
}
