package nettest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Host is a network namespace. Its loopback is up.
type Host struct {
	t  testing.TB
	ns *os.File
}

// Require skips the test where no namespaces can be made or a program is missing, or, with HAM_REQUIRE=1, fails it. It needs ip in any case.
func Require(t testing.TB, programs ...string) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root, to make network namespaces"
	}
	for _, p := range append(programs, "ip") {
		if _, err := exec.LookPath(p); err != nil {
			missing = "the program " + p + " in PATH (dev/servers.txt names its package)"
		}
	}
	switch {
	case missing == "":
	case os.Getenv("HAM_REQUIRE") == "1":
		t.Fatalf("this test needs %s, and HAM_REQUIRE=1 is set", missing)
	default:
		t.Skipf("this test needs %s", missing)
	}
}

// New makes a host. It ends with the test; its interfaces go when the last socket and process in it has gone.
func New(t testing.TB) *Host {
	t.Helper()
	type made struct {
		ns  *os.File
		err error
	}
	c := make(chan made)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and no other sees its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			c <- made{err: err}
			return
		}
		ns, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		c <- made{ns, err}
	}()
	m := <-c
	if m.err != nil {
		t.Fatalf("make a network namespace: %v", m.err)
	}
	t.Cleanup(func() { m.ns.Close() })
	h := &Host{t: t, ns: m.ns}
	h.IP("link", "set", "lo", "up")
	return h
}

// FD is an open file of the namespace.
func (h *Host) FD() int { return int(h.ns.Fd()) }

// Do runs f inside. What f opens stays inside; goroutines that f starts do not run there.
func (h *Host) Do(f func()) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(h.FD(), unix.CLONE_NEWNET)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		h.t.Errorf("enter a network namespace: %v", err)
	}
}

// Start starts a command inside.
func (h *Host) Start(c *exec.Cmd) (err error) {
	h.Do(func() { err = c.Start() })
	return err
}

// Run runs a program inside, fails the test where it fails, and gives what it printed.
func (h *Host) Run(program string, args ...string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := h.Start(c)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		h.t.Fatalf("%s %q: %v\n%s", program, args, err, out.String())
	}
	return out.String()
}

// IP runs ip inside.
func (h *Host) IP(args ...string) string { h.t.Helper(); return h.Run("ip", args...) }

// Listen listens inside for TCP; the listener is closed with the test.
func (h *Host) Listen(addr string) net.Listener {
	h.t.Helper()
	var l net.Listener
	var err error
	h.Do(func() { l, err = net.Listen("tcp", addr) })
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	return l
}

// Dial connects from inside; a connection is closed with the test at the latest.
func (h *Host) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	var c net.Conn
	var err error
	h.Do(func() { c, err = net.DialTimeout("tcp", addr, timeout) })
	if err == nil {
		h.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// Path is what ip takes as the name of the namespace.
func (h *Host) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), h.FD()) }

// Join connects two hosts by a cable. Each address is put on its side with its prefix length, IPv6 ones without waiting for duplicates.
func Join(a, b *Host, nameA, nameB string, addrsA, addrsB []string) {
	a.t.Helper()
	a.IP("link", "add", nameA, "type", "veth", "peer", "name", nameB, "netns", b.Path())
	a.Address(nameA, addrsA...)
	b.Address(nameB, addrsB...)
}

// Address puts addresses on an interface and sets it up.
func (h *Host) Address(name string, addrs ...string) {
	h.t.Helper()
	for _, addr := range addrs {
		h.IP("address", "add", addr, "dev", name, "nodad")
	}
	h.IP("link", "set", name, "up")
}
