package bus

import (
	"fmt"
	"slices"
	"time"
)

// leastSpan is the shortest time between a stream's oldest and newest message that says what it takes in a day, and leastBytes what it must hold.
const (
	leastSpan  = 10 * time.Minute
	leastBytes = 64 << 10
)

// fitsFor is how long the room that there is must last for what has no limit of its own.
const fitsFor = 90 * day

// PerDay is what the stream takes on disk in a day, in bytes, as measured from its oldest message to its newest. False: it holds too little to say, or
// is a bucket, which replaces what it holds.
func (r StreamReport) PerDay() (int64, bool) {
	span := r.Newest.Sub(r.First)
	if !r.Exists || r.bucket() || r.Bytes < leastBytes || span < leastSpan {
		return 0, false
	}
	return int64(float64(r.Bytes) / span.Hours() * 24), true
}

func (r StreamReport) bucket() bool { return len(r.Name) > 3 && r.Name[:3] == "KV_" }

// Keeps is for how long the stream holds what comes in, at what it takes a day now: until its age or its size ends it. Zero: for ever, or nobody can say.
func (r StreamReport) Keeps() time.Duration {
	keeps := r.MaxAge
	if perDay, ok := r.PerDay(); ok && r.MaxBytes > 0 && perDay > 0 {
		bySize := time.Duration(float64(r.MaxBytes) / float64(perDay) * float64(day))
		if keeps == 0 || bySize < keeps {
			keeps = bySize
		}
	}
	return keeps
}

// Most is what the stream may come to take in bytes; false: it has no bound of its own, neither by size nor, at what it takes a day now, by age.
func (r StreamReport) Most() (int64, bool) {
	most := r.MaxBytes
	if perDay, ok := r.PerDay(); ok && r.MaxAge > 0 {
		if byAge := max(int64(r.Bytes), int64(float64(perDay)*r.MaxAge.Hours()/24)); most <= 0 || byAge < most {
			most = byAge
		}
	}
	return most, most > 0
}

// Disk is what the streams take.
type Disk struct {
	// Used is what they hold, PerDay what they take in a day as far as it is known, Reserved what the bounded ones may come to take. In bytes, of one copy.
	Used, PerDay, Reserved int64
	// Measured: at least one stream has run for long enough to say what it takes in a day.
	Measured bool
	// Unbounded is what those without a bound take in a day; Left is for how long the room that is not reserved lasts for them, zero: unknown.
	Unbounded int64
	Left      time.Duration
	// Warnings are sentences: what will not fit, and what to do.
	Warnings []string
}

// Disk adds up what the streams of the report take.
func (r Report) Disk() Disk {
	var d Disk
	for _, s := range r.Streams {
		if !s.Exists {
			continue
		}
		d.Used += int64(s.Bytes)
		perDay, known := s.PerDay()
		d.PerDay += perDay
		d.Measured = d.Measured || known
		if most, ok := s.Most(); ok {
			d.Reserved += most
		} else {
			d.Reserved += int64(s.Bytes)
			d.Unbounded += perDay
		}
		if keeps := s.Keeps(); known && s.MaxAge > 0 && keeps < s.MaxAge*9/10 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s takes %s a day and may hold %s: that is %s of the %s that it is to keep. Raise its limit (nats stream edit %s --max-bytes=…), or look less often.",
				s.Name, Size(perDay), Size(s.MaxBytes), span(keeps), span(s.MaxAge), s.Name))
		}
	}
	if limit := int64(r.StoreLimit); limit > 0 {
		room := limit - d.Reserved
		if room < 0 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("The streams may come to take %s and the bus gives them %s: they will not fit. Give it more disk (max_file_store), or lower their limits.",
				Size(d.Reserved), Size(limit)))
		} else if d.Unbounded > 0 {
			if d.Left = time.Duration(min(float64(room)/float64(d.Unbounded), 36500) * float64(day)); d.Left < fitsFor {
				d.Warnings = append(d.Warnings, fmt.Sprintf("What is never thrown away takes %s a day: the room for it lasts %d days. Give the bus more disk (max_file_store).",
					Size(d.Unbounded), int(d.Left/day)))
			}
		}
	}
	slices.Sort(d.Warnings)
	return d
}

// Size writes bytes for people: "3.4 MiB".
func Size(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// span says a time in days where it is one of days.
func span(d time.Duration) string {
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Round(time.Minute).String()
}
