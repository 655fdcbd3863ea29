package schedule

import "hash/fnv"

// Place spreads checks over their interval: the same names always give the same place, 0 to 1, and other names another.
func Place(names ...string) float64 {
	h := fnv.New64a()
	for _, n := range names {
		_, _ = h.Write([]byte(n)) // a hash takes every write
		_, _ = h.Write([]byte{0})
	}
	x := h.Sum64()
	// The upper bits of FNV change little from "a1" to "a2"; this mixes them.
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
