package roll_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
)

func group(t *testing.T, text string) *spec.Group {
	t.Helper()
	g, err := file.ParseGroup("web.yaml", text)
	require.NoError(t, err)
	return g
}
