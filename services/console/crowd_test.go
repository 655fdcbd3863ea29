package console

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCrowd: strangers who open connections and say nothing take a bounded share; whoever leaves makes room.
func TestCrowd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := newCrowd(l, 3, 2)
	t.Cleanup(func() { _ = c.Close() })
	served := make(chan net.Conn, 8)
	go func() {
		for {
			conn, err := c.Accept()
			if err != nil {
				close(served)
				return
			}
			served <- conn
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	var inside []net.Conn
	for range 3 {
		dial()
		inside = append(inside, <-served)
	}
	fourth := dial()
	require.NoError(t, fourth.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err = fourth.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "turned away")
	require.Empty(t, served)

	require.NoError(t, inside[0].Close())
	_ = inside[0].Close() // twice gives one place back
	dial()
	<-served
	fifth := dial()
	require.NoError(t, fifth.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err = fifth.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// TestCrowdOfOne: one address, and one network of IPv6, has its own bound; this machine has not.
func TestCrowdOfOne(t *testing.T) {
	c := newCrowd(nil, 100, 2)
	from := func(text string) netip.Addr { return addressOf(remote{text}) }
	for range 2 {
		require.True(t, c.enter(from("192.0.2.1:1000")))
	}
	require.False(t, c.enter(from("[::ffff:192.0.2.1]:1001")), "the same, written otherwise")
	require.True(t, c.enter(from("192.0.2.2:1000")))
	require.True(t, c.enter(from("[2001:db8::1]:1")))
	require.True(t, c.enter(from("[2001:db8::2]:1")))
	require.False(t, c.enter(from("[2001:db8::3]:1")))
	for range 5 {
		require.True(t, c.enter(from("127.0.0.1:1")))
	}
	c.leave(from("192.0.2.1:1000"))
	require.True(t, c.enter(from("192.0.2.1:1002")))
	require.Len(t, c.of, 4)
}

// remote is a connection from there.
type remote struct{ at string }

func (r remote) RemoteAddr() net.Addr           { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(r.at)) }
func (remote) Read([]byte) (int, error)         { return 0, io.EOF }
func (remote) Write([]byte) (int, error)        { return 0, io.EOF }
func (remote) Close() error                     { return nil }
func (remote) LocalAddr() net.Addr              { return nil }
func (remote) SetDeadline(time.Time) error      { return nil }
func (remote) SetReadDeadline(time.Time) error  { return nil }
func (remote) SetWriteDeadline(time.Time) error { return nil }
