package executor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// TestMain is also the program of the child that the crash walk kills.
func TestMain(m *testing.M) {
	if os.Getenv("CRASH_URL") != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is an executor that kills itself, as kill -9 does, at the n-th point at which a crash must do no harm. It prints each
// point. At 0 there is none, and a child that comes to the end of the run ends a moment later; below 0 it lives on.
func child() error {
	at, err := strconv.ParseInt(os.Getenv("CRASH_AT"), 10, 64)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Options{Name: "x1", Service: "executor", URLs: []string{os.Getenv("CRASH_URL")}})
	if err != nil {
		return err
	}
	var points atomic.Int64
	o := Options{
		Bus: b, StateDir: os.Getenv("CRASH_DIR"), Drivers: append(Drivers(), fakeKind()), TakeOver: 400 * time.Millisecond, Every: 50 * time.Millisecond,
		at: func(point string) {
			n := points.Add(1)
			fmt.Printf("%d %s\n", n, point)
			if n == at {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		},
	}
	x, err := New(o)
	if err != nil {
		return err
	}
	group := os.Getenv("CRASH_GROUP")
	go func() {
		_ = b.Follow(ctx, bus.FollowOptions{Stream: subject.StreamSafety, Subjects: []string{subject.SafetyOf(group)}}, func(d bus.Delivery) {
			if r, ok := d.Message.(*message.RunResult); ok && r.State == message.StateDone && at >= 0 {
				time.AfterFunc(100*time.Millisecond, cancel) // the last points come after it was told
			}
		})
	}()
	return x.Run(ctx)
}

// die runs the child until it dies at that point, and says whether it did.
func (l *lab) die(t *testing.T, group, dir string, at int) (points int, died bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "CRASH_URL="+l.server.ClientURL(), "CRASH_DIR="+dir, "CRASH_GROUP="+group, "CRASH_AT="+strconv.Itoa(at))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	// The kernel ends the child with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := cmd.Output()
	for _, c := range out {
		if c == '\n' {
			points++
		}
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL && ctx.Err() == nil {
		return points, true
	}
	if err != nil {
		t.Fatalf("the child ended with %v:\n%s", err, out)
	}
	return points, false
}

// stride is 1: the walk takes every point, one process each. With -short it takes every seventh.
func stride() int {
	if testing.Short() {
		return 7
	}
	return 1
}

// TestCrashWalk kills the executor at every point at which a crash must do no harm, one after the other, and lets the run be taken up
// by its next life, or by another executor. However it went: the run is done, held once, and every step was applied once. The step blind
// cannot tell whether it is done: where the crash leaves that open the run waits for a person, who looks and says so.
func TestCrashWalk(t *testing.T) {
	plan := func(l *lab) *message.Command {
		cmd := l.command("web", 1, l.look("look-again", "yes"), l.act("one"), l.act("two"), l.act("three"), l.act("blind", `{"says": "blind"}`), l.verify("verify"))
		cmd.Plan.Steps[3].After = []string{"one"} // two and three side by side
		cmd.Plan.Steps[4].After = []string{"two", "three"}
		return cmd
	}
	whole := newLab(t, bustest.Listening)
	whole.decide(plan(whole))
	points, died := whole.die(t, "web", filepath.Join(t.TempDir(), "x1"), 0)
	if died || points < 20 {
		t.Fatalf("without a crash there are %d points, died %t", points, died)
	}
	t.Logf("%d points", points)
	whole.run("web", 1, message.StateDone)
	for _, by := range []string{"itself", "another"} {
		for at := 1; at <= points; at += stride() {
			t.Run(fmt.Sprintf("%d/%s", at, by), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, bustest.Listening)
				l.decide(plan(l))
				dir := filepath.Join(t.TempDir(), "x1")
				if _, died := l.die(t, "web", dir, at); !died {
					t.Log("this time the run had fewer points")
					return
				}
				if by == "itself" {
					l.start("x1", func(o *Options) { o.StateDir = dir })
				} else {
					l.start("x2")
				}
				r := await(l, "the end, or a pause", func(m *message.RunResult) bool {
					return m.State == message.StateDone || m.State == message.StatePaused
				})
				if r.State == message.StatePaused {
					verb := message.VerbRetry
					if l.ledger.has("web.1.blind") {
						verb = message.VerbApprove
					}
					if r.Step != "blind" {
						t.Errorf("paused at %s: %s", r.Step, r.Sentence)
					}
					l.instruct("web", 1, verb, r.Step, 1)
				}
				l.run("web", 1, message.StateDone)
				l.check(t, "web", 1, "one", "two", "three", "blind")
			})
		}
	}
}

// TestCrashWalkThatClosesARun kills the executor at every point while it begins an epoch over two that nobody has carried through: people are told of each
// how it ended, once. Odd points are taken up by the executor itself, even ones by another.
func TestCrashWalkThatClosesARun(t *testing.T) {
	decide := func(l *lab) {
		for epoch := range uint64(2) {
			left := l.command("web", epoch+1, l.act("one"))
			left.Plan.Steps[0].On = "executor:gone"
			l.decide(left)
		}
		l.decide(l.command("web", 3, l.act("one")))
	}
	whole := newLab(t, bustest.Listening)
	decide(whole)
	points, died := whole.die(t, "web", filepath.Join(t.TempDir(), "x1"), 0)
	if died || points < 15 {
		t.Fatalf("without a crash there are %d points, died %t", points, died)
	}
	for at := 1; at <= points; at += stride() {
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, bustest.Listening)
			decide(l)
			dir := filepath.Join(t.TempDir(), "x1")
			l.die(t, "web", dir, at)
			if at%2 == 1 {
				l.start("x1", func(o *Options) { o.StateDir = dir })
			} else {
				l.start("x2")
			}
			l.run("web", 3, message.StateDone)
			for epoch := range uint64(2) {
				ended := l.run("web", epoch+1, message.StateSuperseded)
				await(l, "the end, for people", func(e *message.Event) bool { return e.ID == "ev."+ended.ID })
			}
			l.check(t, "web", 3, "one")
		})
	}
}

// TestCrashWalkOnHAProxy is the same walk with a compiled plan and a real HAProxy: clients are led to the new primary however it went. Odd points
// are taken up by the executor itself, even ones by another.
func TestCrashWalkOnHAProxy(t *testing.T) {
	haproxytest.Require(t)
	begin := func(t *testing.T) *pair {
		p := newPair(t, "auto", bustest.Listening)
		if err := p.admin.SetState(t.Context(), "web", "s1", haproxy.Ready); err != nil {
			t.Fatal(err)
		}
		p.sites[0].Kill()
		p.swap(t, 1, message.KindFailover, "a", "b")
		return p
	}
	whole := begin(t)
	points, _ := whole.die(t, "web", filepath.Join(t.TempDir(), "x1"), 0)
	whole.run("web", 1, message.StateDone)
	if points < 15 {
		t.Fatalf("without a crash there are %d points", points)
	}
	for at := 1; at <= points; at += stride() {
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			t.Parallel()
			p := begin(t)
			dir := filepath.Join(t.TempDir(), "x1")
			p.die(t, "web", dir, at)
			if at%2 == 1 {
				p.start("x1", func(o *Options) { o.StateDir = dir })
			} else {
				p.start("x2")
			}
			p.run("web", 1, message.StateDone)
			p.right(t, "crashed at "+strconv.Itoa(at), ledToB)
			if n := p.held("web", 1); n != 1 {
				t.Errorf("held %d times", n)
			}
		})
	}
}

// check holds what must hold after every crash.
func (l *lab) check(t *testing.T, group string, epoch uint64, steps ...string) {
	t.Helper()
	for _, step := range steps {
		n := 0
		for _, line := range l.ledger.lines() {
			if line == fmt.Sprintf("%s.%d.%s", group, epoch, step) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("step %s was applied %d times\n%s", step, n, l.story())
		}
		l.step(group, epoch, step, message.StateStarted)
		l.step(group, epoch, step, message.StateDone)
	}
	if n := l.held(group, epoch); n != 1 {
		t.Errorf("held %d times", n)
	}
	ids := map[string]int{}
	for _, m := range l.heard() {
		if m.MessageGroup() == group {
			ids[m.MessageID()]++
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s was told %d times", id, n)
		}
	}
}
