package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

const (
	// leaseLeft is how long the lease must be sure for when the server is told to become a primary. It is renewed all the time, so that
	// less than this says that it is not being renewed.
	leaseLeft = 100 * time.Millisecond
	// promoteEvery is how often it is asked whether it has: PostgreSQL gives no sign of it, and its own wait asks ten times a second.
	promoteEvery = time.Millisecond
	// A standby that has just lost its stream sleeps for wal_retrieve_retry_interval, 5 s by default, and may miss that it was told to become a
	// primary. Being told to read its configuration again wakes it. Every process of the server reads it then, so that is not done once it has noticed.
	pokeFirst, pokeEvery = 5 * time.Millisecond, 20 * time.Millisecond
)

// lookPromoted: it runs and is no standby.
func (a *action) lookPromoted(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: a.args.Member + " acts as primary", Done: driver.No}
	_, err := a.server.Running()
	if errors.Is(err, server.ErrNotRunning) {
		control, err := a.server.Control(ctx)
		if err != nil {
			return driver.Sight{}, driver.Unasked("%w", err)
		}
		sight.Found = fmt.Sprintf("%s is stopped: %s", a.args.Member, control)
		return sight, nil
	}
	if err != nil {
		return driver.Sight{}, driver.Unasked("%w", err)
	}
	conn, err := a.session(ctx, in)
	if err != nil {
		if kind, _ := postgres.Explain(err); kind == postgres.NotReady {
			sight.Found = err.Error()
			return sight, nil
		} else if kind == postgres.NoSlot {
			return a.lookUnasked(ctx, sight)
		}
		return driver.Sight{}, err
	}
	defer a.keep(conn)
	r, err := conn.Readiness(ctx)
	if err != nil {
		return driver.Sight{}, driver.Unasked("%w", cause(ctx, err))
	}
	if r.Recovery {
		sight.Found = fmt.Sprintf("%s is a standby, has received the log to %s and replayed it to %s", a.args.Member, r.Received, r.Replayed)
		return sight, nil
	}
	sight.Done, sight.Found = driver.Yes, a.args.Member+" acts as primary"
	return sight, nil
}

// holds refuses unless the lease of the command's epoch is held, and sure for a while.
func (a *action) holds(in driver.Input) error {
	left, ok := in.Lease.Holds(in.Command.Epoch)
	switch {
	case !ok:
		return driver.Refused("%s does not hold the lease of epoch %d, without which it must not act as primary", a.args.Member, in.Command.Epoch)
	case left < leaseLeft:
		return driver.Refused("the lease of epoch %d is sure for %s only, want %s: it is not being renewed", in.Command.Epoch, left.Round(time.Millisecond), leaseLeft)
	}
	return nil
}

// promote makes the server a primary, and returns when it takes writes.
func (a *action) promote(ctx context.Context, in driver.Input) (driver.Deed, error) {
	if in.Lease == nil {
		return driver.Deed{}, driver.Unasked("the lease of %s is not kept by this executor", a.args.Member)
	}
	if err := a.holds(in); err != nil {
		return driver.Deed{}, err
	}
	release, err := in.Lease.Busy(ctx)
	if err != nil {
		return driver.Deed{}, driver.Unasked("%s is busy: %w", a.args.Member, err)
	}
	defer release()
	_, err = a.server.Running()
	if errors.Is(err, server.ErrNotRunning) {
		return a.startAsPrimary(ctx, in)
	}
	if err != nil {
		return driver.Deed{}, driver.Unasked("%w", err)
	}
	return a.promoteStandby(ctx, in)
}

func (a *action) promoteStandby(ctx context.Context, in driver.Input) (driver.Deed, error) {
	began := in.Now()
	conn, err := a.session(ctx, in)
	if kind, _ := postgres.Explain(err); err != nil && kind == postgres.NoSlot && a.args.MaxLag < 0 {
		return a.promoteUnasked(ctx, in)
	} else if err != nil {
		return driver.Deed{}, err
	}
	defer a.keep(conn)
	s, err := conn.Readiness(ctx)
	if err != nil {
		return driver.Deed{}, driver.Unasked("%w", cause(ctx, err))
	}
	if !s.Recovery {
		return driver.Deed{Evidence: "it acts as primary already"}, nil
	}
	// What it never received is lost with the old primary. Told is what that one had, as it said last.
	if missing := s.Received.Behind(s.Told); a.args.MaxLag >= 0 && missing > a.args.MaxLag {
		return driver.Deed{}, driver.Refused("%s lacks %d bytes of what its primary had, and %d may be lost", a.args.Member, missing, a.args.MaxLag)
	}
	if err := a.alone(ctx, in, conn, s.Names); err != nil {
		return driver.Deed{}, err
	}
	if err := a.holds(in); err != nil { // again, and last: all before took its time
		return driver.Deed{}, err
	}
	asked := in.Now()
	if err := conn.Promote(ctx); err != nil {
		return driver.Deed{Applied: true}, said(ctx, err)
	}
	for poke := pokeFirst; ; {
		recovery, err := conn.Recovery(ctx)
		switch {
		case err != nil:
			return driver.Deed{Applied: true}, driver.InDoubt("promoted, and then: %w", cause(ctx, err))
		case !recovery:
			now := in.Now()
			return driver.Deed{Applied: true, Evidence: fmt.Sprintf("promoted in %s (%s in all), at %s",
				ms(now.Sub(asked)), ms(now.Sub(began)), max(s.Replayed, s.Received))}, nil
		}
		if in.Now().Sub(asked) >= poke && !a.server.Noticed() {
			poke += pokeEvery
			// Where it fails there is nothing lost but time.
			if err := conn.Reload(ctx); err != nil && postgres.Ended(err) {
				return driver.Deed{Applied: true}, driver.InDoubt("promoted, and then: %w", cause(ctx, err))
			}
		}
		wait(ctx, promoteEvery)
	}
}

// promoteUnasked promotes a standby whose readers have taken every connection: by a signal, and by its control file.
func (a *action) promoteUnasked(ctx context.Context, in driver.Input) (driver.Deed, error) {
	if err := a.holds(in); err != nil {
		return driver.Deed{}, err
	}
	asked := in.Now()
	if err := a.server.Promote(); errors.Is(err, server.ErrSignal) || errors.Is(err, server.ErrNotRunning) {
		return driver.Deed{}, driver.Refused("%w", err)
	} else if err != nil {
		return driver.Deed{Applied: true}, driver.InDoubt("%w", err)
	}
	for {
		control, err := a.server.Control(ctx)
		if err == nil && control.State == server.InProduction {
			return driver.Deed{Applied: true, Evidence: fmt.Sprintf("promoted in %s, by a signal: it has no connection left", ms(in.Now().Sub(asked)))}, nil
		}
		if wait(ctx, promoteEvery); ctx.Err() != nil {
			return driver.Deed{Applied: true}, driver.InDoubt("promoted by a signal, and then: %w", context.Cause(ctx))
		}
	}
}

// lookUnasked looks at a server that has no connection left, by its control file.
func (a *action) lookUnasked(ctx context.Context, sight driver.Sight) (driver.Sight, error) {
	control, err := a.server.Control(ctx)
	if err != nil {
		return driver.Sight{}, driver.Unasked("%w", err)
	}
	sight.Found = fmt.Sprintf("%s has no connection left; its control file says %s", a.args.Member, control)
	if control.State == server.InProduction {
		sight.Done = driver.Yes
	}
	return sight, nil
}

func ms(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

// alone clears names of standbys to wait for that are left of an earlier life, where the command makes this member the only one that can be
// promoted: else it would take no write until the first of them is back. Settle has done so as a rule.
func (a *action) alone(ctx context.Context, in driver.Input, conn *postgres.Conn, names string) error {
	if names == "" || len(in.Command.Members) != 1 {
		return nil
	}
	if err := conn.Alter(ctx, map[string]string{"synchronous_standby_names": ""}); err != nil {
		return said(ctx, err)
	}
	return nil
}

// startAsPrimary starts a stopped server that was the primary of the epoch before: a resume. A stopped standby is started as one, and promoted;
// so is one that died in an earlier promotion.
func (a *action) startAsPrimary(ctx context.Context, in driver.Input) (driver.Deed, error) {
	began := in.Now()
	control, err := a.server.Control(ctx)
	if err != nil {
		return driver.Deed{}, driver.Unasked("%w", err)
	}
	if a.server.IsStandby() || control.WasStandby() {
		if !a.server.IsStandby() {
			switch err := a.server.MendSignal(ctx); {
			case errors.Is(err, server.ErrSignal):
				return driver.Deed{}, driver.Refused("%s was stopped as a standby, and standby.signal is missing: it is not known what it would start as", a.args.Member)
			case err != nil:
				return driver.Deed{}, driver.InDoubt("%w", err)
			}
		}
		if err := a.start(ctx, in, a.server.StartStandby); err != nil {
			return driver.Deed{Applied: true}, err
		}
		return a.promoteStandby(ctx, in)
	}
	if in.Command.Kind != message.KindResume {
		return driver.Deed{}, driver.Refused("%s is stopped and was no standby (%s): only a resume starts it as a primary, epoch %d is a %s",
			a.args.Member, control.State, in.Command.Epoch, in.Command.Kind)
	}
	if err := a.start(ctx, in, a.server.StartPrimary); err != nil {
		return driver.Deed{Applied: true}, err
	}
	return driver.Deed{Applied: true, Evidence: fmt.Sprintf("started as primary in %s; it was %s", ms(in.Now().Sub(began)), control)}, nil
}

// start starts the server while the lease is held, and kills it when it is lost on the way: crash recovery may take longer than a lease.
func (a *action) start(ctx context.Context, in driver.Input, how func(context.Context) error) error {
	if err := a.holds(in); err != nil {
		return err
	}
	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := make(chan error, 1)
	go func() { over <- how(starting) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-over:
			switch {
			case err == nil:
				return nil
			case errors.Is(err, server.ErrSignal), errors.Is(err, server.ErrHalf):
				return driver.Refused("%w", err)
			}
			return driver.InDoubt("%w", cause(ctx, err))
		case <-tick.C:
			if _, ok := in.Lease.Holds(in.Command.Epoch); ok {
				continue
			}
			cancel(errors.New("the lease was lost"))
			<-over
			kill, end := context.WithTimeout(context.WithoutCancel(ctx), driver.Grace)
			defer end()
			if _, err := a.server.Kill(kill); err != nil {
				return driver.InDoubt("the lease was lost while %s started, and it cannot be killed: %w", a.args.Member, err)
			}
			return driver.Refused("the lease of epoch %d was lost while %s started, and it was killed", in.Command.Epoch, a.args.Member)
		}
	}
}
