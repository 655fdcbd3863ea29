package lease

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWaitIsTheMarginOverTTLAndLateness(t *testing.T) {
	for _, c := range []struct{ ttl, late, want time.Duration }{
		{1500 * time.Millisecond, 50 * time.Millisecond, 1705 * time.Millisecond},
		{600 * time.Millisecond, 50 * time.Millisecond, 715 * time.Millisecond},
		{time.Second, 0, 1100 * time.Millisecond},
		{ttl, 0, 2 * tick}, // what the exploration counts on
		{ttl, oneLate, 3 * tick},
		{longTTL, 0, 3 * tick},
		{1, 0, 2}, // rounded up
		{0, 0, 0},
	} {
		if got := Wait(c.ttl, c.late); got != c.want {
			t.Errorf("Wait(%v, %v) = %v, want %v", c.ttl, c.late, got, c.want)
		}
		if exact := ClockMargin * float64(c.ttl+c.late); float64(Wait(c.ttl, c.late))+1e-6 < math.Floor(exact) {
			t.Errorf("Wait(%v, %v) is below %v times their sum", c.ttl, c.late, ClockMargin)
		}
	}
}

func TestTheErrorOfTakeSaysUntilWhen(t *testing.T) {
	h := NewHolder("a", 0, time.Second, 0, Past{})
	h.Saw(0, Command{Epoch: 1, Primary: "a", Members: []string{"a"}, Deciders: []string{"d"}, TTL: time.Second / 2, Armed: true})
	_, _, err := h.Take(time.Second / 4)
	var n NotYet
	if !errors.As(err, &n) || n.Retry != 3*time.Second/4 {
		t.Fatalf("Take: %v, want a NotYet for 750ms more", err)
	}
}

// What the caller hands in stays the caller's.
func TestSawKeepsNothingOfTheCallers(t *testing.T) {
	h := NewHolder("a", 0, time.Minute, 0, Past{Fresh: true})
	deciders := []string{"d2", "d1", "d2"}
	h.Saw(0, Command{Epoch: 1, Primary: "a", Deciders: deciders, TTL: time.Second, Armed: true})
	deciders[0] = "x"
	if _, got, ok := h.Asks(); !ok || !slices.Equal(got, []string{"d1", "d2"}) {
		t.Fatalf("Asks = %v, %v, want d1 and d2, sorted, each once", got, ok)
	}
}

// A grant and a renewal are what happens all the time: several times in each ttl of each group.
func TestARenewalAllocatesNothing(t *testing.T) {
	round := renewal()
	if n := testing.AllocsPerRun(1000, func() { round() }); n != 0 {
		t.Fatalf("a renewal allocates %v times", n)
	}
}

func BenchmarkGrant(b *testing.B) {
	g := NewGrants(0, time.Second)
	at := time.Second
	b.ReportAllocs()
	for b.Loop() {
		at++
		g.Ask(at, Request{"db-a", 7, time.Second})
	}
}

// BenchmarkRenewal is one round of a primary: whom to ask, five grants, both halves of each, and five promises.
func BenchmarkRenewal(b *testing.B) {
	round := renewal()
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
}

// renewal is an open primary of five members and five deciders, and what one round of asking is.
func renewal() (round func()) {
	names := []string{"db-a", "db-b", "db-c", "db-d", "db-e"}
	deciders := []string{"decider-1", "decider-2", "decider-3", "decider-4", "decider-5"}
	g := NewGrants(0, 2*time.Second)
	h := NewHolder("db-a", 50*time.Millisecond, 2*time.Second, 0, Past{Fresh: true})
	at := 2 * time.Second
	h.Saw(at, Command{Epoch: 7, Primary: "db-a", Members: names, Deciders: deciders, TTL: time.Second, Armed: true})
	grant := func() {
		epoch, from, _ := h.Asks()
		wait, _ := h.Wait(epoch)
		for _, d := range from {
			if g.Ask(at, Request{"db-a", epoch, wait}).Granted {
				h.Granted(at, d, epoch, at)
			}
		}
	}
	grant()
	if _, _, err := h.Take(at); err != nil {
		panic(err)
	}
	if err := h.Open(at, 7); err != nil {
		panic(err)
	}
	return func() {
		at += time.Millisecond
		grant()
		epoch, members, _ := h.AsksPromises()
		for _, m := range members {
			h.Promised(at, m, epoch, at)
		}
		if h.Lapsed(at) || h.deadline != at+time.Second {
			panic("it was not renewed")
		}
	}
}

// TestPurity: time comes in with each call; no input or output, no goroutine, no channel, no map.
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
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if !slices.Contains([]string{`"fmt"`, `"slices"`, `"strconv"`, `"time"`}, i.Path.Value) {
				t.Errorf("%s: imports %s", fset.Position(i.Pos()), i.Path.Value)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.SelectStmt, *ast.ChanType, *ast.SendStmt, *ast.MapType:
				t.Errorf("%s: a goroutine, a channel or a map", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && !slices.Contains([]string{"Duration"}, n.Sel.Name) {
					t.Errorf("%s: time.%s: the time is handed in", fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
	if read < 3 {
		t.Fatalf("read %d files, want all of the package", read)
	}
}
