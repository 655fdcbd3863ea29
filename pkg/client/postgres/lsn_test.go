package postgres_test

import (
	"math"
	"testing"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
)

func TestLSN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]postgres.LSN{
		"0/0": 0, "16/B374D848": 0x16_B374D848, "FFFFFFFF/FFFFFFFF": math.MaxUint64, "0/3018080": 0x3018080,
	} {
		got, err := postgres.ParseLSN(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %d (%s), %v; want %d", text, got, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "/", "0/", "/0", "g/0", "0/100000000", "-1/0", "0/0/0", " 0/0", "0x1/0"} {
		if got, err := postgres.ParseLSN(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
	for _, c := range []struct {
		of, other postgres.LSN
		want      int64
	}{{100, 150, 50}, {150, 100, 0}, {100, 100, 0}, {0, 100, 0}, {100, 0, 0}} {
		if got := c.of.Behind(c.other); got != c.want {
			t.Errorf("%s is %d behind %s, want %d", c.of, got, c.other, c.want)
		}
	}
}

func FuzzLSN(f *testing.F) {
	f.Add("16/B374D848")
	f.Add("0/0")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := postgres.ParseLSN(text)
		if err != nil {
			return
		}
		if again, err := postgres.ParseLSN(l.String()); err != nil || again != l {
			t.Errorf("%q is %s, which is %s, %v", text, l, again, err)
		}
	})
}
