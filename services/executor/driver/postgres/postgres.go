// Package postgres changes the role of a member's PostgreSQL server, one step of a plan at a time: it gives up being the primary, becomes it, and is
// looked at before and after. What must hold all the time is kept by resource/postgres.
package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "postgres",
		Summary: "makes a PostgreSQL server give up being the primary, or become it, under the lease of its group; and looks whether it is",
		Example: `{"action": "promote", "member": "b", "server": {"dsn": "postgres://ham:${file:/etc/ham/b.pw}@192.0.2.20:5432/postgres",` +
			` "local": "host=/run/postgresql user=ham_local dbname=postgres", "upstream": "host=192.0.2.20 user=ham_repl password=${file:/etc/ham/repl.pw}",` +
			` "service": "systemd:postgresql@15-main", "data": "/var/lib/postgresql/15/main", "slot": "ham_b", "app_name": "b"}, "max_lag": -1, "timeout_ns": 60000000000}`,
		Guarantee: driver.Guarantee{
			Fences: "the member it gives up on: clients are shut out by its guard first, then the server is stopped, or killed with every one of its processes, " +
				"before it is said to be fenced",
			FailsClosedWithin: "the time to live of the lease: the guard shuts by itself, also where this driver died half-way",
			HoldsEpoch:        false,
			LateEffect: "PostgreSQL keeps no epoch, but a late promotion finds the lease of its epoch gone and is refused; one that slips through acts behind a shut guard, and " +
				"is killed by the member's executor",
			LeavesToAPerson: "nothing for a member with an executor beside it; without one, somebody must vouch that the old primary is off",
		},
		New: open,
	}
}

type action struct {
	args   spec.PostgresArgs
	server *server.Server
	did    atomic.Bool // Do came to its end: for actions whose effect cannot be seen from outside
	left   string      // what a server that gave up left behind; read once did is set
	spare  atomic.Pointer[postgres.Conn]
	early  atomic.Pointer[chan struct{}] // closed once spare was prepared; nil: it is not
	closed atomic.Bool
}

var (
	_ driver.Driver   = (*action)(nil)
	_ driver.Closer   = (*action)(nil)
	_ driver.Preparer = (*action)(nil)
)

func open(with json.RawMessage) (driver.Driver, error) {
	a := &action{}
	if err := driver.Decode(with, &a.args); err != nil {
		return nil, err
	}
	switch a.args.Action {
	case "still-down", "streaming", "checkpoint", "catch-up", "give-up", "promote", "writable":
	default:
		return nil, driver.Wrong("action", "still-down, streaming, checkpoint, catch-up, give-up, promote or writable, not %q", a.args.Action)
	}
	if !message.IsName(a.args.Member) {
		return nil, driver.Wrong("member", "the name of a member")
	}
	if a.args.Timeout <= 0 || a.args.Timeout > time.Hour {
		return nil, driver.Wrong("timeout_ns", "a time from 1ms to 1h, not %s", a.args.Timeout)
	}
	if a.args.Action == "still-down" {
		if a.args.Server.DSN == "" {
			return nil, driver.Wrong("server.dsn", "how the member is reached over the network")
		}
		return a, nil
	}
	if a.args.Server.Local == "" {
		return nil, driver.Wrong("server.local", "how the executor beside the member reaches it")
	}
	var err error
	p := a.args.Server
	if a.server, err = server.New(server.Options{Service: p.Service, Data: p.Data, Bin: p.Bin, RunAs: p.RunAs}); err != nil {
		return nil, driver.Wrong("server", "%v", err)
	}
	return a, nil
}

// Look says what is there.
func (a *action) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.args.Timeout, fmt.Errorf("no answer within %s", a.args.Timeout))
	defer cancel()
	switch a.args.Action {
	case "still-down":
		return a.stillDown(ctx, in)
	case "streaming":
		return a.streaming(ctx, in)
	case "checkpoint":
		return a.lookCheckpoint(ctx, in)
	case "catch-up":
		return a.lookCaughtUp(ctx, in)
	case "give-up":
		return a.lookGivenUp(ctx, in)
	case "promote":
		return a.lookPromoted(ctx, in)
	}
	return a.lookWritable(ctx, in)
}

// Do does it. It is reached only where Look did not find it done.
func (a *action) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.args.Timeout, fmt.Errorf("not done within %s", a.args.Timeout))
	defer cancel()
	var deed driver.Deed
	var err error
	switch a.args.Action {
	case "checkpoint":
		deed, err = a.checkpoint(ctx, in)
	case "catch-up":
		deed, err = until(ctx, func() (driver.Sight, error) { return a.lookCaughtUp(ctx, in) })
	case "give-up":
		deed, err = a.giveUp(ctx, in)
	case "promote":
		deed, err = a.promote(ctx, in)
	case "writable":
		deed, err = until(ctx, func() (driver.Sight, error) { return a.lookWritable(ctx, in) })
	default:
		sight, err := a.Look(ctx, in)
		switch {
		case err != nil:
			return deed, err
		case sight.Done == driver.Yes:
			return deed, nil
		}
		return deed, driver.Refused("wanted %s, found %s", sight.Wanted, sight.Found)
	}
	if err == nil {
		a.did.Store(true)
	}
	return deed, err
}

// connect reaches the server beside this executor, by its unix socket as a rule.
func (a *action) connect(ctx context.Context, in driver.Input) (*postgres.Conn, error) {
	return dial(ctx, in, a.args.Server.Local)
}

// Prepare connects to the server that is to be promoted, while its lease is still being taken.
func (a *action) Prepare(ctx context.Context, in driver.Input) {
	if a.args.Action != "promote" {
		return
	}
	done := make(chan struct{})
	defer close(done)
	a.early.Store(&done)
	if conn, err := a.connect(ctx, in); err == nil {
		a.keep(conn)
	}
}

// session is connect, or the connection that the call before left: a promotion is looked at, done and looked at while clients wait, and a
// connection costs the server a process. Whoever calls it gives it back by keep.
func (a *action) session(ctx context.Context, in driver.Input) (*postgres.Conn, error) {
	if early := a.early.Load(); early != nil {
		select {
		case <-*early: // it began earlier than another one would now
		case <-ctx.Done():
		}
	}
	if conn := a.spare.Swap(nil); conn != nil {
		if _, err := conn.Recovery(ctx); err == nil {
			return conn, nil
		}
		conn.Close() // its server may have ended and begun anew since
	}
	return a.connect(ctx, in)
}

func (a *action) keep(conn *postgres.Conn) {
	if old := a.spare.Swap(conn); old != nil {
		old.Close()
	}
	if a.closed.Load() {
		a.Close()
	}
}

// Close ends what was kept between the calls. A call that still runs ends its own when it is over.
func (a *action) Close() {
	a.closed.Store(true)
	if conn := a.spare.Swap(nil); conn != nil {
		conn.Close()
	}
}

func dial(ctx context.Context, in driver.Input, how spec.Secret) (*postgres.Conn, error) {
	dsn, err := in.Secrets.Resolve(how)
	if err != nil {
		return nil, err
	}
	target, err := postgres.Parse(dsn)
	if err != nil {
		return nil, driver.Unasked("%w", err)
	}
	conn, err := target.Connect(ctx, postgres.Options{Name: "ham " + in.Executor})
	if err != nil {
		return nil, driver.Unasked("%s: %w", target.Addr(), cause(ctx, err))
	}
	return conn, nil
}

// cause prefers why the context ended to what the network says of it.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// said makes of a failed conversation one of the driver's reasons: the server said no, or nobody knows.
func said(ctx context.Context, err error) error {
	if kind, _ := postgres.Explain(err); kind != postgres.NoWord && ctx.Err() == nil {
		return driver.Refused("%w", err)
	}
	return driver.InDoubt("%w", cause(ctx, err))
}

// stillDown ends a failover whose old primary acts as one after all. A look that cannot be made is no sign of life.
func (a *action) stillDown(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: a.args.Member + " does not act as primary", Done: driver.Yes}
	conn, err := dial(ctx, in, a.args.Server.DSN)
	if err != nil {
		kind, words := postgres.Explain(err)
		sight.Found = fmt.Sprintf("%s cannot be reached: %v", a.args.Member, err)
		if kind == postgres.NoSlot { // it serves those who are connected
			sight.Done, sight.Ends, sight.Found = driver.No, true, a.args.Member+" lives: "+words
		}
		return sight, nil
	}
	defer conn.Close()
	state, err := conn.State(ctx)
	switch {
	case err != nil:
		sight.Found = fmt.Sprintf("%s does not answer: %v", a.args.Member, cause(ctx, err))
		return sight, nil
	case state.Recovery:
		sight.Found = a.args.Member + " is a standby"
		return sight, nil
	}
	err = conn.ProbeRoom(ctx, in.Executor)
	if kind, words := postgres.Explain(err); err != nil && kind != postgres.NoProbe && kind != postgres.Locked {
		sight.Found = fmt.Sprintf("%s is primary and takes no write: %s", a.args.Member, first(words, cause(ctx, err).Error()))
		return sight, nil
	}
	sight.Done, sight.Ends, sight.Found = driver.No, true, fmt.Sprintf("%s acts as primary, timeline %d", a.args.Member, state.Timeline)
	return sight, nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// lookCaughtUp is the look of streaming at a time at which it is too late to end the swap.
func (a *action) lookCaughtUp(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight, err := a.streaming(ctx, in)
	sight.Ends = false
	return sight, err
}

// streaming ends a switchover whose target does not follow closely.
func (a *action) streaming(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: a.args.Member + " streams", Done: driver.No, Ends: true}
	if a.args.MaxLag >= 0 {
		sight.Wanted += fmt.Sprintf(" and is at most %d bytes behind", a.args.MaxLag)
	}
	conn, err := a.connect(ctx, in)
	if err != nil {
		return driver.Sight{}, err
	}
	defer conn.Close()
	s, err := conn.Standing(ctx)
	if err != nil {
		return driver.Sight{}, driver.Unasked("%w", cause(ctx, err))
	}
	lag := s.LSN.Behind(max(s.Told, s.Received))
	switch {
	case !s.Recovery:
		sight.Found = fmt.Sprintf("%s acts as primary, timeline %d", a.args.Member, s.Timeline)
	case !s.Streaming:
		sight.Found = a.args.Member + " is a standby and does not stream"
	default:
		sight.Found = fmt.Sprintf("%s streams, timeline %d, %d bytes behind", a.args.Member, s.Timeline, lag)
		if a.args.MaxLag < 0 || lag <= a.args.MaxLag {
			sight.Done, sight.Ends = driver.Yes, false
		}
	}
	return sight, nil
}

// littleDirty is how many bytes of log since the last checkpoint are no reason for another one before a stop: a few records that a server writes
// though nobody uses it. What counts is how many files a stop would have to sync while clients wait, and a hundred small writes may touch as many as a
// gigabyte does.
const littleDirty = 16 << 10

func (a *action) lookCheckpoint(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: "a checkpoint of " + a.args.Member + " just before it is stopped", Done: driver.No}
	conn, err := a.connect(ctx, in)
	if err != nil {
		return driver.Sight{}, err
	}
	defer conn.Close()
	dirty, err := conn.SinceCheckpoint(ctx)
	if err != nil {
		return driver.Sight{}, driver.Unasked("%w", cause(ctx, err))
	}
	sight.Found = fmt.Sprintf("%d bytes were written to the log since the last one", dirty)
	if dirty <= littleDirty || a.did.Load() {
		sight.Done = driver.Yes
	}
	return sight, nil
}

func (a *action) checkpoint(ctx context.Context, in driver.Input) (driver.Deed, error) {
	conn, err := a.connect(ctx, in)
	if err != nil {
		return driver.Deed{}, err
	}
	defer conn.Close()
	began := in.Now()
	if err := conn.Checkpoint(ctx); err != nil {
		return driver.Deed{Applied: true}, said(ctx, err)
	}
	return driver.Deed{Applied: true, Evidence: fmt.Sprintf("checkpoint written in %s", in.Now().Sub(began).Round(time.Millisecond))}, nil
}

func (a *action) lookWritable(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: a.args.Member + " takes a write", Done: driver.No}
	conn, err := a.connect(ctx, in)
	if err != nil {
		if errors.Is(err, driver.ErrUnasked) && ctx.Err() == nil {
			sight.Found = err.Error()
			return sight, nil
		}
		return driver.Sight{}, err
	}
	defer conn.Close()
	// A look changes nothing: a record of the log that no table holds, which is flushed as a commit is, changes nothing that can be read.
	at, err := conn.Mark(ctx, "writable")
	if err != nil {
		sight.Found = fmt.Sprintf("%s takes no write: %v", a.args.Member, cause(ctx, err))
		return sight, nil
	}
	sight.Done, sight.Found = driver.Yes, fmt.Sprintf("%s takes writes, its log is flushed to %s", a.args.Member, at)
	return sight, nil
}

// until looks until it finds what is waited for.
func until(ctx context.Context, look func() (driver.Sight, error)) (driver.Deed, error) {
	for {
		sight, err := look()
		if err == nil && sight.Done == driver.Yes {
			return driver.Deed{Evidence: sight.Found}, nil
		}
		if wait(ctx, 20*time.Millisecond); ctx.Err() != nil {
			return driver.Deed{}, driver.Unasked("%w: %s", context.Cause(ctx), sight.Found)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
