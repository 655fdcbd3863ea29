// Command picture turns what a terminal shows into an SVG, for the docs:
//
//	script -qec "bin/ham demo --script" /dev/null | tr -d '\r' | head -70 | go run ./dev/picture -columns 150 > docs/demo.svg
//
// It knows colours 31 to 37, bold, dim and reset, which is what ham prints.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

const (
	columnWidth = 7.8 // pixels of one letter at this size
	lineHeight  = 18
	margin      = 14
)

var colors = map[string]string{
	"31": "#ff7b72", "32": "#7ee787", "33": "#f2cc60", "34": "#79c0ff", "35": "#d2a8ff", "36": "#76e3ea", "37": "#e6edf3",
}

func main() {
	columns := flag.Int("columns", 160, "longer lines are cut here, with a mark")
	flag.Parse()
	if err := draw(os.Stdin, os.Stdout, *columns); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func draw(in io.Reader, out io.Writer, columns int) error {
	var rows []string
	widest := 0
	scan := bufio.NewScanner(in)
	for scan.Scan() {
		row, width := spans(strings.TrimRight(scan.Text(), " "), columns)
		rows = append(rows, row)
		widest = max(widest, width)
	}
	if err := scan.Err(); err != nil {
		return err
	}
	w, h := int(float64(widest)*columnWidth)+2*margin, len(rows)*lineHeight+2*margin
	_, err := fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">
<rect width="100%%" height="100%%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="13" fill="#e6edf3" xml:space="preserve">
`, w, h, w, h)
	for i, row := range rows {
		if err == nil && row != "" {
			_, err = fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\">%s</text>\n", margin, margin+(i+1)*lineHeight-5, row)
		}
	}
	if err == nil {
		_, err = io.WriteString(out, "</g>\n</svg>\n")
	}
	return err
}

// spans turns one line with escape sequences into SVG spans, and counts its columns.
func spans(line string, columns int) (string, int) {
	var out strings.Builder
	width := 0
	style := ""
	emit := func(text string) {
		if text == "" || width >= columns {
			return
		}
		if letters := []rune(text); width+len(letters) > columns {
			text = string(letters[:columns-width-1]) + "…"
		}
		width += utf8.RuneCountInString(text)
		fmt.Fprintf(&out, "<tspan%s>%s</tspan>", style, html.EscapeString(text))
	}
	for {
		before, rest, found := strings.Cut(line, "\x1b[")
		emit(before)
		if !found {
			return out.String(), width
		}
		codes, tail, ended := strings.Cut(rest, "m")
		if !ended {
			return out.String(), width
		}
		for code := range strings.SplitSeq(codes, ";") {
			switch {
			case code == "" || code == "0" || code == "39":
				style = ""
			case code == "1":
				style += ` font-weight="bold"`
			case code == "2":
				style += ` opacity="0.6"`
			case colors[code] != "":
				style += ` fill="` + colors[code] + `"`
			}
		}
		line = tail
	}
}
