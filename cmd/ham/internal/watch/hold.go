package watch

import "time"

// A terminal tells of keys that go down, not of keys that come up. A key that is held is seen as one press, a pause (the first repeat comes late:
// 0.2 to 1 s, as the person's system is set), and then presses in quick succession. Whoever has no repeat taps quickly: that is as deliberate.
const (
	holdFor    = 1500 * time.Millisecond
	firstGap   = 1200 * time.Millisecond
	nextGap    = 400 * time.Millisecond
	minPresses = 5
)

// hold is a key that is held, as far as it can be seen. The zero value is one that is not.
type hold struct {
	first, last time.Time
	presses     int
}

// press takes one press, and says whether the key was held for long enough. A gap begins anew.
func (h hold) press(at time.Time) (hold, bool) {
	if !h.held(at) {
		return hold{first: at, last: at, presses: 1}, false
	}
	h.last = at
	h.presses++
	return h, h.presses >= minPresses && at.Sub(h.first) >= holdFor
}

// held says whether the key may still be down.
func (h hold) held(now time.Time) bool {
	gap := nextGap
	if h.presses == 1 {
		gap = firstGap
	}
	return h.presses > 0 && now.Sub(h.last) <= gap && !now.Before(h.last)
}

// progress is how far it is, 0 to 1.
func (h hold) progress(now time.Time) float64 {
	if !h.held(now) {
		return 0
	}
	return min(1, float64(now.Sub(h.first))/float64(holdFor))
}
