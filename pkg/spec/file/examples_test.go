package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// TestExamples: what operators start from is right, and plans can be made from it in every direction.
func TestExamples(t *testing.T) {
	// The link keeps the path within the module, so that the test cache follows the files.
	files, err := filepath.Glob("testdata/examples/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 6)
	groups, steps := 0, 0
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			f, err := Parse(filepath.Base(path), text)
			require.NoError(t, err)
			for _, g := range f.Groups {
				groups++
				steps += len(g.Steps)
				for _, from := range g.Members {
					for _, to := range g.Members {
						if from.Name == to.Name {
							continue
						}
						for _, kind := range []message.Kind{message.KindFailover, message.KindSwitchover, message.KindResume} {
							plan, err := spec.Compile(g.Group, spec.Swap{Kind: kind, From: from.Name, To: to.Name})
							require.NoError(t, err)
							require.NotEmpty(t, plan.Steps)
						}
					}
				}
			}
		})
	}
	require.Greater(t, groups, 4)
	require.Greater(t, steps, 4)
}

// TestTheExampleOfTheDocs: the first page of the docs is a file that works.
func TestTheExampleOfTheDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	examples := fenced(string(text), "yaml")
	require.NotEmpty(t, examples)
	for _, e := range examples {
		_, err := Parse("spec.md", []byte(e))
		require.NoError(t, err, e)
	}
}
