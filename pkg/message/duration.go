package message

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a length of time that is written with its unit: "1.5s", "300ms".
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes d the way [time.ParseDuration] reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads "300ms", "1.5s", "2m", "24h"; a bare number is refused,
// because nobody can tell its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return noDuration(fmt.Sprintf("%q", clip(string(text), 80)))
	}
	*d = Duration(v)
	return nil
}

// noDuration is what was found in the place of a duration.
type noDuration string

const wantDuration = `a duration in quotes with its unit, such as "300ms", "1.5s", "2m"`

func (e noDuration) Error() string { return "got " + string(e) + ", want " + wantDuration }

// UnmarshalJSON refuses numbers with the same words as UnmarshalText.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return noDuration(clip(string(b), 80))
	}
	return d.UnmarshalText([]byte(s))
}
