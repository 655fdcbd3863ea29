// Package existing reads the configuration of a HAProxy or a keepalived that is in use, and writes a spec in dry run from it. It changes
// nothing, and opens no connection: what a running HAProxy says is handed in.
//
// The readers are this package's own, small and strict. The one library for haproxy.cfg that is cared for is the config-parser inside of
// HAProxy's client-native (its own module, haproxytech/config-parser, was archived in September 2025). It forgets the lines that things stood
// in, keeps in silence what it cannot read, and brings go-openapi and a database driver along; here each thing that ham cannot manage has to be
// named with its line, and a dozen keywords out of several hundred are wanted. For keepalived.conf there is none beyond a few expressions.
//
// What the words of haproxy.cfg mean: https://docs.haproxy.org/2.6/configuration.html, chapters 2.2 (quoting), 3.1, 4 and 5.2; of keepalived.conf:
// keepalived.conf(5).
package existing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Text is one file of a configuration.
type Text struct {
	Name string
	Text []byte
}

// The kinds of a [Note].
const (
	// Question: a value was assumed. The spec has it as a comment, "# ? …", where the answer belongs.
	Question = "question"
	// LeftOut: ham cannot manage it, the spec does not have it, and nothing of it changes.
	LeftOut = "left out"
)

// Note is one thing that the files do not say, or that ham cannot manage.
type Note struct {
	Kind string `json:"kind"`
	// File and Line say where, Line from 1; no line: it is about all of them.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Group is the group of the spec that it is about; none: about all of them, or what was left out.
	Group string `json:"group,omitempty"`
	Text  string `json:"text"`
}

// Place is where a note points to, as compilers write it.
func (n Note) Place() string {
	if n.Line == 0 {
		return n.File
	}
	return fmt.Sprintf("%s:%d", n.File, n.Line)
}

// Spec is what was written.
type Spec struct {
	Text   string   `json:"spec"`
	Groups []string `json:"groups"`
	// Notes are in the order of the files.
	Notes []Note `json:"notes"`
}

// place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// noted collects notes.
type noted struct{ notes []Note }

func (n *noted) leftOut(at place, format string, args ...any) {
	n.notes = append(n.notes, Note{Kind: LeftOut, File: at.file, Line: at.line, Text: fmt.Sprintf(format, args...)})
}

// writer writes one spec; questions go into its text and into its notes.
type writer struct {
	noted
	b      strings.Builder
	group  string
	groups []string
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.b, format+"\n", args...) }

// ask writes a question above the line that answers it.
func (w *writer) ask(indent string, at place, format string, args ...any) {
	n := Note{Kind: Question, File: at.file, Line: at.line, Group: w.group, Text: fmt.Sprintf(format, args...)}
	if slices.ContainsFunc(w.notes, func(o Note) bool { return o.Kind == n.Kind && o.Group == n.Group && o.Text == n.Text }) {
		return // the same of both hosts
	}
	w.line("%s# ? %s", indent, comment(n.Text))
	w.notes = append(w.notes, n)
}

// begin begins a group, with a name that is a group's and that none has yet.
func (w *writer) begin(name string) {
	w.group = unique(name, "group", w.groups)
	w.groups = append(w.groups, w.group)
	if len(w.groups) > 1 {
		w.line("---")
	}
}

func (w *writer) spec(order []string) *Spec {
	slices.SortStableFunc(w.notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.File), slices.Index(order, b.File)), cmp.Compare(a.Line, b.Line))
	})
	return &Spec{Text: w.b.String(), Groups: append([]string{}, w.groups...), Notes: append([]Note{}, w.notes...)}
}

func names(texts []Text) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = t.Name
	}
	return out
}
