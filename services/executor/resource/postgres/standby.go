package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

// Settle is part of resource.Resource.
func (d *database) Settle(ctx context.Context, role resource.Role) (did string, err error) {
	d.role = role
	p, err := d.server.Running()
	switch {
	case errors.Is(err, server.ErrNotRunning):
		if role.Primary || role.Upstream == nil {
			return "", nil // a step of the plan starts it, or nobody is known whom it could follow
		}
		return d.rejoin(ctx)
	case err != nil:
		return "", err
	}
	d.life = p.Life()
	asked, cancel := context.WithTimeout(ctx, talk)
	defer cancel()
	s, err := d.standing(asked)
	if err != nil {
		return d.unanswered(ctx, p, err)
	}
	switch {
	case !s.Recovery && !role.Primary:
		return "", errors.New("it acts as primary and is none: it has to be killed first")
	case !s.Recovery:
		return d.lead(asked, s)
	case role.Primary || role.Upstream == nil:
		return "", nil
	}
	return d.follow(ctx, s)
}

// upstream is how this member follows another.
func (d *database) upstream() (server.Follow, error) {
	m := d.role.Upstream
	if m.Postgres == nil {
		return server.Follow{}, fmt.Errorf("%s holds no PostgreSQL to follow", m.Name)
	}
	text, err := m.Postgres.Upstream.Resolve(d.o.Secrets)
	if err != nil {
		return server.Follow{}, fmt.Errorf("how to follow %s: %w", m.Name, err)
	}
	info, err := server.ParseConnInfo(text)
	if err != nil {
		return server.Follow{}, fmt.Errorf("how to follow %s: %w", m.Name, err)
	}
	return server.Follow{Upstream: info, AppName: d.me.AppName, Slot: d.me.Slot}, nil
}

// follow makes a running standby follow its upstream, without a restart where that can be.
func (d *database) follow(ctx context.Context, s postgres.Standing) (did string, err error) {
	f, err := d.upstream()
	if err != nil {
		return "", err
	}
	if err := d.server.Passfile(f); err != nil {
		return "", err
	}
	asked, cancel := context.WithTimeout(ctx, talk)
	defer cancel()
	conn, err := d.local(asked)
	if err != nil {
		return "", err
	}
	if _, seen := s.Settings["primary_conninfo"]; !seen {
		return "", errors.New("the role of local does not see primary_conninfo: grant it pg_monitor, see ham init postgres")
	}
	var done []string
	if change := differing(d.server.Settings(f), s.Settings); len(change) > 0 {
		if err := conn.Alter(asked, change); err != nil {
			return "", err
		}
		if _, ok := change["primary_conninfo"]; ok {
			done = append(done, "follows "+d.role.Upstream.Name)
		}
	}
	// Slots of a time as primary keep the log for nobody.
	strangers := map[string]postgres.Slot{}
	for _, slot := range s.Slots {
		strangers[slot.Name] = slot
	}
	more, err := dropStrangers(asked, conn, strangers)
	switch done = append(done, more...); {
	case s.Streaming:
		d.still, d.trouble = time.Time{}, nil
	case err == nil && len(done) > 0:
		d.still = d.now() // it has just been told whom to follow
	case err == nil:
		return d.why(ctx, f, conn, s.Timeline, max(s.LSN, s.Received))
	}
	return strings.Join(done, "; "), err
}

// why finds out why a running standby does not stream, and does what helps. at is how far it has come; conn is nil where it does not take
// connections yet.
func (d *database) why(ctx context.Context, f server.Follow, conn *postgres.Conn, timeline uint32, at postgres.LSN) (did string, err error) {
	now := d.now()
	if d.still.IsZero() {
		d.still = now
	}
	if now.Sub(d.still) < stuck {
		return "", nil
	}
	if now.Sub(d.asked) < stuck {
		return "", d.trouble
	}
	d.asked = now
	defer func() { d.trouble = err }()
	control, err := d.server.Control(ctx)
	if err != nil {
		return "", err
	}
	asked, cancel := context.WithTimeout(ctx, talk)
	defer cancel()
	up, err := d.ask(asked, f, control.SystemID)
	if err != nil {
		return "", err
	}
	if forked, says := up.forked(timeline, at); forked {
		return d.leave(ctx, f, says, d.bringBack)
	}
	// The log that it needs next may be gone.
	needs := at - at%postgres.LSN(control.Segment) // a receiver asks for the whole segment
	if conn != nil {
		starving, err := conn.Starving(asked)
		if err != nil || !starving {
			return "", err
		}
	} else {
		is, ok, err := d.server.Startup(control.Segment)
		if err != nil || !ok {
			return "", err
		}
		if is != d.startup {
			d.startup, d.startupSince = is, now
		}
		if !is.Waits && now.Sub(d.startupSince) < standstill {
			return "", nil
		}
		timeline, needs = is.Timeline, is.Segment
	}
	source, err := d.source(asked, f)
	if err != nil {
		return "", err
	}
	if err := source.Has(asked, timeline, needs); errors.Is(err, postgres.ErrLogGone) {
		return d.leave(ctx, f, fmt.Sprintf("%s no longer has the log from %s on", d.role.Upstream.Name, needs), d.replace)
	}
	return "", nil
}

// leave stops a standby that cannot follow as it is, and makes it one that can.
func (d *database) leave(ctx context.Context, f server.Follow, says string, then func(context.Context, server.Follow) (string, error)) (string, error) {
	if err := d.guarded(); err != nil {
		return "", fmt.Errorf("%s, but %w", says, err)
	}
	d.log.Info("a standby cannot follow as it is", "why", says)
	if err := d.halt(ctx); err != nil {
		return "", err
	}
	did, err := then(ctx, f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", says, err)
	}
	return says + "; " + did, nil
}

// halt stops a standby, and kills it if it does not: it has nothing to lose.
func (d *database) halt(ctx context.Context) error {
	d.hangUp()
	stop, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	err := d.server.Stop(stop)
	if err != nil && ctx.Err() == nil {
		_, err = d.server.Kill(ctx)
	}
	return err
}

// unanswered deals with a server that runs and does not answer: one that starts, or one that waits for log that will never come.
func (d *database) unanswered(ctx context.Context, p server.Postmaster, problem error) (string, error) {
	if p.Status != server.StatusStarting || d.role.Primary || d.role.Upstream == nil || !d.server.IsStandby() {
		return "", fmt.Errorf("it runs and does not answer: %w", problem)
	}
	f, err := d.upstream()
	if err != nil {
		return "", err
	}
	control, err := d.server.Control(ctx)
	if err != nil {
		return "", err
	}
	return d.why(ctx, f, nil, max(control.Timeline, control.MinTimeline), max(control.Checkpoint, control.MinRecovery))
}

// known is how package postgres reaches an upstream: libpq takes more keys.
func known(f server.Follow) server.ConnInfo {
	out := server.ConnInfo{}
	for _, key := range []string{"host", "port", "user", "password", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslsni", "channel_binding"} {
		if value, ok := f.Upstream[key]; ok {
			out[key] = value
		}
	}
	if out["host"] == "" {
		out["host"] = f.Upstream["hostaddr"]
	}
	return out
}

// source opens a replication session with the upstream.
func (d *database) source(ctx context.Context, f server.Follow) (*postgres.Source, error) {
	source, err := postgres.ConnectSource(ctx, known(f).With("dbname", "replication").String())
	if err != nil {
		return nil, fmt.Errorf("%s (%s) cannot be asked: %w", d.role.Upstream.Name, f.Upstream.Where(), err)
	}
	return source, nil
}

// upstreamSeen is what an upstream said of itself.
type upstreamSeen struct {
	name string
	postgres.Identity
	history []postgres.Fork
}

// ask asks the upstream who it is. The error says why it cannot be followed by what is destructive.
func (d *database) ask(ctx context.Context, f server.Follow, systemID string) (upstreamSeen, error) {
	up := upstreamSeen{name: d.role.Upstream.Name}
	source, err := d.source(ctx, f)
	if err != nil {
		return up, err
	}
	defer source.Close()
	if up.Identity, err = source.Identify(ctx); err != nil {
		return up, fmt.Errorf("%s cannot be asked: %w", up.name, err)
	}
	switch {
	case systemID != "" && up.SystemID != systemID:
		return up, fmt.Errorf("%s is another cluster (system identifier %s, here %s): nothing here is replaced by it; if it shall be, empty %s",
			up.name, up.SystemID, systemID, d.me.Data)
	case up.Recovery:
		return up, fmt.Errorf("%s does not act as primary yet", up.name)
	}
	if up.history, err = source.History(ctx, up.Timeline); err != nil {
		return up, fmt.Errorf("%s cannot be asked: %w", up.name, err)
	}
	return up, nil
}

// forked says whether a server that has come to that place on that timeline has gone its own way, and how.
func (u upstreamSeen) forked(timeline uint32, at postgres.LSN) (bool, string) {
	if timeline == u.Timeline {
		// Its end is what it had flushed when it was asked, which was after at was reached if at came from it.
		return at > u.Flush, fmt.Sprintf("it is at %s, ahead of %s at %s on timeline %d", at, u.name, u.Flush, timeline)
	}
	i := slices.IndexFunc(u.history, func(f postgres.Fork) bool { return f.Timeline == timeline })
	if i < 0 {
		return true, fmt.Sprintf("timeline %d, on which it is, is not in the history of %s (timeline %d)", timeline, u.name, u.Timeline)
	}
	return at > u.history[i].End, fmt.Sprintf("it is at %s of timeline %d, which %s left at %s", at, timeline, u.name, u.history[i].End)
}

// guarded says why nothing may be destroyed.
func (d *database) guarded() error {
	if d.o.Armed != nil && d.o.Armed() {
		return errors.New("its guard is open: nothing is destroyed while it is")
	}
	if d.role.Primary || d.role.Upstream == nil {
		return errors.New("no other member is known to be the primary: nothing is destroyed")
	}
	return nil
}
