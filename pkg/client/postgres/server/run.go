package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// termGrace is what a program is given between SIGTERM and SIGKILL.
const termGrace = time.Second

// tool runs one of PostgreSQL's programs as the server's user, until it ends or ctx does, and returns what it printed on stdout. It gets
// no environment but the least, in English. line, if not nil, gets what it prints on stderr as it comes, a line or a carriage return at a time.
// The error ends in the last of what it printed. No process of it is left when tool returns, nor when this process dies.
func (s *Server) tool(ctx context.Context, line func(string), argv ...string) (string, error) {
	a, err := s.account()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/nonexistent", "TZ=" + os.Getenv("TZ")}
	cmd.Dir = "/"
	attributes(cmd, a, true)
	return finish(ctx, cmd, line)
}

// manager runs systemctl or pg_ctlcluster as this process's own user, with its environment: they become who they need to be. A killed
// manager might leave a server half started, so only its own end or that of ctx ends it; Kill ends what it starts.
func (s *Server) manager(ctx context.Context, argv ...string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = environment(), "/"
	attributes(cmd, account{}, false)
	if _, err := finish(ctx, cmd, nil); err != nil {
		return err
	}
	return nil
}

// environment is this process's own without what is meant for ham, for libpq, or for one service manager's child alone.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "HAM_") && (!strings.HasPrefix(kv, "PG") || strings.HasPrefix(kv, "PG_CLUSTER_CONF_ROOT=")) &&
			!strings.HasPrefix(kv, "NOTIFY_SOCKET=") && !strings.HasPrefix(kv, "WATCHDOG_") {
			env = append(env, kv)
		}
	}
	return env
}

func finish(ctx context.Context, cmd *exec.Cmd, line func(string)) (string, error) {
	var stdout, stderr tail
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, termGrace
	var lines *liner
	if line != nil {
		lines = &liner{line: line}
		cmd.Stderr = io.MultiWriter(&stderr, lines)
	}
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel ends the program with the thread that started it: this one stays until it has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return "", fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		cause := context.Cause(ctx)
		if !errors.Is(cause, ErrKilled) {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // it may have ended meanwhile
			timer := time.NewTimer(termGrace)
			defer timer.Stop()
			select {
			case <-ended:
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of the group
				return "", cause
			case <-timer.C:
			}
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		return "", cause
	}
	if lines != nil {
		lines.flush()
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		said := strings.TrimSpace(stderr.String())
		if said == "" {
			said = strings.TrimSpace(stdout.String())
		}
		return stdout.String(), &toolError{program: cmd.Path, err: err, said: said}
	}
	return stdout.String(), nil
}

// toolError is a program that ended with an error.
type toolError struct {
	program string
	err     error
	said    string
}

func (e *toolError) Error() string {
	name := e.program[strings.LastIndexByte(e.program, '/')+1:]
	if e.said == "" {
		return fmt.Sprintf("%s: %v", name, e.err)
	}
	return fmt.Sprintf("%s: %v: %s", name, e.err, e.said)
}

func (e *toolError) Unwrap() error { return e.err }

// tail keeps the last of what is written. Safe for concurrent use.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - tailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(t.b), "?")
}

// liner hands on whole lines; progress ends in a carriage return.
type liner struct {
	rest []byte
	line func(string)
}

func (l *liner) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexAny(l.rest, "\r\n")
		if i < 0 {
			if len(l.rest) > bufio.MaxScanTokenSize {
				l.rest = nil
			}
			return len(p), nil
		}
		l.say(l.rest[:i])
		l.rest = l.rest[i+1:]
	}
}

func (l *liner) say(b []byte) {
	if s := strings.TrimSpace(string(b)); s != "" {
		l.line(s)
	}
}

func (l *liner) flush() { l.say(l.rest) }

func credential(cmd *exec.Cmd, a account) {
	if a.other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}
	}
}
