package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a process that this program started. The kernel ends it when this program ends, however that is.
type child struct {
	name  string
	cmd   *exec.Cmd
	lines chan string // of its standard output, closed at its end
	gone  chan struct{}
	err   error // how it ended; read it after gone
	said  tail  // of its standard error
}

// start is how a child begins.
type start struct {
	name    string
	program string
	args    []string
	env     []string // beside this program's own
	stdin   io.Reader
	stdout  io.Writer // nil: line by line, for child.line
	// network is what else the kernel shall set up for it: see [ownNetwork].
	network func(*syscall.SysProcAttr)
}

func (s start) spawn() (*child, error) {
	c := &child{name: s.name, cmd: exec.Command(s.program, s.args...), lines: make(chan string, 64), gone: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), s.env...)
	c.cmd.Stdin = s.stdin
	c.cmd.Stderr = &c.said
	var out io.ReadCloser
	if s.stdout != nil {
		c.cmd.Stdout = s.stdout
	} else {
		var err error
		if out, err = c.cmd.StdoutPipe(); err != nil {
			return nil, err
		}
	}
	// A group of its own: Ctrl-C reaches this program alone, and the order of the end is ours.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if s.network != nil {
		s.network(c.cmd.SysProcAttr)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	go func() {
		if out != nil {
			c.read(out)
		}
		c.err = c.cmd.Wait()
		close(c.lines)
		close(c.gone)
	}()
	return c, nil
}

// read hands over lines, and lets go of those that nobody takes: a full pipe would hold the child.
func (c *child) read(out io.Reader) {
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		select {
		case c.lines <- strings.TrimSuffix(line, "\n"):
		default:
		}
	}
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// kill is kill -9, and waits until the process is gone.
func (c *child) kill() { c.end(syscall.SIGKILL) }

// stop asks the process to end in order, and kills it where it does not within 15 s.
func (c *child) stop() {
	timer := time.AfterFunc(15*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	c.end(syscall.SIGTERM)
}

func (c *child) end(s syscall.Signal) {
	_ = c.cmd.Process.Signal(s) // gone already is what is wanted
	<-c.gone
}

// line waits for the next line of its standard output.
func (c *child) line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-c.lines:
		if !ok {
			return "", c.ended()
		}
		return line, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%s said nothing: %w", c.name, context.Cause(ctx))
	}
}

// ended says how it ended, with its last words.
func (c *child) ended() error {
	<-c.gone
	return fmt.Errorf("%s ended (%v): %s", c.name, errors.Join(c.err, errors.New(c.cmd.ProcessState.String())), c.said.String())
}

// usage is what a process has used so far.
type usage struct {
	cpu time.Duration // of all its threads, in the program and in the kernel
	rss float64       // what it holds in memory now, in MB of 10^6 bytes
}

// clockTick is the unit of times in /proc on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// used reads /proc.
func (c *child) used() (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid()))
	if err != nil {
		return usage{}, err
	}
	// The name in the second field may hold anything; what follows the last ')' is the third and on.
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(") "))
	fields := strings.Fields(string(rest))
	if len(fields) < 22 {
		return usage{}, fmt.Errorf("/proc/%d/stat has %d fields", c.pid(), len(fields)+2)
	}
	number := func(field int) int64 { // counted from 1, as proc(5) does
		var n int64
		if err == nil {
			n, err = strconv.ParseInt(fields[field-3], 10, 64)
		}
		return n
	}
	u := usage{
		cpu: time.Duration(number(14)+number(15)) * clockTick,
		rss: float64(number(24)*int64(os.Getpagesize())) / 1e6,
	}
	return u, err
}

// tail keeps the last words of a child. Safe for concurrent use.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if cut := len(t.b) - tailBytes; cut > 0 {
		t.b = append(t.b[:0], t.b[cut:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}

// freeze stops the process where it stands and waits until the kernel has.
func (c *child) freeze() error {
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for range 1000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid()))
		if err != nil {
			return err
		}
		if i := bytes.LastIndexByte(stat, ')'); i+2 < len(stat) && stat[i+2] == 'T' {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s does not stop at SIGSTOP", c.name)
}
