// Package fence keeps a host from acting by a fence agent: a program of ClusterLabs' fence-agents, or one that speaks as they do
// (https://github.com/ClusterLabs/fence-agents/blob/main/doc/FenceAgentAPI.md).
//
// A member is fenced when two answers agree: the agent says that off was done (exit code 0), and asked again, that the host is off (status,
// exit code 2). One alone is not believed. A status of 2 is also what a shell says of a misspelt command and what some agents say of wrong
// options; and some devices take the order and carry it out later, or never.
//
// For the same reason reboot is never left to the agent: what it calls so may be a reset that at no time leaves the host without power. It is
// off, confirmed, and then on.
package fence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/process"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "fence",
		Summary: "powers a member's host off, or off and on, by a fence agent, and has it confirmed that it was off",
		Example: `{"member": "a", "plug": "host-a", "agent": "fence_ipmilan", "action": "off", "options": {"ip": "192.0.2.99", "username": "ham",` +
			` "password": "${file:/etc/ham/ipmi}"}, "timeout_ns": 60000000000}`,
		Guarantee: driver.Guarantee{
			Fences:            "the host, once the agent has confirmed that it is off",
			FailsClosedWithin: "never: without a confirmation the member counts as able to act",
			HoldsEpoch:        false,
			LateEffect:        "an agent that was given up may still switch the host off: it was meant to be off, and comes up shut",
			LeavesToAPerson:   "an agent that does not answer or contradicts itself, and switching on again what was switched off",
		},
		New: open,
	}
}

const (
	off    = "off"
	reboot = "reboot"

	longest = 10 * time.Minute
	// statusPause is between two questions for a host that is to be off and is not yet: nothing tells when it is.
	statusPause = 250 * time.Millisecond
)

type agent struct {
	args spec.FenceArgs
	// confirmed: this attempt has switched it off.
	confirmed atomic.Bool
}

var _ driver.Driver = (*agent)(nil)

// ours are the options that the driver sets.
var ours = []string{"action", "option", "plug", "port", "nodename"}

// optionName is what the protocol allows in front of the equals sign.
var optionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

func open(with json.RawMessage) (driver.Driver, error) {
	var a spec.FenceArgs
	if err := driver.Decode(with, &a); err != nil {
		return nil, err
	}
	if !message.IsName(a.Member) {
		return nil, driver.Wrong("member", "the name of the member that is fenced")
	}
	if a.Plug == "" || strings.ContainsAny(a.Plug, "\r\n\x00") {
		return nil, driver.Wrong("plug", "what the agent calls the member's host, in one line")
	}
	if a.Agent == "" || strings.ContainsAny(a.Agent, " \t\r\n\x00") || strings.Contains(a.Agent, "/") && !filepath.IsAbs(a.Agent) {
		return nil, driver.Wrong("agent", "a program such as fence_ipmilan, or an absolute path")
	}
	if a.Action != off && a.Action != reboot {
		return nil, driver.Wrong("action", "off or reboot, not %q", a.Action)
	}
	for name := range a.Options {
		if slices.Contains(ours, name) {
			return nil, driver.Wrong("options."+name, "other options: ham itself sets %s", strings.Join(ours, ", "))
		}
		if !optionName.MatchString(name) {
			return nil, driver.Wrong("options", "names of letters, digits and _, not %q", name)
		}
	}
	if a.Timeout <= 0 || a.Timeout > longest {
		return nil, driver.Wrong("timeout_ns", "nanoseconds, more than 0 and at most %s", longest)
	}
	return &agent{args: a}, nil
}

// Look asks for the status. It is done when this attempt has fenced the member: a host that was off before is switched off once more, for the
// status alone proves nothing.
func (a *agent) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: a.wanted(), Done: driver.No}
	r, err := a.call(ctx, in, "status")
	if err != nil {
		return sight, err
	}
	power, err := status(r)
	sight.Found = fmt.Sprintf("%s (%s) is %s", a.args.Member, a.args.Plug, power)
	switch {
	case a.confirmed.Load():
		sight.Done = driver.Yes
		sight.Found += "; it was confirmed to be off"
	case err != nil:
		return sight, driver.Unasked("%w", err)
	}
	return sight, nil
}

func (a *agent) wanted() string {
	if a.args.Action == reboot {
		return fmt.Sprintf("%s (%s) was off and is on again, by %s", a.args.Member, a.args.Plug, a.args.Agent)
	}
	return fmt.Sprintf("%s (%s) is off, by %s", a.args.Member, a.args.Plug, a.args.Agent)
}

// Do switches off, has it confirmed, and for a reboot switches on again; that the last fails does not matter to anybody's safety.
func (a *agent) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.args.Timeout, fmt.Errorf("no end within %s", a.args.Timeout))
	defer cancel()
	r, err := a.call(ctx, in, off)
	switch {
	case errors.Is(err, driver.ErrUnasked):
		return driver.Deed{}, err
	case err != nil:
		return driver.Deed{Applied: true}, err
	case r.Code != 0:
		// It may have switched it off all the same; whoever goes on asks again.
		return driver.Deed{Applied: true}, driver.Refused("%s did not switch %s off: exit code %d%s", a.args.Agent, a.args.Plug, r.Code, printed(r))
	}
	deed := driver.Deed{Applied: true}
	if err := a.confirm(ctx, in); err != nil {
		return deed, err
	}
	a.confirmed.Store(true)
	deed.Fenced = a.args.Member
	deed.Evidence = fmt.Sprintf("%s switched %s off, and says that it is off", a.args.Agent, a.args.Plug)
	if a.args.Action == reboot {
		deed.Evidence += a.on(ctx, in)
	}
	return deed, nil
}

// confirm asks for the status until it is off or the time is over.
func (a *agent) confirm(ctx context.Context, in driver.Input) error {
	var last error // what the newest whole answer was
	for {
		r, err := a.call(ctx, in, "status")
		power, problem := status(r)
		switch {
		case err != nil && last == nil:
			return driver.InDoubt("%s says that %s was switched off, and could not be asked whether it is: %w", a.args.Agent, a.args.Plug, err)
		case err == nil && problem == nil && power == off:
			return nil
		case err == nil && problem == nil:
			last = fmt.Errorf("the host is %s", power)
		case err == nil:
			last = problem
		}
		timer := time.NewTimer(statusPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return driver.InDoubt("%s says that %s was switched off, and its status does not confirm it (%w): %w", a.args.Agent, a.args.Plug, context.Cause(ctx), last)
		}
	}
}

func (a *agent) on(ctx context.Context, in driver.Input) string {
	switch r, err := a.call(ctx, in, "on"); {
	case err != nil:
		return fmt.Sprintf("; it stays off: %v", err)
	case r.Code != 0:
		return fmt.Sprintf("; it stays off: exit code %d%s", r.Code, printed(r))
	}
	return ", then on again"
}

// status reads the answer to the action of that name.
func status(r process.Result) (power string, err error) {
	switch r.Code {
	case 0:
		return "on", nil
	case 2:
		return off, nil
	}
	return "in a state that the agent cannot tell", fmt.Errorf("status: exit code %d, want 0 for on or 2 for off%s", r.Code, printed(r))
}

// call runs the agent for one action.
func (a *agent) call(ctx context.Context, in driver.Input, action string) (process.Result, error) {
	input, err := a.input(in, action)
	if err != nil {
		return process.Result{}, err
	}
	if ctx.Err() != nil {
		return process.Result{}, driver.Unasked("%w", context.Cause(ctx))
	}
	r, err := process.Run(ctx, process.Command{Argv: []string{program(a.args.Agent)}, Stdin: input})
	r.Output = in.Secrets.Mask(r.Output)
	switch {
	case errors.Is(err, process.ErrNotStarted):
		return r, driver.Unasked("fence agent: %w", err)
	case err != nil:
		return r, driver.InDoubt("fence agent %s, %s: %w", a.args.Agent, action, err)
	case r.Cut:
		return r, driver.InDoubt("fence agent %s, %s: %w; it was killed%s", a.args.Agent, action, context.Cause(ctx), printed(r))
	case r.Code < 0:
		return r, driver.InDoubt("fence agent %s, %s: ended by a signal that is not ours%s", a.args.Agent, action, printed(r))
	}
	return r, nil
}

// input is what the agent reads. Plug and port are the newer and the older name of the same option; an agent ignores what it does not know.
func (a *agent) input(in driver.Input, action string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "action=%s\nnodename=%s\nplug=%s\nport=%s\n", action, a.args.Member, a.args.Plug, a.args.Plug)
	for _, name := range slices.Sorted(maps.Keys(a.args.Options)) {
		value, err := in.Secrets.Resolve(a.args.Options[name])
		if err != nil {
			return "", err
		}
		if telling.MatchString(name) {
			in.Secrets.Hide(value)
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return "", driver.Unasked("options.%s: want one line: the protocol has no way to write more", name)
		}
		b.WriteString(name + "=" + value + "\n")
	}
	return b.String(), nil
}

// telling are names of options whose value is secret, also where somebody wrote it out.
var telling = regexp.MustCompile(`(?i)pass|secret|token|community|key`)

// program looks for agents where distributions put them, which an ordinary user's PATH may lack.
func program(name string) string {
	if !strings.Contains(name, "/") {
		if _, err := exec.LookPath(name); err != nil {
			if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
				return path
			}
		}
	}
	return name
}

// printed is the last line that it printed, for a sentence.
func printed(r process.Result) string {
	out := strings.TrimSpace(r.Output)
	if out == "" {
		return ""
	}
	return ": " + out[strings.LastIndexByte(out, '\n')+1:]
}
