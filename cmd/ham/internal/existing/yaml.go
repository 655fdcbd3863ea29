package existing

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var plain = regexp.MustCompile(`^[A-Za-z/_][A-Za-z0-9/._-]*$`)

// scalar writes a text that YAML reads as the same text.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(s)
	}
	if plain.MatchString(s) {
		return s
	}
	return strconv.Quote(s) // a YAML text in double quotes reads what Go writes for printable ASCII, and more is never written
}

// list writes a list in one line.
func list(items []string) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = scalar(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// comment keeps a text within its line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffd {
			return ' '
		}
		return r
	}, s)
}

// unique makes a name of ham's (1 to 63 letters, digits, '-' or '_') of one that something else has, and another where it is taken.
func unique(s, otherwise string, taken []string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, s)
	// A name that begins with '_' is ham's own, and one of dashes alone tells nobody anything.
	if name = strings.TrimLeft(name, "_-"); name == "" {
		name = otherwise
	}
	name = name[:min(len(name), 58)]
	for n, made := 2, name; ; n++ {
		if !slices.Contains(taken, made) {
			return made
		}
		made = fmt.Sprintf("%s-%d", name, n)
	}
}
