package core

import (
	"strings"
	"time"
	"unicode/utf8"
)

// words fill the {places} of a rule's sentence. Nil words say that the rule does not hold.
type words map[string]string

// fill puts the words into the sentence. A place without a word keeps its braces: the tests look for that.
func fill(sentence string, w words) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(sentence, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		key, after, ok := strings.Cut(rest, "}")
		if word, known := w[key]; ok && known {
			b.WriteString(word)
		} else {
			b.WriteString("{" + key + "}")
		}
		sentence = after
	}
}

// yes are the words of a rule that holds and needs none.
func yes() words { return words{} }

// span writes a duration as people say it: "350ms", "4.2s", "1m40s", "26h".
func span(d time.Duration) string {
	switch {
	case d < 0:
		d = 0
	case d < time.Second:
		d = d.Round(time.Millisecond)
	case d < 10*time.Second:
		d = d.Round(100 * time.Millisecond)
	default:
		d = d.Round(time.Second)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// list joins names as in speech: "a", "a and b", "a, b and c".
func list(names []string) string {
	switch n := len(names); n {
	case 0:
		return "nobody"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

// clip shortens s to at most n bytes, at a letter's end.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := n - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// because adds a person's reason to a sentence.
func because(reason string) string {
	if reason = strings.TrimSpace(reason); reason == "" {
		return ""
	}
	return " (" + clip(reason, 300) + ")"
}
