package evidence_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// relink makes a file of one's first line, another's messages and a third's last line, with every hash in order: what a forger without the key can do.
// It stands on the description of the format alone.
func relink(t *testing.T, head, messages, end []byte) []byte {
	t.Helper()
	lines := func(b []byte) [][]byte { return bytes.Split(bytes.TrimSuffix(b, []byte{'\n'}), []byte{'\n'}) }
	h, m, e := lines(head), lines(messages), lines(end)
	all := append([][]byte{h[0]}, m[1:len(m)-1]...)
	all = append(all, e[len(e)-1])
	var out bytes.Buffer
	last := make([]byte, sha256.Size)
	for _, line := range all {
		_, rest, found := bytes.Cut(line, []byte{'\t'})
		require.True(t, found)
		sum := sha256.Sum256(append(bytes.Clone(last), rest...))
		last = sum[:]
		out.WriteString(hex.EncodeToString(last))
		out.WriteByte('\t')
		out.Write(rest)
		out.WriteByte('\n')
	}
	return out.Bytes()
}
