package agent_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/services/executor/internal/agent"
)

// serve runs an agent for the test and gives its address.
func serve(t *testing.T, lasts func() (bool, string)) string {
	t.Helper()
	l, err := agent.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- agent.New(lasts, slog.New(slog.DiscardHandler)).Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func ask(t *testing.T, addr, send string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

func TestItSaysWhetherTheLeaseLasts(t *testing.T) {
	type word struct {
		lasts  bool
		reason string
	}
	var now atomic.Value
	addr := serve(t, func() (bool, string) { w := now.Load().(word); return w.lasts, w.reason })
	for _, c := range []struct {
		lasts        bool
		reason, want string
	}{
		{true, "not told", "up\n"},
		{false, "the lease of epoch 7 ended", "down#the lease of epoch 7 ended\n"},
		{false, "", "down#it has no lease\n"},
		{false, "up\nup 100%\r\n", "down#up up 100%\n"},
		{false, "é \x00", "down#it has no lease\n"},
		{false, strings.Repeat("x", 1000), "down#" + strings.Repeat("x", 200) + "\n"},
	} {
		now.Store(word{c.lasts, c.reason})
		if got := ask(t, addr, ""); got != c.want {
			t.Errorf("%t, %q: it says %q, want %q", c.lasts, c.reason, got, c.want)
		}
	}
	now.Store(word{lasts: true})
	if got := ask(t, addr, "agent-send of HAProxy\n"); got != "up\n" {
		t.Errorf("asked with words it says %q", got)
	}
}

func TestWithoutALeaseKeeperItIsDown(t *testing.T) {
	if got := ask(t, serve(t, nil), ""); got != "down#nobody keeps a lease here\n" {
		t.Errorf("it says %q", got)
	}
}

// Clients that connect and stay do not keep others out for longer than its patience, and leave nothing behind.
func TestClientsThatStay(t *testing.T) {
	before := runtime.NumGoroutine()
	addr := serve(t, func() (bool, string) { return true, "" })
	for range 200 {
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if got := ask(t, addr, ""); got != "up\n" {
		t.Errorf("it says %q", got)
	}
	for until := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2 && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		t.Errorf("%d goroutines before, %d after", before, n)
	}
}

func TestAnAddressThatIsNotHere(t *testing.T) {
	if _, err := agent.Listen(t.Context(), "192.0.2.1:8008"); err == nil || !strings.Contains(err.Error(), "192.0.2.1:8008") {
		t.Errorf("it says %v", err)
	}
}

// failing is a listener that fails for some time, as one does when there are no more files.
type failing struct {
	left int
	c    chan net.Conn
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, errors.New("too many open files")
	}
	c, ok := <-f.c
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (f *failing) Close() error   { return nil }
func (f *failing) Addr() net.Addr { return nil }

func TestItGoesOnAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &failing{left: 30, c: make(chan net.Conn, 1)}
		ours, theirs := net.Pipe()
		l.c <- theirs
		done := make(chan error, 1)
		go func() {
			done <- agent.New(func() (bool, string) { return true, "" }, slog.New(slog.DiscardHandler)).Serve(t.Context(), l)
		}()
		said, err := io.ReadAll(ours)
		if err != nil || string(said) != "up\n" {
			t.Errorf("it says %q, %v", said, err)
		}
		close(l.c)
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a listener that somebody closed: %v", err)
		}
	})
}
