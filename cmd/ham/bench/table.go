package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printTable prints every result as one table for people: a line for each figure, those beside it below it.
func printTable(w io.Writer, results []result) {
	lines := [][]string{{"", "min", "median", "p99", "n", "target", "reached"}}
	var notes []string
	for _, r := range results {
		for _, f := range r.Figures {
			what, target, reached := f.What, "", ""
			if f.Goal == nil {
				what = "  beside: " + what
			} else {
				target, reached = f.Goal.String(), yesNo(f.reached())
			}
			if f.Note != "" {
				notes = append(notes, f.Note)
				what += fmt.Sprintf(" [%d]", len(notes))
			}
			lines = append(lines, []string{
				what, withUnit(f.Values.min(), f.Unit), withUnit(f.Values.median(), f.Unit), withUnit(f.Values.p99(), f.Unit),
				grouped(strconv.Itoa(len(f.Values))), target, reached,
			})
		}
		if r.Problem != "" {
			lines = append(lines, []string{r.Name + ": NOT MEASURED", "", "", "", "", "", ""})
			notes = append(notes, r.Name+": "+r.Problem)
		}
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, line := range lines {
		var b strings.Builder
		for i, cell := range line {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 || i >= 5 {
				b.WriteString(cell + gap + "  ")
			} else {
				b.WriteString(gap + cell + "  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
		if n == 0 {
			fmt.Fprintln(w, strings.Repeat("-", utf8.RuneCountInString(b.String())-2))
		}
	}
	for i, note := range notes {
		fmt.Fprintf(w, "[%d] %s\n", i+1, note)
	}
}

// printMarkdown prints the rows of the table in docs/figures.md: one for each figure with a goal, with its peers in the last cell.
func printMarkdown(w io.Writer, results []result) {
	fmt.Fprintln(w, "| row | what | min / median / p99 (n) | target | reached | beside it, in the same run |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	for _, r := range results {
		for i, f := range r.Figures {
			if f.Goal == nil {
				continue
			}
			var beside []string
			for _, p := range r.Figures[i+1:] {
				if p.Goal != nil {
					break
				}
				beside = append(beside, fmt.Sprintf("%s: %s%s", p.What, spread(p), noted(p)))
			}
			fmt.Fprintf(w, "| %s | %s%s | %s | %s | %s | %s |\n", r.Name, f.What, noted(f), spread(f), f.Goal, yesNo(f.reached()), strings.Join(beside, "; "))
		}
		if r.Problem != "" {
			fmt.Fprintf(w, "| %s | not measured: %s | | | no | |\n", r.Name, r.Problem)
		}
	}
}

func noted(f figure) string {
	if f.Note == "" {
		return ""
	}
	return " (" + f.Note + ")"
}

// spread says a figure in one cell; one value is said once.
func spread(f figure) string {
	if len(f.Values) == 1 {
		return withUnit(f.Values[0], f.Unit)
	}
	return fmt.Sprintf("%s / %s / %s (%s)", show(f.Values.min()), show(f.Values.median()), withUnit(f.Values.p99(), f.Unit), grouped(strconv.Itoa(len(f.Values))))
}

func withUnit(v float64, unit string) string { return show(v) + " " + unit }

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "not reached"
}
