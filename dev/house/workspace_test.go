package house

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWorkspaceListsEveryModule: a module that go.work does not list is never built, tested or checked.
func TestWorkspaceListsEveryModule(t *testing.T) {
	var modules []string
	for _, f := range tree(t) {
		if path.Base(f.path) == "go.mod" && !f.isData() {
			modules = append(modules, path.Dir(f.path))
		}
	}
	used := workspaceModules(t)
	for _, m := range modules {
		if !slices.Contains(used, m) {
			t.Errorf("module %s is not in go.work: run go work use ./%s", m, m)
		}
	}
	for _, m := range used {
		if !slices.Contains(modules, m) {
			t.Errorf("go.work lists %s, which has no go.mod", m)
		}
	}
}

// TestOneGoVersion: one version in all modules, so that none is built by other rules of the language.
func TestOneGoVersion(t *testing.T) {
	want := goLine(t, textOf(t, "go.work"))
	for _, m := range workspaceModules(t) {
		if got := goLine(t, textOf(t, m+"/go.mod")); got != want {
			t.Errorf("%s/go.mod says %q, go.work says %q", m, got, want)
		}
	}
}

// TestRaceListCoversGoroutines: a package that starts goroutines is run with the race detector.
func TestRaceListCoversGoroutines(t *testing.T) {
	listed := listedPackages(t, "dev/race.txt")
	covered := func(pkg string) bool {
		return slices.ContainsFunc(listed, func(pattern string) bool {
			pattern = strings.TrimPrefix(pattern, "./")
			if below, ok := strings.CutSuffix(pattern, "/..."); ok {
				return pkg == below || strings.HasPrefix(pkg, below+"/")
			}
			return pkg == pattern
		})
	}
	tested := map[string]bool{}
	for _, f := range tree(t) {
		if f.isGo() && f.isTest() {
			tested[path.Dir(f.path)] = true
		}
	}
	for _, f := range tree(t) {
		if f.isTest() || !tested[path.Dir(f.path)] {
			continue
		}
		if line := startsGoroutine(f); line > 0 && !covered(path.Dir(f.path)) {
			t.Errorf("%s:%d starts a goroutine, but dev/race.txt does not list ./%s", f.path, line, path.Dir(f.path))
		}
	}
}

func TestStartsGoroutine(t *testing.T) {
	for text, want := range map[string]int{
		"package a\nfunc f() {\n\tgo f()\n}":                                     3,
		"package a\nimport \"sync\"\nfunc f(g *sync.WaitGroup) {\n\tg.Go(f)\n}":  4,
		"package a\nfunc f() { f() } // go f()":                                  0,
		"package a\nimport \"os/exec\"\nvar c = exec.Command(\"go\", \"build\")": 0,
	} {
		f, err := newFile("a.go", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := startsGoroutine(f); got != want {
			t.Errorf("%q: line %d, want %d", text, got, want)
		}
	}
}

// listedPackages reads a list with one pattern a line and # comments.
func listedPackages(t *testing.T, name string) (patterns []string) {
	t.Helper()
	for line := range strings.Lines(textOf(t, name)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			patterns = append(patterns, line)
		}
	}
	return patterns
}

var usedModule = regexp.MustCompile(`(?m)^\s*(?:use\s+)?\./(\S+)`)

func workspaceModules(t *testing.T) (modules []string) {
	t.Helper()
	for _, m := range usedModule.FindAllStringSubmatch(textOf(t, "go.work"), -1) {
		modules = append(modules, m[1])
	}
	if len(modules) == 0 {
		t.Fatal("no module found in go.work")
	}
	return modules
}

var goVersion = regexp.MustCompile(`(?m)^go (\S+)$`)

func goLine(t *testing.T, text string) string {
	t.Helper()
	m := goVersion.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no go line in %q", text)
	}
	return m[1]
}

func textOf(t *testing.T, name string) string {
	t.Helper()
	for _, f := range tree(t) {
		if f.path == name {
			return f.text
		}
	}
	t.Fatalf("%s is missing", name)
	return ""
}
