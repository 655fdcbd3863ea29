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
		return fmt.Errorf("%q is no duration: write a number and a unit, such as 300ms, 1.5s, 2m", text)
	}
	*d = Duration(v)
	return nil
}

// UnmarshalJSON refuses numbers with the same words as UnmarshalText.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s is no duration: write a number and a unit in quotes, such as \"300ms\"", b)
	}
	return d.UnmarshalText([]byte(s))
}
