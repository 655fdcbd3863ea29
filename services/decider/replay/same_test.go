package replay

import "testing"

// TestSameWords: a time that is said may differ by a moment, and nothing else may.
func TestSameWords(t *testing.T) {
	for _, c := range []struct {
		was, is string
		same    bool
	}{
		{"web was paused for another 3ms: say ham resume web", "web was paused for another 6ms: say ham resume web", true},
		{"nothing moves for another 4m0.02s", "nothing moves for another 4m0.05s", true},
		{"nothing moves for another 4m0s", "nothing moves for another 4m1s", false},
		{"a is down: 2 of 3 say so", "a is down: 3 of 3 say so", false},
		{"b takes over from a", "a takes over from b", false},
		{"for 3ms", "for 3ms and 4ms", false},
	} {
		if sameWords(c.was, c.is) != c.same {
			t.Errorf("%q, %q: want %t", c.was, c.is, c.same)
		}
	}
}
