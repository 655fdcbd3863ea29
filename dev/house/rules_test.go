package house

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/isacloud/ha-manager/"

// rule is something that holds of each file by itself.
type rule struct {
	name string
	// breaches returns one sentence for each place that breaks the rule, beginning with the line.
	breaches func(*file) []string
	// bad and good are samples, path to content: each bad one must be found, each good one must not.
	bad, good map[string]string
}

// Words that this file itself must not hold are put together from halves.
var rules = []rule{
	{
		name:     "nothing is left as a promise in the code",
		breaches: words(`\b(TO`+`DO|FIX`+`ME|XX`+`X)\b`, "finish it, or make it a sentence in the docs"),
		bad:      map[string]string{"a.go": "package a // TO" + "DO: later", "b.md": "FIX" + "ME"},
		good:     map[string]string{"a.sh": "mktemp -d name." + strings.Repeat("X", 6), "go.sum": "h1:ab/" + strings.Repeat("X", 3) + "/c="},
	},
	{
		name: "no file names a path of someone's machine",
		breaches: words(`/(wo`+`rk|ro`+`ot)/|/ho`+`me/[a-z]+/|/Us`+`ers/[a-z]+/|[\s"'(=:]/t`+`mp/[a-z]`,
			"use t.TempDir or os.MkdirTemp in code, /etc or /run in examples"),
		bad:  map[string]string{"a.md": "cd /ro" + "ot/x", "a.go": "package a; const dir = \"/t" + "mp/ham\""},
		good: map[string]string{"a.md": "go test work", "b.md": "see https://example.org/network/", "c.md": "ProtectHome=yes"},
	},
	{
		name: "the project speaks of itself alone",
		breaches: words(`(?i)\b(issue|ticket|pull request)s? #?\d+|(proxy|sum)\.gol`+`ang\.org|registry\.np`+`mjs`,
			"say the reason itself; a problem of other software is cited by its full address"),
		bad:  map[string]string{"a.md": "see issue" + " 12", "b.go": "package b // ticket" + " #3", "c.md": "from proxy.gol" + "ang.org"},
		good: map[string]string{"a.md": "three issues were found", "b.md": "https://example.org/issues/12"},
	},
	{
		name: "no init function",
		breaches: func(f *file) (found []string) {
			for _, decl := range decls(f) {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					found = append(found, fmt.Sprintf("%d: func init: name it and call it where its result is needed", f.line(fn)))
				}
			}
			return found
		},
		bad:  map[string]string{"a.go": "package a\nfunc init() {}"},
		good: map[string]string{"a.go": "package a\ntype T int\nfunc (T) init() {}", "testdata/b.go": "package b\nfunc init() {}"},
	},
	{
		name: "a package is named after what it is about",
		breaches: func(f *file) (found []string) {
			if f.ast == nil {
				return nil
			}
			switch name := strings.TrimSuffix(f.ast.Name.Name, "_test"); name {
			case "util", "utils", "common", "helper", "helpers", "types", "misc", "shared", "base":
				found = append(found, fmt.Sprintf("%d: package %s says nothing: name the thing", f.line(f.ast.Name), name))
			}
			return found
		},
		bad:  map[string]string{"a.go": "package util", "b_test.go": "package helpers_test"},
		good: map[string]string{"a.go": "package utilisation"},
	},
	{
		name: "a test is skipped only where HAM_REQUIRE does not ask for it",
		breaches: func(f *file) (found []string) {
			if f.ast == nil || strings.Contains(f.text, "HAM_REQUIRE") {
				return nil
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				selector, ok := n.(*ast.SelectorExpr)
				if ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, selector.Sel.Name) {
					found = append(found, fmt.Sprintf("%d: %s without a look at HAM_REQUIRE in this file: fail where it is 1",
						f.line(n), selector.Sel.Name))
				}
				return true
			})
			return found
		},
		bad: map[string]string{"a_test.go": "package a\nimport \"testing\"\nfunc TestX(t *testing.T) { t.Skip(\"no server\") }"},
		good: map[string]string{
			"a_test.go": "package a\nimport \"testing\"\nfunc TestX(t *testing.T) { if os.Getenv(\"HAM_REQUIRE\") != \"1\" { t.Skip(\"no server\") } }",
		},
	},
	{
		name:     "services meet as messages only, and pkg knows none of them",
		breaches: importsOfOthers,
		bad: map[string]string{
			"services/prober/a.go":       imports("services/decider"),
			"services/prober/a_test.go":  imports("services/executor/plan"),
			"services/decider/core/b.go": imports("cmd/ham"),
			"pkg/bus/c.go":               imports("services/decider"),
			"cmd/ham/d.go":               imports("dev/house"),
			"deploy/testbed/e.go":        imports("services/executor"),
		},
		good: map[string]string{
			"services/prober/a.go":         imports("services/prober/check"),
			"services/prober/check/b.go":   imports("pkg/message"),
			"cmd/ham/internal/wiring/c.go": imports("services/decider"),
			"dev/house/d.go":               imports("dev/house"),
			"deploy/testbed/e.go":          imports("pkg/message"),
		},
	},
	{
		name: "every call over the network has a deadline",
		breaches: selectors(map[string][]string{
			"net/http": {"DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm", "ListenAndServe", "ListenAndServeTLS"},
			"net":      {"Dial"},
		}, "it waits for ever: use a client, server or dialer with its own time limits"),
		bad: map[string]string{
			"a.go": "package a\nimport \"net/http\"\nvar _, _ = http.Get(\"x\")",
			"b.go": "package b\nimport n \"net\"\nvar _, _ = n.Dial(\"tcp\", \"x\")",
		},
		good: map[string]string{
			"a.go":      "package a\nimport \"net/http\"\nvar c = http.Client{}\nvar _, _ = c.Get(\"x\")",
			"b_test.go": "package b\nimport \"net/http\"\nvar _, _ = http.Get(\"x\")",
		},
	},
}

func TestRulesHoldOfEveryFile(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, f := range tree(t) {
				for _, breach := range r.breaches(f) {
					t.Errorf("%s:%s", f.path, breach)
				}
			}
		})
	}
}

// TestRulesGoRed shows for each rule that it finds what breaks it and leaves the rest alone.
func TestRulesGoRed(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			check := func(samples map[string]string, wantFound bool) {
				if len(samples) == 0 {
					t.Errorf("no sample")
				}
				for _, name := range slices.Sorted(maps.Keys(samples)) {
					f, err := newFile(name, samples[name])
					if err != nil {
						t.Fatal(err)
					}
					if found := r.breaches(f); (len(found) > 0) != wantFound {
						t.Errorf("%s %q: found %q, want some: %t", name, samples[name], found, wantFound)
					}
				}
			}
			check(r.bad, true)
			check(r.good, false)
		})
	}
}

// words finds lines that match the expression. Checksums are left out: their letters mean nothing.
func words(expression, instead string) func(*file) []string {
	re := regexp.MustCompile(expression)
	return func(f *file) (found []string) {
		if path.Ext(f.path) == ".sum" || !re.MatchString(f.text) {
			return nil
		}
		number := 0
		for line := range strings.Lines(f.text) {
			number++
			if hit := re.FindString(line); hit != "" {
				found = append(found, fmt.Sprintf("%d: %q: %s", number, strings.TrimSpace(hit), instead))
			}
		}
		return found
	}
}

// selectors finds uses of the named identifiers of a package outside tests.
func selectors(names map[string][]string, why string) func(*file) []string {
	return func(f *file) (found []string) {
		if f.ast == nil || f.isTest() {
			return nil
		}
		local := map[string]string{} // name in this file to import path
		for _, spec := range f.ast.Imports {
			from := strings.Trim(spec.Path.Value, `"`)
			name := path.Base(from)
			if spec.Name != nil {
				name = spec.Name.Name
			}
			local[name] = from
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := selector.X.(*ast.Ident)
			if ok && slices.Contains(names[local[pkg.Name]], selector.Sel.Name) {
				found = append(found, fmt.Sprintf("%d: %s.%s: %s", f.line(n), pkg.Name, selector.Sel.Name, why))
			}
			return true
		})
		return found
	}
}

// importsOfOthers holds the direction of imports: cmd/ham sees services and pkg, a service sees itself and pkg,
// pkg sees itself. What is in dev and tools is for developers alone; the test bed in deploy reads the record, as messages too.
func importsOfOthers(f *file) (found []string) {
	own := unit(f.path)
	allowed := func(of string) bool {
		switch {
		case of == own:
			return true
		case strings.HasPrefix(own, "cmd/"):
			return of == "pkg" || strings.HasPrefix(of, "services/")
		case strings.HasPrefix(own, "services/"), own == "dev", own == "deploy":
			return of == "pkg"
		}
		return false
	}
	imported := f.imports()
	for _, from := range slices.Sorted(maps.Keys(imported)) {
		inside, ok := strings.CutPrefix(from, module)
		if ok && !allowed(unit(inside)) {
			found = append(found, strconv.Itoa(imported[from])+": "+own+" must not import "+inside)
		}
	}
	return found
}

// unit is the part of the workspace that a path belongs to: pkg, dev, services/prober, cmd/ham.
func unit(name string) string {
	parts := strings.Split(name, "/")
	if (parts[0] == "services" || parts[0] == "cmd") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func decls(f *file) []ast.Decl {
	if f.ast == nil {
		return nil
	}
	return f.ast.Decls
}

// imports is a sample file that imports one package of the workspace.
func imports(pkg string) string {
	return "package a\nimport _ \"" + module + pkg + "\""
}
