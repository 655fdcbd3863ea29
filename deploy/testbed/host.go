//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// host is one machine of the bed: a network namespace with an address and a directory.
type host struct {
	name, addr string
	dir        string // its disk
	ns         string // the namespace's name
	fd         int    // the namespace, open
	ipc        int    // the one that System V shared memory is in, open: what a killed server leaves there goes with it
	inode      uint64 // by which processes in it are known
	bed        *bed
}

// root are the namespaces that this program was started in.
var root = sync.OnceValue(func() (ns struct{ net, ipc int }) {
	var err1, err2 error
	ns.net, err1 = unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	ns.ipc, err2 = unix.Open("/proc/self/ns/ipc", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	return ns
})

// newIPC makes a namespace for System V shared memory. It has no name: it is gone with the last that is in it or has it open.
func newIPC() (int, error) {
	home := root().ipc
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWIPC); err != nil {
		runtime.UnlockOSThread()
		return -1, fmt.Errorf("make a namespace for shared memory: %w", err)
	}
	fd, err := unix.Open("/proc/thread-self/ns/ipc", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if back := unix.Setns(home, unix.CLONE_NEWIPC); back != nil {
		return fd, errors.Join(err, back) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return fd, err
}

// inside runs f on a thread that is in the host's namespace: sockets that it opens and processes that it starts are the host's.
func (h *host) inside(f func() error) error {
	runtime.LockOSThread()
	home := root()
	enter := func(net, ipc int) error {
		return errors.Join(unix.Setns(net, unix.CLONE_NEWNET), unix.Setns(ipc, unix.CLONE_NEWIPC))
	}
	err := enter(h.fd, h.ipc)
	if err == nil {
		err = f()
	} else {
		err = fmt.Errorf("enter %s: %w", h.ns, err)
	}
	if back := enter(home.net, home.ipc); back != nil {
		return errors.Join(err, fmt.Errorf("leave %s: %w", h.ns, back)) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// dial connects from this host. The address holds an IP: no name is looked up, so that the socket is opened on this very thread.
func (h *host) dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	inside := h.inside(func() error {
		c, err = (&net.Dialer{}).DialContext(ctx, network, addr)
		return nil
	})
	if inside != nil {
		return nil, inside
	}
	return c, err
}

// command is how a process of this host is started.
type command struct {
	argv []string
	user string // empty: root
	env  []string
	log  string // file below the host's directory; empty: none
	dir  string
}

// process is one that was started on a host.
type process struct {
	*exec.Cmd
	done chan struct{} // closed when it has ended and was reaped
}

func (h *host) prepare(ctx context.Context, c command) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir = c.dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	// Nothing of the caller's environment, but for what finds programs: runs are to be the same everywhere.
	cmd.Env = append([]string{"PATH=" + path, "LANG=C.UTF-8", "HOME=" + h.dir, "TMPDIR=" + h.dir}, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if c.user != "" {
		cred, err := credential(c.user)
		if err != nil {
			return nil, err
		}
		cmd.SysProcAttr.Credential = cred
	}
	return cmd, nil
}

// start starts a process that stays.
func (h *host) start(c command) (*process, error) {
	cmd, err := h.prepare(context.Background(), c)
	if err != nil {
		return nil, err
	}
	if c.log != "" {
		f, err := os.OpenFile(filepath.Join(h.bed.logs, h.name+"-"+c.log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.Stdout, cmd.Stderr = f, f
	}
	if err := h.inside(func() error { return begin(cmd) }); err != nil {
		return nil, fmt.Errorf("%s: start %s: %w", h.name, c.argv[0], err)
	}
	p := &process{Cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = end(cmd)
		close(p.done)
	}()
	return p, nil
}

// run runs a command to its end and returns what it printed.
func (h *host) run(ctx context.Context, c command) (string, error) {
	cmd, err := h.prepare(ctx, c)
	if err != nil {
		return "", err
	}
	cmd.WaitDelay = 2 * time.Second
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := h.inside(func() error { return begin(cmd) }); err != nil {
		return "", fmt.Errorf("%s: start %s: %w", h.name, c.argv[0], err)
	}
	if err := end(cmd); err != nil && !errors.Is(err, exec.ErrWaitDelay) { // a daemon that it left behind may hold its output open
		return out.String(), fmt.Errorf("%s: %s: %w: %s", h.name, strings.Join(c.argv, " "), err, tail(out.String(), 500))
	}
	return out.String(), nil
}

// pids are the processes in the host's namespace, in no order.
func (h *host) pids() []int { return pidsIn(func(inode uint64) bool { return inode == h.inode }) }

func pidsIn(wanted func(inode uint64) bool) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		var st unix.Stat_t
		if unix.Stat("/proc/"+e.Name()+"/ns/net", &st) == nil && wanted(st.Ino) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// signalAll sends a signal to every process of the host until each of them shows that it had it: a fork may slip away once, not for ever.
func (h *host) signalAll(sig syscall.Signal, had func(state byte, sent bool) bool) error {
	deadline := time.Now().Add(10 * time.Second)
	sent := map[int]bool{}
	for {
		left := slices.DeleteFunc(h.pids(), func(pid int) bool { return had(state(pid), sent[pid]) })
		if len(left) == 0 {
			return nil
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, sig)
			sent[pid] = true
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: processes %v did not take signal %s", h.name, left, sig)
		}
		time.Sleep(time.Millisecond) // there is no event for "the kernel has stopped it"
	}
}

// state is the letter that /proc shows: R, S, D, T, Z; 0: there is no such process.
func state(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	s := string(stat)
	// The state follows the program's name, which stands in brackets and may hold anything.
	if i := strings.LastIndexByte(s, ')'); i >= 0 && len(s) > i+2 {
		return s[i+2]
	}
	return 0
}

func (h *host) killAll() error {
	return h.signalAll(syscall.SIGKILL, func(s byte, _ bool) bool { return s == 0 || s == 'Z' })
}

// freeze stops every process. One that waits for a child of its that was stopped between vfork and exec shows D for as long; it runs no more, and the
// signal is pending.
func (h *host) freeze() error {
	return h.signalAll(syscall.SIGSTOP, func(s byte, sent bool) bool { return s == 0 || s == 'Z' || s == 'T' || s == 't' || s == 'D' && sent })
}

func (h *host) thaw() error {
	return h.signalAll(syscall.SIGCONT, func(s byte, _ bool) bool { return s != 'T' && s != 't' })
}

// path is where this host's files of the bed are.
func (h *host) path(elem ...string) string { return filepath.Join(append([]string{h.dir}, elem...)...) }

// write writes a file of this host that user may read.
func (h *host) write(name, text, user string, mode os.FileMode) (string, error) {
	p := h.path(name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(p, []byte(text), mode); err != nil {
		return "", err
	}
	return p, chown(p, user)
}

// mkdir makes a directory of this host that belongs to user.
func (h *host) mkdir(name, user string, mode os.FileMode) (string, error) {
	p := h.path(name)
	if err := os.MkdirAll(p, mode); err != nil {
		return "", err
	}
	if err := os.Chmod(p, mode); err != nil {
		return "", err
	}
	return p, chown(p, user)
}

func tail(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) > n {
		s = "…" + s[len(s)-n:]
	}
	return s
}
