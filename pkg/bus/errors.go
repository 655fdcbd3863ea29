package bus

import (
	"errors"
	"fmt"
)

// Errors of this package. Compare with errors.Is: what is returned wraps one of these with the name of the
// thing it is about.
var (
	// ErrConnect says that no server could be reached, or none that takes these credentials, before the context ended.
	ErrConnect = errors.New("cannot connect to the bus")
	// ErrOptions says that the options contradict themselves or name something that is not there.
	ErrOptions = errors.New("wrong bus options")
	// ErrClosed says that this Bus was closed by this program.
	ErrClosed = errors.New("bus is closed")
	// ErrPermission says that the server refuses this identity the subject. It never heals by itself: it is a mistake in the configuration.
	ErrPermission = errors.New("bus permission missing")
	// ErrIncompatible says that a stream or bucket exists in a form that ham must not use. Nothing was changed.
	ErrIncompatible = errors.New("incompatible stream")
	// ErrRefused says that the server answered and did not store the message: disk full, limits reached, no such stream. It was not stored.
	ErrRefused = errors.New("bus refused the message")
	// ErrFull is an [ErrRefused] for want of room: the disk, the stream or the account is full. It was not stored; once a person has made
	// room, the same message is taken.
	ErrFull = fmt.Errorf("%w: no room", ErrRefused)
	// ErrUnavailable says that nobody answered for the stream. For Publish it is unknown whether the message was stored; repeating
	// it is safe, since it carries its id.
	ErrUnavailable = errors.New("stream does not answer")
	// ErrUnknownOutcome says that a compare-and-set publish was sent and its fate could not be learned before the context ended. See [Bus.Propose]
	// for what the caller owes.
	ErrUnknownOutcome = errors.New("unknown outcome")
	// ErrRegressed says that the subject's newest message is older than the one that the caller has read: the stream was recreated or
	// restored from an older state. A person has to look.
	ErrRegressed = errors.New("stream went back")
	// ErrNone says that there is no message on the subject.
	ErrNone = errors.New("no message")
	// ErrNotFound says that the key does not exist, or was deleted.
	ErrNotFound = errors.New("key not found")
	// ErrConflict says that the key changed since the revision that the caller has read, or exists already.
	ErrConflict = errors.New("key has changed")
)
