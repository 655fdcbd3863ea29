package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// ErrProtocol: something answered that does not speak as Redis does.
var ErrProtocol = errors.New("not an answer of Redis")

// ServerError is what the server says no with.
type ServerError struct {
	// Code is its first word: ERR, NOAUTH, WRONGPASS, NOPERM, LOADING, MISCONF, READONLY, NOREPLICAS, BUSY, …
	Code string
	// Text is all of it.
	Text string
}

func (e *ServerError) Error() string { return e.Text }

// Code is the first word of what a server said no with; "" where err is none of that.
func Code(err error) string {
	var said *ServerError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}

// Reply is one answer. Which field holds it depends on the command.
type Reply struct {
	Text  string
	Int   int64
	Array []Reply
	// Err is set where the server said no to this command.
	Err error
}

// Limits of what is read: much more than any command here is answered with.
const (
	maxLine  = 64 << 10
	maxBulk  = 4 << 20
	maxArray = 4096
	maxDepth = 8
)

// Conn is one connection. Used by one goroutine at a time. After an error that is no [ServerError] it is of no use any more.
type Conn struct {
	nc net.Conn
	r  *bufio.Reader
}

// NewConn speaks over a connection that is there already. Nothing is sent.
func NewConn(nc net.Conn) *Conn { return &Conn{nc: nc, r: bufio.NewReaderSize(nc, maxLine)} }

// keepAlive finds a peer that went away without a word.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 3}

// Dial connects, and logs in where there is a password.
func Dial(ctx context.Context, address, password string) (*Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: keepAlive}
	nc, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // the address is said here
		}
		return nil, fmt.Errorf("redis %s: %w", address, err)
	}
	c := NewConn(nc)
	if err := c.Auth(ctx, password); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("redis %s: log in: %w", address, err)
	}
	return c, nil
}

// Auth logs in; "" is no password, and nothing is sent.
func (c *Conn) Auth(ctx context.Context, password string) error {
	if password == "" {
		return nil
	}
	_, err := c.Do(ctx, "AUTH", password)
	return err
}

// NetConn is the connection below.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Close ends it.
func (c *Conn) Close() { _ = c.nc.Close() }

// past is a deadline that ends a read or write at once.
var past = time.Unix(1, 0)

// Do sends one command and reads its answer. The error is a [*ServerError] where the server says no.
func (c *Conn) Do(ctx context.Context, words ...string) (Reply, error) {
	replies, err := c.Pipe(ctx, words)
	if err != nil {
		return Reply{}, err
	}
	return replies[0], replies[0].Err
}

// Pipe sends commands in one go and reads their answers. Where it ends early, the answers so far come with the error.
func (c *Conn) Pipe(ctx context.Context, commands ...[]string) (replies []Reply, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	deadline, _ := ctx.Deadline() // none: the zero time, which is none for the connection too
	if err := c.nc.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(past) })
	defer func() {
		if !stop() && err == nil {
			err = context.Cause(ctx) // its deadline may be spoilt
		}
		switch {
		case err != nil && ctx.Err() != nil:
			err = context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = context.DeadlineExceeded // the connection's clock was a moment ahead
		}
	}()
	var b strings.Builder
	for _, words := range commands {
		fmt.Fprintf(&b, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
		}
	}
	if _, err := io.WriteString(c.nc, b.String()); err != nil {
		return nil, err
	}
	for range commands {
		reply, err := c.read(0)
		if err != nil {
			return replies, err
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

// line reads up to the end of a line, without it.
func (c *Conn) line() (string, error) {
	b, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("%w: a line of more than %d bytes", ErrProtocol, maxLine)
	case err != nil:
		return "", err
	case len(b) < 2 || b[len(b)-2] != '\r':
		return "", fmt.Errorf("%w: %q", ErrProtocol, clip(b))
	}
	return string(b[:len(b)-2]), nil
}

func clip(b []byte) []byte { return b[:min(len(b), 40)] }

func (c *Conn) read(depth int) (Reply, error) {
	line, err := c.line()
	if err != nil {
		return Reply{}, err
	}
	if line == "" || depth > maxDepth {
		return Reply{}, ErrProtocol
	}
	rest := line[1:]
	switch line[0] {
	case '+':
		return Reply{Text: rest}, nil
	case '-':
		code, _, _ := strings.Cut(rest, " ")
		return Reply{Err: &ServerError{Code: code, Text: rest}}, nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %q", ErrProtocol, clip([]byte(line)))
	}
	switch {
	case line[0] == ':':
		return Reply{Int: n}, nil
	case n == -1 && (line[0] == '$' || line[0] == '*'):
		return Reply{}, nil
	case line[0] == '$' && n >= 0 && n <= maxBulk:
		return c.bulk(int(n))
	case line[0] == '*' && n >= 0 && n <= maxArray:
		array := make([]Reply, n)
		for i := range array {
			if array[i], err = c.read(depth + 1); err != nil {
				return Reply{}, err
			}
		}
		return Reply{Array: array}, nil
	}
	return Reply{}, fmt.Errorf("%w: %q", ErrProtocol, clip([]byte(line)))
}

// bulk reads n bytes and the end of the line. They are taken as they come: a length alone makes nobody reserve memory.
func (c *Conn) bulk(n int) (Reply, error) {
	var b strings.Builder
	if _, err := io.CopyN(&b, c.r, int64(n)); err != nil {
		return Reply{}, err
	}
	end, err := c.line()
	if err != nil {
		return Reply{}, err
	}
	if end != "" {
		return Reply{}, fmt.Errorf("%w: more after %d bytes than was announced", ErrProtocol, n)
	}
	return Reply{Text: b.String()}, nil
}
