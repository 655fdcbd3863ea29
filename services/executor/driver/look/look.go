// Package look looks at one place once, from this executor: at a URL, a TCP port, a PostgreSQL server, or by a command. The drivers
// assert and wait stand on it.
package look

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// Eye is a look that was checked when it was made.
type Eye struct {
	args spec.LookArgs
	body *regexp.Regexp
}

// Seen is what one look saw.
type Seen struct {
	Up bool
	// Asked is false where nobody could look from here: the fault lies on this side, and says nothing of the target.
	Asked bool
	// Says is what was seen, in words.
	Says string
}

func (s Seen) String() string {
	switch {
	case s.Up:
		return "up: " + s.Says
	case s.Asked:
		return "down: " + s.Says
	}
	return "could not look: " + s.Says
}

// Wanted is the state that the look should find.
func (e *Eye) Wanted() string { return e.args.Want }

// Target names what is looked at.
func (e *Eye) Target() string { return e.args.Target() }

// Holds says whether what was seen is what was wanted. Only being seen up contradicts "down": a look that could not be
// made is no sign of life.
func (e *Eye) Holds(s Seen) bool { return s.Up == (e.args.Want == "up") }

// New checks args; key is where they stand in the step's configuration.
func New(key string, args spec.LookArgs) (*Eye, error) {
	ways := 0
	for _, set := range []bool{args.HTTP != "", args.TCP != "", len(args.Command) > 0, args.Postgres != ""} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return nil, driver.Wrong(key, "exactly one of http, tcp, command, postgres")
	}
	if args.Want != "up" && args.Want != "down" {
		return nil, driver.Wrong(key+".want", "up or down, not %q", args.Want)
	}
	if args.Timeout <= 0 || args.Timeout > time.Hour {
		return nil, driver.Wrong(key+".timeout_ns", "a time from 1ms to 1h, not %s", args.Timeout)
	}
	switch {
	case args.Role != "" && args.Role != spec.RolePrimary && args.Role != spec.RoleStandby:
		return nil, driver.Wrong(key+".role", "primary or standby, not %q", args.Role)
	case args.Role != "" && args.Postgres == "":
		return nil, driver.Wrong(key+".role", "left out: only postgres has roles")
	}
	e := &Eye{args: args}
	if args.Body != "" {
		re, err := regexp.Compile(args.Body)
		if err != nil {
			return nil, driver.Wrong(key+".body", "a regular expression: %v", err)
		}
		e.body = re
	}
	if args.HTTP != "" {
		if err := checkURL(key+".http", args.HTTP); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Look looks once, at most for the time-out of the look.
func (e *Eye) Look(ctx context.Context, in driver.Input) Seen {
	ctx, cancel := context.WithTimeoutCause(ctx, e.args.Timeout, fmt.Errorf("no answer within %s", e.args.Timeout))
	defer cancel()
	switch {
	case e.args.HTTP != "":
		return e.http(ctx, in)
	case e.args.TCP != "":
		return e.tcp(ctx)
	case e.args.Postgres != "":
		return e.postgres(ctx, in)
	}
	return e.command(ctx, in)
}
