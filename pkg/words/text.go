package words

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// T says a text of a page or of a report: its English is its key, with the verbs of package fmt. Times that pass, figures and names of the
// language among the arguments are written as the language does. A text without translation is said in English.
func (s *Speaker) T(text string, args ...any) string {
	if own, ok := s.texts[text]; ok {
		text = own
	}
	if len(args) == 0 {
		return text
	}
	for i, a := range args {
		switch a := a.(type) {
		case time.Duration:
			args[i] = s.Duration(a)
		case float64:
			args[i] = s.Number(a, -1)
		}
	}
	return fmt.Sprintf(text, args...)
}

// N says one text for one thing and another for any other number of them; the number is the first argument of the text.
func (s *Speaker) N(n int, one, many string, args ...any) string {
	if n == 1 {
		many = one
	}
	return s.T(many, append([]any{n}, args...)...)
}

// Known tells whether T has a translation of a text; English needs none.
func (s *Speaker) Known(text string) bool {
	_, ok := s.texts[text]
	return ok || s.lang == English
}

// Duration writes a time that passed: "1m0.004s", in Portuguese "1m0,004s". Three digits or so are kept: nobody reads microseconds of a minute.
func (s *Speaker) Duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		d = d.Round(time.Microsecond)
	case d < time.Second:
		d = d.Round(100 * time.Microsecond)
	default:
		d = d.Round(time.Millisecond)
	}
	return s.decimal(d.String())
}

// Number writes a figure with so many digits behind the decimal sign, as many as it needs where digits is negative.
func (s *Speaker) Number(v float64, digits int) string {
	return s.decimal(strconv.FormatFloat(v, 'f', digits, 64))
}

// Figure writes a figure that was written in English, with its unit, as the language does: "1.84 s", "3 days". Other text is kept.
func (s *Speaker) Figure(text string) string {
	if s.lang != Portuguese || len(text) > 64 || !figure.MatchString(text) {
		return text
	}
	return s.decimal(strings.Replace(text, " day", " dia", 1))
}

// Day writes the names of months and of days of the week, as package time spells them, in the language: "Mon 2 Jan" is "seg 2 jan". All other
// text is kept.
func (s *Speaker) Day(text string) string {
	if s.lang != Portuguese || len(text) > 64 {
		return text
	}
	return names.ReplaceAllStringFunc(text, func(name string) string { return calendar[name] })
}

var calendar = map[string]string{
	"January": "janeiro", "February": "fevereiro", "March": "março", "April": "abril", "May": "maio", "June": "junho", "July": "julho", "August": "agosto", "September": "setembro",
	"October": "outubro", "November": "novembro", "December": "dezembro",
	"Jan": "jan", "Feb": "fev", "Mar": "mar", "Apr": "abr", "Jun": "jun", "Jul": "jul", "Aug": "ago", "Sep": "set", "Oct": "out", "Nov": "nov", "Dec": "dez",
	"Mon": "seg", "Tue": "ter", "Wed": "qua", "Thu": "qui", "Fri": "sex", "Sat": "sáb", "Sun": "dom",
}

var names = regexp.MustCompile(`\b(?:` + strings.Join(slices.Sorted(maps.Keys(calendar)), "|") + `)\b`)

// figure is what [Speaker.Figure] takes for one: a number and a unit, or two of them, or a time as Go writes it.
var figure = regexp.MustCompile(`^[-+]?[0-9]+(?:\.[0-9]+)?(?: (?:µs|ms|s|min|h|days?|B|KiB|MiB|GiB|kB|MB|GB|TB|%)(?:,? [0-9]+(?:\.[0-9]+)? (?:µs|ms|s|min|h))?|[hms0-9.µ]*)$`)

func (s *Speaker) decimal(text string) string {
	if s.lang == Portuguese {
		return strings.ReplaceAll(text, ".", ",")
	}
	return text
}

// Time writes a moment with its date, to the millisecond, by the clock of zone and with the zone's name. The zone is not the language's
// affair: whoever reads Portuguese may sit in Lisbon, and an incident of two continents is told in UTC. Nil is UTC.
func (s *Speaker) Time(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	if s.lang == Portuguese {
		return s.clock(t.In(zone), "02/01/2006 15:04:05.000 MST")
	}
	return t.In(zone).Format("2006-01-02 15:04:05.000 MST")
}

// Clock writes the time of day, 24 hours, to the millisecond.
func (s *Speaker) Clock(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return s.clock(t.In(zone), "15:04:05.000")
}

// clock formats with the dot that Go wants before fractions, then with the decimal sign of the language.
func (s *Speaker) clock(t time.Time, layout string) string { return s.decimal(t.Format(layout)) }
