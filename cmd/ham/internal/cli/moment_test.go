package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMoment: a time to plan a drill for is read by the clocks of the zone that is named.
func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 22, 15, 30, 0, 0, time.UTC)
	for _, c := range []struct{ text, zone, want string }{
		{"2026-11-28 03:00", "", "2026-11-28T03:00:00Z"},
		{"2026-11-28 03:00", "America/Sao_Paulo", "2026-11-28T06:00:00Z"},
		{"2026-11-28T03:00:05", "Europe/Berlin", "2026-11-28T02:00:05Z"},
		{"2026-11-28T03:00:00-03:00", "", "2026-11-28T06:00:00Z"},
		{"16:00", "", "2026-11-22T16:00:00Z"},
		{"15:30", "", "2026-11-23T15:30:00Z"}, // it is over: the next one
		{"12:00", "America/Sao_Paulo", "2026-11-23T15:00:00Z"},
		{"+90m", "", "2026-11-22T17:00:00Z"},
	} {
		got, err := moment(c.text, c.zone, now)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got.UTC().Format(time.RFC3339), c.text)
	}
	for _, c := range [][2]string{{"tomorrow", ""}, {"", ""}, {"25:00", ""}, {"03:00", "Mars/Base"}, {"03:00", "Local"}, {"+soon", ""}} {
		_, err := moment(c[0], c[1], now)
		require.Error(t, err, c)
		require.IsType(t, usageError{}, err, c)
	}
}

// TestNothingIsPlannedForNoTime: what a request takes for no time would begin at once.
func TestNothingIsPlannedForNoTime(t *testing.T) {
	for _, at := range []string{"1970-01-01 00:00", "1970-01-01T00:00:00Z", "1969-12-31 23:59"} {
		var k wish
		_, err := (&later{at: at}).due(&k, time.Now())
		require.ErrorContains(t, err, "want a time such as", at)
		require.Zero(t, k.due)
	}
}
