package haproxy

import (
	"errors"
	"fmt"
	"strings"
)

// Answer is what HAProxy said to one command of a batch.
type Answer struct {
	Command Command
	Text    string // without severity and closing empty line; empty for most commands that succeeded
	Err     error  // nil if the command succeeded, else an *Error
}

// askSeverity is sent before all else on every connection. It makes HAProxy put a number before each message of its
// own ("[3]: No such server."), so that an error cannot be taken for data, however the socket was configured.
const askSeverity = "set severity-output number"

// refusals maps HAProxy's words, as 2.6.12 has them, to reasons. Other errors are ErrRefused.
var refusals = []struct {
	words  string
	reason error
}{
	{"Permission denied", ErrPermission},
	{"No such server", ErrNoSuchServer},
	{"No such backend", ErrNoSuchBackend},
	{"Can't find backend", ErrNoSuchBackend},
	{"No such proxy", ErrNoSuchBackend},
	{"Proxy is disabled", ErrStopped},
}

// judge tells whether raw is how HAProxy answers this command when it succeeds, and gives the text without its severity.
func (c Command) judge(raw string) (text string, reason error) {
	severity, body := cutSeverity(strings.TrimSuffix(raw, "\n"))
	isMessage := severity >= 0
	if isMessage {
		for _, r := range refusals {
			if strings.HasPrefix(body, r.words) {
				return body, r.reason
			}
		}
		// Syslog's numbers: 0 to 3 are errors. An unknown command comes as information (6), a bad address as a warning (4).
		if severity <= 3 || strings.HasPrefix(body, "Unknown command") || strings.HasPrefix(body, "Invalid") {
			return body, ErrRefused
		}
	}
	switch c.wants {
	case wantsSilence:
		if body == "" {
			return "", nil
		}
	case wantsNotice:
		if isMessage || body == "" {
			return body, nil
		}
	case wantsText:
		if body != "" {
			return body, nil
		}
		return "", protocolError("an empty answer where one was asked for")
	}
	if isMessage {
		return body, ErrRefused
	}
	return body, protocolError("an answer where none belongs")
}

// cutSeverity takes "[3]: " from the front of a message; severity is -1 where there is none.
func cutSeverity(s string) (severity int, rest string) {
	if len(s) >= 4 && s[0] == '[' && '0' <= s[1] && s[1] <= '7' && s[2] == ']' && s[3] == ':' {
		return int(s[1] - '0'), strings.TrimPrefix(s[4:], " ")
	}
	return -1, s
}

// attribute gives each command its answer, and one error for all that failed.
func attribute(addr Address, commands []Command, raw []string) ([]Answer, error) {
	answers := make([]Answer, len(commands))
	var failed []error
	for i, c := range commands {
		text, reason := c.judge(raw[i])
		answers[i] = Answer{Command: c, Text: text}
		if reason != nil {
			answers[i].Err = &Error{Addr: addr.String(), Command: c.text, Answer: shorten(text, 160), Err: reason}
			failed = append(failed, answers[i].Err)
		}
	}
	if len(failed) == 1 {
		return answers, failed[0]
	}
	return answers, errors.Join(failed...)
}

// unanswered makes the error of a batch that got no whole answer.
func unanswered(addr Address, commands []Command, reason error) error {
	texts := make([]string, len(commands))
	for i, c := range commands {
		texts[i] = c.text
	}
	return &Error{Addr: addr.String(), Command: strings.Join(texts, "; "), Err: reason}
}

func unreachable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnreachable, fmt.Errorf(format, args...))
}
