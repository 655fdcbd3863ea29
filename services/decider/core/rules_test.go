package core

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// rewrite is datadriven's flag: go test ./services/decider/core -args -rewrite
func rewriting() bool {
	f := flag.Lookup("rewrite")
	return f != nil && f.Value.String() == "true"
}

// TestRulesGolden holds the table as a file that a person can read, so that a change of a rule is a difference to review.
func TestRulesGolden(t *testing.T) {
	var b strings.Builder
	heads := map[byte]string{'1': "Verdicts of one check of one member: the first that holds", '2': "What the decider does by itself: the first that holds (reminders, which are last, beside it)", '3': "Refusals: every one that holds", '4': "What a request leads to"}
	heads['c'] = "What is only told"
	section := byte(0)
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Code] || len(r.Code) != 4 || r.When == "" || r.Says == "" {
			t.Errorf("rule %+v: want a code of its own like R101, when it holds and what it says", r)
		}
		seen[r.Code] = true
		of := r.Code[1]
		if r.Code >= "R490" || r.Code == planSoon.Code {
			of = 'c'
		}
		if of != section {
			section = of
			fmt.Fprintf(&b, "\n## %s\n", heads[section])
		}
		fmt.Fprintf(&b, "\n%s  when %s\n", r.Code, r.When)
		if r.Decides != "" {
			fmt.Fprintf(&b, "      then %s\n", r.Decides)
		}
		fmt.Fprintf(&b, "      says %s\n", r.Says)
		for _, refusal := range refusalRules {
			if refusal.Code == r.Code {
				fmt.Fprintf(&b, "      of   %s%s\n", concerns(refusal.of), map[bool]string{true: "; a person may set it aside with a reason"}[refusal.overridable])
			}
		}
	}
	const path = "testdata/rules.golden"
	if rewriting() {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("%s differs from the table; run with -args -rewrite and review the difference", path)
	}
}

func concerns(w who) string {
	names := []string{"itself", "fallback", "adoption", "regroup", "swap asked", "adopt asked", "pause asked", "resume asked", "abort asked", "step asked", "note asked", "other asked", "readiness", "drill asked", "drill back", "drill end asked",
		"approve asked", "reject asked", "judge asked", "plan of a drill asked", "end of that plan asked", "step judged", "drain asked", "undrain asked", "renewal asked", "to go on asked", "try of a ladder"}
	var out []string
	for i, name := range names {
		if w&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}
