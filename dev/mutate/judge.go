package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// verdict is what became of a mutant. Only killed is good.
type verdict string

const (
	killed     verdict = "killed"            // its test went red
	survived   verdict = "SURVIVED"          // its test stayed green: nothing guards the rule
	malformed  verdict = "MALFORMED"         // the patch file cannot be read
	stale      verdict = "STALE"             // the patch does not apply to the tree
	uncompiled verdict = "DOES NOT COMPILE"  // the patched code does not build, so the test said nothing
	noTest     verdict = "NO SUCH TEST"      // the named test does not exist or does not build
	onlySkips  verdict = "SKIPPED"           // the named test did not run here
	redBefore  verdict = "RED WITHOUT PATCH" // the named test fails on the tree as it is
	undecided  verdict = "UNDECIDED"         // the run was interrupted or go could not be started
)

// result is one row of the table.
type result struct {
	mutant  mutant
	verdict verdict
	detail  string // what a person needs to mend it; empty when killed
	took    time.Duration
}

// judge holds what all runs share.
type judge struct {
	root    string        // where the patches apply and go test runs, absolute
	scratch string        // a folder for overlays, absolute
	timeout time.Duration // of one test binary
	workers int           // how many run at once
}

// baseline runs the named tests of all mutants on the unpatched tree, one go test for each package and set of
// flags, and returns a result for each mutant whose test does not pass there.
func (j judge) baseline(ctx context.Context, mutants []mutant) map[string]result {
	groups := map[string][]mutant{}
	for _, m := range mutants {
		key := strings.Join(append([]string{m.test.pkg}, m.test.options...), " ")
		groups[key] = append(groups[key], m)
	}
	keys := slices.Sorted(maps.Keys(groups))
	found := inParallel(j.workers, keys, func(key string) []result {
		return j.baselineOf(ctx, groups[key])
	})
	bad := map[string]result{}
	for _, results := range found {
		for _, r := range results {
			bad[r.mutant.name] = r
		}
	}
	return bad
}

// baselineOf does it for mutants of one package and the same flags.
func (j judge) baselineOf(ctx context.Context, mutants []mutant) (bad []result) {
	var runs []string
	for _, m := range mutants {
		if !slices.Contains(runs, m.test.run) {
			runs = append(runs, m.test.run)
		}
	}
	all := mutants[0].test
	all.run = strings.Join(runs, "|")
	// One run of all takes as long as one of each.
	o, err := goTest(ctx, j.root, "", j.timeout*time.Duration(len(runs)), all)
	for _, m := range mutants {
		r := result{mutant: m}
		switch {
		case err != nil:
			r.verdict, r.detail = undecided, err.Error()
		case o.buildFailed:
			r.verdict, r.detail = noTest, "its package does not build without the patch:\n"+tail(o.output)
		default:
			r.verdict, r.detail = o.standing(m.test)
		}
		if r.verdict != "" {
			bad = append(bad, r)
		}
	}
	return bad
}

// standing says what is wrong with a named test on the unpatched tree; an empty verdict means nothing.
func (o outcome) standing(test namedTest) (verdict, string) {
	p, err := parsePattern(test.run)
	if err != nil {
		return malformed, err.Error()
	}
	switch {
	case slices.ContainsFunc(o.failed, p.matches):
		return redBefore, "the named test must pass on the tree as it is:\n" + tail(o.output)
	case slices.ContainsFunc(o.passed, p.matches):
		return "", ""
	case slices.ContainsFunc(o.skipped, p.matches):
		return onlySkips, "all tests that it names were skipped, so it can guard nothing here:\n" + tail(o.output)
	}
	detail := fmt.Sprintf("-run %s matches no test in %s", test.run, test.pkg)
	if o.exit != nil {
		detail += ", or the run ended before it was reached:\n" + tail(o.output)
	}
	return noTest, detail
}

// try applies one mutant as an overlay and runs its test.
func (j judge) try(ctx context.Context, m mutant) result {
	start := time.Now()
	r := result{mutant: m}
	r.verdict, r.detail = j.tryOn(ctx, m)
	r.took = time.Since(start)
	return r
}

func (j judge) tryOn(ctx context.Context, m mutant) (verdict, string) {
	changed, err := m.patched(j.root)
	if err != nil {
		return stale, err.Error()
	}
	overlay, err := writeOverlay(filepath.Join(j.scratch, m.name), changed)
	if err != nil {
		return undecided, err.Error()
	}
	o, err := goTest(ctx, j.root, overlay, j.timeout, m.test)
	switch {
	case err != nil:
		return undecided, err.Error()
	case o.buildFailed:
		return uncompiled, tail(o.output)
	case o.exit != nil:
		return killed, ""
	}
	return survived, fmt.Sprintf("the rule can be broken and go test %s stays green", m.test)
}

// writeOverlay puts the changed files into dir and returns the path of the file that go's -overlay reads.
func writeOverlay(dir string, changed map[string]string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, original := range slices.Sorted(maps.Keys(changed)) {
		// The number keeps two files of the same name apart.
		copied := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(original)))
		if err := os.WriteFile(copied, []byte(changed[original]), 0o644); err != nil {
			return "", err
		}
		replace[original] = copied
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o644)
}

// tail keeps the end of a long output, where go test says what failed.
func tail(output string) string {
	const keep = 2000
	output = strings.TrimSpace(output)
	if len(output) > keep {
		output = "…" + output[len(output)-keep:]
	}
	return output
}
