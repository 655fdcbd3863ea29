package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// Conn is one session. Its methods are called by one goroutine at a time; Close may be called by any, at any time.
type Conn struct {
	pg   *pgx.Conn
	line *line
}

// ErrLost is what a call says when the server had ended the connection before. Nothing was asked: try a new one.
var ErrLost = errors.New("the server has ended the connection")

// lostError keeps what the connection ended with.
type lostError struct{ cause error }

func (e *lostError) Error() string        { return ErrLost.Error() + ": " + e.cause.Error() }
func (e *lostError) Unwrap() error        { return e.cause }
func (e *lostError) Is(target error) bool { return target == ErrLost }

// Close ends the session and whatever runs in it; the server notices. Nothing of it runs any more soon after.
func (c *Conn) Close() { _ = c.line.Close() }

// PID is the process in the server that serves the session.
func (c *Conn) PID() uint32 { return c.pg.PgConn().PID() }

// Heard says whether anything came back since the last call began. A call that ran out of time without is silence.
func (c *Conn) Heard() bool { return c.line.heard() > 0 }

// Version is the server's own word for its version: "15.18 (Debian 15.18-0+deb12u1)".
func (c *Conn) Version() string { return c.pg.PgConn().ParameterStatus("server_version") }

// call runs f with the line taken from its watcher, and gives it back while the session lasts. A session that was interrupted is over.
func (c *Conn) call(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.line.unwatch(); err != nil {
		c.Close()
		return &lostError{err}
	}
	err := f()
	if c.pg.IsClosed() {
		c.Close() // else it would linger: what to cancel is cancelled by the server's own time limits
		return err
	}
	c.line.watch()
	return err
}
