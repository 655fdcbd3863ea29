package reach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

// Each failure means one thing. The errors are what package net and the kernel really give.
func TestJudge(t *testing.T) {
	t.Parallel()
	sys := func(e syscall.Errno) error { return os.NewSyscallError("connect", e) }
	for _, c := range []struct {
		err   error
		stale bool
		want  check.Result
	}{
		{err: &Error{Connecting, "a:1", sys(syscall.ECONNREFUSED)}, want: check.Result{Answer: message.Down, Hard: true, Evidence: "connect a:1: connection refused"}},
		{err: &Error{Connecting, "a:1", sys(syscall.ETIMEDOUT)}, want: check.Result{Answer: message.Down, Silent: true, Evidence: "connect a:1: no answer within 300ms"}},
		{err: &Error{Connecting, "a:1", os.ErrDeadlineExceeded}, want: check.Result{Answer: message.Down, Silent: true, Evidence: "connect a:1: no answer within 300ms"}},
		{err: &Error{Connecting, "a:1", sys(syscall.EHOSTUNREACH)}, want: check.Result{Answer: message.Down, Silent: true, Evidence: "connect a:1: no route to host"}},
		{err: &Error{Connecting, "a:1", &own{sys(syscall.ENETUNREACH)}}, want: check.Result{Answer: message.Unknown, Evidence: "connect a:1: network is unreachable"}},
		{err: &Error{Connecting, "a:1", sys(syscall.EMFILE)}, want: check.Result{Answer: message.Unknown, Evidence: "connect a:1: too many open files"}},
		{err: &Error{Connecting, "a:1", sys(syscall.EADDRNOTAVAIL)}, want: check.Result{Answer: message.Unknown, Evidence: "connect a:1: cannot assign requested address"}},
		{err: &Error{Connecting, "a:1", sys(syscall.EPERM)}, want: check.Result{Answer: message.Unknown, Evidence: "connect a:1: operation not permitted"}},
		{err: &Error{Connecting, "a:1", errors.New("what is this")}, want: check.Result{Answer: message.Unknown, Evidence: "connect a:1: what is this"}},
		{err: &Error{Resolving, "db", errors.New("no such name")}, want: check.Result{Answer: message.Unknown, Evidence: "no address for db: no such name"}},
		{err: &Error{Handshaking, "a:1", io.EOF}, want: check.Result{Answer: message.Down, Evidence: "TLS with a:1: closed without a whole answer"}},
		{err: &Error{Handshaking, "a:1", context.DeadlineExceeded}, want: check.Result{Answer: message.Down, Silent: true, Evidence: "TLS with a:1: no answer within 300ms"}},
		{err: &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, want: check.Result{Answer: message.Down, Hard: true, Evidence: "connection reset by peer"}},
		{err: &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, stale: true, want: check.Result{Answer: message.Down, Evidence: "connection reset by peer"}},
		{err: errors.New(`malformed HTTP response "SSH-2.0"`), want: check.Result{Answer: message.Down, Evidence: `malformed HTTP response "SSH-2.0"`}},
		{err: fmt.Errorf("read: %w", io.ErrUnexpectedEOF), want: check.Result{Answer: message.Down, Evidence: "closed without a whole answer"}},
		{err: context.Canceled, want: check.Result{Answer: message.Unknown, Evidence: "the look was stopped"}},
	} {
		require.Equal(t, c.want, Judge(c.err, 300*time.Millisecond, !c.stale), "%v", c.err)
	}
}

func dialing(t *testing.T, address string, ips ...string) *Dialer {
	t.Helper()
	d, err := NewDialer(address, nil)
	require.NoError(t, err)
	d.names.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		var out []netip.Addr
		for _, ip := range ips {
			out = append(out, netip.MustParseAddr(ip))
		}
		return out, nil
	}
	return d
}

// One silent address makes the refusal of the other no proof that nobody is there.
func TestSeveralAddresses(t *testing.T) {
	t.Parallel()
	_, port, err := net.SplitHostPort(checktest.Nobody(t))
	require.NoError(t, err)
	_, silent, err := net.SplitHostPort(checktest.Blackhole(t))
	require.NoError(t, err)
	dial := func(d *Dialer) check.Result {
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		conn, err := d.Dial(ctx)
		if err == nil {
			_ = conn.Close()
			return check.Result{Answer: message.Up}
		}
		return Judge(err, 400*time.Millisecond, true)
	}
	r := dial(dialing(t, "db:"+port, "127.0.0.1", "127.0.0.2"))
	require.True(t, r.Hard, r.Evidence)
	// 127.0.0.2 refuses on the port on which 127.0.0.1 is silent
	for _, ips := range [][]string{{"127.0.0.1", "127.0.0.2"}, {"127.0.0.2", "127.0.0.1"}} {
		r = dial(dialing(t, "db:"+silent, ips...))
		require.Equal(t, message.Down, r.Answer)
		require.False(t, r.Hard, r.Evidence)
	}
	l, err := net.Listen("tcp", "127.0.0.2:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	require.Equal(t, message.Up, dial(dialing(t, "db:"+port, "127.0.0.1", "127.0.0.2")).Answer)
}

// An address that this host cannot even try says nothing about one that it can.
func TestWeight(t *testing.T) {
	t.Parallel()
	require.Less(t, weight(&own{syscall.ENETUNREACH}), weight(syscall.ECONNREFUSED))
	require.Less(t, weight(syscall.EMFILE), weight(syscall.ECONNREFUSED))
	require.Less(t, weight(syscall.ECONNREFUSED), weight(os.ErrDeadlineExceeded))
}

func TestNames(t *testing.T) {
	t.Parallel()
	one := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	var answer func() ([]netip.Addr, error)
	n := names{lookup: func(context.Context, string, string) ([]netip.Addr, error) { return answer() }}
	resolve := func() ([]netip.Addr, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		return n.resolve(ctx, "db.example")
	}
	broken := func() ([]netip.Addr, error) { return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true} }

	answer = broken
	_, err := resolve()
	require.EqualError(t, err, "server misbehaving", "nothing is known yet")
	answer = func() ([]netip.Addr, error) { return one, nil }
	ips, err := resolve()
	require.NoError(t, err)
	require.Equal(t, one, ips)
	answer = broken
	ips, err = resolve()
	require.NoError(t, err, "the resolver's trouble does not take away what is known")
	require.Equal(t, one, ips)
	answer = func() ([]netip.Addr, error) { return nil, &net.DNSError{Err: "no such host", IsNotFound: true} }
	_, err = resolve()
	require.EqualError(t, err, "no such name")
	answer = broken
	_, err = resolve()
	require.Error(t, err, "a name that was said not to exist is not known any more")
	answer = func() ([]netip.Addr, error) { return nil, nil }
	_, err = resolve()
	require.EqualError(t, err, "the name has no address")

	ips, err = n.resolve(t.Context(), "::1")
	require.NoError(t, err)
	require.Equal(t, "[::1]", fmt.Sprint(ips), "an address needs no resolver")
}

// A resolver that hangs leaves time to try the address that it gave last.
func TestHangingResolverLeavesTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := names{known: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, lookup: func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ips, err := n.resolve(ctx, "db.example")
		require.NoError(t, err)
		require.Len(t, ips, 1)
		require.NoError(t, ctx.Err(), "there is time left")
	})
}

// A host without a route has not looked; a router that says so has.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	require.True(t, hasRoute(netip.MustParseAddr("127.0.0.1")))
	require.True(t, unreachable(os.NewSyscallError("connect", syscall.ENETUNREACH)))
	require.False(t, unreachable(os.NewSyscallError("connect", syscall.ECONNREFUSED)))
}
