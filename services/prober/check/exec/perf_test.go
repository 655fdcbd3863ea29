package exec

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/services/prober/check"
)

func TestPerfdata(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		out  string
		text string
		perf map[string]float64
	}{
		{"OK", "OK", nil},
		{"OK - load | load1=0.4;1;2;0;", "OK - load", map[string]float64{"load1": 0.4}},
		{"OK|'disk /'=12GB;80;90;0;100 'it''s'=-1.5e3s", "OK", map[string]float64{"disk /": 12, "it's": -1500}},
		{"OK|time=0.003s;;;0 size=2E unknown=U rta=1.e", "OK", map[string]float64{"time": 0.003, "size": 2, "rta": 1}},
		{"OK|a=1\nlong text\nmore text|b=2\nc=3", "OK", map[string]float64{"a": 1, "b": 2, "c": 3}},
		{"\n\nOK|a=1\n", "OK", map[string]float64{"a": 1}},
		{"OK|inf=Inf nan=NaN big=1e999 none= bare =5 'open=3", "OK", nil},
		{"OK|hex=0x1F", "OK", map[string]float64{"hex": 0}},
		{"", "", nil},
	} {
		text, perf := parse(c.out, new(check.Mask))
		require.Equal(t, c.text, text, c.out)
		require.Equal(t, c.perf, perf, c.out)
	}
	_, perf := parse("OK|"+strings.Repeat(" x=1", 10)+manyFigures(), new(check.Mask))
	require.Len(t, perf, maxPerf)
}

func manyFigures() string {
	var s strings.Builder
	for i := range 500 {
		s.WriteString(" f" + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + "=1")
	}
	return s.String()
}

// Whatever a plugin prints, reading it ends, and no figure is one that JSON cannot hold.
func FuzzParse(f *testing.F) {
	f.Add("OK|'a b'=1;2;3 c=4e-3s\nx|y=1")
	f.Add("'''=1 =2 '=")
	f.Fuzz(func(t *testing.T, out string) {
		_, perf := parse(out, new(check.Mask))
		if len(perf) > maxPerf {
			t.Fatal("too many figures")
		}
		for label, v := range perf {
			if v != v || label == "" || len(label) > maxLabel {
				t.Fatalf("%q=%v", label, v)
			}
		}
	})
}
