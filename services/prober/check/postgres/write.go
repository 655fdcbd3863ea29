package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	client "github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/prober/check"
)

// write is one that was begun. It may outlive its look: a session that waits for a disk cannot be stopped, only waited for.
type write struct {
	conn  *client.Conn
	began time.Time
	ended chan error  // one; buffered
	wakes atomic.Bool // its end asks for a look: it has outlived its own
	waits string      // what for, as the server said last
	room  bool        // it also looks whether there is room for more
}

// roomEvery is how often a write looks whether there is room for more, as long as there is: often enough to know of a full disk before the log needs its next
// file, and rarely enough to cost nothing.
const roomEvery = 2 * time.Second

func (w *write) String() string {
	s := fmt.Sprintf("a write begun %s ago has not ended", time.Since(w.began).Round(time.Millisecond))
	if w.waits != "" {
		s += ": it waits for " + w.waits
	}
	return s
}

// unstick gives a write up, with its session.
func (l *looker) unstick() {
	if l.stuck != nil {
		l.stuck.wakes.Store(false)
		l.stuck.conn.Close() // its goroutine ends by that
		l.stuck = nil
	}
}

// redial is how long no other session is begun after one got no answer, while a write hangs: sessions that hang in a kernel cannot be ended,
// and each takes a slot from those who are let in when the disk moves again. The end of the server ends the write, and that is noticed at once.
const redial = 5 * time.Second

// waitMute waits for the stuck write instead of beginning another session.
func (l *looker) waitMute(ctx context.Context) (r check.Result, wait bool) {
	if l.stuck == nil || l.mute.IsZero() || time.Since(l.mute) > redial {
		return r, false
	}
	select {
	case <-l.stuck.ended:
		l.unstick()
		return r, false
	case <-ctx.Done():
	}
	return check.Result{
		Answer: message.Down, Silent: true,
		Evidence: fmt.Sprintf("%s: no answer within %s, and %s", l.addr, l.target.Check.Timeout, l.stuck),
	}, true
}

// write writes within ctx. The evidence of up is empty.
func (l *looker) write(ctx context.Context) (r check.Result, lost bool) {
	if l.stuck != nil {
		if r, still, lost := l.await(ctx); still {
			return r, lost
		}
		l.unstick()
	}
	w := &write{conn: l.conn, began: time.Now(), ended: make(chan error, 1)}
	probe := w.conn.Probe
	if w.room = time.Since(l.room) >= roomEvery; w.room {
		probe = w.conn.ProbeRoom
	}
	go func() { // until it ends or its session is closed
		w.ended <- probe(context.Background(), l.target.Vantage)
		if w.wakes.Load() {
			l.target.Wake()
		}
	}()
	select {
	case err := <-w.ended:
		return l.wrote(w, err)
	case <-ctx.Done():
	}
	l.conn, l.stuck = nil, w
	w.wakes.Store(true)
	return check.Result{
		Answer: message.Down, Evidence: fmt.Sprintf("answers, but a write has not ended within what is left of %s", l.target.Check.Timeout),
	}, false
}

// await waits for the write of an earlier look, and says what it waits for. still: there is nothing to be begun in this look. The server is asked, as its
// answer may have been lost. lost: the session in which it was asked has ended.
func (l *looker) await(ctx context.Context) (r check.Result, still, lost bool) {
	w := l.stuck
	select {
	case <-w.ended:
		return r, false, false
	default:
	}
	waiting, there, err := l.conn.Watch(ctx, w.conn.PID())
	switch {
	case err != nil:
		l.drop()
		r := l.fault(err, false)
		r.Silent = false // it had answered in this look
		return r, true, gone(err)
	case !there, !waiting.Active:
		return r, false, false
	}
	w.waits = waiting.For
	select {
	case err := <-w.ended:
		if err == nil { // and perhaps no time is left for another
			took := time.Since(w.began)
			l.unstick()
			return check.Result{Answer: message.Degraded, Evidence: fmt.Sprintf("but a write took %s", took.Round(time.Millisecond)), Perf: tookFor(took)}, true, false
		}
		return r, false, false
	case <-ctx.Done():
	}
	if len(waiting.BlockedBy) > 0 {
		return locked(fmt.Sprintf("held by process %d", waiting.BlockedBy[0])), true, false
	}
	return check.Result{Answer: message.Down, Evidence: "answers, but " + w.String()}, true, false
}

func (l *looker) wrote(w *write, err error) (r check.Result, lost bool) {
	if err == nil {
		if w.room {
			l.room = time.Now()
		}
		return check.Result{Answer: message.Up, Perf: tookFor(time.Since(w.began))}, false
	}
	l.room = time.Time{}
	if client.Ended(err) {
		l.drop()
	}
	kind, says := client.Explain(err)
	switch kind {
	case client.NoWord, client.NotReady:
		return l.fault(err, false), true
	case client.NoProbe:
		return check.Result{
			Answer: message.Degraded, Evidence: "but ham cannot try a write: " + says + ": run what `ham init postgres` prints",
		}, false
	case client.Locked:
		return locked(says), false
	case client.DiskFull:
		return check.Result{Answer: message.Down, Evidence: "answers, but has no space left to write: " + says}, false
	case client.ReadOnly:
		return check.Result{Answer: message.Down, Evidence: "answers, but takes no writes: " + says}, false
	}
	return check.Result{Answer: message.Down, Evidence: "answers, but a write fails: " + says}, false
}

// locked: somebody works on the probe's table. That says nothing of anybody else's writes.
func locked(by string) check.Result {
	return check.Result{Answer: message.Degraded, Evidence: "but a write was not tried: the table ham.probe is locked: " + by}
}

func tookFor(d time.Duration) map[string]float64 {
	return map[string]float64{"write_us": float64(d.Microseconds())}
}
