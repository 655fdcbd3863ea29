package spec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return v
}

func in(t *testing.T, zone string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	require.NoError(t, err)
	return loc
}

// TestDrillNext: the calendar is read by the clocks of the zone, also on the days on which they jump.
func TestDrillNext(t *testing.T) {
	for _, c := range []struct{ name, cron, zone, after, want string }{
		{"each Saturday", "0 3 * * sat", "America/Sao_Paulo", "2026-11-22T12:00:00Z", "2026-11-28T06:00:00Z"},
		{"the same moment is over", "0 3 * * sat", "America/Sao_Paulo", "2026-11-28T06:00:00Z", "2026-12-05T06:00:00Z"},
		{"before clocks go forward", "30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-28T01:30:00Z"},
		{"a time that clocks skip", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"}, // they show 3:30
		{"the day after", "30 2 * * *", "Europe/Berlin", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"a time that clocks show twice", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"the second time is none", "30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"between the two", "30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"},
		{"before clocks go back in New York", "30 1 1 11 *", "America/New_York", "2026-10-31T00:00:00Z", "2026-11-01T05:30:00Z"},
		{"a leap day", "0 3 29 2 *", "UTC", "2026-11-22T12:00:00Z", "2028-02-29T03:00:00Z"},
	} {
		d := Drill{At: c.cron, Zone: In(in(t, c.zone))}
		got, ok := d.Next(at(t, c.after))
		require.True(t, ok, c.name)
		require.Equal(t, c.want, got.UTC().Format(time.RFC3339), c.name)
	}
	never := Drill{At: "0 3 31 2 *"}
	_, ok := never.Next(at(t, "2026-11-22T12:00:00Z"))
	require.False(t, ok, "the 31st of February")
}

// TestDrillNextGrows: over two years each time follows the one before, and its clock shows what was asked for but where clocks skip it.
func TestDrillNextGrows(t *testing.T) {
	loc := in(t, "Europe/Berlin")
	d := Drill{At: "30 2 * * *", Zone: In(loc)}
	now, skipped := at(t, "2026-01-01T00:00:00Z"), 0
	for range 730 {
		next, ok := d.Next(now)
		require.True(t, ok)
		require.True(t, next.After(now))
		require.LessOrEqual(t, next.Sub(now), 26*time.Hour)
		if shown := next.In(loc).Format("15:04"); shown != "02:30" {
			require.Equal(t, "03:30", shown)
			skipped++
		}
		now = next
	}
	require.Equal(t, 2, skipped, "once a year")
}

// TestBlocked: a window by dates, by the week, and over midnight.
func TestBlocked(t *testing.T) {
	yearEnd := Blocked{From: at(t, "2026-12-20T00:00:00Z"), Until: at(t, "2027-01-05T00:00:00Z")}
	office := Blocked{Days: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}, Start: 8 * time.Hour, End: 20 * time.Hour, Zone: In(in(t, "America/Sao_Paulo"))}
	night := Blocked{Days: [7]bool{6: true}, Start: 22 * time.Hour, End: 4 * time.Hour}
	for _, c := range []struct {
		b    Blocked
		when string
		want bool
	}{
		{yearEnd, "2026-12-19T23:59:59Z", false}, {yearEnd, "2026-12-20T00:00:00Z", true}, {yearEnd, "2027-01-05T00:00:00Z", false},
		{office, "2026-11-23T10:59:59Z", false}, {office, "2026-11-23T11:00:00Z", true}, {office, "2026-11-23T23:00:00Z", false},
		{office, "2026-11-22T15:00:00Z", false}, // a Sunday
		{night, "2026-11-21T21:59:00Z", false}, {night, "2026-11-21T22:00:00Z", true}, {night, "2026-11-22T03:59:00Z", true},
		{night, "2026-11-22T04:00:00Z", false}, {night, "2026-11-22T22:30:00Z", false},
	} {
		require.Equal(t, c.want, c.b.Covers(at(t, c.when)), c.when)
	}
}

// TestBlockedWindow: the window that holds, or the next one; over midnight, through a weekend, by the clocks of its zone.
func TestBlockedWindow(t *testing.T) {
	sp := In(in(t, "America/Sao_Paulo"))
	for _, c := range []struct {
		name              string
		b                 Blocked
		when, from, until string
	}{
		{"by dates", Blocked{From: at(t, "2026-12-20T00:00:00Z"), Until: at(t, "2027-01-05T00:00:00Z")}, "2026-12-24T12:00:00Z", "2026-12-20T00:00:00Z", "2027-01-05T00:00:00Z"},
		{"by dates, over", Blocked{From: at(t, "2026-12-20T00:00:00Z"), Until: at(t, "2027-01-05T00:00:00Z")}, "2027-01-05T00:00:00Z", "", ""},
		{"office hours, on Sunday", Blocked{Days: [7]bool{1: true, 2: true}, Start: 8 * time.Hour, End: 20 * time.Hour, Zone: sp}, "2026-11-22T15:00:00Z", "2026-11-23T11:00:00Z", "2026-11-23T23:00:00Z"},
		{"office hours, at noon", Blocked{Days: [7]bool{1: true, 2: true}, Start: 8 * time.Hour, End: 20 * time.Hour, Zone: sp}, "2026-11-23T15:00:00Z", "2026-11-23T11:00:00Z", "2026-11-23T23:00:00Z"},
		{"over midnight", Blocked{Days: [7]bool{6: true}, Start: 22 * time.Hour, End: 4 * time.Hour}, "2026-11-22T03:00:00Z", "2026-11-21T22:00:00Z", "2026-11-22T04:00:00Z"},
		{"a weekend is one", Blocked{Days: [7]bool{0: true, 6: true}, End: 24 * time.Hour}, "2026-11-25T12:00:00Z", "2026-11-28T00:00:00Z", "2026-11-30T00:00:00Z"},
	} {
		from, until, ok := c.b.Window(at(t, c.when))
		require.Equal(t, c.from != "", ok, c.name)
		if ok {
			require.Equal(t, c.from, from.UTC().Format(time.RFC3339), c.name)
			require.Equal(t, c.until, until.UTC().Format(time.RFC3339), c.name)
			require.True(t, c.b.Covers(from) && !c.b.Covers(until), c.name)
		}
	}
}
