package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// barred is added to min-replicas-to-write: no server has as many replicas, and no operator asks for as many.
const barred = 1_000_000_000

// barLag goes into min-replicas-max-lag where that is 0, which would switch the bar off, in seconds. It is Redis' own default.
const barLag = "10"

const (
	toWrite = "min-replicas-to-write"
	maxLag  = "min-replicas-max-lag"
	// probe is a key that nobody has.
	probe = "ham:probe"
)

// setting reads one setting.
func (c *Conn) setting(ctx context.Context, key string) (string, error) {
	r, err := c.Do(ctx, "CONFIG", "GET", key)
	if err != nil {
		return "", err
	}
	if len(r.Array) != 2 {
		return "", fmt.Errorf("%w: it has no setting %s", ErrProtocol, key)
	}
	return r.Array[1].Text, nil
}

func (c *Conn) set(ctx context.Context, key, value string) error {
	_, err := c.Do(ctx, "CONFIG", "SET", key, value)
	return err
}

// asked is min-replicas-to-write and min-replicas-max-lag.
func (c *Conn) asked(ctx context.Context) (replicas, lag int, err error) {
	for key, n := range map[string]*int{toWrite: &replicas, maxLag: &lag} {
		text, err := c.setting(ctx, key)
		if err != nil {
			return 0, 0, err
		}
		if *n, err = strconv.Atoi(text); err != nil {
			return 0, 0, fmt.Errorf("%w: %s is %q", ErrProtocol, key, text)
		}
	}
	return replicas, lag, nil
}

// Barred says whether it is barred from taking writes.
func (c *Conn) Barred(ctx context.Context) (bool, error) {
	n, lag, err := c.asked(ctx)
	return n >= barred && lag > 0, err
}

// Bar makes it refuse every write from now on, as a master. Nothing changes where it does already.
func (c *Conn) Bar(ctx context.Context) (changed bool, err error) {
	n, lag, err := c.asked(ctx)
	if err != nil || n >= barred && lag > 0 {
		return false, err
	}
	if lag > 0 {
		return true, c.set(ctx, toWrite, strconv.Itoa(barred+n))
	}
	// The operator's number was not in force: nothing comes back for it.
	if err := c.set(ctx, toWrite, strconv.Itoa(barred)); err != nil {
		return false, err
	}
	return true, c.set(ctx, maxLag, barLag)
}

// Unbar lets it take writes again, with as many replicas as it asked for before.
func (c *Conn) Unbar(ctx context.Context) (changed bool, err error) {
	n, _, err := c.asked(ctx)
	if err != nil || n < barred {
		return false, err
	}
	return true, c.set(ctx, toWrite, strconv.Itoa(n-barred))
}

// Probe says whether it takes a write now: nil, or why not. It changes nothing.
func (c *Conn) Probe(ctx context.Context) error {
	_, err := c.Do(ctx, ProbeWords()...)
	return err
}

// ProbeWords are the command of Probe, for a pipe.
func ProbeWords() []string { return []string{"DEL", probe} }

// Cut ends the connections of all clients but this one; replicas stay. It returns how many.
func (c *Conn) Cut(ctx context.Context) (int, error) {
	n := 0
	for _, kind := range []string{"normal", "pubsub"} {
		r, err := c.Do(ctx, "CLIENT", "KILL", "TYPE", kind)
		if err != nil {
			return n, err
		}
		n += int(r.Int)
	}
	return n, nil
}

// Pause holds all writes back, for at most that long.
func (c *Conn) Pause(ctx context.Context, longest time.Duration) error {
	_, err := c.Do(ctx, "CLIENT", "PAUSE", strconv.FormatInt(max(1, longest.Milliseconds()), 10), "WRITE")
	if Code(err) == "ERR" {
		return fmt.Errorf("writes cannot be held back, want Redis 6.2 or newer: %w", err)
	}
	return err
}

// Unpause lets them go.
func (c *Conn) Unpause(ctx context.Context) error {
	_, err := c.Do(ctx, "CLIENT", "UNPAUSE")
	return err
}

// Follow makes it a replica of the server at host:port, which knows it by the password. What it has that the other has not is gone.
func (c *Conn) Follow(ctx context.Context, upstream, password string) error {
	host, port, err := net.SplitHostPort(upstream)
	if err != nil {
		return err
	}
	if err := c.set(ctx, "masterauth", password); err != nil {
		return err
	}
	_, err = c.Do(ctx, "REPLICAOF", host, port)
	return err
}

// Lead makes it nobody's replica.
func (c *Conn) Lead(ctx context.Context) error {
	_, err := c.Do(ctx, "REPLICAOF", "NO", "ONE")
	return err
}

// ReadOnly makes a replica refuse writes, which it does unless somebody has configured otherwise.
func (c *Conn) ReadOnly(ctx context.Context) (changed bool, err error) {
	const key = "replica-read-only"
	if v, err := c.setting(ctx, key); err != nil || v == "yes" {
		return false, err
	}
	return true, c.set(ctx, key, "yes")
}

// Rewrite writes role and settings into the configuration file, so that the next start begins with them. An error says why it could
// not; a server that was started without a file has none.
func (c *Conn) Rewrite(ctx context.Context) error {
	_, err := c.Do(ctx, "CONFIG", "REWRITE")
	return err
}

// IsServerError says that the server answered, and said no.
func IsServerError(err error) bool {
	var said *ServerError
	return errors.As(err, &said)
}
