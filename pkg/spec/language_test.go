package spec_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/words"
)

// Every step says in Portuguese, too, what it does: the golden plans hold what steps say.
func TestEveryStepSaysItInPortuguese(t *testing.T) {
	said := regexp.MustCompile(`"says": "([^"]*)"`)
	n := 0
	require.NoError(t, filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range said.FindAllStringSubmatch(string(text), -1) {
			n++
			require.Empty(t, words.Of(words.Portuguese).Missing(strings.ReplaceAll(m[1], `\u003e`, ">")), "%s: %q", path, m[1])
		}
		return nil
	}))
	require.Greater(t, n, 20, "the golden plans are written in another way now")
}
