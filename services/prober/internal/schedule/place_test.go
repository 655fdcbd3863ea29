package schedule

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlaceIsFixedAndSpread(t *testing.T) {
	t.Parallel()
	require.Equal(t, Place("web", "a", "alive", "sp"), Place("web", "a", "alive", "sp"))
	require.NotEqual(t, Place("ab", "c"), Place("a", "bc"))
	var buckets [50]int
	for g := range 1250 {
		for _, member := range []string{"a", "b"} {
			for _, vantage := range []string{"sp", "rj"} {
				p := Place(fmt.Sprintf("group%d", g), member, "alive", vantage)
				require.GreaterOrEqual(t, p, 0.0)
				require.Less(t, p, 1.0)
				buckets[int(p*50)]++
			}
		}
	}
	for i, n := range buckets { // 5 000 in 50: 100 each, give or take five times its root
		require.InDelta(t, 100, n, 50, "bucket %d", i)
	}
}
