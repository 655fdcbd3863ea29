package sight

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }

func blind(s *Sight) bool {
	b, _ := s.Now()
	return b
}

func TestWithoutReferencesItIsNeverBlind(t *testing.T) {
	t.Parallel()
	s := New(0, func() { t.Error("there is nothing to look at") })
	s.Doubt()
	require.False(t, blind(s))
	require.False(t, s.Confirm(t.Context(), at(0)))
}

func TestBlindIsWhoSeesNone(t *testing.T) {
	t.Parallel()
	s := New(2, func() {})
	require.True(t, blind(s), "nothing was looked at yet")
	s.Observe(0, at(0), at(1), true, "")
	require.False(t, blind(s), "one is enough")
	s.Observe(1, at(0), at(500), false, "b: no answer")
	require.False(t, blind(s))
	s.Observe(0, at(1000), at(1500), false, "a: no answer")
	require.True(t, blind(s))
	require.Equal(t, "a: no answer; b: no answer", s.Evidence())
	s.Observe(1, at(2000), at(2001), true, "")
	require.False(t, blind(s))
}

// Silence counts only if somebody else was heard after the look had begun: what was seen before proves nothing about now.
func TestSilenceNeedsAnAnswerSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hurries := 0
		s := New(2, func() { hurries++ })
		s.Observe(0, at(0), at(1), true, "")
		s.Observe(1, at(0), at(1), true, "")
		confirm := func(began time.Time) <-chan bool {
			out := make(chan bool, 1)
			go func() { out <- s.Confirm(t.Context(), began) }()
			synctest.Wait()
			return out
		}

		require.False(t, <-confirm(at(1)), "a reference answered just then")
		require.Zero(t, hurries)

		waiting := confirm(at(100))
		require.Empty(t, waiting, "nothing is known of the time since")
		require.Positive(t, hurries)
		s.Observe(0, at(200), at(700), false, "")
		synctest.Wait()
		require.Empty(t, waiting, "the other may still answer")
		s.Observe(1, at(50), at(150), true, "")
		require.False(t, <-waiting, "the look began before, but the answer came after")

		waiting = confirm(at(800))
		s.Observe(0, at(900), at(1400), false, "")
		s.Observe(1, at(900), at(1400), false, "")
		require.True(t, <-waiting, "all were looked at since, and none answered")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.True(t, s.Confirm(ctx, at(2000)), "who cannot tell must not count")
	})
}
