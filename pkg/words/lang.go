package words

import (
	"fmt"
	"strconv"
	"strings"
)

// Lang is a language by its tag (BCP 47).
type Lang string

// The languages there are. Where nobody asks for one it is English.
const (
	English    Lang = "en"
	Portuguese Lang = "pt-BR"
)

// Langs lists the languages, English first.
func Langs() []Lang { return []Lang{English, Portuguese} }

// Parse reads a tag as people write it: "pt-BR", "pt_BR.UTF-8", "PT", "en_US", "C". Empty is English.
func Parse(tag string) (Lang, error) {
	name, _, _ := strings.Cut(tag, ".")
	first, _, _ := strings.Cut(strings.ReplaceAll(name, "_", "-"), "-")
	switch first = strings.ToLower(first); {
	case tag == "" || first == "en" || first == "c" || first == "posix":
		return English, nil
	case first == "pt":
		return Portuguese, nil
	}
	return English, fmt.Errorf("ham does not speak %.40q: want en or pt-BR", tag)
}

// Accept picks the language out of an Accept-Language header (RFC 9110, section 12.5.4): the one asked for most that there is,
// English where none is. Of a header that is longer than any browser's only the beginning is read.
func Accept(header string) Lang {
	best, most := English, 0.0
	for _, part := range strings.Split(header[:min(len(header), 500)], ",") {
		tag, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if w, ok := strings.CutPrefix(strings.TrimSpace(weight), "q="); ok {
			v, err := strconv.ParseFloat(w, 64)
			if err != nil || !(v >= 0 && v <= 1) {
				continue
			}
			q = v
		}
		if tag = strings.TrimSpace(tag); tag == "" || tag == "*" {
			continue
		}
		if l, err := Parse(tag); err == nil && q > most {
			best, most = l, q
		}
	}
	return best
}
