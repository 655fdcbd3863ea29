// Package queue measures the length of a Redis list.
//
// It only measures. Whether the list is too long is the deciders' part, and nothing of it ever swaps roles.
package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/measure"
	"github.com/isacloud/ha-manager/services/prober/check/reach"
)

// Kind is this package's entry in the prober's list.
var Kind = check.Kind{
	Name:    spec.CheckQueue,
	Summary: "measures the length of a Redis list",
	Open:    open,
}

type looker struct {
	target   check.Target
	declared *spec.QueueCheck
	dialer   *reach.Dialer
	line     reach.Line
}

func open(t check.Target) (check.Looker, error) {
	declared := t.Check.Queue
	if declared == nil {
		return nil, errors.New("the check declares no queue")
	}
	if declared.Address == "" {
		return nil, errors.New("there is no address: neither the check nor the member's redis says host and port")
	}
	d, err := reach.NewDialer(declared.Address, nil)
	if err != nil {
		return nil, err
	}
	// What breaks between looks is told by the next one: nobody swaps for it.
	return &looker{target: t, declared: declared, dialer: d, line: reach.Line{Wake: func() {}}}, nil
}

// Close ends the kept connection.
func (l *looker) Close() { l.line.Close() }

// Look asks on the kept connection, or on a new one where that has come to its end.
func (l *looker) Look(ctx context.Context) check.Result {
	var mask check.Mask
	password, err := mask.Resolve(l.declared.Password, l.target.Secrets)
	if err != nil {
		return check.Result{Answer: message.Unknown, Evidence: mask.Clean("password: " + err.Error())}
	}
	if conn := l.line.Take(); conn != nil {
		c := redis.NewConn(conn)
		if r, err := c.Do(ctx, "LLEN", l.declared.List); err == nil || redis.IsServerError(err) {
			l.line.Keep(conn)
			return l.says(&mask, r, err)
		}
		c.Close()
		if ctx.Err() != nil {
			return measure.Unable(&mask, l.what(), ctx.Err(), l.target.Check.Timeout)
		}
	}
	conn, err := l.dialer.Dial(ctx)
	if err != nil {
		return measure.Unable(&mask, l.what(), err, l.target.Check.Timeout)
	}
	c := redis.NewConn(conn)
	if err := c.Auth(ctx, password); err != nil {
		c.Close()
		return l.fails(ctx, &mask, err)
	}
	r, err := c.Do(ctx, "LLEN", l.declared.List)
	if err != nil && !redis.IsServerError(err) {
		c.Close()
		return l.fails(ctx, &mask, err)
	}
	l.line.Keep(conn)
	return l.says(&mask, r, err)
}

func (l *looker) what() string { return "list " + l.declared.List + " at " + l.declared.Address }

func (l *looker) fails(ctx context.Context, mask *check.Mask, err error) check.Result {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		err = context.Canceled // whatever the interruption broke
	case redis.IsServerError(err):
		return l.says(mask, redis.Reply{}, err)
	}
	return measure.Unable(mask, l.what(), err, l.target.Check.Timeout)
}

func (l *looker) says(mask *check.Mask, r redis.Reply, err error) check.Result {
	switch {
	case redis.Code(err) == "WRONGTYPE":
		return check.Result{Answer: message.Unknown, Evidence: mask.Clean("cannot measure " + l.what() + ": that key is no list; name the list's key")}
	case err != nil:
		return check.Result{Answer: message.Unknown, Evidence: mask.Clean("cannot measure " + l.what() + ": " + err.Error())}
	case r.Text != "" || r.Array != nil || r.Int < 0:
		return check.Result{Answer: message.Unknown, Evidence: mask.Clean("cannot measure " + l.what() + ": the answer is no length; is this Redis?")}
	}
	perf := map[string]float64{spec.FigureLength: float64(r.Int)}
	return check.Result{
		Answer: message.Up, Perf: perf,
		Evidence: mask.Clean(fmt.Sprintf("%s: %s", l.what(), spec.Entries.Show(float64(r.Int)))),
	}
}
