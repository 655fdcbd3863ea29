package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// sayPatience is what is kept of the step's time to kill what does not stop, and to say that it is fenced.
const sayPatience = 3 * time.Second

// lookGivenUp: given up is what is stopped, shut, and said to be fenced; the last cannot be seen, so only this driver's own end counts.
// To do it again does no harm: each part finds itself done.
func (a *action) lookGivenUp(ctx context.Context, _ driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: a.args.Member + " is stopped and fenced", Done: driver.No}
	_, err := a.server.Gone()
	switch {
	case errors.Is(err, server.ErrRunning):
		sight.Found = a.args.Member + " runs"
		return sight, nil
	case err != nil:
		return driver.Sight{}, driver.Unasked("%w", err)
	}
	if a.did.Load() { // nothing has changed its files since
		sight.Done, sight.Found = driver.Yes, a.args.Member+" is stopped: "+a.left
		return sight, nil
	}
	control, err := a.server.Control(ctx)
	if err != nil {
		return driver.Sight{}, driver.Unasked("%w", err)
	}
	sight.Found = a.args.Member + " is stopped: " + control.String()
	return sight, nil
}

// readLeft tells what a server that has ended left behind.
func (a *action) readLeft(ctx context.Context) string {
	control, err := a.server.Control(ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("its control file cannot be read: %v", err)
	case !control.Clean():
		return fmt.Sprintf("not cleanly: %s", control)
	}
	return "cleanly: " + control.String()
}

// giveUp ends a primary: nobody reaches it, it stops cleanly so that its standbys have everything, and it is said to be fenced.
func (a *action) giveUp(ctx context.Context, in driver.Input) (driver.Deed, error) {
	if in.Lease == nil {
		return driver.Deed{}, driver.Unasked("the lease of %s is not kept by this executor", a.args.Member)
	}
	release, err := in.Lease.Busy(ctx)
	if err != nil {
		return driver.Deed{}, driver.Unasked("%s is busy: %w", a.args.Member, err)
	}
	defer release()
	if ctx.Err() != nil { // a newer epoch took its place while it waited: whoever is primary stays so
		return driver.Deed{}, driver.Unasked("%w", context.Cause(ctx))
	}
	began := in.Now()
	// The guard first: whatever goes wrong from here on, no client is told of a write that the next primary has not.
	if err := in.Lease.Shut(ctx, in.Command.Epoch); err != nil {
		return driver.Deed{Applied: true}, driver.InDoubt("shut the guard of %s: %w", a.args.Member, err)
	}
	stop := ctx
	if until, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		stop, cancel = context.WithDeadlineCause(ctx, until.Add(-min(sayPatience, time.Until(until)/2)), errors.New("it did not stop in time"))
		defer cancel()
	}
	how := "stopped"
	if err := a.server.Stop(stop); err != nil {
		// What it has not sent yet is lost if its standbys were not waited for. It is said, and the swap goes on: nobody serves meanwhile.
		proof, killErr := a.server.Kill(ctx)
		if killErr != nil {
			return driver.Deed{Applied: true}, driver.InDoubt("%s is shut, but may run: %w (%w)", a.args.Member, killErr, err)
		}
		how = fmt.Sprintf("killed, because it did not stop (%v): %s; what its standbys had not received is lost unless it waited for them", err, proof)
	}
	sentence := fmt.Sprintf("%s gave up: shut and %s, in %s", a.args.Member, how, in.Now().Sub(began).Round(time.Millisecond))
	// Clients wait for the word, and nobody for how the server ended: it is read meanwhile.
	left := make(chan string, 1)
	go func() { left <- a.readLeft(ctx) }()
	err = in.Lease.Say(ctx, in.Command.Epoch, true, sentence)
	a.left = <-left
	deed := driver.Deed{Applied: true, Evidence: sentence + "; " + a.left}
	if err != nil {
		return deed, driver.InDoubt("say that %s is fenced: %w", a.args.Member, err)
	}
	return deed, nil
}
