package haproxytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

// patience bounds each wait for HAProxy: to come up, to take over, to end.
const patience = 10 * time.Second

// Option changes how HAProxy is run.
type Option func(*Proxy)

// MasterWorker runs HAProxy as systemd does on Debian (-W): a reload is a signal to the master, which hands the listening
// sockets over to the new worker.
func MasterWorker() Option { return func(p *Proxy) { p.masterWorker = true } }

// Proxy is a running HAProxy. Its methods fail the test when HAProxy does not do as told. They are not safe for concurrent use.
type Proxy struct {
	t            testing.TB
	program      string
	masterWorker bool
	places       places
	path         string // of the configuration
	client       *haproxy.Client
	log          logBuffer

	current *process   // nil when it was stopped
	leaving []*process // replaced by reloads, perhaps still there
}

// process is one haproxy that this package started.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it was waited for
	err   error         // how it ended, set before ended is closed
}

// signal reaches the process alone: the master, where there are workers. One that has ended is no error: whoever sends a
// signal also waits for what it brings about.
func (x *process) signal(s syscall.Signal) { _ = x.cmd.Process.Signal(s) }

// signalAll reaches the process and its workers, which are a process group of their own.
func (x *process) signalAll(s syscall.Signal) {
	select {
	case <-x.ended:
	default:
		_ = syscall.Kill(-x.cmd.Process.Pid, s)
	}
}

// Start runs HAProxy with the configuration and waits until it takes commands. In the configuration {{addr "name"}} stands for a free
// address with port, {{unix "name"}} for the path of a socket; at least one {{unix}} must be a runtime socket. All processes
// are gone when the test ends. See [Require] for machines without HAProxy.
func Start(t testing.TB, config string, options ...Option) *Proxy {
	t.Helper()
	p := &Proxy{t: t, program: Require(t)}
	for _, o := range options {
		o(p)
	}
	// Not t.TempDir: the path of a socket must be short, and a test's name can be long.
	dir, err := os.MkdirTemp("", "haproxy")
	if err != nil {
		t.Fatalf("make a folder for HAProxy: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p.places = places{dir: dir, addrs: map[string]string{}, runtime: map[string]string{}}
	p.path = filepath.Join(dir, "haproxy.cfg")
	p.configure(config)
	if p.client, err = haproxy.New(p.places.runtime[p.places.first], haproxy.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	p.launch()
	return p
}

// Addr returns host:port of {{addr "name"}}.
func (p *Proxy) Addr(name string) string {
	p.t.Helper()
	addr, ok := p.places.addrs[name]
	if !ok {
		p.t.Fatalf(`the configuration has no {{addr %q}}`, name)
	}
	return addr
}

// URL returns http://host:port of {{addr "name"}}.
func (p *Proxy) URL(name string) string { p.t.Helper(); return "http://" + p.Addr(name) }

// Runtime returns the address for haproxy.New of {{unix "name"}} or {{addr "name"}}.
func (p *Proxy) Runtime(name string) string {
	p.t.Helper()
	addr, ok := p.places.runtime[name]
	if !ok {
		p.t.Fatalf(`the configuration has neither {{unix %q}} nor {{addr %q}}`, name, name)
	}
	return addr
}

// Log returns what HAProxy has written to its standard error so far.
func (p *Proxy) Log() string { return p.log.String() }

// Configure replaces the configuration, with the same ports and sockets for the same names. It counts from the next Reload or Restart.
func (p *Proxy) Configure(config string) { p.t.Helper(); p.configure(config) }

// Reload does what "systemctl reload haproxy" does and waits until the new process takes commands. The old one leaves when its
// last session has ended, sessions of the runtime API included; it is killed when the test ends.
func (p *Proxy) Reload() {
	p.t.Helper()
	old := p.info()
	if p.masterWorker {
		p.running().signal(syscall.SIGUSR2)
	} else {
		previous := p.running()
		p.leaving = append(p.leaving, previous)
		p.current = p.run("-sf", strconv.Itoa(previous.cmd.Process.Pid))
	}
	p.await("take over", func(i haproxy.Info) bool { return i.Pid != old.Pid })
	p.awaitMaster()
}

// Stop ends HAProxy as "systemctl stop" does (SIGTERM) and waits for it: connections are closed, ports refuse. Nothing happens if it is stopped.
func (p *Proxy) Stop() {
	p.t.Helper()
	if p.current != nil {
		p.current.signal(syscall.SIGTERM)
		p.wait()
	}
}

// Kill ends HAProxy, workers included, by SIGKILL and waits for it. Nothing happens if it is stopped.
func (p *Proxy) Kill() {
	p.t.Helper()
	if p.current != nil {
		p.current.signalAll(syscall.SIGKILL)
		p.wait()
	}
}

// Restart kills HAProxy if it runs and starts it anew, on the same ports and sockets, and waits until it takes commands.
func (p *Proxy) Restart() {
	p.t.Helper()
	p.Kill()
	p.launch()
}

// Suspend freezes HAProxy (SIGSTOP) and waits until it is frozen: the kernel still accepts connections, and nothing answers.
func (p *Proxy) Suspend() {
	p.t.Helper()
	worker := p.info().Pid
	p.running().signalAll(syscall.SIGSTOP)
	for deadline := time.Now().Add(patience); !frozen(worker); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			p.fatalf("HAProxy did not stop within %v after SIGSTOP", patience)
		}
	}
}

// Resume lets a suspended HAProxy go on.
func (p *Proxy) Resume() { p.t.Helper(); p.running().signalAll(syscall.SIGCONT) }

// Leaving returns how many processes that were replaced by Reload are still there. It does not count those of MasterWorker.
func (p *Proxy) Leaving() int {
	n := 0
	for _, old := range p.leaving {
		select {
		case <-old.ended:
		default:
			n++
		}
	}
	return n
}

func (p *Proxy) configure(config string) {
	p.t.Helper()
	text, err := p.places.render(p.t, config)
	if err == nil {
		err = os.WriteFile(p.path, []byte(text), 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *Proxy) launch() {
	p.t.Helper()
	p.current = p.run()
	pid := p.current.cmd.Process.Pid
	p.await("come up", func(i haproxy.Info) bool { return p.masterWorker || i.Pid == pid })
	p.awaitMaster()
}

// awaitMaster waits until the master, if there is one, answers on its own socket. Before that it loses signals.
func (p *Proxy) awaitMaster() {
	p.t.Helper()
	if !p.masterWorker {
		return
	}
	p.poll("have a master that answers", func(ctx context.Context) error { return answers(ctx, p.masterSocket()) })
}

// answers tells whether a master listens at the socket and says something when asked.
func answers(ctx context.Context, socket string) error {
	nc, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer nc.Close()
	if deadline, ok := ctx.Deadline(); ok {
		nc.SetDeadline(deadline)
	}
	if _, err := io.WriteString(nc, "show proc\n"); err != nil {
		return err
	}
	_, err = nc.Read(make([]byte, 1))
	return err
}

func (p *Proxy) masterSocket() string { return filepath.Join(p.places.dir, "master") }

// run starts a process and returns at once.
func (p *Proxy) run(args ...string) *process {
	p.t.Helper()
	args = append([]string{"-f", p.path, "-db"}, args...)
	if p.masterWorker {
		args = append([]string{"-W", "-S", p.masterSocket()}, args...)
	}
	cmd := exec.Command(p.program, args...)
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.program, err)
	}
	started := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		started.err = cmd.Wait()
		close(started.ended)
	}()
	return started
}

// await asks HAProxy who it is until the answer is right.
func (p *Proxy) await(what string, right func(haproxy.Info) bool) {
	p.t.Helper()
	p.poll(what, func(ctx context.Context) error {
		info, err := p.client.ShowInfo(ctx)
		if err == nil && (!right(info) || info.Stopping) {
			err = fmt.Errorf("process %d answers", info.Pid)
		}
		return err
	})
}

// poll tries until there is no error. HAProxy gives no sign when it is ready, so it is asked every 2 ms.
func (p *Proxy) poll(what string, try func(context.Context) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-p.current.ended:
			end := p.current.err
			p.current = nil
			p.fatalf("HAProxy ended when it should %s: %v", what, end)
		case <-ctx.Done():
			p.fatalf("HAProxy did not %s within %v: %v", what, patience, err)
		}
	}
}

func (p *Proxy) info() haproxy.Info {
	p.t.Helper()
	info, err := p.client.ShowInfo(context.Background())
	if err != nil {
		p.fatalf("%v", err)
	}
	return info
}

func (p *Proxy) running() *process {
	p.t.Helper()
	if p.current == nil {
		p.t.Fatal("HAProxy was stopped by this test")
	}
	return p.current
}

// wait waits for the end of the current process, which was sent a signal.
func (p *Proxy) wait() {
	p.t.Helper()
	select {
	case <-p.current.ended:
		p.current = nil
	case <-time.After(patience):
		p.fatalf("HAProxy did not end within %v after a signal", patience)
	}
}

// end leaves nothing behind.
func (p *Proxy) end() {
	if p.t.Failed() {
		p.t.Logf("HAProxy said:\n%s", p.Log())
	}
	all := p.leaving
	if p.current != nil {
		all = append(all, p.current)
	}
	for _, x := range all {
		x.signalAll(syscall.SIGKILL)
		<-x.ended
	}
}

func (p *Proxy) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s\nHAProxy said:\n%s", fmt.Sprintf(format, args...), p.Log())
}

// logBuffer collects what HAProxy writes. Safe for concurrent use.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
