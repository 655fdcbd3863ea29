package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/isacloud/ha-manager/pkg/legible"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
)

// json prints v as indented JSON.
func (a *app) json(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }

// table prints rows in columns.
func table(w io.Writer, indent string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, indent+strings.Join(row, "\t"))
	}
	_ = t.Flush() // the writer below reports its own errors on the next print
}

// paint colours s where colours are wanted. Only escape sequences of this file reach the terminal: see clean.
func (a *app) paint(color, s string) string {
	if !a.color() || color == "" {
		return s
	}
	return color + s + "\x1b[0m"
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
)

// t is a text of the command's own, by its English, in the language that was asked for.
func (a *app) t(text string, args ...any) string { return words.Of(a.lang).T(text, args...) }

// tell prints one.
func (a *app) tell(text string, args ...any) { a.printf("%s", a.t(text, args...)) }

// fig writes a figure with its unit.
func (a *app) fig(text string) string { return words.Of(a.lang).Figure(text) }

// titles are the heads of a table.
func (a *app) titles(all ...string) []string {
	for i := range all {
		all[i] = a.t(all[i])
	}
	return all
}

// say is a sentence of ham's in the language that was asked for, safe for the screen.
func (a *app) say(sentence string) string { return clean(words.Of(a.lang).Say(sentence)) }

// clean takes out of what somebody else wrote what would drive a terminal, or mislead who reads it.
func clean(s string) string { return legible.Line(s) }

func (a *app) reasons(reasons []message.Reason) {
	for _, r := range reasons {
		note := ""
		if r.Overridable {
			note = "  " + a.t("(may be overridden: --override %s --reason …)", r.Code)
		}
		a.printf("  %s  %s%s", r.Code, a.say(r.Sentence), note)
	}
}
