// Package redis looks at a Redis server: its role, how it follows, whether it takes writes.
//
// One connection is kept between looks and watched, so that the end of the process is noticed when it happens. A master is asked to delete a key that does
// not exist: that changes nothing, and is refused where any write would be (failed saves, too few replicas, a bar).
package redis

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/reach"
)

// Kind is this package's entry in the prober's list.
var Kind = check.Kind{
	Name:    spec.CheckRedis,
	Summary: "asks Redis for its role, how it follows, and whether it takes writes",
	Open:    open,
}

type looker struct {
	target  check.Target
	declare *spec.RedisCheck
	dialer  *reach.Dialer
	line    reach.Line
}

var _ check.Looker = (*looker)(nil)

func open(t check.Target) (check.Looker, error) {
	declared := t.Check.Redis
	if declared == nil {
		return nil, errors.New("the check declares no redis")
	}
	if declared.Address == "" {
		return nil, errors.New("there is no address: neither the check nor the member's redis says host and port")
	}
	d, err := reach.NewDialer(declared.Address, nil)
	if err != nil {
		return nil, err
	}
	return &looker{target: t, declare: declared, dialer: d, line: reach.Line{Wake: t.Wake}}, nil
}

// Close ends the kept connection.
func (l *looker) Close() { l.line.Close() }

// Look asks on the kept connection, or on a new one where that has come to its end.
func (l *looker) Look(ctx context.Context) check.Result {
	var mask check.Mask
	password, err := mask.Resolve(l.declare.Password, l.target.Secrets)
	if err != nil {
		return check.Result{Answer: message.Unknown, Evidence: mask.Clean("password: " + err.Error())}
	}
	if conn := l.line.Take(); conn != nil {
		if r, ok := l.ask(ctx, &mask, conn, false); ok || ctx.Err() != nil {
			return r
		}
	}
	conn, err := l.dialer.Dial(ctx)
	if err != nil {
		return l.fault(ctx, &mask, "", err, true)
	}
	if err := redis.NewConn(conn).Auth(ctx, password); err != nil {
		_ = conn.Close()
		return l.fault(ctx, &mask, "log in: ", err, true)
	}
	r, _ := l.ask(ctx, &mask, conn, true)
	return r
}

// ask ends with the connection kept or closed. Whole is false where the connection broke.
func (l *looker) ask(ctx context.Context, mask *check.Mask, nc net.Conn, fresh bool) (r check.Result, whole bool) {
	c := redis.NewConn(nc)
	replies, err := c.Pipe(ctx, []string{"INFO"}, redis.ProbeWords())
	if err != nil {
		_ = nc.Close()
		late := errors.Is(err, context.DeadlineExceeded)
		switch {
		case len(replies) == 1 && replies[0].Err != nil:
			return l.fault(ctx, mask, "", replies[0].Err, fresh), true // it said why, and hung up
		case len(replies) == 1 && late:
			return l.stalled(mask, replies[0].Text), true
		}
		return l.fault(ctx, mask, "", err, fresh), late
	}
	if err := replies[0].Err; err != nil {
		_ = nc.Close()
		return l.fault(ctx, mask, "", err, fresh), true
	}
	info, err := redis.ParseInfo(replies[0].Text)
	if err != nil {
		_ = nc.Close()
		return l.fault(ctx, mask, "", err, fresh), true
	}
	l.line.Keep(nc)
	r = judge(info, replies[1].Err)
	r.Evidence = mask.Clean(r.Evidence)
	r.Perf = perf(info)
	return r, true
}

// stalled: it told what it is, and did not answer to a write in time: clients wait too.
func (l *looker) stalled(mask *check.Mask, text string) check.Result {
	info, err := redis.ParseInfo(text)
	if err != nil {
		return check.Result{Answer: message.Down, Evidence: mask.Clean(err.Error())}
	}
	return check.Result{
		Answer: message.Down, Perf: perf(info),
		Evidence: mask.Clean(fmt.Sprintf("%s, but no answer to a write within %s: its writes are paused", says(info), l.target.Check.Timeout)),
	}
}

// judge says what the state means. Probe is what became of the write.
func judge(i redis.Info, probe error) check.Result {
	code := redis.Code(probe)
	switch {
	case i.Loading:
		return check.Result{Answer: message.Down, Evidence: fmt.Sprintf("loading its files: %.0f %%", i.Loaded)}
	case i.Master && probe != nil && code != "NOPERM":
		return check.Result{Answer: message.Down, Evidence: fmt.Sprintf("%s, but it takes no write: %s", says(i), probe)}
	case i.AppendFailed || i.SaveFailed:
		return check.Result{Answer: message.Degraded, Evidence: says(i) + ", and its last save failed"}
	case !i.Master && !i.LinkUp:
		return check.Result{Answer: message.Degraded, Evidence: says(i)}
	}
	return check.Result{Answer: message.Up, Evidence: says(i)}
}

// says tells the state in words: "replica of 192.0.2.10:6379, link up, 12 bytes behind".
func says(i redis.Info) string {
	switch {
	case i.Master:
		return fmt.Sprintf("master at offset %d with %d replicas", i.Offset, len(i.Replicas))
	case i.Syncing:
		return fmt.Sprintf("replica of %s, gets a whole copy: %.0f %%", i.Upstream, i.Synced)
	case !i.LinkUp:
		return fmt.Sprintf("replica of %s, link down", i.Upstream)
	}
	return fmt.Sprintf("replica of %s, link up, %d bytes behind", i.Upstream, i.Received-i.Offset)
}

// perf: the keys are those of the postgres check where they mean the same.
func perf(i redis.Info) map[string]float64 {
	p := map[string]float64{"recovery": 1, "lsn": float64(i.Offset), "replicas": float64(len(i.Replicas))}
	if i.Master {
		p["recovery"] = 0
		return p
	}
	p["received"], p["lag_bytes"], p["link"] = float64(i.Received), float64(i.Received-i.Offset), 0
	if i.LinkUp {
		p["link"] = 1
	}
	return p
}

// fault says what a failed look means. What the server refuses to tell us alone is our own configuration's trouble.
func (l *looker) fault(ctx context.Context, mask *check.Mask, doing string, err error, fresh bool) check.Result {
	if errors.Is(ctx.Err(), context.Canceled) {
		err = context.Canceled // whatever the interruption broke
	}
	if !redis.IsServerError(err) {
		r := reach.Judge(err, l.target.Check.Timeout, fresh)
		r.Evidence = mask.Clean(doing + r.Evidence)
		return r
	}
	r := check.Result{Answer: message.Unknown, Evidence: mask.Clean(doing + err.Error())}
	switch redis.Code(err) {
	case "LOADING", "BUSY", "MISCONF", "MASTERDOWN", "OOM":
		r.Answer = message.Down
	case "ERR":
		if err.Error() == "ERR max number of clients reached" {
			r.Answer = message.Down // it serves nobody new
		}
	}
	return r
}
