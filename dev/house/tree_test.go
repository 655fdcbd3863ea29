package house

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the workspace, seen from this package.
const root = "../.."

// file is one text file of the tree.
type file struct {
	path string // from the root, slashes
	text string
	ast  *ast.File // nil unless it is Go that parses
	fset *token.FileSet
}

func newFile(name, text string) (*file, error) {
	f := &file{path: name, text: text}
	if !f.isGo() {
		return f, nil
	}
	f.fset = token.NewFileSet()
	var err error
	f.ast, err = parser.ParseFile(f.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return f, err
}

func (f *file) isGo() bool   { return path.Ext(f.path) == ".go" && !f.isData() }
func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }
func (f *file) isData() bool { return slices.Contains(strings.Split(f.path, "/"), "testdata") }

// line returns the line of a node of f.ast.
func (f *file) line(n ast.Node) int { return f.fset.Position(n.Pos()).Line }

// imports returns each import path with its line.
func (f *file) imports() map[string]int {
	found := map[string]int{}
	if f.ast != nil {
		for _, spec := range f.ast.Imports {
			found[strings.Trim(spec.Path.Value, `"`)] = f.line(spec)
		}
	}
	return found
}

// tree returns every text file below the root, but for what git and the build leave there.
func tree(t *testing.T) []*file {
	t.Helper()
	files, err := readTree()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d files found below %s: the rules would hold of nothing", len(files), root)
	}
	return files
}

var readTree = sync.OnceValues(func() ([]*file, error) {
	var files []*file
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // an editor's or a test's temporary file that has gone since
			return nil
		}
		if err != nil {
			return err
		}
		switch entry.Name() {
		case ".git", ".task", "bin", "node_modules":
			if entry.IsDir() {
				return filepath.SkipDir
			}
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || bytes.IndexByte(text, 0) >= 0 { // what is not text has no words
			return err
		}
		name, err = filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := newFile(filepath.ToSlash(name), string(text))
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
})

// startsGoroutine returns the line of the first go statement, or of the first call of a method Go, as groups have;
// 0 if there is none.
func startsGoroutine(f *file) (line int) {
	if f.ast == nil {
		return 0
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		starts := false
		switch n := n.(type) {
		case *ast.GoStmt:
			starts = true
		case *ast.CallExpr:
			selector, ok := n.Fun.(*ast.SelectorExpr)
			starts = ok && selector.Sel.Name == "Go"
		}
		if starts && line == 0 {
			line = f.line(n)
		}
		return line == 0
	})
	return line
}
