package exec

import (
	"math"
	"strconv"
	"strings"

	"github.com/isacloud/ha-manager/services/prober/check"
)

const (
	// maxPerf is how many figures are kept; a heartbeat carries no more.
	maxPerf = 64
	// maxLabel is the longest name of a figure, in bytes.
	maxLabel = 64
)

// parse takes a plugin's output apart: the text of the first line, and the figures.
//
//	TEXT | FIGURES
//	more text
//	more text | FIGURES
//	FIGURES
func parse(out string, mask *check.Mask) (text string, perf map[string]float64) {
	first, rest, _ := strings.Cut(strings.TrimLeft(out, "\r\n"), "\n")
	text, figures, _ := strings.Cut(first, "|")
	if _, more, ok := strings.Cut(rest, "|"); ok {
		figures += " " + more
	}
	return strings.TrimSpace(text), perfdata(figures, mask)
}

// perfdata reads 'label'=value[unit];[warn];[crit];[min];[max], separated by spaces. What cannot be read is left out: figures
// are for people and never decide. Units are left out too: the value is as the plugin wrote it.
func perfdata(s string, mask *check.Mask) map[string]float64 {
	var perf map[string]float64
	for len(perf) < maxPerf {
		var label, value string
		var ok bool
		label, value, s, ok = next(s)
		if !ok {
			break
		}
		v, ok := number(value)
		label = check.Clip(mask.Clean(label), maxLabel)
		if !ok || label == "" {
			continue
		}
		if perf == nil {
			perf = map[string]float64{}
		}
		perf[label] = v
	}
	return perf
}

// next cuts off the first figure. A label in quotes may hold spaces and '='; two quotes in it stand for one.
func next(s string) (label, value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t\r\n")
	if s == "" {
		return "", "", "", false
	}
	if s[0] == '\'' {
		var name strings.Builder
		i := 1
		for ; i < len(s); i++ {
			if s[i] != '\'' {
				name.WriteByte(s[i])
				continue
			}
			if i+1 < len(s) && s[i+1] == '\'' {
				name.WriteByte('\'')
				i++
				continue
			}
			i++
			break
		}
		label, s = name.String(), s[i:]
	} else {
		end := strings.IndexAny(s, "= \t\r\n")
		if end < 0 {
			end = len(s)
		}
		label, s = s[:end], s[end:]
	}
	if !strings.HasPrefix(s, "=") {
		return label, "", s, true // no value: left out by number
	}
	end := strings.IndexAny(s, " \t\r\n")
	if end < 0 {
		end = len(s)
	}
	value, _, _ = strings.Cut(s[1:end], ";")
	return label, value, s[end:], true
}

// number reads the digits before a unit. "U" (not known), infinities and NaN are none.
func number(s string) (float64, bool) {
	end := 0
	for end < len(s) && strings.IndexByte("0123456789+-.", s[end]) >= 0 {
		end++
	}
	// An exponent counts only if digits follow: "12e" would be twelve of a unit e.
	if end > 0 && end+1 < len(s) && (s[end] == 'e' || s[end] == 'E') {
		digits := end + 1
		if s[digits] == '-' || s[digits] == '+' {
			digits++
		}
		if digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
			for end = digits; end < len(s) && s[end] >= '0' && s[end] <= '9'; end++ {
			}
		}
	}
	v, err := strconv.ParseFloat(s[:end], 64)
	return v, err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
}
