package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
)

const web = `group: web
members:
  a: {site: sp, url: "http://192.0.2.10:8080"}
  b: {site: rj, url: "http://198.51.100.10:8080"}
checks:
  alive: {http: /alive}
`

func TestDefaults(t *testing.T) {
	g, err := ParseGroup("spec.yaml", web)
	require.NoError(t, err)
	require.Equal(t, spec.DryRun, g.Mode, "nothing is applied before the operator says so")
	require.Equal(t, spec.DefaultPolicy(), g.Policy)
	require.Equal(t, 2, g.Quorum())
	require.Equal(t, []spec.Check{{
		Name: "alive", Kind: spec.CheckHTTP, Effect: spec.EffectDown, Every: time.Second, Timeout: 500 * time.Millisecond, From: []string{"rj", "sp"},
		HTTP: &spec.HTTPCheck{URL: "/alive", Method: "GET", Status: []spec.StatusRange{{From: 200, To: 299}}},
	}}, g.Checks)
}

// TestDefaultsFollowOthers: a time-out never outlasts the interval that it belongs to.
func TestDefaultsFollowOthers(t *testing.T) {
	for every, want := range map[string]time.Duration{"50ms": 100 * time.Millisecond, "200ms": 200 * time.Millisecond, "1s": 500 * time.Millisecond, "1h": 500 * time.Millisecond} {
		g, err := ParseGroup("spec.yaml", strings.Replace(web, "/alive", "/alive, every: "+every, 1))
		require.NoError(t, err)
		require.Equal(t, want, g.Checks[0].Timeout, every)
	}
}

func TestProcessDefaults(t *testing.T) {
	for _, text := range []string{"ham:", "ham: {}"} {
		f, err := Parse("spec.yaml", []byte(text))
		require.NoError(t, err)
		require.Equal(t, &spec.Process{
			HTTP: "127.0.0.1:8322", Bus: spec.Bus{Replicas: 1}, Prober: spec.Prober{Timeout: time.Second}, ShutdownTimeout: 15 * time.Second,
			Console: spec.Console{Listen: "127.0.0.1:8321", Idle: 2 * time.Hour, Max: 12 * time.Hour},
		}, f.Process, text)
	}
}

func TestEachGroupKeepsItsOwnText(t *testing.T) {
	text, err := os.ReadFile("testdata/good/three-groups.yaml")
	require.NoError(t, err)
	f, err := Parse("spec.yaml", text)
	require.NoError(t, err)
	require.Len(t, f.Groups, 3)
	require.True(t, strings.HasPrefix(f.Groups[0].GroupText, "# Comments before the first group belong to it.\n"))
	require.Equal(t, 1, f.Groups[0].Line)
	require.True(t, strings.HasPrefix(f.Groups[1].GroupText, "# and these to the second\ngroup: two\n"), f.Groups[1].GroupText)
	require.Equal(t, 9, f.Groups[1].Line)
	require.NotContains(t, f.Groups[1].GroupText, "---")
	third, ok := f.Group("three")
	require.True(t, ok)
	require.Contains(t, third.GroupText, "group: three\n")
	_, ok = f.Group("four")
	require.False(t, ok)
}

func TestAGroupAloneIsOneGroup(t *testing.T) {
	for text, want := range map[string]string{
		web + "---\n" + strings.Replace(web, "web", "db", 1): "bucket: declares 2 groups, want exactly one group",
		web + "---\nham: {name: x}\n":                        "bucket: declares 1 group and a process, want exactly one group",
		"ham: {name: x}\n":                                   "bucket: declares 0 groups and a process, want exactly one group",
	} {
		_, err := ParseGroup("bucket", text)
		require.EqualError(t, err, want)
	}
}

func TestCheckSecretsNamesEachUseAndNoContent(t *testing.T) {
	f, err := Parse("spec.yaml", []byte(strings.Replace(web, "http: /alive", `http: {url: /alive, headers: {Authorization: "Bearer ${env:TOKEN}", X-Key: "${file:/etc/ham/key}${env:SET}"}}`, 1)+
		"---\nham: {channels: {slack: {kind: slack, token: \"${env:TOKEN}\"}}}\n"))
	require.NoError(t, err)
	asked := map[string]int{}
	err = f.CheckSecrets(func(kind, name string) (string, error) {
		asked[kind+":"+name]++
		if name == "SET" {
			return "hunter2", nil
		}
		return "hunter2", errors.New("not there")
	})
	require.EqualError(t, err, strings.Join([]string{
		"spec.yaml:6:56: group web: checks.alive.http.headers.Authorization: the secret ${env:TOKEN} cannot be read on this machine: not there",
		"spec.yaml:6:86: group web: checks.alive.http.headers.X-Key: the secret ${file:/etc/ham/key} cannot be read on this machine: not there",
		"spec.yaml:8:46: ham: channels.slack.token: the secret ${env:TOKEN} cannot be read on this machine: not there",
	}, "\n"))
	require.Equal(t, map[string]int{"env:TOKEN": 1, "file:/etc/ham/key": 1, "env:SET": 1}, asked)
	require.NoError(t, f.CheckSecrets(func(string, string) (string, error) { return "hunter2", nil }))
}

func TestSecretsOfThisMachine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(path, []byte("hunter2\n"), 0o600))
	require.NoError(t, os.WriteFile(path+".empty", []byte("\n"), 0o600))
	t.Setenv("HAM_TEST_TOKEN", "hunter2")
	t.Setenv("HAM_TEST_EMPTY", "")
	for _, good := range []struct{ kind, name string }{{"file", path}, {"env", "HAM_TEST_TOKEN"}} {
		v, err := spec.LookupSecret(good.kind, good.name)
		require.NoError(t, err)
		require.Equal(t, "hunter2", v)
	}
	for _, bad := range []struct{ kind, name, want string }{
		{"env", "HAM_TEST_EMPTY", "the environment variable is empty"},
		{"env", "HAM_TEST_MISSING", "the environment variable is not set"},
		{"file", path + ".empty", "the file is empty"},
		{"file", path + ".missing", "open " + path + ".missing: no such file or directory"},
		{"vault", "x", `unknown kind "vault", want env or file`},
	} {
		_, err := spec.LookupSecret(bad.kind, bad.name)
		require.EqualError(t, err, bad.want)
	}
}

// TestLimits: what is too large is refused in one sentence, quickly.
func TestLimits(t *testing.T) {
	_, err := Parse("spec.yaml", make([]byte, maxFile+1))
	require.EqualError(t, err, "spec.yaml: has 4194305 bytes, want at most 4194304")
	_, err = Parse("spec.yaml", []byte(web+"# "+strings.Repeat("x", maxGroup)))
	require.EqualError(t, err, fmt.Sprintf("spec.yaml:1:1: group web: has %d bytes, want at most %d", len(web)+2+maxGroup, maxGroup))
	_, err = Parse("spec.yaml", []byte("group: web\npolicy:\n"+strings.Repeat("  wibble: 1\n", 200)))
	var errs Errors
	require.ErrorAs(t, err, &errs)
	require.Len(t, errs, maxErrors+1)
	require.Equal(t, "spec.yaml: 102 more mistakes are not shown: mend these first", errs[maxErrors].Error())
	// Aliases of aliases would grow without end.
	bomb := "group: web\nmembers: &a {x: {site: sp}}\nnotify:\n"
	line := "  - &l0 {to: x}\n"
	for i := 1; i < 30; i++ {
		line += fmt.Sprintf("  - &l%d [*l%d, *l%d]\n", i, i-1, i-1)
	}
	_, err = Parse("spec.yaml", []byte(bomb+line))
	require.Error(t, err)
	require.Less(t, len(err.Error()), 1<<20)
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, path := range files {
			b, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Parse("fuzz", text)
		if err != nil {
			var errs Errors
			if !errors.As(err, &errs) || len(errs) == 0 || got != nil {
				t.Fatalf("a file is read, or refused with reasons: %v, %T", got, err)
			}
			for i, e := range errs {
				if e.Problem == "" || i > 0 && e.Line > 0 && e.Line < errs[i-1].Line {
					t.Fatalf("errors are sentences in the order of the file: %v", err)
				}
			}
			return
		}
		for _, g := range got.Groups {
			if _, err := ParseGroup("fuzz", g.GroupText); err != nil {
				t.Fatalf("a group's own text stands alone: %v\n%s", err, g.GroupText)
			}
		}
	})
}
