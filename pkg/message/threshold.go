package message

import "strconv"

// ThresholdCondition is how a figure stands to its bound.
type ThresholdCondition string

const (
	ThresholdWell ThresholdCondition = "well"
	ThresholdOver ThresholdCondition = "over" // at its bound or beyond, for as long as declared
	// ThresholdUnmeasured: everybody who measures it says that it cannot be.
	ThresholdUnmeasured ThresholdCondition = "unmeasured"
)

// Thresholds is what was told of a group's figures, kept in a bucket and written by compare-and-set: of several deciders one writes each change, so that
// each is told once. It never leads to a swap.
type Thresholds struct {
	Group string `json:"group" validate:"required,name"`
	// N counts the group's writes that changed something, from 1. Told is the newest of them that people were told of.
	N    uint64 `json:"n" validate:"min=1"`
	Told uint64 `json:"told" validate:"min=0"`
	// States are those that are not well, and those that changed at N.
	States  []ThresholdState `json:"states" validate:"max=1024,dive"`
	Decider string           `json:"decider" validate:"required,name"`
	At      int64            `json:"at_us" validate:"min=0"`
}

// ThresholdState is one figure of one member.
type ThresholdState struct {
	Member    string             `json:"member" validate:"required,name"`
	Check     string             `json:"check" validate:"required,name"`
	Figure    string             `json:"figure" validate:"required,max=256"`
	Condition ThresholdCondition `json:"condition" validate:"required,oneof=well over unmeasured"`
	// N is the write with which it became so, At when, in Unix microseconds of the decider that wrote it.
	N  uint64 `json:"n" validate:"min=1"`
	At int64  `json:"at_us" validate:"min=0"`
	// Code is the rule's, Sentence what was told.
	Code     string `json:"code" validate:"required,max=16"`
	Sentence string `json:"sentence" validate:"required,max=2048"`
}

// ThresholdStatus is one figure as a decider knows it now.
type ThresholdStatus struct {
	Member string `json:"member" validate:"required,name"`
	Check  string `json:"check" validate:"required,name"`
	Figure string `json:"figure" validate:"required,max=256"`
	// Unit is "%", "entries", "days", or empty for a bare number.
	Unit string `json:"unit,omitempty" validate:"max=16"`
	// Value is the worst that a vantage measured last; Measured says that there is one, AgeMS how long ago that was.
	Value    float64 `json:"value"`
	Measured bool    `json:"measured"`
	AgeMS    int64   `json:"age_ms,omitempty" validate:"min=0"`
	// Max is where it warns, Clear where it resolves, For how long it must be so. Below: less is worse.
	Max   float64  `json:"max"`
	Clear float64  `json:"clear"`
	Below bool     `json:"below,omitempty"`
	For   Duration `json:"for,omitempty" validate:"min=0"`
	// Condition is what was told last, Since when, in Unix microseconds; 0: nothing was told yet.
	Condition ThresholdCondition `json:"condition" validate:"required,oneof=well over unmeasured"`
	Since     int64              `json:"since_us,omitempty" validate:"min=0"`
	// Sentence says all this: the value, the bound, since when.
	Sentence string `json:"sentence" validate:"required,max=2048"`
	// Evidence is the newest look's word, or why it could not measure.
	Evidence string `json:"evidence,omitempty" validate:"max=512"`
}

// Beyond says that the value is at its bound or beyond now, whether or not that was told: it may not have been so for as long as declared.
func (t *ThresholdStatus) Beyond() bool {
	switch {
	case !t.Measured:
		return false
	case t.Below:
		return t.Value <= t.Max
	}
	return t.Value >= t.Max
}

func (m *Thresholds) MessageID() string {
	return "thresholds." + m.Group + "." + strconv.FormatUint(m.N, 10) + "." + strconv.FormatUint(m.Told, 10)
}
func (m *Thresholds) MessageGroup() string { return m.Group }

func (m *Thresholds) consistent() *Invalid {
	if m.Told > m.N {
		return &Invalid{Type: NameOf(m), Field: "told", Got: strconv.FormatUint(m.Told, 10), Want: "at most n: nothing is told before it is written"}
	}
	return nil
}

// Expiries are the certificates that one process of ham uses itself or has met: of the bus, the console, the routes. It keeps them in a bucket, so that
// whoever asks sees what ends soon, and so that a restart does not tell again what was told.
type Expiries struct {
	Writer       string        `json:"writer" validate:"required,name"`
	Certificates []Certificate `json:"certificates" validate:"max=256,dive"`
	At           int64         `json:"at_us" validate:"min=0"`
}

// Certificate is one that ends some day.
type Certificate struct {
	// What it is for, in words: "server certificate of the bus"; Where it is: a file, or an address at which it was shown.
	What  string `json:"what" validate:"required,max=128"`
	Where string `json:"where" validate:"required,max=512"`
	// Name is whose it is, Fingerprint half of its SHA-256; empty where it could not be read, and then Problem says why.
	Name        string `json:"name,omitempty" validate:"max=128"`
	Fingerprint string `json:"fingerprint,omitempty" validate:"max=64"`
	Problem     string `json:"problem,omitempty" validate:"max=1024"`
	// NotAfter is when it ends, in Unix microseconds; 0: unknown.
	NotAfter int64 `json:"not_after_us,omitempty" validate:"min=0"`
	// Told are the days left at which people were reminded, the most first.
	Told []int `json:"told,omitempty" validate:"max=16,dive,min=0"`
}

func (m *Expiries) MessageID() string    { return "expiries." + m.Writer }
func (m *Expiries) MessageGroup() string { return "_" }
