package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/password"
)

// TestConsoleHash: a line from a pipe becomes a hash that the console takes.
func TestConsoleHash(t *testing.T) {
	run := func(in string) (code int, out, err string) {
		var o, e bytes.Buffer
		code = Main(t.Context(), []string{"console", "hash"}, IO{In: strings.NewReader(in), Out: &o, Err: &e, Env: func(string) string { return "" }})
		return code, o.String(), e.String()
	}
	code, out, _ := run("three plain words\r\n")
	require.Zero(t, code)
	h, err := password.Parse(strings.TrimSuffix(out, "\n"))
	require.NoError(t, err)
	require.True(t, h.Matches("three plain words"))
	code, out, said := run("short\n")
	require.Equal(t, 2, code)
	require.Empty(t, out)
	require.Contains(t, said, "at least 12")
	code, _, _ = run(strings.Repeat("a", 5000))
	require.Equal(t, 2, code)
}
