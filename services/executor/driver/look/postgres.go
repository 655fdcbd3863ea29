package look

import (
	"context"
	"errors"
	"fmt"
	"strings"

	client "github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// postgres looks as the probers do: a primary is up when it also takes a write, into ham's own table. A look that did not write would find a
// primary up whose disk is full or hangs, and end the very swap that the probers asked for.
func (e *Eye) postgres(ctx context.Context, in driver.Input) Seen {
	dsn, err := in.Secrets.Resolve(e.args.Postgres)
	if err != nil {
		return Seen{Says: err.Error()}
	}
	target, err := client.Parse(dsn)
	if err != nil {
		return Seen{Says: err.Error()}
	}
	seen := e.server(ctx, in, target)
	if target.Password != "" { // it may be only a part of what was resolved
		seen.Says = strings.ReplaceAll(seen.Says, target.Password, driver.Masked)
	}
	return seen
}

func (e *Eye) server(ctx context.Context, in driver.Input, target *client.Target) Seen {
	conn, err := target.Connect(ctx, client.Options{Name: "ham executor " + in.Executor, LockTimeout: e.args.Timeout / 2})
	if err != nil {
		return e.fault(ctx, err)
	}
	defer conn.Close()
	state, err := conn.State(ctx)
	if err != nil {
		return e.fault(ctx, err)
	}
	is, says := spec.RolePrimary, fmt.Sprintf("a primary, timeline %d, at %s", state.Timeline, state.LSN)
	if state.Recovery {
		is, says = spec.RoleStandby, fmt.Sprintf("a standby, timeline %d, replayed to %s", state.Timeline, state.LSN)
	}
	if e.args.Role != "" && e.args.Role != is {
		return Seen{Asked: true, Says: "it is " + says}
	}
	if is == spec.RolePrimary {
		err = conn.ProbeRoom(ctx, "executor "+in.Executor)
	}
	switch kind, word := client.Explain(err); {
	case err == nil:
		return Seen{Up: true, Asked: true, Says: says}
	case kind == client.NoProbe, kind == client.Locked: // that is no word on its writes
		return Seen{Up: true, Asked: true, Says: says + ", but a write was not tried: " + word}
	case kind == client.NoWord && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Seen{Asked: true, Says: "it is " + says + ", but a write did not end: " + context.Cause(ctx).Error()}
	case kind == client.NoWord:
		return e.fault(ctx, err)
	default:
		return Seen{Asked: true, Says: "it is " + says + ", but a write fails: " + word}
	}
}

func (e *Eye) fault(ctx context.Context, err error) Seen {
	switch kind, says := client.Explain(err); kind {
	case client.NoWord:
		seen := unseen(ctx, err)
		if seen.Says == err.Error() {
			seen.Says = client.Cause(err).Error()
		}
		return seen
	case client.NoSlot: // a sign of life, but not of a role
		return Seen{Up: e.args.Role == "" || e.args.Want == "down", Asked: true, Says: "it answers, but has no connection slot left: " + says}
	case client.NotLetIn, client.NoProbe:
		return Seen{Says: "it does not let ham look: " + says}
	default:
		return Seen{Asked: true, Says: says}
	}
}
