// Package postgres looks at a PostgreSQL server by logging in, asking what it is, and, on a primary, writing.
//
// The session stays open between looks and is watched, so that the end of the server is noticed when it happens. What was seen means:
//
//	refused, or reset on a new connection       down, hard: the kernel says that nobody is there
//	nothing came back in time                   down, silent: worth only as much as the prober's own sight
//	"starting up", "shutting down"              down: it says so itself, but a crash recovery often ends within the second
//	a write fails, or does not end in time      down: clients cannot write either
//	there is no room for more on its disk       down: clients' tables cannot grow, and the log soon cannot
//	no connection slot is left                  degraded: it serves those who are connected, and the standby would be stormed as well
//	the probe's table is missing or locked      degraded: nothing is known of its writes, and nothing is wrong with them
//	a standby that does not stream              degraded: it serves, and falls behind
//	wrong password, no such database, no TLS    unknown: the prober is set up wrongly
//
// A write that hangs is left alone: looks go on in a second session and say what the first one waits for. So a server whose disk hangs is not
// filled up with stuck sessions: two a prober, and where new ones hang as well, one more every few seconds.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	client "github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/reach"
)

// Kind is this package's entry in the prober's list.
var Kind = check.Kind{
	Name:    spec.CheckPostgres,
	Summary: "logs in and asks for role, timeline and lag; on a primary it writes one row",
	Open:    open,
}

type looker struct {
	target  check.Target
	declare *spec.PostgresCheck

	dsn      string // what the session was made with
	password string
	addr     string
	conn     *client.Conn // nil: none
	stuck    *write       // a write that did not end in its look, in a session of its own; nil: none
	room     time.Time    // when there was room for more; zero: not known
	mute     time.Time    // when a new session was given no answer, beside the stuck write; zero: not
}

var _ check.Looker = (*looker)(nil)

func open(t check.Target) (check.Looker, error) {
	declared := t.Check.Postgres
	if declared == nil {
		return nil, errors.New("the check declares no postgres")
	}
	if declared.DSN == "" {
		return nil, errors.New("there is no DSN: neither the check nor the member's postgres says one")
	}
	return &looker{target: t, declare: declared}, nil
}

// Look asks, and writes where it may.
func (l *looker) Look(ctx context.Context) check.Result {
	var mask check.Mask
	r := l.look(ctx, &mask)
	if errors.Is(ctx.Err(), context.Canceled) {
		l.Close() // it was interrupted somewhere
		r = check.Result{Answer: message.Unknown, Evidence: "the look was stopped"}
	}
	mask.Hide(l.password)
	r.Evidence = mask.Clean(r.Evidence)
	return r
}

// Close ends the sessions.
func (l *looker) Close() {
	l.drop()
	l.unstick()
}

func (l *looker) drop() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

func (l *looker) look(ctx context.Context, mask *check.Mask) check.Result {
	dsn, err := mask.Resolve(l.declare.DSN, l.target.Secrets)
	if err != nil {
		return check.Result{Answer: message.Unknown, Evidence: err.Error()}
	}
	if dsn != l.dsn { // a rotated secret
		l.Close()
		l.dsn = dsn
	}
	r, lost := l.ask(ctx)
	if lost && ctx.Err() == nil {
		r, _ = l.ask(ctx) // the end of a session says little: who answers a new one, and how?
	}
	return r
}

// ask looks once, in the session that is there or a new one. lost: a session that stood has ended.
func (l *looker) ask(ctx context.Context) (r check.Result, lost bool) {
	fresh := l.conn == nil
	if fresh {
		if r, wait := l.waitMute(ctx); wait {
			return r, false
		}
		if err := l.connect(ctx); err != nil {
			r := l.fault(err, true)
			if l.stuck != nil && r.Silent {
				l.mute = time.Now()
			}
			return r, false
		}
		l.mute = time.Time{}
	}
	state, err := l.conn.State(ctx)
	if err != nil {
		r := l.fault(err, false)
		r.Silent = r.Silent && !fresh && !l.conn.Heard()
		l.drop()
		return r, gone(err)
	}
	r, lost = l.judge(ctx, state)
	r.Perf = figures(state, r.Perf)
	return r, lost
}

func (l *looker) connect(ctx context.Context) error {
	target, err := client.Parse(l.dsn) // again each time: it reads certificates, which may be new
	if err != nil {
		return &unable{err}
	}
	l.password, l.addr = target.Password, target.Addr()
	options := client.Options{
		Name: "ham prober " + l.target.Vantage, LockTimeout: l.target.Check.Timeout / 2, Lost: l.target.Wake,
	}
	if !target.Local() {
		dialer, err := reach.NewDialer(target.Addr(), nil)
		if err != nil {
			return &unable{err}
		}
		options.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.Dial(ctx) }
	}
	l.conn, err = target.Connect(ctx, options)
	return err
}

// unable is this prober's own trouble.
type unable struct{ err error }

func (u *unable) Error() string { return u.err.Error() }

// gone says that a session has ended, for whatever reason.
func gone(err error) bool {
	kind, _ := client.Explain(err)
	return kind == client.NoWord || kind == client.NotReady
}

// fault judges what kept us from an answer. Fresh: there was no session yet.
func (l *looker) fault(err error, fresh bool) check.Result {
	if mine := new(unable); errors.As(err, &mine) {
		return check.Result{Answer: message.Unknown, Evidence: mine.Error()}
	}
	kind, says := client.Explain(err)
	switch kind {
	case client.NoWord:
		return l.unanswered(err, fresh)
	case client.NotReady:
		return check.Result{Answer: message.Down, Evidence: l.addr + " takes no sessions now: " + says}
	case client.NoSlot:
		if l.stuck != nil {
			return check.Result{Answer: message.Down, Evidence: fmt.Sprintf("%s: %s, and has no connection slot left: %s", l.addr, l.stuck, says)}
		}
		return check.Result{Answer: message.Degraded, Evidence: l.addr + " answers, but has no connection slot left, so that nothing more can be asked: " + says}
	case client.NotLetIn:
		return check.Result{Answer: message.Unknown, Evidence: l.addr + " does not let ham in: " + says}
	case client.NoProbe:
		return check.Result{Answer: message.Unknown, Evidence: l.addr + " does not let ham look: " + says + ": run what `ham init postgres` prints"}
	}
	return check.Result{Answer: message.Down, Evidence: l.addr + " fails: " + says}
}

// unanswered judges what the network said, as for all checks.
func (l *looker) unanswered(err error, fresh bool) check.Result {
	var reached *reach.Error
	if errors.As(err, &reached) {
		return reach.Judge(reached, l.target.Check.Timeout, fresh)
	}
	r := reach.Judge(&reach.Error{Step: reach.Asking, Addr: l.addr, Err: err}, l.target.Check.Timeout, fresh)
	if strings.HasSuffix(r.Evidence, err.Error()) { // it knows no better words
		r.Evidence = client.Cause(err).Error()
	}
	r.Evidence = l.addr + ": " + r.Evidence
	return r
}

// judge says what the state means, having tried a write where that is to be done.
func (l *looker) judge(ctx context.Context, s client.State) (r check.Result, lost bool) {
	if s.Recovery {
		l.unstick() // it was a primary once
		return standby(s), false
	}
	says := fmt.Sprintf("primary, timeline %d", s.Timeline)
	if s.Synchronous > 0 {
		says += fmt.Sprintf(", synchronous standbys: %d", s.Synchronous)
	}
	if l.declare.ReadOnly {
		return check.Result{Answer: message.Up, Evidence: says}, false
	}
	r, lost = l.write(ctx)
	if r.Answer == message.Up && s.Hidden {
		r = check.Result{Answer: message.Degraded, Evidence: hidden, Perf: r.Perf}
	}
	r.Evidence = strings.TrimSuffix(says+", "+r.Evidence, ", ")
	return r, lost
}

const hidden = "but ham does not see its statistics: run what `ham init postgres` prints"

func standby(s client.State) check.Result {
	says := fmt.Sprintf("standby, timeline %d, replayed to %s", s.Timeline, s.LSN)
	if lag := s.LagBytes(); lag > 0 {
		says += fmt.Sprintf(", %d bytes behind what it received", lag)
	}
	switch {
	case s.Hidden:
		return check.Result{Answer: message.Degraded, Evidence: says + ", " + hidden}
	case !s.Streaming:
		return check.Result{Answer: message.Degraded, Evidence: says + ", but it streams from nobody"}
	}
	return check.Result{Answer: message.Up, Evidence: says}
}

// figures are the heartbeat's numbers. Their names are part of the contract with the decider. A place in the log is exact up to 2^53 bytes.
func figures(s client.State, more map[string]float64) map[string]float64 {
	f := map[string]float64{"recovery": 0, "timeline": float64(s.Timeline), "lsn": float64(s.LSN)}
	if s.Recovery {
		f["recovery"], f["received"] = 1, float64(s.Received)
		f["lag_bytes"], f["lag_us"] = float64(s.LagBytes()), float64(s.ReplayAge/time.Microsecond)
		if !s.Hidden {
			f["streaming"] = 0
			if s.Streaming {
				f["streaming"] = 1
			}
		}
	} else if !s.Hidden {
		f["sync"] = float64(s.Synchronous)
	}
	for name, v := range more {
		f[name] = v
	}
	return f
}
