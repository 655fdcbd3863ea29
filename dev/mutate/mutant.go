package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// mutant is one patch file: the rule it breaks, the test that must notice, and the change.
type mutant struct {
	name  string // file name without .patch
	rule  string
	test  namedTest
	slow  string // why its test takes long to go red; "" where it does not
	files []filePatch
}

// namedTest says which test must go red.
type namedTest struct {
	pkg     string   // as the go command takes it: ./dir or an import path
	run     string   // the value of -run
	options []string // further flags for go test, such as -race
}

func (t namedTest) String() string {
	if t.pkg == "" {
		return "-"
	}
	return strings.Join(append([]string{t.pkg, "-run", t.run}, t.options...), " ")
}

// parseMutant reads the text of mutants/<name>.patch.
func parseMutant(name, text string) (mutant, error) {
	m := mutant{name: name}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	body := 0
	for ; body < len(lines); body++ {
		line := lines[body]
		if strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "diff ") {
			break
		}
		if value, ok := strings.CutPrefix(line, "Rule:"); ok {
			m.rule = strings.TrimSpace(value)
		}
		if value, ok := strings.CutPrefix(line, "Slow:"); ok {
			m.slow = strings.TrimSpace(value)
		}
		if value, ok := strings.CutPrefix(line, "Test:"); ok {
			test, err := parseTest(value)
			if err != nil {
				return m, fmt.Errorf("line %d, Test: %w", body+1, err)
			}
			m.test = test
		}
	}
	if m.rule == "" {
		return m, errors.New(`no "Rule: <sentence>" line above the diff: say which rule the patch breaks`)
	}
	if m.test.pkg == "" {
		return m, errors.New(`no "Test: <package> -run <regexp>" line above the diff: say which test must go red`)
	}
	var err error
	m.files, err = parseDiff(lines[body:])
	return m, err
}

func parseTest(value string) (namedTest, error) {
	fields := strings.Fields(value)
	if len(fields) == 0 || strings.HasPrefix(fields[0], "-") {
		return namedTest{}, errors.New("expected <package> -run <regexp>")
	}
	t := namedTest{pkg: fields[0]}
	if strings.Contains(t.pkg, "...") {
		return namedTest{}, fmt.Errorf("%s: expected one package, not a pattern", t.pkg)
	}
	flags := flag.NewFlagSet("Test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	run := flags.String("run", "", "")
	race := flags.Bool("race", false, "")
	count := flags.Int("count", 0, "")
	tags := flags.String("tags", "", "")
	if err := flags.Parse(fields[1:]); err != nil {
		return namedTest{}, fmt.Errorf("%w (known: -run, -race, -count, -tags)", err)
	}
	if flags.NArg() > 0 {
		return namedTest{}, fmt.Errorf("unexpected %q after the flags", flags.Arg(0))
	}
	if *run == "" {
		return namedTest{}, errors.New("-run is missing")
	}
	if _, err := parsePattern(*run); err != nil {
		return namedTest{}, err
	}
	t.run = *run
	if *race {
		t.options = append(t.options, "-race")
	}
	if *count > 0 {
		t.options = append(t.options, fmt.Sprintf("-count=%d", *count))
	}
	if *tags != "" {
		t.options = append(t.options, "-tags="+*tags)
	}
	return t, nil
}

// patched returns the changed content of each file of the mutant, by absolute path.
func (m mutant) patched(root string) (map[string]string, error) {
	changed := make(map[string]string, len(m.files))
	for _, f := range m.files {
		full := filepath.Join(root, filepath.FromSlash(f.path))
		if _, twice := changed[full]; twice {
			return nil, fmt.Errorf("%s is patched twice: join its @@ blocks", f.path)
		}
		content, err := os.ReadFile(full)
		if err != nil {
			return nil, err
		}
		if changed[full], err = f.apply(string(content)); err != nil {
			return nil, err
		}
	}
	return changed, nil
}
