package cli

import (
	"errors"
	"fmt"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Exit codes, the same for every command.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
)

// usageError is wrong use: an unknown flag, a missing argument, a file that is not right.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// refusedError is a "no" with its reasons, already printed.
type refusedError struct{ outcome *message.Outcome }

func (e refusedError) Error() string { return "refused: " + e.outcome.Sentence }

// errSilent ends with exit code 1 without a further line: what failed was printed already.
var errSilent = errors.New("failed")

// hinted is an error with what to do about it.
type hinted struct {
	err  error
	hint string
}

func (e hinted) Error() string { return e.err.Error() }
func (e hinted) Unwrap() error { return e.err }

func exitCode(err error) int {
	var usage usageError
	var refused refusedError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &refused):
		return exitRefused
	}
	return exitFailed
}
