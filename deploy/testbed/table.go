//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// results reads all runs that are kept in dir, in the order of the table.
func results(dir string) ([]result, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var all []result
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var r result
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		if r.Fault != "" {
			all = append(all, r)
		}
	}
	order := func(name string) int { return slices.IndexFunc(faults, func(f fault) bool { return f.name == name }) }
	slices.SortFunc(all, func(a, b result) int {
		return (order(a.Fault)-order(b.Fault))*1000 + strings.Compare(a.Stack+a.Setting, b.Stack+b.Setting)*100 + a.Run - b.Run
	})
	return all, nil
}

// printTable prints the figures of all runs as Markdown.
func printTable(w io.Writer, all []result) {
	fmt.Fprintln(w, "| fault | manager | runs | gap min / med / max ms | lost acked (per run) | two acknowledged: runs (max ms) | moved | errors med | back in line med / max s | not served again |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].Fault == all[i].Fault && all[j].Stack == all[i].Stack && all[j].Setting == all[i].Setting {
			j++
		}
		row(w, all[i:j])
		i = j
	}
}

func row(w io.Writer, runs []result) {
	name := runs[0].Stack + " " + runs[0].Setting
	runs = slices.DeleteFunc(slices.Clone(runs), func(r result) bool {
		if r.Failed != "" {
			fmt.Fprintf(w, "| %s | %s | run %d failed: %s |\n", r.Fault, name, r.Run, strings.ReplaceAll(tail(r.Failed, 200), "\n", " "))
		}
		return r.Failed != ""
	})
	if len(runs) == 0 {
		return
	}
	var gap, errs, back, cpu, rss []float64
	var lost []string
	two, moved, dead := 0, 0, 0
	var overlap float64
	for _, r := range runs {
		gap, errs, cpu, rss = append(gap, r.Gap), append(errs, float64(r.Errors)), append(cpu, r.CPU), append(rss, r.RSS)
		if r.Rejoin >= 0 {
			back = append(back, r.Rejoin/1000)
		}
		lost = append(lost, fmt.Sprint(r.Lost))
		if r.Overlap > 0 || r.TwoWritable {
			two++
		}
		overlap = max(overlap, r.Overlap)
		if r.Moved {
			moved++
		}
		if !r.Recovered {
			dead++
		}
	}
	if runs[0].Fault == "idle" {
		lowC, midC, highC := spread(cpu)
		lowM, midM, highM := spread(rss)
		fmt.Fprintf(w, "| idle | %s | %d | %.1f / %.1f / %.1f %% of a core, %.0f / %.0f / %.0f MiB RSS |\n", name, len(runs), lowC, midC, highC, lowM, midM, highM)
		return
	}
	low, mid, high := spread(gap)
	_, midErrs, _ := spread(errs)
	_, midBack, highBack := spread(back)
	inLine := "–"
	if len(back) > 0 {
		inLine = fmt.Sprintf("%.1f / %.1f", midBack, highBack)
		if len(back) < len(runs) {
			inLine += fmt.Sprintf(" (%d of %d)", len(back), len(runs))
		}
	}
	fmt.Fprintf(w, "| %s | %s | %d | %.0f / %.0f / %.0f | %s | %d (%.0f) | %d | %.0f | %s | %d |\n",
		runs[0].Fault, name, len(runs), low, mid, high, strings.Join(lost, " "), two, overlap, moved, midErrs, inLine, dead)
}
