package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Kind is what a server's error means to whoever looks at it.
type Kind int

const (
	// NoWord: the server did not say it. The network failed, or the context ended, or what came back is not PostgreSQL's protocol.
	NoWord Kind = iota
	// NotReady: it does not take sessions now: it starts, recovers from a crash, or stops.
	NotReady
	// NoSlot: every connection slot is taken. It lives, and serves who is connected.
	NoSlot
	// NotLetIn: it does not let this role in, there is no such database, or it does not speak TLS: whoever asks is set up wrongly.
	NotLetIn
	// NoProbe: the probe's table, or the right to write there, is missing: see [Grants].
	NoProbe
	// Locked: somebody else holds a lock that the statement waited for, longer than it may.
	Locked
	// DiskFull: there is no space left where it would write.
	DiskFull
	// ReadOnly: it does not take writes.
	ReadOnly
	// Slow: it has ended the statement because of its time limit.
	Slow
	// Failing: anything else that it says.
	Failing
)

// Explain says what the server meant, and in which words: its own, with the code. NoWord and "" where it did not speak.
// Codes: https://www.postgresql.org/docs/15/errcodes-appendix.html; messages are not looked at, as they come in the server's language.
func Explain(err error) (Kind, string) {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		if err != nil && Cause(err).Error() == noTLS {
			return NotLetIn, "it does not speak TLS, which the DSN asks for"
		}
		return NoWord, ""
	}
	words := said.Message
	if said.Detail != "" && kindOf(said.Code) == NotReady {
		words += ": " + said.Detail
	}
	return kindOf(said.Code), words + " (" + said.Code + ")"
}

// noTLS is how pgx says that the server declined TLS, which is an answer of one byte and no error of its own.
const noTLS = "server refused TLS connection"

// Cause is the innermost reason of an error of this package; of several attempts, the first one's. It is one that people understand, without
// what was being done and for whom.
func Cause(err error) error {
	for {
		var next error
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			next = e.Unwrap()
		case interface{ Unwrap() []error }:
			if all := e.Unwrap(); len(all) > 0 {
				next = all[0]
			}
		}
		if next == nil {
			return err
		}
		err = next
	}
}

func kindOf(code string) Kind {
	switch code {
	case "57P01", "57P02", "57P03":
		return NotReady
	case "53300":
		return NoSlot
	case "28000", "28P01", "3D000", "57P04", "08P01":
		return NotLetIn
	case "42P01", "3F000", "42501", "42703", "42P10":
		return NoProbe
	case "55P03":
		return Locked
	case "53100":
		return DiskFull
	case "25006":
		return ReadOnly
	case "57014":
		return Slow
	}
	return Failing
}

// Ended says that the session is over: whatever comes next needs a new connection.
func Ended(err error) bool {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.SeverityUnlocalized == "FATAL" || said.SeverityUnlocalized == "PANIC"
	}
	return err != nil
}
