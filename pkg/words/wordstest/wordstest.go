// Package wordstest holds the packages that say something to their translations: whoever adds a text and forgets its Portuguese sees a test fail
// that names the text.
package wordstest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/isacloud/ha-manager/pkg/words"
)

var pt = words.Of(words.Portuguese)

// blanks are where something is filled in.
var blanks = regexp.MustCompile(`\{[a-z_0-9]+(?::[a-z]*)?\}|%(?:\[\d\])?[-+.0-9]*[a-zA-Z]|%%`)

// letters tells text from signs.
var letters = regexp.MustCompile(`\pL{2,}`)

// Sources walks the Go files of a folder, tests left out, and fails for each literal that has two words or more and stands in no English of
// the catalog. Not looked at: what goes to a log, panics, tags, imports, and what skip says. Skip gets the literal and the name of the
// function that it is handed to, "" where it is none; it may be nil.
func Sources(t testing.TB, dir string, skip func(literal, function string) bool) {
	t.Helper()
	catalog := strings.Join(slices.Concat(pt.Texts(), pt.Formats()), "\n")
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		var look func(function string) func(ast.Node) bool
		look = func(function string) func(ast.Node) bool {
			return func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ImportSpec:
					return false
				case *ast.Field: // its tag
					return n.Tag == nil
				case *ast.CallExpr:
					callee := nameOf(n.Fun)
					if silent[callee] {
						return false
					}
					for _, arg := range n.Args {
						ast.Inspect(arg, look(callee))
					}
					ast.Inspect(n.Fun, look(function))
					return false
				case *ast.CompositeLit: // the word of a state may be one alone
					if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Mark" && len(n.Elts) > 0 {
						if lit, ok := n.Elts[0].(*ast.BasicLit); ok {
							if text, err := strconv.Unquote(lit.Value); err == nil && !pt.Known(text) && len(pt.Missing(text)) > 0 {
								t.Errorf("%s: no Portuguese in pkg/words for the state %q", set.Position(n.Pos()), text)
							}
						}
					}
				case *ast.BasicLit:
					if n.Kind != token.STRING {
						return true
					}
					text, err := strconv.Unquote(n.Value)
					if err != nil {
						t.Fatal(err)
					}
					if skip != nil && skip(text, function) {
						return true
					}
					for _, piece := range blanks.Split(text, -1) {
						piece = strings.Trim(piece, " .,;:()\n+–≤→×")
						if strings.Contains(piece, " ") && letters.MatchString(piece) && !strings.Contains(catalog, piece) {
							t.Errorf("%s: nothing in pkg/words says in Portuguese: %q", set.Position(n.Pos()), piece)
						}
					}
				}
				return true
			}
		}
		ast.Inspect(tree, look(""))
	}
}

// silent are functions whose texts nobody reads on a page.
var silent = map[string]bool{"Debug": true, "Info": true, "Warn": true, "Error": true, "Log": true, "panic": true, "MustCompile": true, "Fprintf": true, "WriteString": true}

func nameOf(f ast.Expr) string {
	switch f := f.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// Templates walks all templates of a file system that match the pattern and fails for each text of {{t "…"}} without Portuguese, and for each
// text that is in no {{t}}. Names are texts that are the same in each language.
func Templates(t testing.TB, files fs.FS, pattern string, names ...string) {
	t.Helper()
	all, err := fs.Glob(files, pattern)
	if err != nil || len(all) == 0 {
		t.Fatalf("no templates as %s: %v", pattern, err)
	}
	for _, name := range all {
		source, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		tree := parse.New(name)
		tree.Mode = parse.SkipFuncCheck
		trees := map[string]*parse.Tree{}
		if _, err := tree.Parse(string(source), "", "", trees); err != nil {
			t.Fatal(err)
		}
		for _, one := range trees {
			var bare strings.Builder
			walk(t, name, one.Root, &bare)
			for _, text := range Texts(bare.String()) {
				if text = strings.TrimSpace(text); letters.MatchString(text) && !slices.Contains(names, text) {
					t.Errorf("%s: a text in no {{t}}: %q", name, text)
				}
			}
		}
	}
}

func walk(t testing.TB, name string, n parse.Node, bare *strings.Builder) {
	t.Helper()
	branch := func(b *parse.BranchNode) {
		walk(t, name, b.Pipe, bare)
		walk(t, name, b.List, bare)
		if b.ElseList != nil {
			walk(t, name, b.ElseList, bare)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, x := range n.Nodes {
			walk(t, name, x, bare)
		}
	case *parse.TextNode:
		bare.Write(n.Text)
	case *parse.ActionNode:
		walk(t, name, n.Pipe, bare)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			walk(t, name, n.Pipe, bare)
		}
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			walk(t, name, c, bare)
		}
	case *parse.CommandNode:
		f, _ := n.Args[0].(*parse.IdentifierNode)
		for i, arg := range n.Args {
			if text, ok := arg.(*parse.StringNode); ok && i == 1 && f != nil && f.Ident == "t" && !pt.Known(text.Text) {
				t.Errorf("%s: no Portuguese in pkg/words for {{t %q}}", name, text.Text)
			}
			walk(t, name, arg, bare)
		}
	}
}

var (
	dark       = regexp.MustCompile(`(?s)<(script|style|code|svg class="sprite"|textarea|pre)\b.*?</(?:script|style|code|svg|textarea|pre)>`)
	tags       = regexp.MustCompile(`(?s)<[^>]*>`)
	attributes = regexp.MustCompile(`\s(?:title|aria-label|placeholder|alt|data-[a-z-]+)="([^"]*)"`)
)

// Texts are what a person reads on a page: the text between tags, and attributes that are shown or said. What stands in <code> is left out.
func Texts(page string) []string {
	page = dark.ReplaceAllString(page, "<x>")
	var out []string
	for _, m := range attributes.FindAllStringSubmatch(page, -1) {
		if strings.ContainsRune(m[1], ' ') || !strings.HasPrefix(m[0][1:], "data-") { // one word is for the script
			out = append(out, html.UnescapeString(m[1]))
		}
	}
	for _, text := range tags.Split(page, -1) {
		if text = strings.TrimSpace(html.UnescapeString(text)); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// betrays are English words that are none in Portuguese.
var betrays = regexp.MustCompile(`(?i)(?:^|[^\pL\pN_/.-])(the|is|of|and|not|was|were|with|has|have|this|that|nobody|nothing|what|when|from|would|will|which|by|to|it|its|at|be|an|are|you|your|been|no one|ago|on|in)(?:[^\pL\pN_/.-]|$)`)

// English are the texts of a page that are still English on the Portuguese one.
func English(page string) []string {
	var out []string
	for _, text := range Texts(page) {
		if betrays.MatchString(text) || pt.Known(text) && pt.T(text) != text && !back[text] {
			out = append(out, text)
		}
	}
	return out
}

// back are Portuguese texts that are English ones as well.
var back = func() map[string]bool {
	out := map[string]bool{}
	for _, text := range pt.Texts() {
		out[pt.T(text)] = true
	}
	return out
}()

// Portuguese fails for what a page says in English.
func Portuguese(t testing.TB, where, page string) {
	t.Helper()
	for _, text := range English(page) {
		t.Errorf("%s says in English: %q", where, text)
	}
}
