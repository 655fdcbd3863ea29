package existing

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// word is one word of a line of haproxy.cfg.
type word struct {
	text string
	// env is the name of the first environment variable in it, of HAProxy's own environment, which nobody else knows; "": it has none.
	env string
}

// splitHAProxy cuts a line into words as HAProxy does: spaces and tabs part them, '#' begins a comment, a backslash takes the meaning from the next
// character, within single quotes nothing has a meaning, within double quotes $NAME and ${NAME} are variables.
func splitHAProxy(line string) ([]word, error) {
	var words []word
	var w word
	var b strings.Builder
	in, quote := false, byte(0)
	end := func() {
		if in {
			w.text = b.String()
			words = append(words, w)
		}
		w, in = word{}, false
		b.Reset()
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == '\'' && c != '\'':
			b.WriteByte(c)
		case c == '\'' && quote != '"', c == '"' && quote != '\'':
			in = true
			if quote == c {
				quote = 0
			} else {
				quote = c
			}
		case c == '\\' && i+1 < len(line):
			in = true
			i++
			switch next := line[i]; {
			case next == 'n' || next == 'r' || next == 't':
				b.WriteByte(map[byte]byte{'n': '\n', 'r': '\r', 't': '\t'}[next])
			case strings.IndexByte(` \#'"$`, next) >= 0:
				b.WriteByte(next)
			default:
				b.WriteByte('\\')
				b.WriteByte(next)
			}
		case c == '\\':
			return nil, errors.New("ends in a backslash, which has nothing to take the meaning from")
		case c == '$' && quote == '"':
			name, length := variable(line[i:])
			if length == 0 {
				b.WriteByte(c)
				break
			}
			if w.env == "" {
				w.env = name
			}
			b.WriteString(line[i : i+length])
			i += length - 1
		case quote == 0 && (c == ' ' || c == '\t'):
			end()
		case quote == 0 && c == '#':
			end()
			return words, nil
		default:
			in = true
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("has a %c that is not closed", quote)
	}
	end()
	return words, nil
}

// variable reads $NAME or ${NAME…} at the beginning of s; length 0: there is none.
func variable(s string) (name string, length int) {
	braces := strings.HasPrefix(s, "${")
	from := 1
	if braces {
		from = 2
	}
	to := from
	for to < len(s) && (s[to] == '_' || '0' <= s[to] && s[to] <= '9' || 'a' <= s[to]|0x20 && s[to]|0x20 <= 'z') {
		to++
	}
	if to == from {
		return "", 0
	}
	if !braces {
		return s[from:to], to
	}
	close := strings.IndexByte(s, '}')
	if close < 0 {
		return "", 0
	}
	return s[from:to], close + 1
}

// readable says why a file cannot be the configuration that it is said to be; nil: it may be.
func readable(t Text) error {
	const most = 16 << 20
	switch {
	case len(t.Text) > most:
		return fmt.Errorf("%s: has %d bytes, want at most %d", t.Name, len(t.Text), most)
	case strings.IndexByte(string(t.Text), 0) >= 0 || !utf8.Valid(t.Text):
		return fmt.Errorf("%s: is not a text in UTF-8", t.Name)
	}
	return nil
}
