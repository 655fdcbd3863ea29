package channel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class says what to do about a failed call.
type Class string

const (
	// Later: certainly not accepted; the same call may succeed later.
	Later Class = "later"
	// Unsure: it may have been accepted. Look before it is repeated.
	Unsure Class = "unsure"
	// Denied: not accepted, and nothing will be until a person changes something: a token, a channel's name.
	Denied Class = "denied"
	// Refused: not accepted, because of this very message; others may pass.
	Refused Class = "refused"
	// Gone: not accepted (or not where it should be), because the message it belongs under is not there any more.
	Gone Class = "gone"
)

// Error is a failed call of a channel.
type Error struct {
	Class Class
	// Code is the far side's own word ("invalid_auth", "HTTP 503"), Says what it means and what to do. Neither holds secrets.
	Code, Says string
	// After is how long the far side asks to wait; 0: it does not say.
	After time.Duration
}

func (e *Error) Error() string {
	if e.Says == "" {
		return e.Code
	}
	return e.Code + ": " + e.Says
}

// Fail is an [*Error] with a formatted sentence.
func Fail(class Class, code, format string, args ...any) *Error {
	return &Error{Class: class, Code: code, Says: fmt.Sprintf(format, args...)}
}

// As returns err as an [*Error]. What a channel did not classify is Unsure: the careful reading.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Class: Unsure, Code: "timeout", Says: "no answer in time"}
	}
	return &Error{Class: Unsure, Code: "error", Says: err.Error()}
}

// Redact replaces every secret in s by "***". Secrets shorter than four characters are not looked for.
func Redact(s string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	return s
}
