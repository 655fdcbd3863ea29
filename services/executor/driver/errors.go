package driver

import (
	"errors"
	"fmt"
)

// What went wrong, as far as the engine decides by it. Compare with errors.Is. An error that is none of these counts as
// ErrUnknown: nobody knows what was done.
var (
	// ErrRefused: the target was asked and said no. Nothing is left half done by us.
	ErrRefused = errors.New("the target says no")
	// ErrUnasked: the target could not be asked; nothing was applied.
	ErrUnasked = errors.New("the target could not be asked")
	// ErrUnknown: it was asked, and whether it was done is not known.
	ErrUnknown = errors.New("whether it was done is not known")
	// ErrRehearsed: this is a dry run, and nothing is done in it.
	ErrRehearsed = errors.New("dry run: not done")
)

// failure keeps the sentinel for errors.Is and prints the sentence alone: the sentence says it better.
type failure struct {
	reason error
	text   string
	cause  error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.reason}
	}
	return []error{f.reason, f.cause}
}

func fail(reason error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &failure{reason: reason, text: err.Error(), cause: errors.Unwrap(err)}
}

// Refused makes an error that is ErrRefused.
func Refused(format string, args ...any) error { return fail(ErrRefused, format, args...) }

// Unasked makes an error that is ErrUnasked.
func Unasked(format string, args ...any) error { return fail(ErrUnasked, format, args...) }

// InDoubt makes an error that is ErrUnknown.
func InDoubt(format string, args ...any) error { return fail(ErrUnknown, format, args...) }
