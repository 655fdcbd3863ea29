package page

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/legible"
)

// took writes a duration with three digits or so: "3.2 ms", "1.84 s", "4 min 10 s".
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "–"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return age(d)
}

// age writes how long ago something was, in one or two units: nobody reads the seconds of a day.
func age(d time.Duration) string {
	d = max(0, d)
	unit := func(n int64, a string, m int64, b string) string {
		if m == 0 {
			return fmt.Sprintf("%d %s", n, a)
		}
		return fmt.Sprintf("%d %s %d %s", n, a, m, b)
	}
	sec := int64(d / time.Second)
	switch {
	case d < 950*time.Millisecond:
		return fmt.Sprintf("0.%d s", d.Milliseconds()/100)
	case sec < 1:
		return "1 s"
	case sec < 120:
		return fmt.Sprintf("%d s", sec)
	case sec < 3600:
		return unit(sec/60, "min", sec%60*b2i(sec < 600), "s")
	case sec < 48*3600:
		return unit(sec/3600, "h", sec%3600/60, "min")
	}
	return fmt.Sprintf("%d days", sec/86400)
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// bytesOf writes a size: "0 B", "14 kB", "1.2 GB".
func bytesOf(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	exp := min(int(math.Log10(float64(n))/3), 4)
	v := float64(n) / math.Pow(1000, float64(exp))
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " " + [...]string{"", "kB", "MB", "GB", "TB"}[exp]
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// clean takes out of a page what would move a reader's eye elsewhere: control characters, and those that turn the direction of writing. It is
// done to all of it at once, so that no text can be forgotten; the template has escaped the rest.
func clean(page []byte) []byte {
	if bytes.IndexFunc(page, legible.Misleads) < 0 {
		return page
	}
	return bytes.Map(func(r rune) rune {
		if legible.Misleads(r) {
			return -1
		}
		return r
	}, page)
}
