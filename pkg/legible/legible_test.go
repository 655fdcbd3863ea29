package legible

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"a is down":                                "a is down",
		"a → b, não há ninguém, 東京":                "a → b, não há ninguém, 東京",
		"x\x1b[2J\x1b]52;c;aGk=\x07y\x9b31m":       "x[2J]52;c;aGk=y 31m",
		"all is well\u202e gnihtyna":               "all is well gnihtyna",
		"\u202a\u202b\u202c\u202d\u202e|":          "|",
		"\u2066\u2067\u2068\u2069|":                "|",
		"\u200e\u200f\u061c\u200b\ufeff\u00ad|":    "|",
		"one\r\ntwo\tthree\u2028four\u2029\xffend": "one two three four  end",
		"\u0085\u009b|":                            "|",
		"\U000e0001\ue000|":                        "|",
	} {
		require.Equal(t, want, Line(in), "%q", in)
	}
}

// FuzzLine: whatever comes in, one line comes out that turns nothing.
func FuzzLine(f *testing.F) {
	f.Add("a\u202eb\n\xff")
	f.Fuzz(func(t *testing.T, s string) {
		out := Line(s)
		require.True(t, utf8.ValidString(out))
		for _, r := range out {
			require.False(t, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp), "%U", r)
		}
		require.Equal(t, out, Line(out))
	})
}
