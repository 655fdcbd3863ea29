package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/isacloud/ha-manager/pkg/legible"
)

// Clean makes quoted text safe to show on one line of any screen: line ends and tabs become blanks, other control characters (terminal
// escapes among them), invisible and direction-changing ones are replaced by '·', invalid UTF-8 by '�'.
func Clean(s string) string {
	if plain(s) {
		return strings.TrimSpace(s)
	}
	var out strings.Builder
	out.Grow(len(s))
	blank := false
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || unicode.IsSpace(r):
			if !blank {
				out.WriteByte(' ')
			}
			blank = true
			continue
		case legible.Misleads(r):
			r = '·'
		}
		blank = false
		out.WriteRune(r)
	}
	return strings.TrimSpace(out.String())
}

// plain says that nothing in s needs work: printable ASCII without doubled blanks.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' || (s[i] == ' ' && i > 0 && s[i-1] == ' ') {
			return false
		}
	}
	return true
}

// Cut shortens s to at most limit bytes, mark included, at a character's end, and says how much is missing:
// "connection ref… (cut, 212 bytes more)". A limit below 40 leaves out the words.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	if limit < 40 {
		return head(s, limit-len("…")) + "…"
	}
	// The figure's own length depends on the figure: room for the longest is kept.
	room := limit - len(fmt.Sprintf("… (cut, %d bytes more)", len(s)))
	kept := head(s, room)
	return fmt.Sprintf("%s… (cut, %d bytes more)", kept, len(s)-len(kept))
}

func head(s string, n int) string {
	n = max(n, 0)
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
