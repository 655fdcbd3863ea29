package render_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/notifier/internal/golden"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

// Every event in Portuguese: the frame is translated, what others wrote is not lost, and nothing in it acts on a screen.
func TestPlainInPortuguese(t *testing.T) {
	t.Parallel()
	for _, s := range rendertest.Samples() {
		got := render.EventIn(words.Portuguese, s.Event).Plain()
		golden.Check(t, s.Name+".pt-BR.txt", []byte(got))
		for _, r := range got {
			if r != '\n' && (r < ' ' || r == 0x7f || r == 0x202e) {
				t.Errorf("%s: %q in %q", s.Name, r, got)
			}
		}
	}
}

// Every text of this package has its Portuguese.
func TestEveryTextHasItsPortuguese(t *testing.T) {
	t.Parallel()
	said := []*regexp.Regexp{regexp.MustCompile(`\.T\("([^"]+)"`), regexp.MustCompile(`, "([^"]+)"\}`), regexp.MustCompile(`Stage = "([^"]+)"`), regexp.MustCompile(`add\("([^"]+)"`)}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, re := range said {
			for _, m := range re.FindAllStringSubmatch(string(text), -1) {
				n++
				if !words.Of(words.Portuguese).Known(m[1]) {
					t.Errorf("%s: %q has no Portuguese", path, m[1])
				}
			}
		}
	}
	if n < 80 {
		t.Errorf("%d texts found: they are written in another way now", n)
	}
}
