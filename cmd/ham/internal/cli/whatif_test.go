package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/services/decider/whatif"
)

// TestWhatIfForCI: exit codes say what a pipeline has to know, and JSON says the rest.
func TestWhatIfForCI(t *testing.T) {
	examples := filepath.Join("..", "..", "..", "..", "deploy", "examples")
	slow := filepath.Join(t.TempDir(), "slow.yaml")
	text, err := os.ReadFile(filepath.Join(examples, "three-vantages.yaml"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(slow, bytes.ReplaceAll(text, []byte("rto: 5s"), []byte("rto: 1s")), 0o600))
	run := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := Main(t.Context(), append([]string{"what-if"}, args...), IO{Out: &out, Err: &errs, Env: func(string) string { return "" }})
		return code, out.String(), errs.String()
	}

	code, out, _ := run(filepath.Join(examples, "three-vantages.yaml"))
	require.Equal(t, exitDone, code, out)
	require.Contains(t, out, "swapped to b")
	require.Contains(t, out, "assumed: ")

	code, out, errs := run(slow)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "MISSED")
	require.Empty(t, errs, "the table has said it")

	code, out, _ = run(slow, "--accept", "site sp", "--accept", "host 192.0.2.10", "--accept", "link sp cut off", "-o", "json")
	require.Equal(t, exitDone, code, out)
	var r whatif.Report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, "web", r.Groups[0].Group)
	require.NotEmpty(t, r.Groups[0].Rows)

	for _, args := range [][]string{{slow, "--only", "moon"}, {slow, slow}, {filepath.Join(examples, "node-sp.yaml")}, {"nowhere.yaml"}, {slow, "--accept", "site mars"}} {
		code, _, errs = run(args...)
		require.Equal(t, exitUsage, code, args)
		require.NotEmpty(t, errs)
	}
}
