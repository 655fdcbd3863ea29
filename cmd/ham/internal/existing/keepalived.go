package existing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// statement is one statement of keepalived.conf: its words, and what stands in its block.
type statement struct {
	at    place
	words []string
	block []statement
	// depends: it counts only on some hosts, or is made several times; keepalived itself knows.
	depends bool
}

func (s statement) arg(i int) string {
	if i < len(s.words) {
		return s.words[i]
	}
	return ""
}

// find are the statements of the block that begin with a keyword.
func (s statement) find(keyword string) []statement {
	var out []statement
	for _, c := range s.block {
		if c.words[0] == keyword {
			out = append(out, c)
		}
	}
	return out
}

// value is the first word after a keyword of the block.
func (s statement) value(keyword string) string {
	if all := s.find(keyword); len(all) > 0 {
		return all[len(all)-1].arg(1)
	}
	return ""
}

var (
	definition = regexp.MustCompile(`^\$([A-Za-z0-9_]+)=(.*)$`)
	parameter  = regexp.MustCompile(`\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))`)
)

// deepest bounds how deep blocks stand in each other: keepalived has four.
const deepest = 16

// readKeepalived reads one keepalived.conf. It refuses what keepalived itself would not read.
func readKeepalived(t Text) (statement, error) {
	root := statement{at: place{t.Name, 1}}
	if err := readable(t); err != nil {
		return root, err
	}
	values := map[string]string{}
	open := []*statement{&root}
	n := 0
	for text := range strings.Lines(string(t.Text)) {
		n++
		at := place{t.Name, n}
		text = strings.TrimSpace(text)
		if d := definition.FindStringSubmatch(text); d != nil {
			values[d[1]] = d[2]
			continue
		}
		text = parameter.ReplaceAllStringFunc(text, func(ref string) string {
			if v, ok := values[strings.Trim(ref, "${}")]; ok {
				return v
			}
			return ref
		})
		words, err := splitKeepalived(text)
		if err != nil {
			return root, fmt.Errorf("%s: %w", at, err)
		}
		fresh := true // a statement ends with its line
		for _, w := range words {
			parent := open[len(open)-1]
			switch {
			case w == "{":
				if len(parent.block) == 0 {
					return root, fmt.Errorf("%s: { stands without a keyword before it", at)
				}
				if len(open) > deepest {
					return root, fmt.Errorf("%s: blocks stand %d deep in each other: is this a keepalived.conf?", at, deepest)
				}
				open = append(open, &parent.block[len(parent.block)-1])
				fresh = true
			case w == "}":
				if len(open) == 1 {
					return root, fmt.Errorf("%s: } without a {", at)
				}
				open = open[:len(open)-1]
				fresh = true
			case fresh:
				s := statement{at: at, words: []string{w}}
				if s.depends = strings.HasPrefix(w, "@") || strings.HasPrefix(w, "~"); s.depends {
					parent.depends = true
				}
				parent.block = append(parent.block, s)
				fresh = false
			default:
				last := &parent.block[len(parent.block)-1]
				last.words = append(last.words, w)
			}
		}
	}
	if len(open) > 1 {
		return root, fmt.Errorf("%s: the block of %s is not closed", open[len(open)-1].at, short(open[len(open)-1].words[0]))
	}
	return root, nil
}

// splitKeepalived cuts a line into words; braces are words of their own, '#' and '!' begin a comment.
func splitKeepalived(text string) ([]string, error) {
	var words []string
	var b strings.Builder
	in, quote := false, rune(0)
	end := func() {
		if in {
			words = append(words, b.String())
		}
		in = false
		b.Reset()
	}
	for _, c := range text {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteRune(c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case c == '#' || c == '!':
			end()
			return words, nil
		case c == '{' || c == '}':
			end()
			words = append(words, string(c))
		case c == ' ' || c == '\t':
			end()
		default:
			in = true
			b.WriteRune(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("has a %c that is not closed", quote)
	}
	end()
	return slices.DeleteFunc(words, func(w string) bool { return w == "" }), nil
}
