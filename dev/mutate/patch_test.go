package main

import (
	"strings"
	"testing"
)

func TestApply(t *testing.T) {
	const before = "one\ntwo\n\nthree\nfour\nfive\n"
	for name, c := range map[string]struct{ diff, want string }{
		"in place": {
			"--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n \n",
			"one\n2\n\nthree\nfour\nfive\n",
		},
		"two blocks of a mailed patch": {
			"diff --git a/f b/f\nindex 1..2 100644\n--- a/f\t2020-01-01\n+++ b/f\n@@ -1 +1,2 @@\n one\n+and\n@@ -6 +7 @@ func\n-five\n+5\n-- \n2.39",
			"one\nand\ntwo\n\nthree\nfour\n5\n",
		},
		"moved, and the empty context line lost its space": {
			"--- a/f\n+++ b/f\n@@ -90,3 +90,2 @@\n-two\n\n three\n@@ -95,1 +94,1 @@\n-five\n+5\n",
			"one\n\nthree\nfour\n5\n",
		},
	} {
		files, err := parseDiff(strings.Split(c.diff, "\n"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := files[0].apply(before)
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, %v\nwant %q", name, got, err, c.want)
		}
	}
}

func TestDiffsThatAreRefused(t *testing.T) {
	for _, c := range []struct{ diff, want string }{
		{"", "no diff"},
		{"--- a/f\n", "not followed by a +++"},
		{"--- a/f\n+++ b/f\n", "no @@ block"},
		{"@@ -1 +1 @@\n-a\n+b\n", "before any --- and +++"},
		{"--- a/f\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n", "does not add, delete or rename"},
		{"--- /dev/null\n+++ b/g\n@@ -0,0 +1 @@\n+b\n", "does not add, delete or rename"},
		{"--- a/../f\n+++ b/../f\n@@ -1 +1 @@\n-a\n+b\n", "relative to the root"},
		{"--- /f\n+++ /f\n@@ -1 +1 @@\n-a\n+b\n", "relative to the root"},
		{"--- a/f\n+++ b/f\n@@ one @@\n-a\n+b\n", "expected @@ -line"},
		{"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n", "promises 1 old and 1 new"},
		{"--- a/f\n+++ b/f\n@@ -1 +1 @@\nstray\n", "starts with none of"},
		{"--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+b\n", "no context line"},
	} {
		_, err := parseDiff(strings.Split(strings.TrimSuffix(c.diff, "\n"), "\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got error %v, want one with %q", c.diff, err, c.want)
		}
	}
}

func TestApplyRefusesPatchThatChangesNothing(t *testing.T) {
	files, err := parseDiff([]string{"--- a/f", "+++ b/f", "@@ -1 +1 @@", "-one", "+one"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files[0].apply("one\n"); err == nil || !strings.Contains(err.Error(), "changes nothing") {
		t.Errorf("got error %v", err)
	}
}

func TestNamedTestLine(t *testing.T) {
	got, err := parseTest(" ./pkg/lease -run ^TestX$/sub -race -count 3 -tags slow ")
	if err != nil {
		t.Fatal(err)
	}
	if s := got.String(); s != "./pkg/lease -run ^TestX$/sub -race -count=3 -tags=slow" {
		t.Errorf("read as %q", s)
	}
	for _, line := range []string{"", "-run ^TestX$", "./pkg/... -run X", "./pkg", "./pkg -run (", "./pkg -run X -v", "./pkg -run X Y"} {
		if got, err := parseTest(line); err == nil {
			t.Errorf("%q was accepted as %v", line, got)
		}
	}
}
