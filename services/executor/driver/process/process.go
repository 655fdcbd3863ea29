// Package process runs an operator's command so that it cannot hang, flood or outlive the executor, as far as the kernel lets
// one process see to that.
//
// The command gets a process group of its own and a mark in its environment. When its time is over the whole group is
// asked to end (SIGTERM), and a moment later killed; then every process of this user that carries the mark is killed too, which
// reaches children that left the group (setsid, double fork). On Linux the command itself is also killed when the executor dies.
//
// The limit: a process that left the group and cleared its environment, or runs as another user, is not found. A cgroup would hold
// it (run the executor as a systemd service: KillMode=control-group ends such a process at the latest with the service).
//
// A command that ends by itself and leaves children behind has ended: a start script may leave a daemon. Its output is read
// for a moment longer and then cut off, so a child that keeps stdout open delays nothing.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nuid"
)

// Command is what to run.
type Command struct {
	// Argv is run without a shell. Its first word is looked up in PATH.
	Argv []string
	// Env is added to the executor's own environment without its HAM_ variables.
	Env []string
	Dir string
	// Stdin is what it reads; empty: nothing.
	Stdin string
	// Keep is how many bytes of the newest output are kept; 0: the first 2 KiB and the last 4 KiB.
	Keep int
	// Also gets what it prints, as it prints it; nil: nobody. A writer that blocks delays the command.
	Also io.Writer
	// Low: everything else on the machine goes first, as far as the kernel lets an unprivileged process ask for that.
	Low bool
}

// Result is how it ended.
type Result struct {
	// Code is the exit code; -1 where it was ended by a signal or cut short.
	Code int
	// Output is what it printed on stdout and stderr, the middle left out where it is long.
	Output string
	// LeftOut is how many bytes of what it printed are not in Output.
	LeftOut int
	// Cut: it was ended by us, because the context was over.
	Cut bool
}

// ErrNotStarted says that nothing ran: no such file, no permission, no such directory, no process left.
var ErrNotStarted = errors.New("not started")

const (
	markName = "HAM_MARK"
	// termGrace is what a command is given between SIGTERM and SIGKILL, killGrace how long the kernel may take to end it,
	// outputGrace how long output is read after the command itself has ended.
	termGrace   = 1 * time.Second
	killGrace   = 1 * time.Second
	outputGrace = 200 * time.Millisecond
)

// Run runs the command until it ends or ctx does. The error is [ErrNotStarted] or says that the process cannot be ended (it
// hangs in the kernel); all else is in the Result.
func Run(ctx context.Context, c Command) (Result, error) {
	if len(c.Argv) == 0 {
		return Result{}, fmt.Errorf("%w: no command", ErrNotStarted)
	}
	mark := nuid.Next()
	out := &bounded{first: headSize, last: tailSize}
	if c.Keep > 0 {
		out.first, out.last = 0, c.Keep
	}
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	output := io.Writer(out)
	if c.Also != nil {
		output = io.MultiWriter(out, c.Also)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = c.Dir, output, output, outputGrace
	cmd.Env = append(append(inherited(), c.Env...), markName+"="+mark)
	if c.Stdin != "" {
		cmd.Stdin = strings.NewReader(c.Stdin)
	}
	isolate(cmd)
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel ends the command with the thread that started it: this one stays until the command has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			if c.Low {
				yield(cmd.Process.Pid)
			}
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrNotStarted, plain(err))
	}
	select {
	case <-ended:
		return Result{Code: cmd.ProcessState.ExitCode(), Output: out.String(), LeftOut: out.leftOut()}, nil
	case <-ctx.Done():
	}
	terminate(cmd.Process.Pid)
	if !within(termGrace, ended) {
		kill(cmd.Process.Pid)
		sweep(mark)
		if !within(killGrace+outputGrace, ended) {
			return Result{Code: -1, Output: out.String(), LeftOut: out.leftOut(), Cut: true}, fmt.Errorf("process %d does not end although it was killed: it hangs in the kernel", cmd.Process.Pid)
		}
	}
	kill(cmd.Process.Pid) // what is left of the group
	sweep(mark)
	return Result{Code: -1, Output: out.String(), LeftOut: out.leftOut(), Cut: true}, nil
}

func within(d time.Duration, ended <-chan error) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// inherited is the executor's environment without what is meant for ham itself.
func inherited() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "HAM_") {
			env = append(env, kv)
		}
	}
	return env
}

// plain takes the program's path out of the chain once: exec names it already.
func plain(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%s: %w", e.Name, e.Err)
	}
	return err
}

// bounded keeps the first and the last of what is written. Safe for concurrent use.
type bounded struct {
	mu      sync.Mutex
	head    []byte
	tail    []byte
	dropped int
	// first and last are how many bytes of each are kept.
	first, last int
}

const (
	headSize = 2 << 10
	tailSize = 4 << 10
)

var _ io.Writer = (*bounded)(nil)

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(p)
	if room := b.first - len(b.head); room > 0 {
		k := min(room, len(p))
		b.head, p = append(b.head, p[:k]...), p[k:]
	}
	if over := len(p) - b.last; over > 0 {
		b.dropped += over
		p = p[over:]
	}
	b.tail = append(b.tail, p...)
	if over := len(b.tail) - b.last; over > 0 {
		b.dropped += over
		b.tail = append(b.tail[:0], b.tail[over:]...)
	}
	return n, nil
}

func (b *bounded) leftOut() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

func (b *bounded) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := string(b.head)
	if b.dropped > 0 && b.first > 0 {
		s += fmt.Sprintf("\n… %d bytes left out …\n", b.dropped)
	}
	return strings.TrimSpace(strings.ToValidUTF8(s+string(b.tail), "?"))
}
