package file

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files and the reference anew")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test -update")
	require.Equal(t, string(want), got)
}

// TestBadFiles: each file of testdata/bad is wrong in the way that its first line denies; beside it stands what is said of it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = Parse("spec.yaml", text)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "hunter2", "an error must not repeat a secret")
			var errs Errors
			require.ErrorAs(t, err, &errs)
			golden(t, strings.TrimSuffix(path, ".yaml")+".err", err.Error()+"\n")
		})
	}
}

// TestGoodFiles: what the files of testdata/good declare, as the model has it.
func TestGoodFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			f, err := Parse("spec.yaml", text)
			require.NoError(t, err)
			got, err := json.MarshalIndent(f, "", "  ")
			require.NoError(t, err)
			golden(t, strings.TrimSuffix(path, ".yaml")+".json", string(got)+"\n")
			for _, g := range f.Groups {
				again, err := ParseGroup("bucket", g.GroupText)
				require.NoError(t, err, "the text of a group stands alone")
				require.Equal(t, g.Group, again)
			}
		})
	}
}
