package main

import (
	"fmt"
	"regexp"
	"strings"
)

// pattern is a -run expression as package testing reads it: alternatives split by |, each split by / into one
// unanchored expression per level of subtests.
type pattern [][]*regexp.Regexp

func parsePattern(run string) (pattern, error) {
	var p pattern
	for _, alternative := range splitOutside(run, '|') {
		var levels []*regexp.Regexp
		for _, level := range splitOutside(alternative, '/') {
			re, err := regexp.Compile(strings.ReplaceAll(level, " ", "_"))
			if err != nil {
				return nil, fmt.Errorf("-run %s: %w", run, err)
			}
			levels = append(levels, re)
		}
		p = append(p, levels)
	}
	return p, nil
}

// matches reports whether the whole expression chooses the test: "A/b" chooses A/b and A/b/c, but A only on the
// way there.
func (p pattern) matches(test string) bool {
	names := strings.Split(test, "/")
	for _, levels := range p {
		if len(levels) > len(names) {
			continue
		}
		all := true
		for i, re := range levels {
			all = all && re.MatchString(names[i])
		}
		if all {
			return true
		}
	}
	return false
}

// splitOutside splits s at sep, but not within brackets, parentheses or after a backslash.
func splitOutside(s string, sep byte) []string {
	var parts []string
	start, parens := 0, 0
	class := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			parens++
		case c == ')':
			parens--
		case c == sep && parens == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}
