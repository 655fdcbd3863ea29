package bus

import (
	"strings"
	"testing"
	"time"
)

func TestWhatStreamsTakeInADay(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	stream := func(name string, bytes int64, over time.Duration, age time.Duration, most int64) StreamReport {
		return StreamReport{Name: name, Exists: true, Bytes: uint64(bytes), First: now.Add(-over), Newest: now, MaxAge: age, MaxBytes: most}
	}
	for _, c := range []struct {
		s             StreamReport
		perDay, most  int64
		known, bound  bool
		keeps         time.Duration
		warns, reason string
	}{
		{stream("HB", 100*mib, 12*time.Hour, day, 1024*mib), 200 * mib, 200 * mib, true, true, day, "", "its age bounds it before its size does"},
		{stream("HB", 1024*mib, 6*time.Hour, day, 1024*mib), 4096 * mib, 1024 * mib, true, true, 6 * time.Hour, "6h0m0s of the 24h0m0s", "its size ends it too early"},
		{stream("HB", 1<<10, 5*time.Hour, day, 1024*mib), 0, 1024 * mib, false, true, day, "", "it holds too little to say"},
		{stream("HB", 10*mib, time.Minute, day, 1024*mib), 0, 1024 * mib, false, true, day, "", "it was watched for too short a time"},
		{stream("CMD", 2*mib, 48*time.Hour, 0, -1), mib, -1, true, false, 0, "", "nothing bounds it"},
		{stream("KV_x", 2*mib, 48*time.Hour, 0, -1), 0, -1, false, false, 0, "", "a bucket replaces what it holds"},
	} {
		perDay, known := c.s.PerDay()
		most, bound := c.s.Most()
		if perDay != c.perDay || known != c.known || most != c.most || bound != c.bound || c.s.Keeps() != c.keeps {
			t.Errorf("%s (%s): %s a day (%t), at most %d (%t), keeps %s", c.s.Name, c.reason, Size(perDay), known, most, bound, c.s.Keeps())
		}
		w := strings.Join(Report{Streams: []StreamReport{c.s}}.Disk().Warnings, " ")
		if (w != "") != (c.warns != "") || !strings.Contains(w, c.warns) {
			t.Errorf("%s (%s): warns %q, want %q", c.s.Name, c.reason, w, c.warns)
		}
	}
	both := []StreamReport{stream("HB", 100*mib, 12*time.Hour, day, 1024*mib), stream("CMD", 2*mib, 48*time.Hour, 0, -1), {Name: "gone"}}
	for limit, want := range map[uint64]string{0: "", 1 << 40: "", 150 * mib: "they will not fit", 212 * mib: "lasts 10 days"} {
		d := Report{Streams: both, StoreLimit: limit}.Disk()
		if w := strings.Join(d.Warnings, " "); (w != "") != (want != "") || !strings.Contains(w, want) {
			t.Errorf("with room for %d: %q, want %q", limit, w, want)
		}
		if d.Used != 102*mib || d.PerDay != 201*mib || d.Reserved != 202*mib || d.Unbounded != mib {
			t.Errorf("adds up to %+v", d)
		}
	}
}
