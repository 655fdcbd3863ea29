package message

import (
	"errors"
	"fmt"
)

// Why a message was not accepted. All are final: the same bytes will never be
// accepted later by the same program, so the message belongs to the dead letters.
var (
	// ErrUnknownType says that ce-type names no message of this contract.
	ErrUnknownType = errors.New("unknown message type")
	// ErrUnknownVersion says that the type is known, but not in this version.
	ErrUnknownVersion = errors.New("unknown message version")
	// ErrInvalid says that the body is not what its type promises. The error is
	// an [*Invalid].
	ErrInvalid = errors.New("invalid message")
)

// Invalid names the one field that is wrong first, and what would be right.
type Invalid struct {
	Type  string // name of the message type, such as "heartbeat"
	Field string // JSON path of the field, or "" where the whole body is wrong
	Got   string // what was found, shortened
	Want  string // what would be right, in words
}

func (e *Invalid) Error() string {
	where := e.Type
	if e.Field != "" {
		where += "." + e.Field
	}
	if e.Got == "" {
		return fmt.Sprintf("invalid message: %s: want %s", where, e.Want)
	}
	return fmt.Sprintf("invalid message: %s: got %s, want %s", where, e.Got, e.Want)
}

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *Invalid) Unwrap() error { return ErrInvalid }
