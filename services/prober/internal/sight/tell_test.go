package sight

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTellsWhatLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(1, func() {})
		told := make(chan bool, 8)
		fails := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Tell(ctx, func(_ context.Context, blind bool) error {
				if fails > 0 {
					fails--
					return errors.New("the bus is away")
				}
				told <- blind
				return nil
			})
		}()
		see := func(seen bool) { s.Observe(0, time.Now(), time.Now(), seen, "") }

		time.Sleep(time.Second)
		see(true)
		time.Sleep(time.Minute)
		require.Empty(t, told, "seeing from the start is no news")

		see(false)
		time.Sleep(time.Second)
		see(true)
		time.Sleep(time.Minute)
		require.Empty(t, told, "a blink is no news")

		fails = 3
		for range 20 {
			see(false)
			time.Sleep(time.Second)
		}
		require.Len(t, told, 1, "told once, though not at the first try")
		require.True(t, <-told)

		see(true)
		time.Sleep(time.Minute)
		require.False(t, <-told)
		cancel()
		<-done
	})
}
