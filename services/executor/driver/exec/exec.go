// Package exec runs an operator's command.
package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/process"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "exec",
		Summary: "runs a command without a shell; done tells whether it is done already",
		Example: `{"command": ["/usr/local/bin/promote", "--wait"], "done": ["/usr/local/bin/promote", "--check"], "look": ["/usr/local/bin/promote", "--show"],` +
			` "env": {"TOKEN": "${file:/etc/ham/token}"}, "dir": "/"}`,
		Guarantee: driver.Guarantee{
			Fences:            "what the command fences: ham cannot know",
			FailsClosedWithin: "never: a command that was cut short has left what it left",
			HoldsEpoch:        false,
			LateEffect:        "HAM_EPOCH is handed over, and the command may refuse an older one; its own late effects are found by its done command only",
			LeavesToAPerson:   "an attempt whose outcome is not known, where there is no done command",
		},
		New: open,
	}
}

type command struct{ args spec.ExecArgs }

var _ driver.Driver = (*command)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	var args spec.ExecArgs
	if err := driver.Decode(with, &args); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		key  string
		argv []string
		need bool
	}{{"command", args.Command, true}, {"done", args.Done, false}, {"look", args.Look, false}} {
		if c.argv == nil && !c.need {
			continue
		}
		if len(c.argv) == 0 || c.argv[0] == "" {
			return nil, driver.Wrong(c.key, `a list of words, the first a program: ["/usr/local/bin/promote", "--wait"]`)
		}
	}
	for name := range args.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return nil, driver.Wrong("env", "names without '=', not %q", name)
		}
		if strings.HasPrefix(name, "HAM_") {
			return nil, driver.Wrong("env."+name, "another name: those that begin with HAM_ are ham's own")
		}
	}
	if args.Dir != "" && !filepath.IsAbs(args.Dir) {
		return nil, driver.Wrong("dir", "an absolute path")
	}
	return &command{args}, nil
}

// Look asks the done command, and the look command for what is there. Without a done command it is unknown whether it is done.
func (c *command) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: "`" + strings.Join(c.args.Command, " ") + "` has run", Done: driver.Unknown, Found: "not known: it has no done command"}
	if c.args.Look != nil {
		r, err := c.run(ctx, in, c.args.Look)
		if err != nil {
			return sight, driver.Unasked("look command: %w", err)
		}
		sight.Found = r.Output
	}
	if c.args.Done == nil {
		return sight, nil
	}
	r, err := c.run(ctx, in, c.args.Done)
	switch {
	case err != nil:
		return sight, driver.Unasked("done command: %w", err)
	case r.Cut:
		return sight, driver.Unasked("done command: %w%s", context.Cause(ctx), printed(r))
	case r.Code == 0:
		sight.Done = driver.Yes
	case r.Code == 1:
		sight.Done = driver.No
	default:
		return sight, driver.Unasked("done command: exit code %d, want 0 for done or 1 for not done%s", r.Code, printed(r))
	}
	if c.args.Look == nil {
		sight.Found = map[driver.Done]string{driver.Yes: "done", driver.No: "not done"}[sight.Done] + printed(r)
	}
	return sight, nil
}

// Do runs the command. A non-zero exit code is its "no"; being cut short leaves its outcome unknown.
func (c *command) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	r, err := c.run(ctx, in, c.args.Command)
	deed := driver.Deed{Applied: true, Evidence: r.Output}
	switch {
	case errors.Is(err, driver.ErrUnasked), errors.Is(err, process.ErrNotStarted):
		return driver.Deed{}, driver.Unasked("%w", err)
	case err != nil:
		return deed, driver.InDoubt("%w", err)
	case r.Cut:
		return deed, driver.InDoubt("%w; it was killed with all its children%s", context.Cause(ctx), printed(r))
	case r.Code < 0:
		return deed, driver.InDoubt("it was ended by a signal that is not ours%s", printed(r))
	case r.Code > 0:
		return deed, driver.Refused("exit code %d%s", r.Code, printed(r))
	}
	return deed, nil
}

func (c *command) run(ctx context.Context, in driver.Input, argv []string) (process.Result, error) {
	env, err := driver.Env(in, c.args.Env)
	if err != nil {
		return process.Result{}, err
	}
	if ctx.Err() != nil {
		return process.Result{}, driver.Unasked("%w", context.Cause(ctx))
	}
	r, err := process.Run(ctx, process.Command{Argv: argv, Env: env, Dir: c.args.Dir})
	r.Output = in.Secrets.Mask(r.Output)
	return r, err
}

// printed is the last line that it printed, for a sentence.
func printed(r process.Result) string {
	out := strings.TrimSpace(r.Output)
	if out == "" {
		return ""
	}
	return fmt.Sprintf(": %s", out[strings.LastIndexByte(out, '\n')+1:])
}
