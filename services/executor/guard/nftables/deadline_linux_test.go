package nftables

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/services/executor/guard"
)

func TestMain(m *testing.M) {
	if os.Getenv("GUARD_RENEWER") != "" {
		os.Exit(renewer())
	}
	os.Exit(m.Run())
}

// inTime checks that nothing passed an established connection later than the deadline allows.
func (st *stream) inTime(is func() time.Duration) (late time.Duration) {
	st.s.t.Helper()
	out, in := st.ended()
	deadline := is()
	if out > deadline+guard.Late {
		st.s.t.Errorf("the last byte got out %v after the deadline, allowed are %v", out-deadline, guard.Late)
	}
	if in > deadline+guard.Late {
		st.s.t.Errorf("the last byte got in %v after the deadline, allowed are %v", in-deadline, guard.Late)
	}
	return max(out, in) - deadline
}

func at(deadline time.Duration) func() time.Duration { return func() time.Duration { return deadline } }

// An established connection is cut at the deadline, in both directions, on IPv4, IPv6 and loopback.
func TestEstablishedConnectionsAreCutAtTheDeadline(t *testing.T) {
	for _, c := range []struct {
		name  string
		local bool
		addr  string
	}{{"IPv4", false, member4}, {"IPv6", false, member6}, {"loopback", true, "127.0.0.1"}, {"loopback IPv6", true, "::1"}, {"own address", true, member4}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if c.local {
				s.client = s.member
			}
			g := s.guard()
			if err := g.Prepare(); err != nil {
				t.Fatal(err)
			}
			var late []string
			for range 5 {
				if err := g.Arm(clock() + time.Minute); err != nil {
					t.Fatal(err)
				}
				st := s.flow(c.addr)
				deadline := clock() + 250*time.Millisecond
				if err := g.Arm(deadline); err != nil {
					t.Fatal(err)
				}
				late = append(late, st.inTime(at(deadline)).Round(100*time.Microsecond).String())
			}
			t.Logf("the last byte came after the deadline: %s", strings.Join(late, " "))
		})
	}
}

// A write that is late, but in time for its ticket, is late by no more than is allowed.
func TestAWriteThatIsJustInTimeIsNotTooLate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g := s.guard()
	if err := g.Prepare(); err != nil {
		t.Fatal(err)
	}
	for measured, tries := 0, 0; measured < 5; tries++ {
		if tries == 50 {
			t.Fatal("the machine is too slow to write in time even once in 10 times")
		}
		if err := g.Arm(clock() + time.Minute); err != nil {
			t.Fatal(err)
		}
		st := s.flow(member4)
		s.frozen = func() { time.Sleep(ticketLife - 10*time.Millisecond) }
		deadline := clock() + 250*time.Millisecond
		err := g.Renew(deadline)
		s.frozen = nil
		if err == nil {
			measured++
			t.Logf("the last byte came %v after the deadline", st.inTime(at(deadline)))
			continue
		}
		t.Logf("not written, and so it is open until the deadline before: %v", err)
		if err := g.Shut(); err != nil {
			t.Fatal(err)
		}
		st.ended()
	}
}

// A write that comes after its ticket is refused each time, and the guard stays as it was; without a pause it is accepted.
func TestALateWriteIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g := s.guard()
	if err := g.Prepare(); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for range 10 {
		before := clock() + 10*time.Second
		if err := g.Arm(before); err != nil {
			t.Fatal(err)
		}
		s.frozen = func() { time.Sleep(guard.Late + 10*time.Millisecond) }
		err := g.Renew(before + 10*time.Second)
		s.frozen = nil
		if err != nil && !errors.Is(err, guard.ErrLapsed) {
			refused++
		}
		if d, open, err := g.Open(); err != nil || !open || d > before+guard.Late {
			t.Errorf("after a late write it is open until %v (%t, %v), it was armed until %v", d, open, err, before)
		}
		if err := g.Renew(before + time.Second); err != nil {
			t.Errorf("a write without a pause: %v", err)
		}
	}
	if refused != 10 {
		t.Errorf("%d of 10 late writes were refused", refused)
	}
}

// An answer to a request from before does not get out once the guard has shut, and a request that comes then does not get in, both on an
// established connection.
func TestNothingPassesAShutGuard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g := s.guard()
	if err := g.Prepare(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{member4, member6} {
		for _, c := range []struct {
			what string
			from func(client, server net.Conn) (writer, reader net.Conn)
		}{
			{"an answer", func(client, server net.Conn) (net.Conn, net.Conn) { return server, client }},
			{"a request", func(client, server net.Conn) (net.Conn, net.Conn) { return client, server }},
		} {
			if err := g.Arm(clock() + time.Minute); err != nil {
				t.Fatal(err)
			}
			writer, reader := c.from(s.connect(addr))
			pass := func() error {
				if _, err := writer.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
				_, err := io.ReadFull(reader, make([]byte, 1))
				return err
			}
			if err := pass(); err != nil {
				t.Fatal(err)
			}
			if err := g.Shut(); err != nil {
				t.Fatal(err)
			}
			if err := reader.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if err := pass(); err == nil {
				t.Errorf("%s: %s passes a shut guard", addr, c.what)
			}
		}
	}
}

// renewer is another process, which ends with its standard output at the latest: it arms and renews the guard of the namespace that it runs in, and tells each deadline before it is written.
func renewer() int {
	o := Options{Group: "orders", Ports: []int{port, streamPort}, Clock: clock}
	g, err := New(o)
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	write := g.Arm
	for {
		deadline := clock() + 300*time.Millisecond
		fmt.Println("until", int64(deadline))
		if err := write(deadline); errors.Is(err, guard.ErrLapsed) {
			fmt.Println("lapsed")
			return 3
		} else if err != nil {
			fmt.Println("failed", err)
		}
		write = g.Renew
		time.Sleep(20 * time.Millisecond)
	}
}

// process is a renewer that runs.
type process struct {
	cmd   *exec.Cmd
	lines chan string
	last  time.Duration // the newest deadline that it told
}

func (s *site) renewer() *process {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.t.Cleanup(cancel)
	p := &process{cmd: exec.CommandContext(ctx, os.Args[0]), lines: make(chan string, 10000)}
	p.cmd.Env = append(os.Environ(), "GUARD_RENEWER=1")
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = s.member.Start(p.cmd)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	s.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		for range p.lines {
		}
		_ = p.cmd.Wait()
	})
	return p
}

// deadlines takes what the process has said so far, at least n lines, and gives the newest deadline of all.
func (p *process) deadlines(t *testing.T, n int) time.Duration {
	t.Helper()
	for i := 0; ; i++ {
		var line string
		var ok bool
		if i < n {
			if line, ok = <-p.lines; !ok {
				t.Fatal("the renewer has ended")
			}
		} else {
			select {
			case line, ok = <-p.lines:
			default:
			}
			if !ok {
				return p.last
			}
		}
		if ns, is := strings.CutPrefix(line, "until "); is {
			d, err := strconv.ParseInt(ns, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			p.last = time.Duration(d)
		} else {
			t.Log(line)
		}
	}
}

// A process that is killed leaves a guard that shuts by itself, and stays shut for its next life.
func TestAKilledProcessLeavesAGuardThatShuts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g := s.guard()
	if err := g.Prepare(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p := s.renewer()
		p.deadlines(t, 5)
		st := s.flow(member4)
		p.deadlines(t, 20) // longer than one deadline: it was renewed
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		st.inTime(func() time.Duration { return p.deadlines(t, 0) })
		if err := g.Renew(clock() + time.Minute); !errors.Is(err, guard.ErrLapsed) {
			t.Errorf("renewed after it had shut: %v", err)
		}
		if s.reaches(s.client, member4, port) {
			t.Error("a client is let in after the process was killed")
		}
	}
}

// A process that is frozen and thawed finds its guard shut and cannot open it again.
func TestAThawedProcessStaysShut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.guard().Prepare(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p := s.renewer()
		p.deadlines(t, 5)
		st := s.flow(member4)
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		st.inTime(func() time.Duration { return p.deadlines(t, 0) })
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		var end *exec.ExitError
		for line := range p.lines {
			t.Log(line)
		}
		if err := p.cmd.Wait(); !errors.As(err, &end) || end.ExitCode() != 3 {
			t.Errorf("the thawed process ended with %v, want that it says that it lapsed", err)
		}
		if s.reaches(s.client, member4, port) {
			t.Error("a client is let in after the process was thawed")
		}
	}
}
