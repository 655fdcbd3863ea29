package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestVerdicts judges every patch of testdata/module, each of which is there for one verdict.
func TestVerdicts(t *testing.T) {
	t.Setenv("GOWORK", "off") // the module stands alone
	table, reasons, code := judgeModule(t, "-run", "^[^h]")
	if code != 1 {
		t.Errorf("exit code %d with bad verdicts, want 1", code)
	}
	want := map[string]verdict{
		"killed":              killed,
		"killed-moved":        killed,
		"killed-nested":       killed,
		"survived":            survived,
		"survived-other-test": survived,
		"stale":               stale,
		"ambiguous":           stale,
		"uncompiled":          uncompiled,
		"no-test":             noTest,
		"no-package":          noTest,
		"skipped":             onlySkips,
		"red-before":          redBefore,
		"no-rule":             malformed,
		"no-named-test":       malformed,
		"miscounted":          malformed,
	}
	if got := verdicts(table); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v\n%s", got, want, reasons)
	}
	for name, v := range want {
		if explained := strings.Contains(reasons, "\n"+name+": "+string(v)+"\n"); explained == (v == killed) {
			t.Errorf("%s: %s is explained: %t", name, v, explained)
		}
	}
	if !strings.HasSuffix(table, "\n3 of 15 mutants killed\n") {
		t.Errorf("wrong sum:\n%s", table)
	}
}

func TestAllKilled(t *testing.T) {
	t.Setenv("GOWORK", "off")
	table, reasons, code := judgeModule(t, "-run", "^killed$", "-j", "1")
	if code != 0 {
		t.Errorf("exit code %d, want 0\n%s\n%s", code, table, reasons)
	}
}

// The parts together are all of them, and no two have one in common.
func TestSharesAreAll(t *testing.T) {
	var all []mutant
	for _, name := range strings.Fields("a b c d e f g h") {
		all = append(all, mutant{name: name})
	}
	seen := map[string]int{}
	for _, share := range []string{"0/3", "1/3", "2/3"} {
		k, n, err := parseShare(share)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range everyNth(all, k, n) {
			seen[m.name]++
		}
	}
	for _, m := range all {
		if seen[m.name] != 1 {
			t.Errorf("%s is in %d parts", m.name, seen[m.name])
		}
	}
}

// Who is in a hurry leaves out those that say that they are slow, and is told how many.
func TestQuickLeavesOutTheSlow(t *testing.T) {
	t.Setenv("GOWORK", "off")
	table, said, code := judgeModule(t, "-run", "^(killed|hanging)$", "-quick")
	if code != 0 || strings.Contains(table, "hanging") || !strings.Contains(table, "killed") || !strings.Contains(said, "1 slow ones are left out") {
		t.Errorf("exit code %d, want 0 and one left out\n%s\n%s", code, table, said)
	}
}

func TestHangingTestIsRed(t *testing.T) {
	t.Setenv("GOWORK", "off")
	table, reasons, code := judgeModule(t, "-run", "^hanging$", "-timeout", "5s")
	if code != 0 {
		t.Errorf("exit code %d, want 0\n%s\n%s", code, table, reasons)
	}
}

// TestTreeIsNotTouched holds the promise that a mutant never reaches the tree.
func TestTreeIsNotTouched(t *testing.T) {
	t.Setenv("GOWORK", "off")
	const file = "testdata/module/gate/gate.go"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	judgeModule(t, "-run", "^(killed|survived)$")
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Errorf("%s was changed:\n%s", file, after)
	}
}

func TestInterrupted(t *testing.T) {
	t.Setenv("GOWORK", "off")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"-C", "testdata/module", "-run", "^killed$"}, &stdout, &stderr); code != 1 {
		t.Errorf("exit code %d of an interrupted run, want 1", code)
	}
	if got := verdicts(stdout.String())["killed"]; got != undecided {
		t.Errorf("an interrupted run says %s, want %s", got, undecided)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"-no-such-flag"},
		{"-run", "("},
		{"-j", "0"},
		{"-share", "3/3"},
		{"-share", "1"},
		{"stray"},
		{"-C", t.TempDir()},
		{"-C", "testdata/module", "-run", "^matches nothing$"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%q: exit code %d, want 2 and a reason, got %q", args, code, stderr.String())
		}
	}
}

// judgeModule runs the command on testdata/module.
func judgeModule(t *testing.T, args ...string) (table, reasons string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"-C", "testdata/module"}, args...), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

var row = regexp.MustCompile(`(?m)^(\S+) +(\S.*?) +\d+\.\d `)

func verdicts(table string) map[string]verdict {
	found := map[string]verdict{}
	for _, m := range row.FindAllStringSubmatch(table, -1) {
		found[m[1]] = verdict(m[2])
	}
	return found
}
