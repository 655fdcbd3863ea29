package haproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"time"
)

// Options are the limits of a client. The zero value is good for a proxy in the same data centre.
type Options struct {
	// Timeout bounds every call as a whole, dialling included; a context that ends earlier ends it earlier. Default 2 s.
	Timeout time.Duration
	// MaxAnswer bounds what HAProxy may answer to one call, in bytes. Default 4 MiB.
	MaxAnswer int
	// IdleTimeout is how long HAProxy keeps a [Conn] that says nothing, in whole seconds, at least 1 s. It frees HAProxy's end
	// when this host vanishes; HAProxy allows 10 runtime connections by default ("stats maxconn"). Default 1 min.
	IdleTimeout time.Duration
	// Dial replaces [net.Dialer.DialContext].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client speaks to one HAProxy process's runtime API. It holds no connection of its own: each call dials, asks and
// hangs up, so it always reaches the process that accepts connections now. Safe for concurrent use.
type Client struct {
	addr        Address
	timeout     time.Duration
	maxAnswer   int
	idleTimeout time.Duration
	dialNetwork func(ctx context.Context, network, address string) (net.Conn, error)
}

// New makes a client; it does not dial. The error wraps [ErrInvalid].
func New(addr string, o Options) (*Client, error) {
	a, err := ParseAddress(addr)
	if err != nil {
		return nil, err
	}
	c := &Client{addr: a, timeout: o.Timeout, maxAnswer: o.MaxAnswer, idleTimeout: o.IdleTimeout, dialNetwork: o.Dial}
	switch {
	case c.timeout < 0:
		return nil, fmt.Errorf("%w: Timeout %v: must not be negative", ErrInvalid, c.timeout)
	case c.maxAnswer < 0:
		return nil, fmt.Errorf("%w: MaxAnswer %d: must not be negative", ErrInvalid, c.maxAnswer)
	case c.idleTimeout != 0 && c.idleTimeout < time.Second:
		return nil, fmt.Errorf("%w: IdleTimeout %v: must be at least 1s", ErrInvalid, c.idleTimeout)
	}
	if c.timeout == 0 {
		c.timeout = 2 * time.Second
	}
	if c.maxAnswer == 0 {
		c.maxAnswer = 4 << 20
	}
	if c.idleTimeout == 0 {
		c.idleTimeout = time.Minute
	}
	if c.dialNetwork == nil {
		c.dialNetwork = (&net.Dialer{}).DialContext
	}
	return c, nil
}

// Addr returns the address that the client dials.
func (c *Client) Addr() Address { return c.addr }

// Do sends commands in one line over a connection of their own. HAProxy applies them back to back, microseconds apart, and
// goes on after one that failed: a line is not a transaction.
//
// If the error wraps ErrUnreachable or ErrProtocol there are no answers, and what was sent may have been applied. Otherwise
// there is one answer a command, in order, and the error joins those of the commands that failed.
func (c *Client) Do(ctx context.Context, commands ...Command) ([]Answer, error) {
	line, err := lineOf(commands)
	if err != nil {
		return nil, &Error{Addr: c.addr.String(), Err: err}
	}
	raw, err := c.once(ctx, askSeverity+";"+line+"\n", exchange{count: len(commands) + 1, silent: 1, budget: c.maxAnswer})
	if err != nil {
		return nil, unanswered(c.addr, commands, err)
	}
	return attribute(c.addr, commands, raw[1:])
}

// once dials, sends the line, reads the answers and hangs up.
func (c *Client) once(ctx context.Context, line string, x exchange) ([]string, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	nc, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	// The end of ctx, which always has a deadline, ends reading and writing.
	defer context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(nc, line); err != nil {
		return nil, lossOf(ctx, err)
	}
	raw, err := x.read(bufio.NewReaderSize(nc, 16<<10))
	if err != nil {
		return nil, lossOf(ctx, err)
	}
	return raw, nil
}

// bound gives a call the client's time limit.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no answer within %v: %w", c.timeout, context.DeadlineExceeded))
}

// dial connects within ctx. The error wraps ErrUnreachable and says what an operator can do where that is known.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	nc, err := c.dialNetwork(ctx, c.addr.network, c.addr.target)
	if errors.Is(err, context.DeadlineExceeded) {
		<-ctx.Done() // the dialer keeps the time of ctx by a timer of its own, which may be a moment early
	}
	switch {
	case err == nil:
		return nc, nil
	case ctx.Err() != nil:
		return nil, unreachable("connect: %w", endOf(ctx))
	case errors.Is(err, fs.ErrPermission):
		return nil, unreachable("%w (this user may not open the socket: add it to the group that owns it)", bare(err))
	default:
		return nil, unreachable("%w", bare(err))
	}
}

// bare takes from a network error the address, which the Error around it names already.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

// lossOf makes of what went wrong on a connection a reason: ErrProtocol stays, all else is ErrUnreachable.
func lossOf(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrProtocol):
		return err
	case ctx.Err() != nil:
		return unreachable("%w", endOf(ctx))
	case errors.Is(err, io.EOF):
		return unreachable("it closed the connection instead of answering: %w", err)
	default:
		return unreachable("%w", bare(err))
	}
}

var errNoAnswer = fmt.Errorf("no answer before the deadline: %w", context.DeadlineExceeded)

// endOf tells why ctx ended.
func endOf(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != context.DeadlineExceeded {
		return cause
	}
	return errNoAnswer
}

// ShowInfo tells about the process that accepts connections now.
func (c *Client) ShowInfo(ctx context.Context) (Info, error) {
	text, err := c.ask(ctx, ShowInfo())
	if err != nil {
		return Info{}, err
	}
	info, err := ParseInfo(text)
	return info, c.about(ShowInfo(), err)
}

// ServersState lists the servers of a backend in the order of the configuration.
func (c *Client) ServersState(ctx context.Context, backend string) ([]Server, error) {
	text, err := c.ask(ctx, ShowServersState(backend))
	if err != nil {
		return nil, err
	}
	servers, err := ParseServersState(text)
	return servers, c.about(ShowServersState(backend), err)
}

// Stat reads the counters of a backend and its servers: sessions and queues to wait for at a drain, status in HAProxy's words.
func (c *Client) Stat(ctx context.Context, backend string) (Stats, error) {
	text, err := c.ask(ctx, ShowStat(backend))
	if err != nil {
		return Stats{}, err
	}
	stats, err := ParseStat(text)
	return stats, c.about(ShowStat(backend), err)
}

// Snapshot reads the process and the servers of the given backends in one line: both are of the same process.
func (c *Client) Snapshot(ctx context.Context, backends ...string) (Snapshot, error) {
	commands := snapshotCommands(backends)
	answers, err := c.Do(ctx, commands...)
	if err != nil {
		return Snapshot{}, err
	}
	return readSnapshot(c.addr, answers)
}

// Level tells what this address may do: "admin", which all changes need, "operator" or "user".
func (c *Client) Level(ctx context.Context) (string, error) { return c.ask(ctx, ShowLevel()) }

// SetState puts a server into an administrative state; see [SetState].
func (c *Client) SetState(ctx context.Context, backend, server string, state State) error {
	_, err := c.Do(ctx, SetState(backend, server, state))
	return err
}

// SetWeight sets a server's weight, 0 to 256; see [SetWeight].
func (c *Client) SetWeight(ctx context.Context, backend, server string, weight int) error {
	_, err := c.Do(ctx, SetWeight(backend, server, weight))
	return err
}

// SetAddr points a server at another address; port 0 leaves its port; see [SetAddr].
func (c *Client) SetAddr(ctx context.Context, backend, server string, addr netip.Addr, port uint16) error {
	_, err := c.Do(ctx, SetAddr(backend, server, addr, port))
	return err
}

// SetHealth overrides what the checks said of a server; see [SetHealth].
func (c *Client) SetHealth(ctx context.Context, backend, server string, health Health) error {
	_, err := c.Do(ctx, SetHealth(backend, server, health))
	return err
}

// ShutdownSessions ends every session that is on the server now; see [ShutdownSessions].
func (c *Client) ShutdownSessions(ctx context.Context, backend, server string) error {
	_, err := c.Do(ctx, ShutdownSessions(backend, server))
	return err
}

func (c *Client) ask(ctx context.Context, command Command) (string, error) {
	answers, err := c.Do(ctx, command)
	if err != nil {
		return "", err
	}
	return answers[0].Text, nil
}

// about puts address and command to a parser's error.
func (c *Client) about(command Command, err error) error { return about(c.addr, command, err) }

func about(addr Address, command Command, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Addr: addr.String(), Command: command.text, Err: err}
}
