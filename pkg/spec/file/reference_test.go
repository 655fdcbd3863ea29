package file

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

const (
	// docs leads out of the module by a link, so that the test cache follows the file.
	docs  = "testdata/spec.md"
	begin = "<!-- keys: written by go generate from pkg/spec/file, not by hand -->\n"
	end   = "<!-- end of keys -->\n"
)

// TestReference: docs/spec.md holds the tables that the reader reads by.
func TestReference(t *testing.T) {
	b, err := os.ReadFile(docs)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(b), begin)
	require.True(t, ok, "%s has no line %q", docs, begin)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no line %q", docs, end)
	want := before + begin + "\n" + Reference() + "\n" + end + after
	if *update {
		require.NoError(t, os.WriteFile(docs, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(b), "docs/spec.md has drifted from the keys: go generate ./pkg/spec/file")
}

// TestReferenceIsWhole: each key says what it means, and each table that a key leads to is there, once.
func TestReferenceIsWhole(t *testing.T) {
	titles := map[string]int{"group": 0, "ham": 0}
	for _, s := range sections() {
		titles[s.title]++
		require.NotEmpty(t, s.means, s.title)
		for _, r := range s.rows {
			at := s.title + ", " + r.name
			require.NotEmpty(t, r.form, at)
			require.Regexp(t, regexp.MustCompile(`^[A-Z{$a-z].*\.$`), r.means, at)
			if r.section != "" {
				require.Contains(t, Reference(), "### "+r.section+"\n", at)
			}
		}
	}
	for title, n := range titles {
		require.Equal(t, 1, n, title)
	}
}

// TestEveryKeyIsRead: each key of the reference stands in one of the good files, under its own kind of mapping, and so is read.
func TestEveryKeyIsRead(t *testing.T) {
	written := map[string]bool{}
	files, err := filepath.Glob("testdata/good/*.yaml")
	require.NoError(t, err)
	for _, path := range files {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		loader, err := yaml.NewLoader(strings.NewReader(string(b)))
		require.NoError(t, err)
		for {
			var doc yaml.Node
			if loader.Load(&doc) != nil {
				break
			}
			walk(doc.Content[0], "", func(path string) { written[path] = true })
		}
	}
	// Where each kind of mapping stands in a file; * is a name that the operator chose.
	places := map[string][]string{
		"group": {""}, "objectives": {"objectives"}, "pool": {"pool"}, "member": {"members.*"}, "check": {"checks.*"}, "http": {"checks.*.http"}, "tcp": {"checks.*.tcp"},
		"exec": {"checks.*.exec"}, "check postgres": {"checks.*.postgres"}, "check redis": {"checks.*.redis"},
		"host": {"checks.*.host"}, "share": {"checks.*.host.memory"}, "load": {"checks.*.host.load"}, "queue": {"checks.*.queue"}, "certificate": {"checks.*.certificate"},
		"postgres-pair": {"with"}, "member of a postgres-pair": {"with.members.*"}, "redis-pair": {"with"}, "member of a redis-pair": {"with.members.*"},
		"witness of a pair": {"with.witness"}, "postgres": {"members.*.postgres"}, "redis": {"members.*.redis"}, "lease": {"lease"}, "fence": {"fence"},
		"route haproxy": {"routes.*"}, "route vip": {"routes.*"}, "route pgbouncer": {"routes.*"}, "tls": {"checks.*.http.tls"}, "route": {"routes.*"}, "policy": {"policy"}, "step": {"steps[]"},
		"step exec": {"steps[].exec"}, "step http": {"steps[].http"}, "step wait, step assert": {"steps[].wait", "steps[].assert"}, "verify": {"verify"}, "canary": {"canary"},
		"notify": {"notify[]"}, "ham": {"ham"}, "bus": {"ham.bus"}, "bus user": {"ham.bus.users[]"}, "bus cluster": {"ham.bus.cluster"}, "prober": {"ham.prober"}, "executor": {"ham.executor"},
		"channel": {"ham.channels[]"}, "chat person": {"ham.channels[].people.*"}, "console": {"ham.console"}, "console user": {"ham.console.users.*"}, "oidc": {"ham.console.oidc"}, "session": {"ham.console.session"},
		"freeze": {"freeze[]"}, "trust": {"policy.trust"}, "resource": {"resources.*"}, "resource run": {"resources.*.run"}, "check group": {"checks.*.group"}, "drill": {"drills[]"}, "blocked": {"blocked[]"}, "gather": {"gather[]"}, "remedy": {"remedy[]"}, "remedy exec": {"remedy[].exec"},
		"silence": {"silence[]"}, "notifier": {"ham.notify"}, "silence of a process": {"ham.notify.silence[]"}, "alive": {"ham.notify.alive"},
		"schedule": {"ham.channels[].digest", "ham.channels[].daily"},
	}
	for _, s := range sections() {
		require.NotEmpty(t, places[s.title], "say where a %s stands", s.title)
		for _, r := range s.rows {
			if (s.title == "verify" || s.title == "canary") && (r.name == "tcp" || r.name == "exec" || r.name == "postgres") {
				continue // read by the same code as a check's
			}
			require.True(t, slices.ContainsFunc(places[s.title], func(place string) bool {
				return written[strings.TrimPrefix(place+"."+r.name, ".")]
			}), "no good file has %s of a %s", r.name, s.title)
		}
	}
}

// walk calls f with the path of each key, names that the operator chose as *.
func walk(n *yaml.Node, path string, f func(string)) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if slices.Contains([]string{"members", "checks", "routes", "resources", "with.members", "ham.console.users", "ham.channels[].people"}, path) {
				key = "*"
			}
			next := strings.TrimPrefix(path+"."+key, ".")
			f(next)
			walk(n.Content[i+1], next, f)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			walk(item, path+"[]", f)
		}
	}
}

// fenced returns the blocks of a Markdown text that are marked with the language.
func fenced(text, language string) []string {
	var out []string
	for {
		_, rest, found := strings.Cut(text, "\n```"+language+"\n")
		if !found {
			return out
		}
		block, after, _ := strings.Cut(rest, "\n```")
		out, text = append(out, block+"\n"), after
	}
}
