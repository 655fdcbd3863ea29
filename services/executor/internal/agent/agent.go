// Package agent answers HAProxy whether a member may serve: a fence for the traffic through a proxy that needs no cooperation of the member's
// resource, and fails closed.
//
// On each connection it writes one line, of HAProxy's agent-check protocol (configuration manual 2.6, section 5.2, agent-check), and closes:
//
//	up                          the member's lease lasts
//	down#the lease has ended    it does not; the reason stands in HAProxy's log and page
//
// HAProxy takes an agent that does not answer for no news: with agent-check alone, a server whose executor is dead stays as it was. So the same
// port is what HAProxy's health check looks at, where silence counts; agent-check may stand beside that, never alone. haproxy.cfg in this folder
// has the lines and says what they do; the tests run it.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	patience    = time.Second            // for a client to take the line
	parting     = 100 * time.Millisecond // for it to hang up after that
	connections = 64                     // at once; more wait
	longest     = 200                    // bytes of a reason: HAProxy keeps a line of some hundred
)

// Agent is the endpoint of one member.
type Agent struct {
	lasts func() (ok bool, reason string)
	log   *slog.Logger
}

// New makes one. Lasts says whether the member's lease lasts at this moment, and why not; it is called for each connection, by several
// goroutines, and must not block: it reads what is known, and compares with the clock. Nil: it never lasts.
func New(lasts func() (ok bool, reason string), log *slog.Logger) *Agent {
	return &Agent{lasts: lasts, log: log}
}

// Listen listens at an address, host:port.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("agent: listen for HAProxy's agent checks at %s: %w; want host:port of an address of this host", addr, err)
	}
	return l, nil
}

// Serve answers at the listener until ctx ends, and closes it. What it began has ended when it returns. The error is nil when ctx ended.
func (a *Agent) Serve(ctx context.Context, l net.Listener) error {
	var all sync.WaitGroup
	defer all.Wait()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()
	places := make(chan struct{}, connections)
	for pause := time.Millisecond; ; {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("agent: %w", err)
		}
		if err != nil { // out of files, as a rule: later there are some again
			a.log.Warn("an agent check could not be answered", "error", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			c.Close()
			return nil
		}
		all.Go(func() {
			defer func() { <-places }()
			a.answer(c)
		})
	}
}

func (a *Agent) answer(c net.Conn) {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return
	}
	if _, err := c.Write([]byte(a.line())); err != nil {
		return
	}
	// HAProxy reads to the end of the line. Closing while something that it sent lies unread would be a reset, which could overtake the line.
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil && c.SetDeadline(time.Now().Add(parting)) == nil {
		var rest [512]byte
		for range 8 {
			if _, err := c.Read(rest[:]); err != nil {
				return
			}
		}
	}
}

// line is the answer now.
func (a *Agent) line() string {
	ok, reason := false, "nobody keeps a lease here"
	if a.lasts != nil {
		ok, reason = a.lasts()
	}
	if ok {
		return "up\n"
	}
	// What would begin another word of the protocol or another line is none of a reason.
	reason = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, reason)
	if reason = strings.TrimSpace(reason); reason == "" {
		reason = "it has no lease"
	}
	return "down#" + reason[:min(len(reason), longest)] + "\n"
}
