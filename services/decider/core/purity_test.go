package core

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The core imports only these.
var allowed = []string{
	"github.com/isacloud/ha-manager/pkg/ledger", "github.com/isacloud/ha-manager/pkg/message", "github.com/isacloud/ha-manager/pkg/spec",
	"cmp", "crypto/sha256", "encoding/hex", "fmt", "reflect", "slices", "strconv", "strings", "time", "unicode/utf8",
}

// clocks are what the core must not use of package time: time comes in with each input, zones with the spec (looking one up reads files).
var clocks = []string{"LoadLocation", "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// TestPurity: no clock, no input or output, no goroutine, no channel, no randomness.
func TestPurity(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		read++
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, breach := range impurities(f) {
			t.Errorf("%s: %s", set.Position(breach.at), breach.what)
		}
	}
	if read < 10 {
		t.Fatalf("read %d files of the core, want all of them", read)
	}
}

type impurity struct {
	at   token.Pos
	what string
}

func impurities(f *ast.File) (found []impurity) {
	for _, spec := range f.Imports {
		if path, _ := strconv.Unquote(spec.Path.Value); !slices.Contains(allowed, path) {
			found = append(found, impurity{spec.Pos(), "imports " + path})
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, impurity{n.Pos(), "starts a goroutine"})
		case *ast.SelectStmt, *ast.ChanType, *ast.SendStmt:
			found = append(found, impurity{n.Pos(), "uses a channel"})
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
				found = append(found, impurity{n.Pos(), "asks time." + n.Sel.Name})
			}
		}
		return true
	})
	return found
}

func TestPurityGoesRed(t *testing.T) {
	for _, source := range []string{
		`import "os"`, `import "math/rand/v2"`, `func f() { go f() }`, `import "time"; var x = time.Now()`, `var c chan int`, `func f() { select {} }`,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package core\n"+source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if len(impurities(f)) == 0 {
			t.Errorf("%s was not found", source)
		}
	}
}
