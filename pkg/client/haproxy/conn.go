package haproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// Conn is a connection that stays: polls over it are cheap, and its loss is noticed when it happens. Safe for concurrent
// use; calls take turns.
//
// A Conn belongs to one process. After a reload it still speaks to the old one, which goes on answering, and which cannot
// leave while the Conn is open. The only sign is "Stopping: 1" in "show info": [Conn.Snapshot] and [Conn.ShowInfo] look for it and
// end the Conn with ErrStopped, so a reload is noticed within the interval between two polls. A command that changes a
// server fails with ErrStopped at such a process, and ends the Conn too.
//
// A call that does not come to its end (deadline, cancelled) costs the connection: the answer may still be on its way.
type Conn struct {
	client *Client
	nc     net.Conn
	info   Info
	turn   chan struct{} // holds one token: who has it may ask
	lost   chan struct{} // closed when the connection is no more

	mu      sync.Mutex
	pending *pending // whose answers are due; nil when nobody asked
	err     error    // why it was lost, set before lost is closed
}

// pending is one line of commands that waits for its answers.
type pending struct {
	exchange
	done chan []string // buffered, so that the reader never waits for the asker
}

// Dial opens a connection that stays and asks the process who it is. The error wraps ErrUnreachable, ErrProtocol, or
// ErrStopped if the process is leaving.
func (c *Client) Dial(ctx context.Context) (*Conn, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	failed := func(err error) (*Conn, error) {
		return nil, &Error{Addr: c.addr.String(), Command: "prompt; show info", Err: err}
	}
	nc, err := c.dial(ctx)
	if err != nil {
		return failed(err)
	}
	conn := &Conn{client: c, nc: nc, turn: make(chan struct{}, 1), lost: make(chan struct{})}
	conn.turn <- struct{}{}
	go conn.listen()
	info, err := conn.greet(ctx)
	if err != nil {
		conn.lose(err)
		return failed(err)
	}
	conn.info = info
	return conn, nil
}

// greet makes HAProxy keep the connection, and learns whose it is.
func (c *Conn) greet(ctx context.Context) (Info, error) {
	// Both answers are empty, which tells HAProxy from anything else.
	_, err := c.exchange(ctx, "prompt;"+askSeverity+"\n", exchange{count: 2, silent: 2, interactive: true, budget: c.client.maxAnswer})
	if err != nil {
		return Info{}, err
	}
	// On a line of its own: HAProxy 2.6 never ends an idle connection if this stands on the line of "prompt", and after
	// "prompt" it does not heed "stats timeout" (measured).
	idle := "set timeout cli " + strconv.Itoa(int((c.client.idleTimeout+time.Second-1)/time.Second))
	raw, err := c.exchange(ctx, idle+";"+ShowInfo().text+"\n", exchange{count: 2, silent: 1, interactive: true, budget: c.client.maxAnswer})
	if err != nil {
		return Info{}, err
	}
	text, err := ShowInfo().judge(raw[1])
	if err != nil {
		return Info{}, err
	}
	info, err := ParseInfo(text)
	if err == nil && info.Stopping {
		err = ErrStopped
	}
	return info, err
}

// Info returns what the process said of itself when the connection was made.
func (c *Conn) Info() Info { return c.info }

// Lost is closed as soon as the connection is no more: closed by HAProxy (stopped, killed, idle for too long), reset by the
// network, given up after a call without an answer, ended because the process is leaving, or closed by Close.
func (c *Conn) Lost() <-chan struct{} { return c.lost }

// Err tells why the connection was lost: it wraps ErrStopped, ErrUnreachable, ErrProtocol or ErrClosed. It is nil while the connection stands.
func (c *Conn) Err() error {
	if err := c.reason(); err != nil {
		return &Error{Addr: c.client.addr.String(), Err: err}
	}
	return nil
}

// reason is Err without the address.
func (c *Conn) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection; it may be called more than once.
func (c *Conn) Close() { c.lose(ErrClosed) }

// Do sends commands in one line, like [Client.Do], to the process of this connection.
func (c *Conn) Do(ctx context.Context, commands ...Command) ([]Answer, error) {
	line, err := lineOf(commands)
	if err != nil {
		return nil, &Error{Addr: c.client.addr.String(), Err: err}
	}
	ctx, cancel := c.client.bound(ctx)
	defer cancel()
	raw, err := c.exchange(ctx, line+"\n", exchange{count: len(commands), interactive: true, budget: c.client.maxAnswer})
	if err != nil {
		return nil, unanswered(c.client.addr, commands, err)
	}
	answers, err := attribute(c.client.addr, commands, raw)
	if errors.Is(err, ErrStopped) {
		c.lose(ErrStopped)
	}
	return answers, err
}

// Snapshot reads the process and the servers of the given backends. If the process is leaving it ends the connection and
// returns ErrStopped.
func (c *Conn) Snapshot(ctx context.Context, backends ...string) (Snapshot, error) {
	answers, err := c.Do(ctx, snapshotCommands(backends)...)
	if err != nil {
		return Snapshot{}, err
	}
	snapshot, err := readSnapshot(c.client.addr, answers)
	if err != nil {
		return Snapshot{}, err
	}
	return snapshot, c.still(snapshot.Info)
}

// ShowInfo tells about the process. If it is leaving, ShowInfo ends the connection and returns ErrStopped.
func (c *Conn) ShowInfo(ctx context.Context) (Info, error) {
	answers, err := c.Do(ctx, ShowInfo())
	if err != nil {
		return Info{}, err
	}
	info, err := ParseInfo(answers[0].Text)
	if err != nil {
		return Info{}, about(c.client.addr, ShowInfo(), err)
	}
	return info, c.still(info)
}

// still ends the connection if its process is leaving. Leaving it open would keep that process alive.
func (c *Conn) still(info Info) error {
	if !info.Stopping {
		return nil
	}
	c.lose(ErrStopped)
	return about(c.client.addr, ShowInfo(), fmt.Errorf("process %d: %w", info.Pid, ErrStopped))
}

// exchange sends one line when its turn comes and waits for the answers.
func (c *Conn) exchange(ctx context.Context, line string, x exchange) ([]string, error) {
	select {
	case <-c.turn:
		defer func() { c.turn <- struct{}{} }()
	case <-c.lost:
		return nil, c.reason()
	case <-ctx.Done():
		// Nothing was sent: the connection stays.
		return nil, unreachable("waiting for another call on this connection: %w", endOf(ctx))
	}
	p := &pending{exchange: x, done: make(chan []string, 1)}
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return nil, c.err
	}
	c.pending = p
	c.mu.Unlock()
	// The end of ctx, which always has a deadline, ends a write that does not come to its end.
	c.nc.SetWriteDeadline(time.Time{})
	sent := context.AfterFunc(ctx, func() { c.nc.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := io.WriteString(c.nc, line)
	sent()
	if err != nil {
		c.lose(lossOf(ctx, err))
	}
	select {
	case raw := <-p.done:
		return raw, nil
	case <-c.lost:
	case <-ctx.Done():
	}
	select {
	case raw := <-p.done: // it came in the same moment
		return raw, nil
	default:
	}
	if err := ctx.Err(); err != nil {
		c.lose(lossOf(ctx, err)) // unless it was lost before
	}
	return nil, c.reason()
}

// listen reads for as long as the connection stands: that is how its end is noticed while nobody asks.
func (c *Conn) listen() {
	r := bufio.NewReaderSize(c.nc, 16<<10)
	for {
		if _, err := r.Peek(1); err != nil {
			c.lose(lossOf(context.Background(), err))
			return
		}
		c.mu.Lock()
		p := c.pending
		c.mu.Unlock()
		if p == nil {
			c.lose(protocolError("it spoke without being asked: %q", excerpt(r)))
			return
		}
		raw, err := p.read(r)
		if err != nil {
			c.lose(lossOf(context.Background(), err))
			return
		}
		c.mu.Lock()
		c.pending = nil
		c.mu.Unlock()
		p.done <- raw
	}
}

// lose ends the connection; the first reason counts.
func (c *Conn) lose(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = reason
	c.nc.Close()
	close(c.lost)
}
