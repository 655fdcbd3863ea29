package file

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a file.
type Error struct {
	File         string
	Line, Column int    // from 1; 0: the file as a whole
	Document     string // "group web", "ham", or "document 2" where it does not say what it is; may be empty
	Field        string // "checks.alive.timeout"; empty: the document as a whole
	// Problem says what was found and what would be right. It holds no secret.
	Problem string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	for _, part := range []string{e.Document, e.Field, e.Problem} {
		if part != "" {
			b.WriteString(": ")
			b.WriteString(part)
		}
	}
	return b.String()
}

// Errors are all mistakes of a file, in its order; never empty.
type Errors []*Error

// Error has a line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, x := range e {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives each to errors.As.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, x := range e {
		all[i] = x
	}
	return all
}

func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if len(e) > maxErrors {
		more := &Error{File: e[0].File, Problem: fmt.Sprintf("%d more mistakes are not shown: mend these first", len(e)-maxErrors)}
		e = append(e[:maxErrors:maxErrors], more)
	}
	return e
}

// maxErrors is as many as a person reads.
const maxErrors = 100

// place is where something stands: a node of a document and the path to it.
type place struct {
	file, document string
	line, column   int
	path           string
}

func (p place) error(problem string) *Error {
	return &Error{File: p.file, Line: p.line, Column: p.column, Document: p.document, Field: p.path, Problem: problem}
}
