package plan

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/isacloud/ha-manager/pkg/words"
)

// Whoever words what becomes of a run words it in Portuguese too, in pkg/words: every sentence of the scripts has its translation.
func TestEverySentenceOfTheScriptsIsInPortuguese(t *testing.T) {
	said := regexp.MustCompile(`(?m)^(?:web\.\S+  |\s+run is [a-z]+: )(.+)$`)
	scripts, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said.FindAllSubmatch(text, -1) {
			n++
			if missing := words.Of(words.Portuguese).Missing(string(m[1])); len(missing) > 0 {
				t.Errorf("%s: no translation in pkg/words for %q, of %q", path, missing, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("%d sentences were found: the scripts are written in another way now", n)
	}
}
