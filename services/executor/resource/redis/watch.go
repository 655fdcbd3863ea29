package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/redis"
)

// Pauses between two attempts to reach a server that is away.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// Watch holds a connection and reads from it: the kernel ends it with the process. A connection that ended while the same process still
// answers was only cut (a time-out for idle clients, CLIENT KILL), and is made anew.
func (k *kept) Watch(ctx context.Context, lost func(evidence string)) error {
	known := "" // the run that was seen last and is not known to be dead
	for pause := firstPause; ctx.Err() == nil; {
		c, run, err := k.join(ctx)
		if err == nil && known != "" && run != known {
			lost(fmt.Sprintf("Redis at %s is another process than before: it was started anew", k.server.Address))
		}
		switch {
		case err == nil:
			known, pause = run, firstPause
			k.until(ctx, c)
			c.Close()
			continue // at once: the next attempt tells death from a cut
		case Gone(err) && known != "":
			known = ""
			lost(fmt.Sprintf("Redis at %s is gone: its connection ended, and the next was refused", k.server.Address))
		case redis.IsServerError(err) && redis.Code(err) != "LOADING":
			return err // a wrong password does not mend itself; whoever calls asks again later
		}
		sleep(ctx, pause)
		pause = min(2*pause, lastPause)
	}
	return context.Cause(ctx)
}

// join connects and says which run of the server it is.
func (k *kept) join(ctx context.Context) (*redis.Conn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, talk)
	defer cancel()
	c, err := Dial(ctx, k.server, k.o.Secrets)
	if err != nil {
		return nil, "", err
	}
	info, err := c.Info(ctx)
	if err == nil && info.RunID == "" {
		err = errors.New("it does not tell its run_id")
	}
	if err != nil {
		c.Close()
		return nil, "", err
	}
	return c, info.RunID, nil
}

// until waits for the end of the connection, or of ctx.
func (k *kept) until(ctx context.Context, c *redis.Conn) {
	nc := c.NetConn()
	_ = nc.SetDeadline(time.Time{}) // an error means that it has ended
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	_, _ = nc.Read(make([]byte, 1)) // nobody speaks unasked; whoever does has broken the conversation
}
