package page

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSeats: one person with many windows leaves room for the others; all of them together are bounded.
func TestSeats(t *testing.T) {
	var s seats
	for range streamsOfOne {
		require.True(t, s.take("mallory"))
	}
	require.False(t, s.take("mallory"))
	require.True(t, s.take("ana"), "whatever mallory does")
	s.leave("mallory")
	require.True(t, s.take("mallory"))
	for range Streams - streamsOfOne - 1 {
		require.True(t, s.take(""))
	}
	require.False(t, s.take("ben"))
	s.leave("ana")
	require.True(t, s.take("ben"))
	require.NotContains(t, s.of, "ana", "who has gone is not kept")
}
