package haproxy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The reasons for which a call fails. Compare with [errors.Is]; an [*Error] around them says which proxy and which command.
var (
	// ErrUnreachable: no whole answer came. The dial failed, the deadline passed, or the connection broke. What was
	// sent may or may not have been applied: repeat it (all commands may be repeated) or read back.
	ErrUnreachable = errors.New("unreachable")
	// ErrProtocol: something answered that is not HAProxy's runtime API, or not as documented.
	ErrProtocol = errors.New("not an answer of HAProxy's runtime API")
	// ErrPermission: the socket's level is below admin. Only its "stats socket" line in HAProxy's configuration changes that.
	ErrPermission = errors.New(`permission denied: the level of this socket is not admin (write "level admin" on its "stats socket" line)`)
	// ErrNoSuchBackend: HAProxy has no backend of this name.
	ErrNoSuchBackend = errors.New("no such backend")
	// ErrNoSuchServer: the backend has no server of this name.
	ErrNoSuchServer = errors.New("no such server")
	// ErrStopped: the process that answered no longer serves this backend: it was replaced by a reload and is leaving, or
	// the backend is disabled in the configuration. Dialling again reaches the process that took over.
	ErrStopped = errors.New("stopped: this process was replaced by a reload and is leaving, or the backend is disabled")
	// ErrRefused: HAProxy said no for another reason, quoted in the error.
	ErrRefused = errors.New("refused")
	// ErrInvalid: an argument was refused before anything was sent.
	ErrInvalid = errors.New("invalid")
	// ErrClosed: the Conn was closed by its user.
	ErrClosed = errors.New("connection closed by its user")
)

// Error says which proxy, which command and why. It never holds more than a short piece of what HAProxy answered.
type Error struct {
	Addr    string // as Address.String
	Command string // the command, or several separated by "; " when none of them was answered
	Answer  string // HAProxy's words, shortened; empty if there were none
	Err     error  // one of the reasons above, or wraps one
}

// Error gives one line: proxy, command, reason, HAProxy's own words.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("haproxy ")
	b.WriteString(e.Addr)
	if e.Command != "" {
		b.WriteString(": ")
		b.WriteString(strconv.Quote(shorten(e.Command, 200)))
	}
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	if e.Answer != "" {
		b.WriteString("; it answered ")
		b.WriteString(strconv.Quote(e.Answer))
	}
	return b.String()
}

// Unwrap gives the reason to [errors.Is].
func (e *Error) Unwrap() error { return e.Err }

// shorten cuts s to at most n bytes, at a character, and says so.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}
