package haproxy

import (
	"fmt"
	"strings"
)

// maxName bounds a name, so that a batch stays far below HAProxy's line buffer.
const maxName = 255

// checkName holds that name can stand in a command. HAProxy itself allows letters, digits, '-', '_', '.' and ':'
// in the names of backends and servers, so nothing useful is refused, and nothing that could end one command and
// begin another (';', a newline, "<<", a backslash) passes. "#2" forms are refused: a number changes its meaning when
// a line is added to the configuration.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: the %s has no name", ErrInvalid, what)
	case len(name) > maxName:
		return fmt.Errorf("%w: the name of the %s has %d bytes, at most %d are allowed", ErrInvalid, what, len(name), maxName)
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return !allowedInName(r) }); i >= 0 {
		return fmt.Errorf("%w: %s %q: character %d is not one of letters, digits, '-', '_', '.' and ':'", ErrInvalid, what, name, i+1)
	}
	return nil
}

func allowedInName(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		r == '-' || r == '_' || r == '.' || r == ':'
}
