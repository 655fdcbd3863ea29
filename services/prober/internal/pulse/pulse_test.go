package pulse

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNothingIsLostWhileItBeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p Pulse
		require.Zero(t, p.Lost())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		for range 1000 {
			time.Sleep(7 * time.Millisecond)
			require.Zero(t, p.Lost())
		}
		cancel()
		require.NoError(t, <-done)
		time.Sleep(time.Minute)
		require.Zero(t, p.Lost(), "a pulse that is not felt says nothing")
	})
}

func TestLostTimeIsCountedOnce(t *testing.T) {
	t.Parallel()
	start := time.Now()
	p := Pulse{}
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	p.set(at(0))
	p.set(at(11))
	require.Equal(t, time.Millisecond, p.lost)
	require.Equal(t, 240*time.Millisecond, p.overdue(at(261)), "asked before the late beat")
	p.set(at(261))
	require.Equal(t, 241*time.Millisecond, p.lost)
	require.Zero(t, p.overdue(at(270)))
	p.set(at(271))
	require.Equal(t, 241*time.Millisecond, p.lost)
}
