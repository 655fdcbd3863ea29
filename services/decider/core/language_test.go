package core

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/isacloud/ha-manager/pkg/message"
	language "github.com/isacloud/ha-manager/pkg/words"
)

// forPeople are the sentences people get to read of an output.
func forPeople(o Output) []string {
	var out []string
	event := func(e *message.Event) {
		out = append(out, e.Sentence)
		for _, r := range e.Reasons {
			out = append(out, r.Sentence)
		}
		if c := e.Command; c != nil {
			out = append(out, c.Sentence)
		}
	}
	switch o := o.(type) {
	case Propose:
		if c, ok := o.Entry.(*message.Command); ok {
			out = append(out, c.Sentence)
			for _, s := range c.Plan.Steps {
				out = append(out, s.Says)
			}
		}
	case Tell:
		event(o.Event)
	case Answer:
		event(o.Event)
	case Keep:
		for _, e := range o.Tell {
			event(e)
		}
	}
	return out
}

// inPortuguese fails for each sentence that has no translation: whoever writes a rule writes its translation, in pkg/words.
func inPortuguese(t *testing.T, sentences ...string) {
	t.Helper()
	for _, s := range sentences {
		if m := language.Of(language.Portuguese).Missing(s); len(m) > 0 {
			t.Errorf("no translation in pkg/words for %q, of %q", m, s)
		}
	}
}

// What acts is explained by when it holds and what follows.
func TestWhatActsIsExplainedInPortuguese(t *testing.T) {
	for _, r := range situationRules {
		if r.act != nil {
			inPortuguese(t, r.Code+" "+r.When+": "+r.Decides)
		}
	}
}

// TestEveryLiteralIsInTheCatalog finds words of the core that no script happens to say: each literal piece of a sentence in the sources must
// stand in the English of some format.
func TestEveryLiteralIsInTheCatalog(t *testing.T) {
	catalog := strings.Join(language.Of(language.Portuguese).Formats(), "\n")
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.CallExpr: // errors are for programs and logs
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "Errorf" || s.Sel.Name == "New") {
					return false
				}
				if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "panic" {
					return false
				}
			case *ast.CompositeLit: // of a rule only what it says is told
				if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Rule" && len(n.Elts) == 4 {
					literal(t, catalog, fset, n.Elts[3])
					return false
				}
			case *ast.BasicLit:
				literal(t, catalog, fset, n)
			}
			return true
		})
	}
}

var holes = regexp.MustCompile(`\{[a-z_]+\}|%[a-z]`)

func literal(t *testing.T, catalog string, fset *token.FileSet, e ast.Expr) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range holes.Split(s, -1) {
		piece = strings.Trim(piece, " .,;:()")
		if strings.Contains(piece, " ") && !strings.Contains(catalog, piece) {
			t.Errorf("%s: no format in pkg/words has %q", fset.Position(lit.Pos()), piece)
		}
	}
}
