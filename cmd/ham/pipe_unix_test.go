//go:build unix

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReaderGone: a signal for a broken pipe counts only where it is the output that nobody reads.
func TestReaderGone(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer write.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer null.Close()
	require.False(t, readerGone(null, write), "somebody reads")
	require.NoError(t, read.Close())
	require.True(t, readerGone(null, write), "nobody reads")
	require.False(t, readerGone(null))
}
