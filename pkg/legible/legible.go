// Package legible keeps what other programs and people wrote from driving a terminal and from misleading a reader. Every face of ham shows such text: the
// evidence of a check, a reason, a name in a message.
package legible

import (
	"strings"
	"unicode"
)

// Misleads says whether a terminal would obey the character, or a reader not see it or be turned by it: control characters but the line feed and the tab,
// those without width, those that turn the direction of writing (U+202A to U+202E, U+2066 to U+2069 and the marks), those of private use, and
// separators of lines and paragraphs.
func Misleads(r rune) bool {
	switch {
	case r >= ' ' && r <= '~', r == '\n', r == '\t':
		return false
	case r <= 0x9f:
		return true
	}
	return unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp)
}

// Line makes one line of a text: what ends lines, tabs and bytes that are no text become blanks, what misleads is left out.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == unicode.ReplacementChar, r == 0x2028, r == 0x2029:
			return ' '
		case Misleads(r):
			return -1
		}
		return r
	}, s)
}
