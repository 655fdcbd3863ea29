package reach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/prober/check"
)

// own marks this host's own trouble.
type own struct{ err error }

func (e *own) Error() string { return e.err.Error() }
func (e *own) Unwrap() error { return e.err }

// Judge says what a failed look means: see the package's table. Within is the check's time-out, for the
// evidence. Fresh says that the connection was made in this look: what breaks on an older one may only be the end of
// a connection that the target did not want to keep. The evidence still has to go through the look's mask.
func Judge(err error, within time.Duration, fresh bool) check.Result {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Step: Asking, Err: err}
	}
	what := e.says(within)
	var mine *own
	switch {
	case errors.Is(err, context.Canceled):
		return check.Result{Answer: message.Unknown, Evidence: "the look was stopped"}
	case e.Step == Resolving, errors.As(err, &mine), exhausted(err), refusesUs(err):
		return check.Result{Answer: message.Unknown, Evidence: what}
	case timedOut(err):
		return check.Result{Answer: message.Down, Silent: true, Evidence: what}
	case errors.Is(err, syscall.ECONNREFUSED), fresh && errors.Is(err, syscall.ECONNRESET):
		return check.Result{Answer: message.Down, Hard: true, Evidence: what}
	case unreachable(err):
		return check.Result{Answer: message.Down, Silent: true, Evidence: what}
	case e.Step == Connecting:
		// The kernel did not even try, for a reason that this table does not know.
		return check.Result{Answer: message.Unknown, Evidence: what}
	}
	return check.Result{Answer: message.Down, Evidence: what}
}

func (e *Error) says(within time.Duration) string {
	cause := Cause(e.Err)
	var mine *own
	switch {
	case timedOut(e.Err):
		cause = "no answer within " + within.String()
	case e.Step == Handshaking && errors.As(e.Err, &mine):
		cause = mine.Error() // it names the file
	}
	switch e.Step {
	case Resolving:
		return fmt.Sprintf("no address for %s: %s", e.Addr, cause)
	case Connecting:
		return fmt.Sprintf("connect %s: %s", e.Addr, cause)
	case Handshaking:
		return fmt.Sprintf("TLS with %s: %s", e.Addr, cause)
	}
	return cause
}

// Cause is the innermost reason in few words.
func Cause(err error) string {
	var errno syscall.Errno
	var unknownAuthority x509.UnknownAuthorityError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed without a whole answer"
	case errors.As(err, &unknownAuthority):
		return "the certificate is signed by an authority that is not trusted here"
	case errors.As(err, &notTLS):
		return "it does not speak TLS"
	case refusesUs(err):
		return "it refuses the certificate that this prober shows: " + innermost(err)
	}
	return innermost(err)
}

func innermost(err error) string {
	var op *net.OpError
	for errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return err.Error()
}

func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) || netTimeout(err)
}

// netTimeout: package net has a time-out error of its own for a dial whose deadline has passed.
func netTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// exhausted says that this host could not even try: out of descriptors, memory, ports, or not permitted.
func exhausted(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL, syscall.EACCES, syscall.EPERM, syscall.ENETDOWN,
		syscall.EAFNOSUPPORT,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// refusesUs says that the target did not accept our certificate, or wants one. With TLS 1.3 that comes with the first
// answer, after the handshake.
func refusesUs(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && op.Err != nil && strings.Contains(op.Err.Error(), "certificate")
}
