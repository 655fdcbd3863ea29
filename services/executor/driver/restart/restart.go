// Package restart mends a member where it is: it restarts a systemd unit or a container, or runs an operator's command. One try of a ladder is one
// step of this driver.
package restart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/exec"
	"github.com/isacloud/ha-manager/services/executor/driver/look"
	"github.com/isacloud/ha-manager/services/executor/driver/process"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "restart",
		Summary: "restarts a systemd unit or a container, or runs a command, unless the member is up already",
		Example: `{"member": "a", "service": "systemd:app", "up": {"http": "http://192.0.2.10:8080/alive", "timeout_ns": 300000000, "want": "up"}}`,
		Guarantee: driver.Guarantee{
			Fences:            "nothing: roles stay as they are",
			FailsClosedWithin: "never: a try that was cut short has left what it left",
			HoldsEpoch:        false,
			LateEffect:        "a service manager goes on with a restart that it was asked for; it is the member's own service, which may run in either role",
			LeavesToAPerson:   "nothing: a try that fails, or of which nobody knows whether it was made, ends the ladder, and a failover follows where one may",
		},
		New: open,
	}
}

type restart struct {
	args spec.RestartArgs
	eye  *look.Eye     // nil: nobody can look from here
	own  driver.Driver // the operator's command; nil: a service is restarted
	// done: this try was made, by this very driver. Whether the member is up by then, those who watch it say.
	done atomic.Bool
}

var _ driver.Driver = (*restart)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	var args spec.RestartArgs
	if err := driver.Decode(with, &args); err != nil {
		return nil, err
	}
	r := &restart{args: args}
	if !message.IsName(args.Member) {
		return nil, driver.Wrong("member", "the name of a member, not %q", args.Member)
	}
	if (args.Service == "") == (args.Exec == nil) {
		return nil, driver.Wrong("service", "exactly one of service and exec")
	}
	if args.Exec != nil {
		own, err := json.Marshal(args.Exec)
		if err != nil {
			return nil, driver.Wrong("exec", "a command: %v", err)
		}
		if r.own, err = exec.Kind().New(own); err != nil {
			var wrong *driver.ConfigError
			if errors.As(err, &wrong) {
				return nil, driver.Wrong("exec", "%v", wrong)
			}
			return nil, err
		}
	} else if _, _, ok := service(args.Service); !ok {
		return nil, driver.Wrong("service", "systemd:<unit> or docker:<container>, not %q", args.Service)
	}
	if args.Up != nil {
		eye, err := look.New("up", *args.Up)
		if err != nil {
			return nil, err
		}
		if eye.Wanted() != "up" {
			return nil, driver.Wrong("up.want", "up")
		}
		r.eye = eye
	}
	return r, nil
}

// service parts the text into who runs it and what it is called.
func service(s string) (program, name string, ok bool) {
	for prefix, program := range map[string]string{spec.RestartSystemd: "systemctl", spec.RestartDocker: "docker"} {
		if name, found := strings.CutPrefix(s, prefix); found {
			return program, name, name != "" && !strings.HasPrefix(name, "-")
		}
	}
	return "", "", false
}

// Look says whether there is anything to mend: the member is looked at, and then what would be restarted. A try that another life of the executor
// began is in doubt, and is not made twice.
func (r *restart) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: r.what() + " has been done, or " + r.args.Member + " is up", Done: driver.Unknown, Found: "not known"}
	if r.done.Load() {
		sight.Done, sight.Found = driver.Yes, r.what()+" was done"
		return sight, nil
	}
	if r.eye != nil {
		seen := r.eye.Look(ctx, in)
		sight.Found = r.args.Member + " is " + seen.String()
		if seen.Asked && seen.Up {
			sight.Done = driver.Yes
			sight.Evidence = "seen from here it is up, so nothing is restarted"
			return sight, nil
		}
	}
	if r.own != nil {
		own, err := r.own.Look(ctx, in)
		if err != nil {
			return sight, err
		}
		if own.Done == driver.Yes {
			sight.Done, sight.Found = driver.Yes, own.Found
		}
		return sight, nil
	}
	state, err := r.state(ctx, in)
	if err != nil {
		return sight, err
	}
	sight.Evidence = state
	if sight.Found == "not known" {
		sight.Found = state
	} else {
		sight.Found += "; " + state
	}
	return sight, nil
}

// Do restarts once.
func (r *restart) Do(ctx context.Context, in driver.Input) (deed driver.Deed, err error) {
	if r.own != nil {
		deed, err = r.own.Do(ctx, in)
	} else {
		if err := in.Own(ctx); err != nil {
			return driver.Deed{}, err
		}
		program, name, _ := service(r.args.Service)
		argv := []string{program, "restart", name}
		if program == "systemctl" {
			argv = []string{program, "--no-ask-password", "restart", "--", name}
		}
		deed, err = r.run(ctx, in, argv)
	}
	r.done.Store(err == nil)
	return deed, err
}

// state is what the service manager says of the service. The error says that it knows none of that name, or does not answer.
func (r *restart) state(ctx context.Context, in driver.Input) (string, error) {
	program, name, _ := service(r.args.Service)
	argv := []string{program, "inspect", "--type", "container", "--format", "{{.State.Status}}", name}
	if program == "systemctl" {
		argv = []string{program, "show", "--no-pager", "--property=LoadState,ActiveState,SubState,Result", "--", name}
	}
	deed, err := r.run(ctx, in, argv)
	if err != nil {
		return "", driver.Unasked("%s: %w", r.args.Service, err)
	}
	if program == "docker" {
		return "container " + name + " is " + deed.Evidence, nil
	}
	said := map[string]string{}
	for _, line := range strings.Split(deed.Evidence, "\n") {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		said[k] = v
	}
	if load := said["LoadState"]; load != "loaded" {
		return "", driver.Unasked("%s: systemd has no such unit (%s)", r.args.Service, load)
	}
	return fmt.Sprintf("unit %s is %s (%s, %s)", name, said["ActiveState"], said["SubState"], said["Result"]), nil
}

func (r *restart) run(ctx context.Context, in driver.Input, argv []string) (driver.Deed, error) {
	if ctx.Err() != nil {
		return driver.Deed{}, driver.Unasked("%w", context.Cause(ctx))
	}
	res, err := process.Run(ctx, process.Command{Argv: argv})
	deed := driver.Deed{Applied: true, Evidence: in.Secrets.Mask(strings.TrimSpace(res.Output))}
	switch {
	case errors.Is(err, process.ErrNotStarted):
		return driver.Deed{}, driver.Unasked("%w", err)
	case err != nil:
		return deed, driver.InDoubt("%w", err)
	case res.Cut:
		return deed, driver.InDoubt("%w: %s was killed", context.Cause(ctx), argv[0])
	case res.Code < 0:
		return deed, driver.InDoubt("%s was ended by a signal that is not ours", argv[0])
	case res.Code > 0:
		return deed, driver.Refused("%s: exit code %d%s", argv[0], res.Code, last(deed.Evidence))
	}
	return deed, nil
}

func (r *restart) what() string {
	if e := r.args.Exec; e != nil {
		return "run " + strings.Join(e.Command, " ")
	}
	return "restart " + r.args.Service
}

// last is the last line of what it printed, for a sentence.
func last(out string) string {
	if out == "" {
		return ""
	}
	return ": " + out[strings.LastIndexByte(out, '\n')+1:]
}
