package executor

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/porttest"
	"github.com/isacloud/ha-manager/pkg/spec"
)

// patient is a process without a unit, which a ladder restarts: the test's own binary, listening.
type patient struct {
	dir, address string
}

// TestServesForTheLadder is no test: it is the server, where it is asked to be one.
func TestServesForTheLadder(t *testing.T) {
	address := os.Getenv("TEST_SERVE_AT")
	if address == "" {
		return
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}

func newPatient(t *testing.T) *patient {
	s := &patient{t.TempDir(), porttest.Hold(t)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nkill $(cat %[1]s/pid) 2>/dev/null\nTEST_SERVE_AT=%[2]s %[3]s -test.run '^TestServesForTheLadder$' >/dev/null 2>&1 </dev/null &\necho $! > %[1]s/pid\necho x >> %[1]s/starts\n",
		s.dir, s.address, self)
	if err := os.WriteFile(s.restart(), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pid := s.pid(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return s
}

func (s *patient) restart() string { return filepath.Join(s.dir, "restart") }

func (s *patient) pid() int {
	b, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

func (s *patient) starts() int {
	b, err := os.ReadFile(filepath.Join(s.dir, "starts"))
	if err != nil {
		return 0
	}
	return strings.Count(string(b), "x")
}

// up waits until it answers.
func (s *patient) up(t *testing.T) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if c, err := net.DialTimeout("tcp", s.address, time.Second); err == nil {
			c.Close()
			return
		}
	}
	t.Fatal("the server does not come up")
}

// try is a try of a ladder: the command that a decider would make of a rung.
func (l *lab) try(epoch uint64, timeout time.Duration, args spec.RestartArgs) *message.Command {
	with, err := json.Marshal(args)
	if err != nil {
		l.t.Fatal(err)
	}
	c := l.command("web", epoch, message.Step{
		Name: message.StepRemedy, Phase: message.PhaseAct, Driver: "restart", With: with, On: "member", Site: "sp", Timeout: message.Duration(timeout),
		OnFailure: message.FailGoOn, Unskippable: true, Says: "mend a",
	})
	c.Kind, c.From, c.Primary = message.KindRemedy, "a", "a"
	c.Remedy = &message.Remedy{Member: "a", Rung: 1, Rungs: 1, Try: 1, Times: 3, Does: "mend a"}
	return c
}

func atSites(sites ...string) func(*Options) {
	return func(o *Options) {
		o.Sites = sites
	}
}

// A process without a unit that died is started again by a command, by the executor of its site; what is up is left alone.
func TestALadderRestartsAProcess(t *testing.T) {
	t.Parallel()
	l, s := newLab(t), newPatient(t)
	l.start("x-rj", atSites("rj"))
	args := spec.RestartArgs{
		Member: "a", Exec: &spec.ExecArgs{Command: []string{s.restart()}},
		Up: &spec.LookArgs{TCP: s.address, Timeout: time.Second, Want: "up"},
	}
	l.decide(l.try(1, 20*time.Second, args))
	l.decide(l.command("other", 1, l.act("one")))
	l.run("other", 1, message.StateDone)
	if n := s.starts(); n != 0 {
		t.Fatalf("an executor of another site has made the try, %d times", n)
	}
	l.start("x-sp", atSites("sp"))
	if r := l.step("web", 1, message.StepRemedy, message.StateDone); !r.Applied || r.By() != "x-sp" {
		t.Errorf("%s says %+v", r.By(), r)
	}
	l.run("web", 1, message.StateDone)
	s.up(t)
	l.decide(l.try(2, 20*time.Second, args))
	if r := l.step("web", 2, message.StepRemedy, message.StateDone); r.Applied {
		t.Errorf("it was up, and %+v", r)
	}
	pid := s.pid()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if c, err := net.DialTimeout("tcp", s.address, time.Second); err != nil {
			break
		} else {
			c.Close()
		}
	}
	l.decide(l.try(3, 20*time.Second, args))
	if r := l.step("web", 3, message.StepRemedy, message.StateDone); !r.Applied {
		t.Errorf("it was dead, and %+v", r)
	}
	s.up(t)
	if n := s.starts(); n != 2 || s.pid() == pid {
		t.Errorf("it was started %d times, want twice", n)
	}
}

// A command that hangs is ended with its children, and the run comes to its end without a person; so does one that fails.
func TestALadderThatFails(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start("x-sp", atSites("sp"))
	hangs := spec.RestartArgs{Member: "a", Exec: &spec.ExecArgs{Command: []string{"sleep", "1000"}}}
	l.decide(l.try(1, 100*time.Millisecond, hangs))
	if r := l.step("web", 1, message.StepRemedy, message.StateFailed); !strings.Contains(r.Problem, "time-out") {
		t.Errorf("it hung, and the step says %q", r.Problem)
	}
	l.run("web", 1, message.StateDone)
	l.decide(l.try(2, 20*time.Second, spec.RestartArgs{Member: "a", Exec: &spec.ExecArgs{Command: []string{"false"}}}))
	if r := l.step("web", 2, message.StepRemedy, message.StateFailed); !strings.Contains(r.Problem, "exit code 1") {
		t.Errorf("it failed, and the step says %q", r.Problem)
	}
	l.run("web", 2, message.StateDone)
}

// An executor that dies in the middle of a try does not make it twice in its next life: nobody knows whether it was made, and the ladder is over.
func TestATryIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	l, dir, state := newLab(t), t.TempDir(), t.TempDir()
	began := filepath.Join(dir, "began")
	script := filepath.Join(dir, "mend")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho x >> "+began+"\nsleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	life := func(o *Options) { atSites("sp")(o); o.StateDir = state }
	x := l.start("x-sp", life)
	l.decide(l.try(1, time.Minute, spec.RestartArgs{Member: "a", Exec: &spec.ExecArgs{Command: []string{script}}}))
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(began); err == nil {
			break
		}
	}
	x.end(t)
	l.start("x-sp", life)
	l.step("web", 1, message.StepRemedy, message.StateFailed)
	l.run("web", 1, message.StateDone)
	b, err := os.ReadFile(began)
	if err != nil || strings.Count(string(b), "x") != 1 {
		t.Errorf("the try was made %d times, %v", strings.Count(string(b), "x"), err)
	}
}
