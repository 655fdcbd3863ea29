// Package haproxy leads clients of a backend to one server, on several proxies at once, through the runtime API.
//
// Each proxy gets what differs in one line, which HAProxy works through without a pause, and is read back. What is as it shall be
// is not touched. A proxy that cannot be reached is told; the executor's reconciliation sets it right as soon as it can be.
package haproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "haproxy",
		Summary: "sets the servers of a HAProxy backend on all proxies, shuts the sessions of the old one, and reads back",
		Example: `{"route": "front", "proxies": ["unix:///run/haproxy/admin.sock", "tcp://192.0.2.2:9999"], "backend": "web", "states": {"s1": "maint", "s2": "ready"},` +
			` "first": ["s1"], "shut_sessions": ["s1"], "need": "any", "timeout": "2s"}`,
		Guarantee: driver.Guarantee{
			Fences:            "clients that come through these proxies; not those that reach the member by another way",
			FailsClosedWithin: "never: a proxy that cannot be reached goes on as it is",
			HoldsEpoch:        false,
			LateEffect:        "HAProxy keeps no epoch: an older setting that arrives late is found by reconciliation and corrected, as a rule within a second",
			LeavesToAPerson:   "a proxy that stays unreachable, and clients that pass the proxies by",
		},
		New: open,
	}
}

type switching struct {
	goal    Goal
	clients []*haproxy.Client

	mu     sync.Mutex
	seen   map[*haproxy.Client]state // by the last Look, for the Do that follows it; each is used once
	seenAt time.Time
}

var _ driver.Driver = (*switching)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	_, goal, clients, err := decode(with)
	if err != nil {
		return nil, err
	}
	return &switching{goal: goal, clients: clients}, nil
}

// state is what one proxy was seen to do, or why it was not.
type state struct {
	client   *haproxy.Client
	snapshot haproxy.Snapshot
	wrong    []Wrong
	commands []haproxy.Command
	sessions int  // left on servers whose sessions shall be shut
	changed  bool // something was sent that changes it
	err      error
}

func (s *state) right() bool { return s.err == nil && len(s.wrong) == 0 }

// each asks all proxies side by side.
func (d *switching) each(f func(*haproxy.Client) state) []state {
	out := make([]state, len(d.clients))
	var all sync.WaitGroup
	for i, c := range d.clients {
		all.Go(func() { out[i] = f(c); out[i].client = c })
	}
	all.Wait()
	return out
}

func (d *switching) observe(ctx context.Context, c *haproxy.Client) state {
	var s state
	commands := []haproxy.Command{haproxy.ShowInfo(), haproxy.ShowServersState(d.goal.Backend)}
	if len(d.goal.Shut) > 0 {
		commands = append(commands, haproxy.ShowStat(d.goal.Backend))
	}
	answers, err := c.Do(ctx, commands...)
	if err != nil {
		return state{err: err}
	}
	return d.read(&s, answers)
}

// read takes in the answers to show info, show servers state and, where sessions shall be shut, show stat.
func (d *switching) read(s *state, answers []haproxy.Answer) state {
	if s.snapshot.Info, s.err = haproxy.ParseInfo(answers[0].Text); s.err != nil {
		return *s
	}
	if s.snapshot.Servers, s.err = haproxy.ParseServersState(answers[1].Text); s.err != nil {
		return *s
	}
	s.wrong, s.commands = d.goal.Compare(s.snapshot)
	if len(d.goal.Shut) > 0 {
		stats, err := haproxy.ParseStat(answers[2].Text)
		if err != nil {
			return state{err: err}
		}
		for _, name := range d.goal.Shut {
			if stat, ok := stats.Server(name); ok {
				s.sessions += stat.Sessions
			}
		}
	}
	return *s
}

// Look reads all proxies. It is done when no proxy that answers is wrong, and as many as are needed answer.
//
// Sessions that shall be shut leave it unknown whether they were told to: one that was, and whose client has gone already, stays until the
// server's host answers, which one that is gone never does (a stream that is half closed is not shut; HAProxy 2.6, stream_shutdown).
func (d *switching) Look(ctx context.Context, _ driver.Input) (driver.Sight, error) {
	states := d.each(func(c *haproxy.Client) state { return d.observe(ctx, c) })
	d.keep(states)
	sight := driver.Sight{Found: d.found(states), Wanted: d.goal.Wanted(), Done: driver.No}
	right, wrong, err := count(states)
	switch {
	case right+wrong == 0:
		return sight, err
	case wrong == 0 && (right == len(states) || !d.goal.All):
		sight.Done = driver.Yes
		if slices.ContainsFunc(states, func(s state) bool { return s.sessions > 0 }) {
			sight.Done, sight.Repeat = driver.Unknown, true
		}
	}
	return sight, nil
}

// count tells how many are right, how many wrong, and joins why the others could not be asked.
func count(states []state) (right, wrong int, err error) {
	var failed []error
	for _, s := range states {
		switch {
		case s.err != nil:
			failed = append(failed, s.err)
		case s.right():
			right++
		default:
			wrong++
		}
	}
	return right, wrong, reason(errors.Join(failed...))
}

// reason makes of what the client says one of the driver's reasons.
func reason(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, haproxy.ErrUnreachable), errors.Is(err, haproxy.ErrStopped):
		return driver.Unasked("%w", err)
	}
	return driver.Refused("%w", err)
}

func (d *switching) found(states []state) string {
	var lines []string
	for _, s := range states {
		line := s.client.Addr().String() + ": "
		switch {
		case s.err != nil:
			line += s.err.Error()
		default:
			line += d.goal.Found(s.snapshot)
			if s.sessions > 0 {
				line += fmt.Sprintf(", %d sessions left on %s", s.sessions, strings.Join(d.goal.Shut, ", "))
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// Do waits for sessions where that is asked for, then sets what differs, one line a proxy, and reads back in the same line.
func (d *switching) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	states := d.each(func(c *haproxy.Client) state {
		d.wait(ctx, c, in)
		return d.set(ctx, c)
	})
	deed := driver.Deed{Evidence: d.found(states)}
	for _, s := range states {
		deed.Applied = deed.Applied || s.changed
	}
	right, wrong, err := count(states)
	switch {
	case wrong > 0:
		return deed, driver.Refused("%d of %d proxies are not as they should be: %s", wrong, len(states), deed.Evidence)
	case right == len(states), right > 0 && !d.goal.All:
		return deed, nil
	case errors.Is(err, driver.ErrUnasked) && deed.Applied:
		return deed, driver.InDoubt("%d of %d proxies are right, %v", right, len(states), err)
	}
	return deed, err
}

// sessionPatience is how long sessions that were shut may take to be gone.
const sessionPatience = time.Second

// fresh is how long what a Look saw of a proxy is good enough to be set right by: clients wait for every question more. What it missed shows when it is
// read back, and fails the step, which looks again.
const fresh = 500 * time.Millisecond

func (d *switching) keep(states []state) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen, d.seenAt = map[*haproxy.Client]state{}, time.Now()
	for _, s := range states {
		if s.err == nil {
			d.seen[s.client] = s
		}
	}
}

// last is what the Look just before saw of a proxy; where there was none, or it was a while ago, it is looked at now.
func (d *switching) last(ctx context.Context, c *haproxy.Client) state {
	d.mu.Lock()
	s, ok := d.seen[c]
	delete(d.seen, c)
	ok = ok && time.Since(d.seenAt) < fresh
	d.mu.Unlock()
	if ok {
		return s
	}
	return d.observe(ctx, c)
}

// set makes one proxy right.
func (d *switching) set(ctx context.Context, c *haproxy.Client) state {
	s := d.last(ctx, c)
	if s.err != nil || s.right() && s.sessions == 0 {
		return s
	}
	for _, w := range s.wrong {
		if w.Missing {
			s.err = fmt.Errorf("haproxy %s: %w: backend %s, %s", c.Addr(), haproxy.ErrNoSuchServer, d.goal.Backend, w.Server)
			return s
		}
	}
	commands := s.commands
	for _, name := range d.goal.Shut {
		commands = append(commands, haproxy.ShutdownSessions(d.goal.Backend, name))
	}
	changes := len(commands)
	commands = append(commands, haproxy.ShowInfo(), haproxy.ShowServersState(d.goal.Backend))
	if len(d.goal.Shut) > 0 {
		commands = append(commands, haproxy.ShowStat(d.goal.Backend))
	}
	answers, err := c.Do(ctx, commands...)
	if err != nil {
		return state{err: err, changed: true}
	}
	after := d.read(&state{}, answers[changes:])
	// Sessions end a moment after they were told to.
	for pause, until := time.Millisecond, time.Now().Add(sessionPatience); after.err == nil && after.sessions > 0 && time.Now().Before(until); pause *= 2 {
		if !sleep(ctx, pause) {
			break
		}
		after = d.observe(ctx, c)
	}
	after.changed = true
	return after
}

// wait gives the sessions of the old server time to end: until a margin before the step's time is over.
func (d *switching) wait(ctx context.Context, c *haproxy.Client, in driver.Input) {
	deadline, ok := ctx.Deadline()
	if len(d.goal.Wait) == 0 || !ok {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, deadline.Add(-d.goal.Timeout-waitMargin))
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		stats, err := c.Stat(ctx, d.goal.Backend)
		if err != nil {
			return // what comes next says so
		}
		left := 0
		for _, name := range d.goal.Wait {
			if stat, ok := stats.Server(name); ok && !stat.Drained() {
				left += max(1, stat.Sessions+stat.Queued)
			}
		}
		if left == 0 {
			return
		}
		if !sleep(ctx, pause) {
			in.Log.Info("sessions did not end in time, they are shut", "proxy", c.Addr().String(), "left", left)
			return
		}
	}
}

// waitMargin is kept of the step's time for what comes after the wait, beside one conversation with a proxy.
const waitMargin = 4 * time.Second

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
