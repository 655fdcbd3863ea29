package haproxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// WatchOptions say what [Client.Watch] looks at and how often.
type WatchOptions struct {
	Backends []string // at least one
	// Every is the interval between two polls over the standing connection. It bounds how late a reload is noticed;
	// the end of the process is noticed at once whatever it is. Default 500 ms, at least 10 ms.
	Every time.Duration
	// RetryMax is the longest pause between two attempts to reach a proxy that is away; pauses begin at 10 ms, double, and are
	// shortened at random by up to half. Default 250 ms.
	RetryMax time.Duration
}

// Sighting is one look at the proxy.
type Sighting struct {
	Snapshot       // valid if Err is nil
	Conn     *Conn // to the process seen, valid during the call; nil if it could not be reached
	Fresh    bool  // the first look over this connection: the process may be a new one, with the state of its configuration
	Err      error // why there is no snapshot: not reachable, connection lost, no such backend, …
}

// Watch looks at the proxy over a connection that stays, and dials again at once when that is lost, until ctx ends; it
// returns the cause of that end, or an error that wraps ErrInvalid. It calls see after each look, never twice at a time:
// a see that takes long delays the next look. Every loss of the connection is a sighting with an Err, then come those of
// the attempts to reach the proxy again.
//
// A reconciler compares each sighting with what should be, and sets it right over Sighting.Conn: that reaches the very
// process it saw.
func (c *Client) Watch(ctx context.Context, o WatchOptions, see func(context.Context, Sighting)) error {
	if o.Every == 0 {
		o.Every = 500 * time.Millisecond
	}
	if o.RetryMax == 0 {
		o.RetryMax = 250 * time.Millisecond
	}
	if o.Every < minPause || o.RetryMax < minPause {
		return &Error{Addr: c.addr.String(), Err: fmt.Errorf("%w: watch every %v, retry at most every %v: neither may be below %v", ErrInvalid, o.Every, o.RetryMax, minPause)}
	}
	if _, err := lineOf(snapshotCommands(o.Backends)); err != nil {
		return &Error{Addr: c.addr.String(), Err: err}
	}
	for pause := minPause; ctx.Err() == nil; {
		conn, err := c.Dial(ctx)
		if err == nil {
			seen := c.watchOver(ctx, conn, o.Backends, o.Every, see)
			err = conn.Err()
			if seen {
				pause = 0 // the first attempt to come back is made at once
			}
		}
		if ctx.Err() != nil {
			break
		}
		see(ctx, Sighting{Err: err})
		if pause > 0 {
			wait(ctx, pause/2+rand.N(pause/2))
		}
		pause = min(max(2*pause, minPause), o.RetryMax)
	}
	return context.Cause(ctx)
}

// minPause is the shortest pause between two polls or two attempts.
const minPause = 10 * time.Millisecond

// watchOver looks over one connection until it is lost or ctx ends, and closes it. It tells whether the connection
// stood for an interval: one that never does is retried more and more slowly.
func (c *Client) watchOver(ctx context.Context, conn *Conn, backends []string, every time.Duration, see func(context.Context, Sighting)) (stood bool) {
	defer conn.Close()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for first := true; ; first = false {
		snapshot, err := conn.Snapshot(ctx, backends...)
		if conn.reason() != nil || ctx.Err() != nil {
			return !first
		}
		see(ctx, Sighting{Snapshot: snapshot, Conn: conn, Fresh: first, Err: err})
		select {
		case <-ticker.C:
		case <-conn.Lost():
			return !first
		case <-ctx.Done():
			return !first
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
