// Package redis changes the roles of a pair of Redis servers.
//
// At a switchover the old primary's writes are held back until the new one has everything, then it is barred from taking writes, and its
// clients are cut: nothing acknowledged is lost. At a failover the new primary has what reached it: Redis acknowledges before it replicates.
package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	resource "github.com/isacloud/ha-manager/services/executor/resource/redis"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "redis",
		Summary: "changes the roles of a pair of Redis servers: gives up one as master, promotes the other",
		Example: `{"action": "promote", "member": "b", "server": {"address": "198.51.100.10:6379", "password": "${file:/etc/ham/redis}",` +
			` "service": "systemd:redis-server"}, "timeout_ns": 10000000000}`,
		Guarantee: driver.Guarantee{
			Fences:            "writes on the old primary, at a switchover: it refuses them, and its clients are cut",
			FailsClosedWithin: "the lease, by the guard; Redis itself knows no lease",
			HoldsEpoch:        false,
			LateEffect:        "a master that is not barred and holds no lease is found by its executor, barred, and its clients cut, as a rule within a second",
			LeavesToAPerson:   "what was acknowledged and not yet replicated when the primary was lost",
		},
		New: open,
	}
}

// The actions.
const (
	stillDown = "still-down"
	streaming = "streaming"
	giveUp    = "give-up"
	promote   = "promote"
	writable  = "writable"

	longest = 10 * time.Minute
	// again is between two questions for what Redis gives no sign of.
	again = 2 * time.Millisecond
	// held is how long writes are held back at most: clients give up about then.
	held = 5 * time.Second
	// takeBack bounds the lifting of a pause that was for nothing.
	takeBack = time.Second
)

type server struct {
	args spec.RedisArgs
	// gaveUp: this attempt has given up, and said so.
	gaveUp atomic.Bool
}

var _ driver.Driver = (*server)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	var a spec.RedisArgs
	if err := driver.Decode(with, &a); err != nil {
		return nil, err
	}
	switch a.Action {
	case stillDown, streaming, giveUp, promote, writable:
	default:
		return nil, driver.Wrong("action", "still-down, streaming, give-up, promote or writable, not %q", a.Action)
	}
	if !message.IsName(a.Member) {
		return nil, driver.Wrong("member", "the name of the member that holds the server")
	}
	if host, port, err := net.SplitHostPort(a.Server.Address); err != nil || host == "" || port == "" {
		return nil, driver.Wrong("server.address", "host:port")
	}
	if err := resource.CheckService(a.Server.Service); err != nil {
		return nil, driver.Wrong("server.service", "systemd:<unit>, or none")
	}
	if a.Timeout <= 0 || a.Timeout > longest {
		return nil, driver.Wrong("timeout_ns", "nanoseconds, more than 0 and at most %s", longest)
	}
	return &server{args: a}, nil
}

// limited is within the step's own time and the server's.
func (s *server) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.args.Timeout, fmt.Errorf("no end within %s", s.args.Timeout))
}

// dial connects. The error is one of the driver's reasons.
func (s *server) dial(ctx context.Context, in driver.Input) (*redis.Conn, error) {
	password, err := in.Secrets.Resolve(s.args.Server.Password)
	if err != nil {
		return nil, err
	}
	c, err := redis.Dial(ctx, s.args.Server.Address, password)
	if err != nil {
		return nil, driver.Unasked("%w", err)
	}
	return c, nil
}

// state is what the server is now.
type state struct {
	info   redis.Info
	barred bool
	write  error // what became of a probe; not asked in a pause of our own
}

// observe reads role and bar, and tries a write where that is asked for.
func observe(ctx context.Context, c *redis.Conn, try bool) (st state, err error) {
	if st.info, err = c.Info(ctx); err != nil {
		return st, reason(err)
	}
	if st.barred, err = c.Barred(ctx); err != nil {
		return st, reason(err)
	}
	if try && st.info.Master && !st.barred {
		if st.write = c.Probe(ctx); st.write != nil && !redis.IsServerError(st.write) {
			return st, reason(st.write)
		}
	}
	return st, nil
}

func (st state) writable() bool {
	return st.info.Master && !st.barred && !st.info.Loading && st.write == nil
}

func (st state) String() string {
	i, words := st.info, ""
	switch {
	case i.Loading:
		words = fmt.Sprintf("loading its files: %.0f %%", i.Loaded)
	case i.Master:
		words = fmt.Sprintf("master at offset %d", i.Offset)
	case i.LinkUp:
		words = fmt.Sprintf("replica of %s, %d bytes behind", i.Upstream, i.Received-i.Offset)
	default:
		words = "replica of " + i.Upstream + ", link down"
	}
	if st.barred {
		words += ", barred from writes"
	}
	if st.write != nil {
		words += fmt.Sprintf(", takes no write: %v", st.write)
	}
	return words
}

// reason makes of what the client says one of the driver's reasons. It is for questions: what they could not ask was not applied.
func reason(err error) error {
	if redis.IsServerError(err) {
		return driver.Refused("Redis says: %w", err)
	}
	return driver.Unasked("%w", err)
}

func (s *server) wanted() string {
	at := s.args.Member + " (" + s.args.Server.Address + ") "
	switch s.args.Action {
	case stillDown:
		return at + "is no master that takes writes"
	case streaming:
		return at + "follows its master closely"
	case giveUp:
		return at + "takes no writes, and is fenced"
	}
	return at + "is master and takes writes"
}

// Look asks the server.
func (s *server) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	ctx, cancel := s.limited(ctx)
	defer cancel()
	sight := driver.Sight{Wanted: s.wanted(), Done: driver.No}
	c, err := s.dial(ctx, in)
	var st state
	if err == nil {
		defer c.Close()
		st, err = observe(ctx, c, s.args.Action != giveUp && s.args.Action != streaming)
	}
	if err != nil {
		return s.unseen(sight, err)
	}
	sight.Found = st.String()
	done := false
	switch s.args.Action {
	case stillDown:
		done = !st.writable()
		sight.Ends = !done
	case streaming:
		i := st.info
		done = !i.Master && !i.Loading && i.LinkUp && !i.Syncing && (s.args.MaxLag < 0 || i.Received-i.Offset <= s.args.MaxLag)
		sight.Ends = !done
	case giveUp:
		// Before that it may be barred already, and nobody knows whether it was said.
		done = (!st.info.Master || st.barred) && s.gaveUp.Load()
	default:
		done = st.writable()
	}
	if done {
		sight.Done = driver.Yes
	}
	return sight, nil
}

// unseen: what cannot be asked is not seen up, which is what still-down is about; a replica where nobody listens does not follow.
func (s *server) unseen(sight driver.Sight, err error) (driver.Sight, error) {
	sight.Found = err.Error()
	switch {
	case s.args.Action == stillDown:
		sight.Done = driver.Yes
		return sight, nil
	case s.args.Action == streaming && resource.Gone(err):
		sight.Ends = true
		return sight, nil
	}
	return sight, err
}

// Do gives up or promotes; the others only look, until it is so or the time is over.
func (s *server) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	ctx, cancel := s.limited(ctx)
	defer cancel()
	switch s.args.Action {
	case giveUp:
		return s.giveUp(ctx, in)
	case promote:
		return s.promote(ctx, in)
	}
	var seen *driver.Sight // the newest answer
	for {
		sight, err := s.Look(ctx, in)
		if err == nil {
			if sight.Done == driver.Yes {
				return driver.Deed{Evidence: sight.Found}, nil
			}
			seen = &sight
		}
		switch {
		case s.args.Action == writable && pause(ctx, 10*again):
			continue
		case seen == nil:
			return driver.Deed{}, err
		case err != nil: // often the time was over in the middle of a look: the answer before says more
			return driver.Deed{}, driver.Refused("wanted: %s; found: %s; the look after that: %w", seen.Wanted, seen.Found, err)
		}
		return driver.Deed{}, driver.Refused("wanted: %s; found: %s", seen.Wanted, seen.Found)
	}
}

// mine takes the resource for this step alone, where the executor keeps it.
func mine(ctx context.Context, in driver.Input) (release func(), err error) {
	switch {
	case in.Lease != nil:
		release, err := in.Lease.Busy(ctx)
		if err != nil {
			return nil, driver.Unasked("the resource is busy: %w", err)
		}
		return release, nil
	case in.Command.Lease != nil:
		return nil, driver.Refused("the lease of this member is kept by another executor, and only that one changes the member")
	}
	return func() {}, nil
}

// giveUp holds writes back until a replica has them all, shuts the guard, bars the server and cuts its clients. Until the guard is shut, a
// failure lets writes go on as if nothing had been; the pause also ends by itself, should this executor die.
func (s *server) giveUp(ctx context.Context, in driver.Input) (deed driver.Deed, err error) {
	release, err := mine(ctx, in)
	if err != nil {
		return deed, err
	}
	defer release()
	c, err := s.dial(ctx, in)
	if err != nil {
		return deed, err
	}
	defer c.Close()
	st, err := observe(ctx, c, false)
	if err != nil {
		return deed, err
	}
	if st.info.Master && !st.barred {
		if online(st.info) == 0 {
			return deed, driver.Refused("nobody follows %s: to give up would lose what only it has", s.args.Member)
		}
		deed.Applied = true
		if err := c.Pause(ctx, held+2*takeBack); err != nil {
			return deed, s.unpause(ctx, in, answered("hold writes back", err))
		}
		has, err := s.replicated(ctx, in, c)
		if err != nil {
			return deed, s.unpause(ctx, in, err)
		}
		deed.Evidence = has + "; "
	}
	if in.Lease != nil {
		deed.Applied = true
		if err := in.Lease.Shut(ctx, in.Command.Epoch); err != nil {
			if !in.Lease.Armed() {
				return deed, driver.InDoubt("the guard is shut, and that is not on disk: %w", err)
			}
			return deed, s.unpause(ctx, in, driver.Refused("%w", err))
		}
	}
	// From here on there is no way back: clients cannot reach it any more.
	changed, err := c.Bar(ctx)
	if err != nil {
		return deed, driver.InDoubt("the guard is shut, and %s may still take writes from behind it: %w", s.args.Member, err)
	}
	n, err := c.Cut(ctx)
	if err != nil {
		return deed, driver.InDoubt("it takes no writes, but clients could not be cut: %w", err)
	}
	if err := c.Unpause(ctx); err != nil {
		return deed, driver.InDoubt("%w", err)
	}
	_ = c.Rewrite(ctx) // where it has no file the guard keeps clients away after a restart
	deed.Applied = deed.Applied || changed
	deed.Evidence += fmt.Sprintf("it refuses writes, %d clients were cut", n)
	if in.Lease != nil {
		sentence := fmt.Sprintf("%s gave up as primary: %s", s.args.Member, deed.Evidence)
		if err := in.Lease.Say(ctx, in.Command.Epoch, true, sentence); err != nil {
			return deed, driver.InDoubt("%s is fenced, and that could not be said: %w", s.args.Member, err)
		}
	}
	s.gaveUp.Store(true)
	return deed, nil
}

// answered makes of what a change was answered with one of the driver's reasons.
func answered(doing string, err error) error {
	if redis.IsServerError(err) {
		return driver.Refused("%s: Redis says: %w", doing, err)
	}
	return driver.InDoubt("%s: %w", doing, err)
}

// unpause lets writes go on because of a problem, also where the time of the step is over, on a connection that is sure to be whole.
func (s *server) unpause(ctx context.Context, in driver.Input, problem error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBack)
	defer cancel()
	c, err := s.dial(ctx, in)
	if err == nil {
		defer c.Close()
		err = c.Unpause(ctx)
	}
	if err != nil {
		return driver.InDoubt("%w; writes may be held back for up to %s more: %w", problem, held+2*takeBack, err)
	}
	return problem
}

func online(i redis.Info) (n int) {
	for _, r := range i.Replicas {
		if r.Online {
			n++
		}
	}
	return n
}

// replicated waits until every replica that follows has all that was acknowledged: one of them is the next primary. Their own word is asked
// for: the master hears of it only once a second.
func (s *server) replicated(ctx context.Context, in driver.Input, c *redis.Conn) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, held, fmt.Errorf("writes were held back for %s", held))
	defer cancel()
	info, err := c.Info(ctx)
	if err != nil {
		return "", driver.InDoubt("%w", err)
	}
	goal := info.Offset // writes are held back: what comes after it is no data
	asked := map[string]*redis.Conn{}
	defer func() {
		for _, r := range asked {
			r.Close()
		}
	}()
	for {
		have, least := 0, goal
		for _, r := range info.Replicas {
			if !r.Online {
				continue
			}
			if r.Offset < goal {
				r.Offset = max(r.Offset, s.offsetOf(ctx, in, asked, r.Addr))
			}
			least = min(least, r.Offset)
			if r.Offset >= goal {
				have++
			}
		}
		if have > 0 && have == online(info) {
			return fmt.Sprintf("all %d replicas have everything up to offset %d", have, goal), nil
		}
		if !pause(ctx, again) {
			return "", driver.Refused("%d of %d replicas have everything, %d bytes are missing: %w", have, online(info), goal-least, context.Cause(ctx))
		}
		if info, err = c.Info(ctx); err != nil {
			return "", driver.InDoubt("%w", err)
		}
	}
}

// offsetOf asks a replica itself; -1 where that is not possible, and the master's word has to do.
func (s *server) offsetOf(ctx context.Context, in driver.Input, asked map[string]*redis.Conn, addr string) int64 {
	c := asked[addr]
	if c == nil {
		password, err := in.Secrets.Resolve(s.args.Server.Password)
		if err != nil {
			return -1
		}
		if c, err = redis.Dial(ctx, addr, password); err != nil {
			return -1
		}
		asked[addr] = c
	}
	info, err := c.Info(ctx)
	if err != nil || info.Master || !info.LinkUp {
		c.Close()
		delete(asked, addr)
		return -1
	}
	return info.Offset
}

// promote makes it master, and lifts the bar last: until then it takes no writes. Where the lease ended meanwhile the bar comes back.
func (s *server) promote(ctx context.Context, in driver.Input) (deed driver.Deed, err error) {
	release, err := mine(ctx, in)
	if err != nil {
		return deed, err
	}
	defer release()
	if err := holds(in); err != nil {
		return deed, err
	}
	c, err := s.running(ctx, in)
	if err != nil {
		return deed, err
	}
	defer c.Close()
	st, err := observe(ctx, c, false)
	if err != nil {
		return deed, err
	}
	deed.Applied = true
	step := func(what string, f func(context.Context) error) {
		if err != nil {
			return
		}
		if err = f(ctx); err != nil {
			err = answered(what, err)
		}
	}
	if !st.info.Master {
		step("bar it until it may take writes", func(ctx context.Context) error { _, err := c.Bar(ctx); return err })
		step("end its following", c.Lead)
	}
	step("let writes go", c.Unpause)
	if err != nil {
		return deed, err
	}
	// In the file it is a master that is barred: one that follows again after a restart would take over the old primary's data.
	if err := c.Rewrite(ctx); err != nil {
		deed.Evidence = fmt.Sprintf("its configuration file could not be written: %v; ", err)
	}
	if err := holds(in); err != nil {
		return deed, err
	}
	if step("lift the bar", func(ctx context.Context) error { _, err := c.Unbar(ctx); return err }); err != nil {
		return deed, err
	}
	if err := holds(in); err != nil {
		if late := s.barAgain(ctx, in); late != nil {
			return deed, driver.InDoubt("%w; and it could not be barred again: %w", err, late)
		}
		return deed, err
	}
	deed.Evidence += fmt.Sprintf("master from offset %d on", st.info.Offset)
	return deed, nil
}

// holds says whether the member may act: always where nobody needs a lease.
func holds(in driver.Input) error {
	if in.Lease == nil {
		return nil
	}
	if _, ok := in.Lease.Holds(in.Command.Epoch); !ok {
		return driver.Refused("the member does not hold the lease of epoch %d", in.Command.Epoch)
	}
	return nil
}

// barAgain takes back what came too late, also where the time of the step is over.
func (s *server) barAgain(ctx context.Context, in driver.Input) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBack)
	defer cancel()
	c, err := s.dial(ctx, in)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Bar(ctx); err != nil {
		return err
	}
	_, err = c.Cut(ctx)
	return err
}

// running connects to a server that has loaded its files. One that is not there is started, where ham runs its service.
func (s *server) running(ctx context.Context, in driver.Input) (*redis.Conn, error) {
	started := false
	for {
		c, err := s.dial(ctx, in)
		if err == nil {
			info, err := c.Info(ctx)
			if err == nil && !info.Loading {
				return c, nil
			}
			c.Close()
			if err != nil && redis.Code(err) != "LOADING" {
				return nil, reason(err)
			}
			if !pause(ctx, 10*again) {
				return nil, driver.Unasked("it still loads its files: %w", context.Cause(ctx))
			}
			continue
		}
		if !resource.Gone(err) || s.args.Server.Service == "" {
			return nil, err
		}
		if !started {
			started = true
			if err := resource.Start(ctx, s.args.Server.Service); err != nil {
				return nil, driver.Unasked("%w", err)
			}
		}
		if !pause(ctx, 10*again) {
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
