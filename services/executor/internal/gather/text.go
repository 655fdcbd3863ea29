package gather

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/isacloud/ha-manager/pkg/message"
)

// rawMost is how much of one text is taken in, in bytes: more than is kept, so that what is masked is whole.
const rawMost = 2 * message.MaxClue

// rawTotal is the same of all texts.
const rawTotal = 2 * message.MaxGathered

// share divides total among those who want something: who wants less than an equal share gets all of it, and leaves the rest to the others.
func share(want []int, total int) []int {
	order := make([]int, len(want))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return want[a] - want[b] })
	got := make([]int, len(want))
	for n, i := range order {
		got[i] = min(want[i], total/(len(order)-n))
		total -= got[i]
	}
	return got
}

// newest is the end of s that takes at most n bytes on the wire: whole lines, or where the last one is too long already, the end of that.
func newest(s string, n int) string {
	if message.Encoded(s) <= n {
		return s
	}
	kept, from := 0, len(s)
	for from > 0 {
		begin := strings.LastIndexByte(s[:from-1], '\n') + 1
		size := message.Encoded(s[begin:from])
		if kept+size > n {
			break
		}
		kept, from = kept+size, begin
	}
	if from < len(s) {
		return s[from:]
	}
	for kept < n && from > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:from])
		if kept += message.Encoded(string(r)); kept > n {
			break
		}
		from -= size
	}
	return s[from:]
}

// head is the beginning of s, of at most n bytes.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}
