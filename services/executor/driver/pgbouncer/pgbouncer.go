// Package pgbouncer holds clients back at PgBouncer while the primary changes, and leads them to the new one.
//
// A planned swap pauses, so that clients wait instead of failing; the step after the promotion points the database at the new primary and
// lets them go. An unplanned one has only the second step. Between the two every other step of the swap runs: whatever ends it on the way
// must be followed by a resume of the primary that stays, as every plan of that kind has it.
package pgbouncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/pgbouncer"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "pgbouncer",
		Summary: "holds clients back at PgBouncer once their transactions are over; points the database at the new primary and lets them go",
		Example: `{"route": "pool", "admins": ["${file:/etc/ham/pgbouncer.dsn}"], "database": "orders", "action": "resume", "server": "198.51.100.10:5432",` +
			` "file": "/etc/pgbouncer/databases.ini", "timeout_ns": 2000000000}`,
		Guarantee: driver.Guarantee{
			Fences:            "nothing: paused clients wait, and others reach the member past PgBouncer",
			FailsClosedWithin: "never: a pause that is not lifted ends for each client with query_wait_timeout (120 s, unless configured)",
			HoldsEpoch:        false,
			LateEffect:        "PgBouncer keeps no epoch: an older setting that arrives late is found and corrected when the step is looked at again",
			LeavesToAPerson:   "a PgBouncer that hangs while it is paused, and one that starts from another file than ham writes",
		},
		New: open,
	}
}

const (
	pause  = "pause"
	resume = "resume"

	longest = 10 * time.Minute
	// liftPatience bounds the taking back of a pause that failed: it has to fit into what a driver may take after its time is over.
	liftPatience = 2 * time.Second
)

type pooled struct{ args spec.PgBouncerArgs }

var _ driver.Driver = (*pooled)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	var a spec.PgBouncerArgs
	if err := driver.Decode(with, &a); err != nil {
		return nil, err
	}
	if len(a.Admins) == 0 {
		return nil, driver.Wrong("admins", "at least one DSN of an admin console, such as postgres://ham@127.0.0.1:6432/pgbouncer")
	}
	for _, dsn := range a.Admins {
		if dsn == "" {
			return nil, driver.Wrong("admins", "DSNs of admin consoles; one is empty")
		}
	}
	if a.Database == "" || strings.ContainsAny(a.Database, "\"\x00") {
		return nil, driver.Wrong("database", "the name of a database as it stands in [databases]")
	}
	if a.Action != pause && a.Action != resume {
		return nil, driver.Wrong("action", "pause or resume, not %q", a.Action)
	}
	if a.Timeout <= 0 || a.Timeout > longest {
		return nil, driver.Wrong("timeout_ns", "nanoseconds, more than 0 and at most %s", longest)
	}
	if a.Server != "" {
		if host, port, err := net.SplitHostPort(a.Server); err != nil || host == "" || port == "" {
			return nil, driver.Wrong("server", "host:port of the new primary as PgBouncer reaches it")
		}
		if a.Action == pause {
			return nil, driver.Wrong("server", "none: a pause leads nobody anywhere")
		}
		if !filepath.IsAbs(a.File) {
			return nil, driver.Wrong("file", "the absolute path of the file with the entry of the database")
		}
	}
	return &pooled{a}, nil
}

// seen is one PgBouncer.
type seen struct {
	name    string
	state   pgbouncer.State
	changed bool   // something was sent that changes it
	also    string // what else was done
	err     error
}

// gone says that no PgBouncer is there: it holds nobody back, and reads the file when it starts.
func (s seen) gone() bool { return errors.Is(s.err, syscall.ECONNREFUSED) }

// each asks all consoles side by side. The error is that of a secret which cannot be read.
func (p *pooled) each(ctx context.Context, in driver.Input, f func(context.Context, *pgbouncer.Console, *seen)) ([]seen, error) {
	dsns := make([]string, len(p.args.Admins))
	for i, a := range p.args.Admins {
		var err error
		if dsns[i], err = in.Secrets.Resolve(a); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, driver.Unasked("%w", context.Cause(ctx))
	}
	out := make([]seen, len(dsns))
	var all sync.WaitGroup
	for i, dsn := range dsns {
		all.Go(func() {
			s := &out[i]
			s.name = fmt.Sprintf("PgBouncer %d", i+1)
			c, err := pgbouncer.Dial(ctx, dsn)
			if err != nil {
				s.err = err
				return
			}
			defer c.Close()
			s.name = c.Addr()
			f(ctx, c, s)
		})
	}
	all.Wait()
	return out, nil
}

func (p *pooled) observe(ctx context.Context, c *pgbouncer.Console, s *seen) {
	s.state, s.err = c.State(ctx, p.args.Database)
}

func found(all []seen) string {
	var words []string
	for _, s := range all {
		if s.err != nil {
			words = append(words, s.err.Error())
		} else {
			words = append(words, s.name+" "+s.state.String()+s.also)
		}
	}
	return strings.Join(words, "; ")
}

// reason makes of what the console says one of the driver's reasons.
func reason(err error) error {
	switch {
	case err == nil, errors.Is(err, driver.ErrRefused), errors.Is(err, driver.ErrUnasked), errors.Is(err, driver.ErrUnknown):
		return err
	case errors.Is(err, pgbouncer.ErrUnreachable):
		return driver.Unasked("%w", err)
	}
	return driver.Refused("%w", err)
}

func (p *pooled) wanted() string {
	switch {
	case p.args.Action == pause:
		return "clients of " + p.args.Database + " are held back, and no transaction runs"
	case p.args.Server != "":
		return "clients of " + p.args.Database + " are led to " + p.args.Server
	}
	return "clients of " + p.args.Database + " are not held back"
}

// right says whether one PgBouncer is as wanted.
func (p *pooled) right(s pgbouncer.State) bool {
	if p.args.Action == pause {
		return s.Held()
	}
	return !s.Paused && (p.args.Server == "" || s.Server == p.args.Server)
}

// Look asks every console. A pause needs all of them; for a resume, one that is gone does not count as long as another answers: it
// begins with what the file says.
func (p *pooled) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: p.wanted(), Done: driver.No}
	all, err := p.each(ctx, in, p.observe)
	if err != nil {
		return sight, err
	}
	sight.Found = found(all)
	right, wrong, err := p.count(all)
	if err != nil && (wrong == 0 || p.args.Action == pause) {
		return sight, reason(err)
	}
	written := true
	if p.args.Server != "" {
		server, err := pgbouncer.ServerIn(p.args.File, p.args.Database)
		if err != nil {
			return sight, fileError(err)
		}
		if written = server == p.args.Server; !written {
			sight.Found += "; " + p.args.File + " says " + server
		}
	}
	if right > 0 && wrong == 0 && written {
		sight.Done = driver.Yes
	}
	return sight, nil
}

// count tells how many are right and wrong, and why one could not be asked where that matters.
func (p *pooled) count(all []seen) (right, wrong int, err error) {
	for _, s := range all {
		switch {
		case s.err != nil:
			if err == nil && !(p.args.Action == resume && s.gone()) {
				err = s.err
			}
		case p.right(s.state):
			right++
		default:
			wrong++
		}
	}
	if right+wrong == 0 && err == nil {
		err = all[0].err
	}
	return right, wrong, err
}

func fileError(err error) error {
	if errors.Is(err, pgbouncer.ErrNoEntry) {
		return driver.Refused("%w", err)
	}
	return driver.Unasked("%w", err)
}

// Do pauses or resumes, within its own time limit.
func (p *pooled) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	if p.args.Action == pause {
		return p.pause(ctx, in)
	}
	return p.resume(ctx, in)
}

// pause waits until no transaction runs any more, or lifts the pause again everywhere: clients are never left waiting for a swap
// that does not come.
func (p *pooled) pause(ctx context.Context, in driver.Input) (driver.Deed, error) {
	limited, cancel := context.WithTimeoutCause(ctx, p.args.Timeout, fmt.Errorf("transactions did not end within %s", p.args.Timeout))
	defer cancel()
	all, err := p.each(limited, in, func(ctx context.Context, c *pgbouncer.Console, s *seen) {
		if p.observe(ctx, c, s); s.err != nil || s.state.Held() {
			return
		}
		s.changed = true
		if s.err = c.Pause(ctx, p.args.Database); s.err == nil {
			p.observe(ctx, c, s)
		}
	})
	if err != nil {
		return driver.Deed{}, err
	}
	deed := driver.Deed{Evidence: found(all)}
	var problem error
	touched := false
	for _, s := range all {
		deed.Applied = deed.Applied || s.changed
		touched = touched || s.changed || s.state.Paused
		switch {
		case s.err != nil && problem == nil:
			problem = s.err
		case s.err == nil && !s.state.Held() && problem == nil:
			problem = driver.Refused("%s %s: somebody has lifted the pause", s.name, s.state)
		}
	}
	if problem == nil {
		return deed, nil
	}
	if touched {
		if err := p.lift(ctx, in); err != nil {
			return deed, driver.InDoubt("%w; and the pause could not be lifted again: %w: clients wait until somebody gives RESUME %s there", problem, err, p.args.Database)
		}
		deed.Evidence += "; the pause was lifted again"
	}
	if ctx.Err() == nil && limited.Err() != nil && touched {
		return deed, driver.Refused("%w: %s", context.Cause(limited), deed.Evidence)
	}
	return deed, reason(problem)
}

// lift lets clients go wherever they are held back, also where the time of the step is over.
func (p *pooled) lift(ctx context.Context, in driver.Input) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), liftPatience)
	defer cancel()
	all, err := p.each(ctx, in, p.release)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.err != nil && !s.gone() {
			return s.err
		}
	}
	return nil
}

// release gives RESUME where it is needed, and believes only what it sees.
func (p *pooled) release(ctx context.Context, c *pgbouncer.Console, s *seen) {
	if p.observe(ctx, c, s); s.err != nil || !s.state.Paused {
		return
	}
	s.changed = true
	err := c.Resume(ctx, p.args.Database)
	if p.observe(ctx, c, s); s.err == nil && s.state.Paused {
		s.err = errors.Join(err, fmt.Errorf("%s: still paused", s.name))
	}
}

// resume writes the file first: a PgBouncer that is restarted in between begins right. Each is let go only when it has been seen to lead to
// the new primary; one that does not take the file stays paused, since its clients would reach the old one.
func (p *pooled) resume(ctx context.Context, in driver.Input) (driver.Deed, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.args.Timeout, fmt.Errorf("no end within %s", p.args.Timeout))
	defer cancel()
	var deed driver.Deed
	if p.args.Server != "" {
		if ctx.Err() != nil {
			return deed, driver.Unasked("%w", context.Cause(ctx))
		}
		written, err := pgbouncer.SetServer(p.args.File, p.args.Database, p.args.Server)
		if err != nil {
			return deed, fileError(err)
		}
		deed.Applied = written
	}
	all, err := p.each(ctx, in, func(ctx context.Context, c *pgbouncer.Console, s *seen) {
		if s.err = p.lead(ctx, c, s); s.err != nil {
			return
		}
		if s.err = quicken(ctx, c, s); s.err == nil {
			p.release(ctx, c, s)
		}
	})
	if err != nil {
		return deed, err
	}
	deed.Evidence = found(all)
	for _, s := range all {
		deed.Applied = deed.Applied || s.changed
	}
	_, wrong, err := p.count(all)
	switch {
	case err != nil:
		return deed, reason(err)
	case wrong > 0:
		return deed, driver.Refused("not as wanted: %s", deed.Evidence)
	}
	return deed, nil
}

// loginRetry is how long a pool waits after a connection that failed before it makes the next: PgBouncer's own 15 s would be added to
// what clients wait for a primary that had gone, or for connections that the pause cut off. Shorter than what passes between such a cut and
// the resume: a pool that is not due then is tried again only at the next of PgBouncer's own rounds, every third of a second.
const loginRetry = 10 * time.Millisecond

// quicken shortens that wait where it is longer, until PgBouncer's next RELOAD.
func quicken(ctx context.Context, c *pgbouncer.Console, s *seen) error {
	const key = "server_login_retry"
	value, err := c.Setting(ctx, key)
	if err != nil {
		return err
	}
	if seconds, err := strconv.ParseFloat(value, 64); err != nil || seconds <= loginRetry.Seconds() {
		return nil
	}
	s.changed = true
	s.also = fmt.Sprintf(", %s %s instead of %s until its next RELOAD", key, loginRetry, value)
	return c.Set(ctx, key, strconv.FormatFloat(loginRetry.Seconds(), 'g', -1, 64))
}

// lead makes one PgBouncer read the file and looks whether it has taken it: RELOAD says that all is well also where it is not. Server
// connections to the old primary end with the transactions that hold them: see package pgbouncer of the client.
func (p *pooled) lead(ctx context.Context, c *pgbouncer.Console, s *seen) error {
	if p.observe(ctx, c, s); s.err != nil || p.args.Server == "" || s.state.Server == p.args.Server {
		return s.err
	}
	s.changed = true
	if err := c.Reload(ctx); err != nil {
		return err
	}
	if p.observe(ctx, c, s); s.err == nil && s.state.Server != p.args.Server {
		return driver.Refused("%s: it was told to read %s and still %s: its log says why", s.name, p.args.File, s.state)
	}
	return s.err
}
