package spec

import (
	"time"

	"github.com/adhocore/gronx"
)

// Drill is a rehearsal by the calendar.
type Drill struct {
	// At is a cron expression of five fields: minute, hour, day of month, month, day of week.
	At string
	// Zone is whose clocks it is read by.
	Zone Zone
	// Hold is how long the other member stays primary.
	Hold time.Duration
	// To is the member that becomes primary meanwhile; empty: the decider chooses.
	To     string
	Reason string
}

// Blocked is a time in which nothing that was planned or scheduled happens. It is either From to Until, or weekly.
type Blocked struct {
	// From and Until are moments: From belongs to it, Until does not.
	From, Until time.Time
	// Days are those of a weekly window, by time.Weekday; it lasts from Start to End of the day, both from midnight by the clocks of Zone. An End
	// that is not after Start is that of the day after.
	Days       [7]bool
	Start, End time.Duration
	Zone       Zone
	// Why is told to whoever is refused.
	Why string
}

// Weekly says that it is a weekly window.
func (b *Blocked) Weekly() bool { return b.From.IsZero() && b.Until.IsZero() }

// Covers says whether t lies in it. It is pure.
func (b *Blocked) Covers(t time.Time) bool {
	if !b.Weekly() {
		return !t.Before(b.From) && t.Before(b.Until)
	}
	t = t.In(b.Zone.Location())
	since := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	today, before := t.Weekday(), (t.Weekday()+6)%7
	if b.Start < b.End {
		return b.Days[today] && since >= b.Start && since < b.End
	}
	return b.Days[today] && since >= b.Start || b.Days[before] && since < b.End
}

// BlockedAt is the first window that covers t, or nil.
func (g *Group) BlockedAt(t time.Time) *Blocked { return covering(g.Blocked, t) }

// FrozenAt is the first freeze that covers t, or nil.
func (g *Group) FrozenAt(t time.Time) *Blocked { return covering(g.Freezes, t) }

func covering(windows []Blocked, t time.Time) *Blocked {
	for i := range windows {
		if windows[i].Covers(t) {
			return &windows[i]
		}
	}
	return nil
}

// Next is the first time after t at which the drill is due; false: it never is. A time that the clocks of its zone skip is due as much later as
// they skip; one that they show twice is due the first time, once. It is pure.
func (d *Drill) Next(t time.Time) (time.Time, bool) {
	loc := d.Zone.Location()
	local := t.In(loc)
	// The expression is about what clocks show, so it is worked out on clocks that never jump.
	shown := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
	for range 100 { // the clocks were set back: what they show has been already
		next, err := gronx.NextTickAfter(d.At, shown, false)
		if err != nil {
			return time.Time{}, false
		}
		if due := moment(next, loc); due.After(t) {
			return due, true
		}
		shown = next
	}
	return time.Time{}, false
}

// moment is when the clocks of loc show what shown says in UTC.
func moment(shown time.Time, loc *time.Location) time.Time {
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(loc).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := offset(shown.Add(-26*time.Hour)), offset(shown.Add(26*time.Hour))
	first := shown.Add(-before)
	if offset(first) == before {
		return first
	}
	if second := shown.Add(-after); offset(second) == after {
		return second
	}
	return first // no clock shows it: as much later as they skip
}

// Zone is a time zone that was looked up. Looking one up reads files, so whoever reads a spec does that and hands the location in; the zero value is UTC.
type Zone struct{ in *time.Location }

// In is the zone of that location.
func In(loc *time.Location) Zone { return Zone{loc} }

// Location is never nil.
func (z Zone) Location() *time.Location {
	if z.in == nil {
		return time.UTC
	}
	return z.in
}

// String is its IANA name.
func (z Zone) String() string { return z.Location().String() }

// MarshalText writes its name.
func (z Zone) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// windowLooks is how many days ahead the next window of a week is looked for.
const windowLooks = 9

// Window is the window as it covers t, or the next one after t; false: there is none any more. Windows of a week that follow without a gap are one, shown for
// at most nine days. It is pure.
func (b *Blocked) Window(t time.Time) (from, until time.Time, ok bool) {
	if !b.Weekly() {
		return b.From, b.Until, t.Before(b.Until)
	}
	loc := b.Zone.Location()
	y, m, d := t.In(loc).Date()
	clock := func(day int, of time.Duration) time.Time {
		return time.Date(y, m, day, int(of/time.Hour), int(of%time.Hour/time.Minute), 0, 0, loc)
	}
	for day := d - 1; day < d+windowLooks; day++ {
		if !b.Days[clock(day, 0).Weekday()] {
			continue
		}
		start, end := clock(day, b.Start), clock(day, b.End)
		if b.End <= b.Start {
			end = clock(day+1, b.End)
		}
		switch {
		case !end.After(t):
		case !ok:
			from, until, ok = start, end, true
		case !start.After(until):
			until = end
		}
	}
	return from, until, ok
}
