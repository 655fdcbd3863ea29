package main

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// sample is what was measured again and again, in the unit of its figure.
type sample []float64

// quantile is by nearest rank, so it is always a value that occurred: below 100 values p99 is the worst one.
// It is NaN where there is none.
func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func (s sample) min() float64    { return s.quantile(0) }
func (s sample) median() float64 { return s.quantile(0.5) }
func (s sample) p99() float64    { return s.quantile(0.99) }
func (s sample) max() float64    { return s.quantile(1) }

// show writes three significant digits, and whole numbers with a thin grouping: 0.123, 12.3, 1 234 567.
func show(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case v == 0:
		return "0"
	case a >= 99.95:
		return grouped(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}

// grouped puts a space between each three digits before the point.
func grouped(digits string) string {
	rest, sign := strings.CutPrefix(digits, "-")
	rest, fraction, _ := strings.Cut(rest, ".")
	var out []string
	for len(rest) > 3 {
		out = append(out, rest[len(rest)-3:])
		rest = rest[:len(rest)-3]
	}
	out = append(out, rest)
	slices.Reverse(out)
	text := strings.Join(out, " ")
	if fraction != "" {
		text += "." + fraction
	}
	if sign {
		text = "-" + text
	}
	return text
}
