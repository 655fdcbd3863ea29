package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// These lead out of the module by links, so that the test cache follows the files.
const (
	folder      = "testdata/schema"
	messages    = "testdata/message"
	subjectFile = "testdata/subject/subject.go"
)

// TestFilesAreAsGenerated: what stands in docs/schema is what the source makes of it.
func TestFilesAreAsGenerated(t *testing.T) {
	files, err := generate(messages)
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err, "go generate ./dev/schema")
		require.Equal(t, string(want), string(got), "%s has drifted: go generate ./dev/schema", name)
	}
	there, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Len(t, there, len(files), "files that nothing generates: %v", there)
}

func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	f, err := os.ReadFile(filepath.Join(folder, name+".schema.json"))
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(f))
	require.NoError(t, err)
	require.NoError(t, c.AddResource(name, doc))
	s, err := c.Compile(name)
	require.NoError(t, err)
	return s
}

// goldens are the golden files of one type.
func goldens(t *testing.T, name string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, pattern := range []string{name + ".json", name + "-*.json"} {
		paths, err := filepath.Glob(filepath.Join(messages, "testdata", pattern))
		require.NoError(t, err)
		for _, p := range paths {
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			out = append(out, b)
		}
	}
	require.NotEmpty(t, out, "no golden file of %s", name)
	return out
}

// TestGoldenMessagesFitTheirSchemas, and only their own.
func TestGoldenMessagesFitTheirSchemas(t *testing.T) {
	for _, m := range message.All() {
		s := compile(t, message.NameOf(m))
		for _, body := range goldens(t, message.NameOf(m)) {
			require.NoError(t, s.Validate(parsed(t, body)), message.NameOf(m))
		}
		require.Error(t, s.Validate(map[string]any{}), "an empty object is no %s", message.NameOf(m))
		require.Error(t, s.Validate([]any{}))
	}
}

func parsed(t *testing.T, body []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err)
	return v
}

// TestSchemaAgreesWithTheReader: each value of each golden message is replaced by others, and the schema must judge the result as the
// reader does, but for the rules about several fields.
func TestSchemaAgreesWithTheReader(t *testing.T) {
	// null is left out: it is read as absent, which no schema says of each field.
	others := []any{"", "a", "a.b", "up", "failover", "0", "5s", "5", "-5s", strings.Repeat("x", 33), strings.Repeat("x", 129), json.Number("0"), json.Number("-1"), json.Number("7"), json.Number("0.5"), true, []any{}, []any{"a"}, map[string]any{}, "?absent"}
	compared, refused := 0, 0
	for _, m := range message.All() {
		name := message.NameOf(m)
		s := compile(t, name)
		for _, body := range goldens(t, name) {
			edits(parsed(t, body), func(path string, set func(any)) {
				for _, o := range others {
					set(o)
				}
			}, func(path string, doc any) {
				text, err := json.Marshal(doc)
				require.NoError(t, err)
				_, readErr := message.Decode(message.Header{message.HeaderType: {message.TypeOf(m)}}, text)
				if several(readErr) {
					return
				}
				if name == "deadletter" && path == ".body" && strings.Contains(string(text), `"body":[`) {
					return // encoding/json takes a list of numbers for bytes too, which nobody should write
				}
				schemaErr := s.Validate(doc)
				require.Equal(t, readErr == nil, schemaErr == nil, "%s, %s\nreader: %v\nschema: %v\n%s", name, path, readErr, schemaErr, text)
				compared++
				if readErr != nil {
					refused++
				}
			})
		}
	}
	require.Greater(t, compared, 5000)
	require.Greater(t, refused, 2000)
}

// several says that a rule about several fields spoke; those are not in the schemas.
func several(err error) bool {
	if err == nil {
		return false
	}
	for _, words := range []string{"overriding", "and in no other", "no more than there are", "one of members", "primary now", "no other step has", "stands before this one", "look steps first", "executor:<name>", "only a drill", "only a drain", "a drill moves roles", "before the drill", "the drill is to end", "only a switchover, a failback and a drill", "only what the schedule", "made when it is due", "only judge judges", "an incident of ", "only a note is an action item", "planned drill", "planned.asks: want", "planned.asks.group", "planned.asks.verb", "planned.asks.due_us", "planned.asks.id", "only approve", "the id of the", "the member to ", "one of right, wrong, miss", "a reason: a judgement", "the request that waits", "as of says", "approval.waits.group", "request.judge: got \"\""} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// edits replaces each value in doc, one at a time: try is given the way to set it, and judge is called after each.
func edits(doc any, try func(path string, set func(any)), judge func(path string, doc any)) {
	var walk func(v any, path string, replace func(any), absent func())
	walk = func(v any, path string, replace func(any), absent func()) {
		if path != "" {
			try(path, func(o any) {
				if o == "?absent" {
					if absent == nil {
						return
					}
					absent()
				} else {
					replace(o)
				}
				judge(path, doc)
				replace(v)
			})
		}
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				if path != "" && strings.HasSuffix(path, ".with") {
					return // free for the driver
				}
				walk(inner, path+"."+k, func(o any) { v[k] = o }, func() { delete(v, k) })
			}
		case []any:
			for i, inner := range v {
				walk(inner, path+"["+strconv.Itoa(i)+"]", func(o any) { v[i] = o }, nil)
			}
		}
	}
	walk(doc, "", nil, nil)
}

// TestEveryMessageIsExplained: a schema without words helps nobody.
func TestEveryMessageIsExplained(t *testing.T) {
	c, err := readComments(messages)
	require.NoError(t, err)
	for _, m := range message.All() {
		require.NotEmpty(t, c[reflect.TypeOf(m).Elem().Name()], "%T has no comment", m)
	}
}

// TestEverySubjectHasAChannel: the wildcards of pkg/subject are all there is on the bus.
func TestEverySubjectHasAChannel(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), subjectFile, nil, 0)
	require.NoError(t, err)
	have := map[string]bool{}
	for _, c := range channels {
		have[c.pattern] = true
		require.Equal(t, strings.Count(c.pattern, "*"), len(c.params), c.name)
		require.NotContains(t, c.address(), "*")
		for _, p := range c.params {
			require.Contains(t, parameters(), p)
		}
	}
	found := 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "All") || spec.Names[0].Name == "AllStored" {
			return true
		}
		literal := spec.Values[0].(*ast.BinaryExpr).Y.(*ast.BasicLit)
		tail, err := strconv.Unquote(literal.Value)
		require.NoError(t, err)
		require.True(t, have[subject.Root+tail], "no channel has %s (%s)", subject.Root+tail, spec.Names[0].Name)
		found++
		return true
	})
	require.GreaterOrEqual(t, found, 8)
	for _, m := range message.All() {
		require.Contains(t, names(used()), message.NameOf(m), "no channel carries it")
	}
}

func names(all []message.Message) []string {
	var out []string
	for _, m := range all {
		out = append(out, message.NameOf(m))
	}
	return out
}

// TestEveryReferenceLeadsSomewhere, within the AsyncAPI document and to its files.
func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(folder, "asyncapi.yaml"))
	require.NoError(t, err)
	var doc any
	require.NoError(t, yaml.Load(b, &doc))
	count := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if to, ok := v["$ref"].(string); ok {
				count++
				if path, ok := strings.CutPrefix(to, "#/"); ok {
					at := doc
					for _, key := range strings.Split(path, "/") {
						next, there := at.(map[string]any)[key]
						require.True(t, there, to)
						at = next
					}
				} else {
					require.FileExists(t, filepath.Join(folder, to))
				}
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(doc)
	require.Greater(t, count, 50)
}
