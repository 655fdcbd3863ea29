package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

const (
	// lostAfter is how long a standby may stand still, or be away, before it is called lost. It says how far it is every second.
	lostAfter = 3 * time.Second
	// closely is how many bytes a standby may be behind for the primary to begin to wait for it: that is what the next write waits for.
	closely = 1 << 20
	// talk bounds one conversation with a server, in a Settle.
	talk = 5 * time.Second
	// stuck is how long a standby that runs may go without streaming before it is asked why: it asks its upstream again every 50 ms.
	stuck = time.Second
	// standstill is how long a standby that starts may be at one segment of the log before it is taken to wait for the rest of it: it
	// says so only where it has nothing of it.
	standstill = 10 * time.Second
	// startPatience is how long one Settle waits for a standby to take connections; it goes on starting.
	startPatience = 5 * time.Second
	// stopPatience bounds the clean stop of a standby before it is killed: it has nothing to lose.
	stopPatience = 10 * time.Second
	// longestPause bounds the pause after a failed attempt at what is expensive: a rewind, a base backup. A question that fails is asked
	// again after a second, so that a member is back soon after it can be reached.
	longestPause = 10 * time.Second
)

// Kind is PostgreSQL.
func Kind() resource.Kind {
	return resource.Kind{
		Name:  "postgres",
		Holds: func(m spec.Member) bool { return m.Postgres != nil },
		New:   func(o resource.Options) (resource.Resource, error) { return open(o, lostAfter) },
	}
}

// database is a member's server.
type database struct {
	o        resource.Options
	log      *slog.Logger
	me       spec.Postgres
	server   *server.Server
	patience time.Duration
	now      func() time.Time

	mu   sync.Mutex
	conn *postgres.Conn // kept between looks; nil: none

	role      resource.Role
	followers map[string]*follower // by member, while it acts as primary
	dropped   map[int32]bool       // senders that were told to end
	proof     proof
	job       job    // what goes on in the background of a primary
	life      string // which life of the server it is: changes with each start

	still   time.Time // since when a standby that runs has not streamed; zero: it does
	asked   time.Time // when its upstream was last asked about that
	rebuild attempts
	changed bool // the attempt under way has begun what is expensive
	// what the startup process of a standby that does not take connections was seen to do, and since when
	startup      server.Startup
	startupSince time.Time
	trouble      error // why it does not follow, until it is asked again
}

var (
	_ resource.Resource = (*database)(nil)
	_ resource.Closer   = (*database)(nil)
)

func open(o resource.Options, patience time.Duration) (*database, error) {
	if o.Member.Postgres == nil {
		return nil, fmt.Errorf("member %s holds no PostgreSQL", o.Member.Name)
	}
	d := &database{o: o, log: o.Log, me: *o.Member.Postgres, patience: patience, now: time.Now, followers: map[string]*follower{}, dropped: map[int32]bool{}}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.o.Progress == nil {
		d.o.Progress = func(string) {}
	}
	var err error
	d.server, err = server.New(server.Options{Service: d.me.Service, Data: d.me.Data, Bin: d.me.Bin, RunAs: d.me.RunAs, Log: d.log})
	if err != nil {
		return nil, fmt.Errorf("member %s: %w", o.Member.Name, err)
	}
	return d, nil
}

// Close is part of resource.Closer.
func (d *database) Close() {
	d.job.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		d.conn.Close()
		d.conn = nil
	}
}

// Watch is part of resource.Resource.
func (d *database) Watch(ctx context.Context, lost func(string)) error {
	for {
		evidence, err := d.server.WatchExit(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			lost(evidence)
		case !errors.Is(err, server.ErrNotRunning):
			return err
		}
		wait(ctx, 20*time.Millisecond) // until it runs again: its start writes no other sign than its pid file
	}
}

// Kill is part of resource.Resource.
func (d *database) Kill(ctx context.Context) (string, error) { return d.server.Kill(ctx) }

// local gives the connection to the own server. Its failure is no failure of the resource.
func (d *database) local(ctx context.Context) (*postgres.Conn, error) {
	d.mu.Lock()
	conn := d.conn
	d.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	conn, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.conn = conn
	d.mu.Unlock()
	return conn, nil
}

// connect opens a new connection to the own server.
func (d *database) connect(ctx context.Context) (*postgres.Conn, error) {
	dsn, err := d.me.Local.Resolve(d.o.Secrets)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	target, err := postgres.Parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	return target.Connect(ctx, postgres.Options{Name: "ham " + d.o.Member.Name})
}

// hangUp ends the connection to the own server.
func (d *database) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		d.conn.Close()
		d.conn = nil
	}
}

// standing asks the own server what it is.
func (d *database) standing(ctx context.Context) (postgres.Standing, error) {
	conn, err := d.local(ctx)
	if err != nil {
		return postgres.Standing{}, err
	}
	s, err := conn.Standing(ctx)
	if err != nil {
		d.hangUp()
		if errors.Is(err, postgres.ErrLost) { // it was ended while nobody asked: it is not known yet what is there now
			if conn, err = d.local(ctx); err == nil {
				s, err = conn.Standing(ctx)
			}
		}
	}
	return s, err
}

// attempts paces what is expensive and may fail again.
type attempts struct {
	failed int
	next   time.Time
}

// may says whether the next attempt is due.
func (a *attempts) may(now time.Time) bool { return !now.Before(a.next) }

// over notes how an attempt ended. The pause doubles from one second to the longest, with a quarter of chance in it; it stays at one second
// where what failed was cheap.
func (a *attempts) over(now time.Time, cheap bool, err error) {
	if err == nil {
		*a = attempts{}
		return
	}
	pause := time.Second
	if !cheap {
		pause = min(pause<<min(a.failed, 10), longestPause)
		a.failed++
	}
	a.next = now.Add(pause*7/8 + rand.N(pause/4))
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
