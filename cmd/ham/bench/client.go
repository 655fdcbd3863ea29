package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// client stands for the users: it asks through the proxy and notes for how long it was not served. It is the same for every peer:
// one request every 5 ms over a connection that stays open, 100 ms of patience for a connect or a request, and a new
// connection 5 ms after an error.
type client struct {
	addr string

	mu       sync.Mutex
	good     time.Time     // of the last answer
	longest  time.Duration // between two answers, the second of which came since the last take
	site     string        // that answered last
	row      int           // answers of that site since the last error or other site
	total    int           // requests since the last take
	failed   int
	problem  string
	answered chan struct{} // closed and replaced with each answer
}

const (
	clientEvery    = 5 * time.Millisecond
	clientPatience = 100 * time.Millisecond
)

func newClient(addr string) *client { return &client{addr: addr, answered: make(chan struct{})} }

// run asks until ctx ends.
func (c *client) run(ctx context.Context) {
	var line *clientLine
	defer func() { line.close() }()
	tick := time.NewTicker(clientEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		var site string
		var err error
		if line == nil {
			line, err = c.dial()
		}
		if err == nil {
			site, err = line.ask()
		}
		c.note(site, err, time.Now())
		if err != nil {
			line.close()
			line = nil
			tick.Reset(clientEvery) // the next connect 5 ms after this error
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (c *client) note(site string, err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	if err != nil {
		c.failed++
		c.row, c.problem = 0, err.Error()
		return
	}
	if !c.good.IsZero() {
		c.longest = max(c.longest, now.Sub(c.good))
	}
	c.good = now
	if site != c.site {
		c.site, c.row = site, 0
	}
	c.row++
	close(c.answered)
	c.answered = make(chan struct{})
}

// noticed is what clients noticed.
type noticed struct {
	gap           time.Duration // the longest time between two answers
	total, failed int
}

// take returns what was noticed since the last take, and begins anew. The first gap after it is counted from the last answer before it.
func (c *client) take() noticed {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := noticed{c.longest, c.total, c.failed}
	c.longest, c.total, c.failed = 0, 0, 0
	return n
}

// steady is how many answers in a row make the clients served.
const steady = 40

// served waits until the site has answered that many times in a row.
func (c *client) served(ctx context.Context, site string) error {
	for {
		c.mu.Lock()
		now, row, problem, answered := c.site, c.row, c.problem, c.answered
		c.mu.Unlock()
		if now == site && row >= steady {
			return nil
		}
		select {
		case <-answered:
		case <-ctx.Done():
			return fmt.Errorf("clients are not served by site %s: the last answer came from %q, the last problem was %q: %w", site, now, problem, context.Cause(ctx))
		}
	}
}

// clientLine is one connection. All methods but close want one that is open.
type clientLine struct {
	conn net.Conn
	in   *bufio.Reader
	ask1 []byte
}

func (c *client) dial() (*clientLine, error) {
	conn, err := (&net.Dialer{Timeout: clientPatience}).Dial("tcp", c.addr)
	if err != nil {
		return nil, err
	}
	return &clientLine{conn, bufio.NewReader(conn), []byte("GET / HTTP/1.1\r\nHost: " + c.addr + "\r\n\r\n")}, nil
}

func (l *clientLine) ask() (site string, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(clientPatience)); err != nil {
		return "", err
	}
	if _, err := l.conn.Write(l.ask1); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(l.in, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(resp.Status)
	}
	return resp.Header.Get("X-Site"), nil
}

func (l *clientLine) close() {
	if l != nil {
		l.conn.Close()
	}
}
