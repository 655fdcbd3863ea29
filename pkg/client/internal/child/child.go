// Package child runs a server as a process of a test: it writes into a buffer, and dies with the test's process, where the system can see to that.
package child

import (
	"bytes"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

// Process is one server, which may be killed and started again. Used by one goroutine at a time, but for Log and Ended.
type Process struct {
	log   buffer
	cmd   *exec.Cmd // nil when it was killed
	ended chan struct{}
}

// Start runs the command. It sets its outputs and attributes; change, where it is not nil, may change the attributes.
func (p *Process) Start(t testing.TB, cmd *exec.Cmd, change func(*syscall.SysProcAttr)) {
	t.Helper()
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &p.log, &p.log, attributes()
	if change != nil {
		change(cmd.SysProcAttr)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	go func() { _ = cmd.Wait(); close(ended) }()
}

// Ended is closed when it has, for whatever reason.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends it by SIGKILL and waits until it is gone. Nothing happens if it was killed.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
	p.cmd = nil
}

// Signal sends it a signal; SIGSTOP and SIGCONT freeze and thaw it.
func (p *Process) Signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Log is what it has written, in all its lives.
func (p *Process) Log() string { return p.log.String() }

// buffer collects what a process writes. Safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
