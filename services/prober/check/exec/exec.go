package exec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
)

// Kind is this package's entry in the prober's list.
var Kind = check.Kind{
	Name:    spec.CheckExec,
	Summary: "runs a command that follows the Nagios plugin convention",
	Open:    open,
}

const (
	// linger is how long the output is still read after the command has ended: somebody it started may hold it open for ever.
	linger = 50 * time.Millisecond
	// mercy is how long a killed command may take to be gone, before it is left behind.
	mercy = 250 * time.Millisecond
)

// inherited is what a command gets of the prober's own environment.
var inherited = []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"}

type looker struct {
	target  check.Target
	declare *spec.ExecCheck
	env     []string // of the declared variables, sorted
	// left is closed when a command that could not be killed is gone after all; nil: there is none.
	left  <-chan struct{}
	leftT time.Time
	// kill is replaced in tests: nothing can make a process unkillable on purpose.
	kill func(pid int)
}

var _ check.Looker = (*looker)(nil)

func open(t check.Target) (check.Looker, error) {
	declared := t.Check.Exec
	if declared == nil || len(declared.Command) == 0 || declared.Command[0] == "" {
		return nil, errors.New("the check declares no command")
	}
	return &looker{target: t, declare: declared, env: slices.Sorted(maps.Keys(declared.Env)), kill: killGroup}, nil
}

// Close has nothing to end: no command outlives its look, unless it cannot be killed.
func (l *looker) Close() {}

// Look runs the command once.
func (l *looker) Look(ctx context.Context) check.Result {
	var mask check.Mask
	if l.left != nil {
		select {
		case <-l.left:
			l.left = nil
		default:
			return l.unable(&mask, fmt.Sprintf("not started: its run of %s ago was killed and still is not gone", time.Since(l.leftT).Round(time.Second)))
		}
	}
	env, err := l.environment(&mask)
	if err != nil {
		return l.unable(&mask, err.Error())
	}
	cmd := exec.Command(l.declare.Command[0], l.declare.Command[1:]...)
	cmd.Env, cmd.Dir = env, l.declare.Dir
	cmd.SysProcAttr = ownGroup()
	cmd.WaitDelay = linger
	var out, complaints output
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Start(); err != nil {
		return l.unable(&mask, "cannot be started: "+startError(err))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // what came of it stands in ProcessState
		// What it left behind in its group. The number of a group that has just lost its leader is not given to another:
		// numbers are given in turn.
		l.kill(cmd.Process.Pid)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		l.kill(cmd.Process.Pid)
		select {
		case <-ended:
		case <-time.After(mercy):
			l.left, l.leftT = ended, time.Now()
			return l.unable(&mask, fmt.Sprintf("killed after %s, and still is not gone (pid %d): look at what it waits for", l.target.Check.Timeout, cmd.Process.Pid))
		}
		if cmd.ProcessState == nil || !cmd.ProcessState.Exited() {
			return l.late(ctx, &mask)
		}
	}
	return l.read(&mask, cmd.ProcessState, &out, &complaints)
}

func (l *looker) late(ctx context.Context, mask *check.Mask) check.Result {
	if errors.Is(ctx.Err(), context.Canceled) {
		return l.unable(mask, "the look was stopped")
	}
	return check.Result{Answer: message.Down, Silent: true, Evidence: l.says(mask, fmt.Sprintf("no answer within %s: killed", l.target.Check.Timeout))}
}

func (l *looker) unable(mask *check.Mask, why string) check.Result {
	return check.Result{Answer: message.Unknown, Evidence: l.says(mask, why)}
}

// says puts the command's name first. Its arguments are left out: people put passwords there.
func (l *looker) says(mask *check.Mask, what string) string {
	name := l.declare.Command[0]
	return mask.Clean(check.Clip(name[strings.LastIndexByte(name, '/')+1:], 64) + ": " + what)
}

// read makes an answer of what an ended command said.
func (l *looker) read(mask *check.Mask, state *os.ProcessState, out, complaints *output) check.Result {
	text, perf := parse(out.text(mask), mask)
	if text == "" {
		text, _, _ = strings.Cut(strings.TrimSpace(complaints.text(mask)), "\n")
	}
	if !state.Exited() {
		return l.unable(mask, "ended by "+state.String()+": "+text)
	}
	code := state.ExitCode()
	r := check.Result{Answer: message.Unknown, Perf: perf}
	switch code {
	case 0:
		r.Answer = message.Up
	case 1:
		r.Answer = message.Degraded
	case 2:
		r.Answer = message.Down
	case 3:
	default:
		text = fmt.Sprintf("exit code %d, want 0 to 3: %s", code, text)
	}
	if text == "" {
		text = fmt.Sprintf("exit code %d and no output", code)
	}
	r.Evidence = l.says(mask, text)
	return r
}

func (l *looker) environment(mask *check.Mask) ([]string, error) {
	env := make([]string, 0, len(inherited)+len(l.env)+5)
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	t := l.target
	env = append(env, "HAM_GROUP="+t.Group, "HAM_MEMBER="+t.Member, "HAM_CHECK="+t.Check.Name, "HAM_VANTAGE="+t.Vantage,
		"HAM_TIMEOUT_MS="+strconv.FormatInt(t.Check.Timeout.Milliseconds(), 10))
	for _, name := range l.env {
		v, err := mask.Resolve(l.declare.Env[name], t.Secrets)
		if err != nil {
			return nil, fmt.Errorf("not started: variable %s: %w", name, err)
		}
		if strings.ContainsRune(v, 0) {
			return nil, fmt.Errorf("not started: variable %s: the value holds a zero byte", name)
		}
		env = append(env, name+"="+v)
	}
	return env, nil
}

// startError is the reason alone: the command is named already.
func startError(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	var notFound *exec.Error
	if errors.As(err, &notFound) {
		return notFound.Err.Error()
	}
	return err.Error()
}
