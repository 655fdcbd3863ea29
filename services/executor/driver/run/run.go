// Package run starts and stops a process: a systemd unit, or whatever three commands start, stop and look for.
//
// Whether it runs is asked before and after, so that nothing is started or stopped twice, and a start that dies at once is no start.
package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/process"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "run",
		Summary: "starts or stops a process, by a systemd unit or by commands, and looks whether it runs",
		Example: `{"action": "start", "resource": "app", "member": "b", "unit": "messenger", "timeout_ns": 60000000000}`,
		Guarantee: driver.Guarantee{
			Fences:            "nothing: a process on a side that cannot be reached goes on",
			FailsClosedWithin: "never",
			HoldsEpoch:        false,
			LateEffect:        "one that runs beside a member which is not primary is found by the executor there, stopped and told of",
			LeavesToAPerson:   "a process that does not start or stop, and one on a side where no executor is",
		},
		New: open,
	}
}

// Process is what runs, or shall not.
type Process struct{ args spec.RunArgs }

// New checks the configuration and does nothing else. The error names the wrong key.
func New(args spec.RunArgs) (*Process, error) {
	for _, n := range []struct{ key, name string }{{"resource", args.Resource}, {"member", args.Member}} {
		if !message.IsName(n.name) {
			return nil, driver.Wrong(n.key, "a name")
		}
	}
	if args.Action != "start" && args.Action != "stop" {
		return nil, driver.Wrong("action", "start or stop")
	}
	if args.Timeout < time.Second || args.Timeout > 24*time.Hour {
		return nil, driver.Wrong("timeout_ns", "a time from 1s to 24h")
	}
	if args.Unit == "" {
		for _, c := range []struct {
			key  string
			argv []string
		}{{"start", args.Start}, {"stop", args.Stop}, {"running", args.Running}} {
			if len(c.argv) == 0 || c.argv[0] == "" {
				return nil, driver.Wrong(c.key, "a list of words, the first a program, or unit instead")
			}
		}
		return &Process{args}, nil
	}
	if strings.HasPrefix(args.Unit, "-") {
		return nil, driver.Wrong("unit", "the name of a systemd unit")
	}
	args.Start, args.Stop = []string{"systemctl", "start", args.Unit}, []string{"systemctl", "stop", args.Unit}
	return &Process{args}, nil
}

func open(with json.RawMessage) (driver.Driver, error) {
	var args spec.RunArgs
	if err := driver.Decode(with, &args); err != nil {
		return nil, err
	}
	p, err := New(args)
	if err != nil {
		return nil, err
	}
	return p, nil
}

var _ driver.Driver = (*Process)(nil)

// Running asks whether it runs. The evidence is what was printed. A unit on its way up or down runs, for whoever needs it gone.
func (p *Process) Running(ctx context.Context, env []string) (running bool, evidence string, err error) {
	argv := p.args.Running
	if p.args.Unit != "" {
		argv = []string{"systemctl", "is-active", p.args.Unit}
	}
	r, err := process.Run(ctx, process.Command{Argv: argv, Env: env})
	switch {
	case err != nil:
		return false, "", driver.Unasked("whether %s runs: %w", p.args.Resource, err)
	case r.Cut:
		return false, r.Output, driver.Unasked("whether %s runs: %w", p.args.Resource, context.Cause(ctx))
	case r.Code == 0:
		return true, r.Output, nil
	case p.args.Unit != "":
		// systemctl says in a word what it is: one that is about to start or to stop is running still, for whoever needs it gone.
		switch state, _, _ := strings.Cut(r.Output, "\n"); state {
		case "activating", "deactivating", "reloading", "refreshing":
			return true, r.Output, nil
		case "inactive", "failed":
			return false, r.Output, nil
		}
	case r.Code == 1:
		return false, r.Output, nil
	}
	return false, r.Output, driver.Refused("whether %s runs: exit code %d, want 0 for yes or 1 for no%s", p.args.Resource, r.Code, printed(r))
}

// Look says whether it runs. What is being stopped by StopIf does not, for whoever starts it.
func (p *Process) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	env, err := driver.Env(in, nil)
	if err != nil {
		return driver.Sight{}, err
	}
	wanted := word(p.args.Action == "start")
	if !p.free(ctx, patience) {
		return driver.Sight{Found: "being stopped", Wanted: wanted, Done: driver.No}, nil
	}
	running, evidence, err := p.Running(ctx, env)
	sight := driver.Sight{Found: word(running), Wanted: wanted, Done: driver.No, Evidence: evidence}
	if err != nil {
		return sight, err
	}
	if state, _, _ := strings.Cut(evidence, "\n"); p.args.Unit != "" && p.args.Action == "start" && (state == "activating" || state == "deactivating") {
		// For whoever needs it up it is not: systemd stops it, or starts it again and again. A start waits for what is under way there.
		sight.Found = state
		return sight, nil
	}
	if sight.Found == sight.Wanted {
		sight.Done = driver.Yes
	}
	return sight, nil
}

// Do starts or stops it. A start waits until nobody is stopping it.
func (p *Process) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	env, err := driver.Env(in, nil)
	if err != nil {
		return driver.Deed{}, err
	}
	if !p.free(ctx, 0) {
		return driver.Deed{}, driver.Unasked("%s is being stopped still: %w", p.args.Resource, context.Cause(ctx))
	}
	if err := in.Own(ctx); err != nil {
		return driver.Deed{}, err
	}
	return p.act(ctx, env)
}

// stopping has a channel for every process that [Process.StopIf] was called of: it holds a token while that works. It is the whole executor's, since a step
// knows nothing of who works beside it, and goes by what is started, which is the same process whoever names it.
var stopping sync.Map

const (
	// asking bounds how long StopIf waits for leave.
	asking = 2 * time.Second
	// patience is how long a look waits for a stop that may yet not be made: longer than for leave, shorter than a look may take.
	patience = asking + time.Second
)

func (p *Process) gate() chan struct{} {
	g, _ := stopping.LoadOrStore(strings.Join(p.args.Start, "\x00"), make(chan struct{}, 1))
	return g.(chan struct{})
}

// free waits until nobody stops the process by StopIf, where it shall be started; at most so long, 0: as long as ctx lasts.
func (p *Process) free(ctx context.Context, most time.Duration) bool {
	if p.args.Action != "start" {
		return true
	}
	if most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, most)
		defer cancel()
	}
	gate := p.gate()
	select {
	case gate <- struct{}{}:
		<-gate
		return true
	case <-ctx.Done():
		return false
	}
}

// StopIf stops it for whoever has no step, if may says so, and looks whether it is stopped. Tried says that may agreed.
//
// Invariant: what a step has started, or found running, is not stopped by leave that was given before the step's command was written. From before may is asked
// until all is over, no step of this executor that starts the process looks at it or starts it; and may says no once that command stands.
func (p *Process) StopIf(ctx context.Context, env []string, may func(context.Context) bool) (tried bool, err error) {
	gate := p.gate()
	select {
	case gate <- struct{}{}:
		defer func() { <-gate }()
	case <-ctx.Done():
		return false, driver.Unasked("%w", context.Cause(ctx))
	}
	ask, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	if !may(ask) {
		return false, nil
	}
	deed, err := p.act(ctx, env)
	if err != nil {
		return true, err
	}
	running, _, err := p.Running(ctx, env)
	if err == nil && running {
		err = fmt.Errorf("it still runs after it was stopped; %s", deed.Evidence)
	}
	return true, err
}

func (p *Process) act(ctx context.Context, env []string) (driver.Deed, error) {
	argv := p.args.Start
	if p.args.Action == "stop" {
		argv = p.args.Stop
	}
	if ctx.Err() != nil {
		return driver.Deed{}, driver.Unasked("%w", context.Cause(ctx))
	}
	r, err := process.Run(ctx, process.Command{Argv: argv, Env: env})
	deed := driver.Deed{Applied: true, Evidence: r.Output}
	switch {
	case errors.Is(err, process.ErrNotStarted):
		return driver.Deed{}, driver.Unasked("%w", err)
	case err != nil:
		return deed, driver.InDoubt("%w", err)
	case r.Cut:
		return deed, driver.InDoubt("%w; it was killed with all its children%s", context.Cause(ctx), printed(r))
	case r.Code != 0:
		return deed, driver.Refused("%s of %s: exit code %d%s", p.args.Action, p.args.Resource, r.Code, printed(r))
	}
	return deed, nil
}

func word(running bool) string {
	if running {
		return "running"
	}
	return "stopped"
}

// printed is the last line that it printed, for a sentence.
func printed(r process.Result) string {
	out := strings.TrimSpace(r.Output)
	if out == "" {
		return ""
	}
	return fmt.Sprintf(": %s", out[strings.LastIndexByte(out, '\n')+1:])
}
