package words

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// oracle are the kinds of holes as regular expressions: what a match means, slowly.
var oracle = map[string]string{
	"": `([^\s;,()]*[^\s;:,.()])`, "n": `(-?[0-9]+)`, "span": `(-?[0-9][0-9.]*(?:[hmnµ]?s|h|m)[0-9hms.]*)`, "size": `([0-9.]+ (?:B|KiB|MiB|GiB))`,
	"took":  `(–|[-+]?[0-9]+(?:\.[0-9]+)?(?: (?:µs|ms|s|min|h|days?|B|kB|MB|GB|TB)(?: [0-9]+ (?:s|min))?|[hmsnµ][hmsnµ0-9.]*))`,
	"stamp": `([0-9-]+ [0-9:.]+ UTC)`, "list": `([^;:()]+?)`, "code": `([A-Z][0-9]{3})`, "word": `(.+?)`, "text": `(.+?)`, "say": `(.+?)`, "try": `(.+?)`,
	"aside": `( \(.*\))?`, "tail": `(; .+?)?`, "then": `(, .+?)?`, "more": `(.*?)`,
}

// samples fill holes.
var samples = map[string][]string{
	"": {"a", "web-1", "10.0.0.1:8321", "it's"}, "n": {"3", "-7", "200"}, "span": {"1.5s", "1m0.2s", "300ms", "2h"}, "size": {"39.1 KiB", "0 B"},
	"took": {"1.84 s", "3 days", "2 min 5 s", "–", "1.5s"}, "stamp": {"2026-03-04 03:11:07 UTC"}, "list": {"a", "a and b", "a, b and c", "nobody"}, "code": {"R322"},
	"word": {"up", "ana"}, "text": {"x", "disk (sda); is full: <b>", "a is down"}, "say": {"a is silent", "b is not ready: b is suspect", "x; y"}, "try": {"connection refused", "a is silent"},
	"aside": {"", " (why)", " (a (b))"}, "tail": {"", "; a is silent"}, "then": {"", ", step x"}, "more": {"", " z"},
}

// Each format fits what the regular expression of its kinds fits, and takes it apart in the same way.
func TestMatchingIsThatOfTheRegularExpressions(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	s := Of(Portuguese)
	res := make([]*regexp.Regexp, len(s.entries))
	for i, e := range s.entries {
		var re strings.Builder
		for j, p := range e.pieces {
			re.WriteString(regexp.QuoteMeta(p.literal))
			if p.hole != "" {
				re.WriteString(oracle[e.holes[min(j, len(e.holes)-1)].kind])
			}
		}
		res[i] = regexp.MustCompile(`(?s)^` + re.String() + `$`)
	}
	all := make([]string, 0, 3*len(s.entries))
	for _, e := range s.entries {
		for range 3 {
			var b strings.Builder
			for j, p := range e.pieces {
				if b.WriteString(p.literal); p.hole != "" {
					b.WriteString(samples[e.holes[j].kind][r.IntN(len(samples[e.holes[j].kind]))])
				}
			}
			all = append(all, b.String())
		}
	}
	fits := 0
	for n, in := range all {
		if n%3 == 2 { // broken somewhere
			if i := r.IntN(len(in)); in[i] < 0x80 {
				in = in[:i] + string("; ,:().3x"[r.IntN(9)]) + in[i+1:]
			}
		}
		candidates := map[*entry]bool{}
		for _, e := range s.index.candidates(in) {
			candidates[e] = true
		}
		for i, e := range s.entries {
			if n%7 != 0 && !strings.Contains(in, e.anchor) { // what cannot fit is only tried now and then
				continue
			}
			m := res[i].FindStringSubmatch(in)
			got, _ := e.match(in)
			if m != nil {
				first := map[string]string{}
				for j, h := range e.holes {
					if had, ok := first[h.name]; ok && had != m[1+j] {
						m = nil
						break
					}
					first[h.name] = m[1+j]
				}
			}
			if m == nil {
				require.Nil(t, got, "%q fits %q", in, e.english)
				continue
			}
			fits++
			require.NotNil(t, got, "%q does not fit %q", in, e.english)
			require.Equal(t, fmt.Sprint(m[1:]), fmt.Sprint(got), "%q taken apart by %q", in, e.english)
			require.True(t, candidates[e], "the index leads past %q for %q", e.english, in)
		}
	}
	require.Greater(t, fits, len(s.entries))
}

// A sentence is compared with few formats, however many there are: it is said each time that a figure in it changes.
func TestASentenceIsComparedWithFewFormats(t *testing.T) {
	s := Of(Portuguese)
	for _, e := range s.entries {
		var b strings.Builder
		for j, p := range e.pieces {
			if b.WriteString(p.literal); p.hole != "" {
				b.WriteString(samples[e.holes[j].kind][0])
			}
		}
		if n := len(s.index.candidates(b.String())); n > 60 {
			t.Errorf("%q is compared with %d of %d formats", b.String(), n, len(s.entries))
		}
	}
}

// What is made to be compared for long is given up: the bound counts steps, not time.
func TestNoComparisonGoesOnForLong(t *testing.T) {
	for _, e := range Of(Portuguese).entries {
		for _, in := range []string{strings.Repeat(e.anchor, 1+longest/max(1, len(e.anchor))), strings.Repeat("a: ", longest/3), strings.Repeat("; ", longest/2), strings.Repeat("1.5s ", longest/5)} {
			if _, steps := e.match(in[:min(len(in), longest)]); steps > effort+2*longest {
				t.Fatalf("%d steps for %q", steps, e.english)
			}
		}
	}
}
