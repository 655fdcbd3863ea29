package nftables

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isacloud/ha-manager/services/executor/guard"
	"github.com/isacloud/ha-manager/services/executor/guard/guardtest"
	"github.com/isacloud/ha-manager/services/executor/internal/nettest"
)

const port = 5432

// clock is the kernel's monotonic one: a child process reads the same.
func clock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// site is a member's host with a server that echoes, a client's host and a peer's, on one network each with the member's.
type site struct {
	t                    testing.TB
	member, client, peer *nettest.Host
	options              Options
	// frozen is called by the guard's clock after it was read: between reading and writing.
	frozen func()
}

const (
	member4, member6 = "192.0.2.1", "fd00:0:0:1::1"
	peers4, peers6   = "198.51.100.1", "fd00:0:0:2::1" // the member's addresses on the network of the peer
)

func newSite(t testing.TB, programs ...string) *site {
	t.Helper()
	nettest.Require(t, programs...)
	s := &site{t: t, member: nettest.New(t), client: nettest.New(t), peer: nettest.New(t)}
	nettest.Join(s.member, s.client, "clients", "eth0", []string{member4 + "/24", member6 + "/64"}, []string{"192.0.2.2/24", "fd00:0:0:1::2/64"})
	nettest.Join(s.member, s.peer, "peers", "eth0", []string{peers4 + "/24", peers6 + "/64"}, []string{"198.51.100.2/24", "fd00:0:0:2::2/64"})
	s.options = Options{Group: "orders", Ports: []int{port, streamPort}, Namespace: s.member.FD(),
		Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.2/32"), netip.MustParsePrefix("fd00:0:0:2::/64")}}
	s.options.Clock = func() time.Duration {
		now := clock()
		if s.frozen != nil {
			s.frozen()
		}
		return now
	}
	s.serve(port)
	return s
}

// serve echoes at a port of the member.
func (s *site) serve(port int) {
	l := s.member.Listen(":" + strconv.Itoa(port))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
}

func (s *site) guard() guard.Guard {
	s.t.Helper()
	g, err := New(s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { g.Close() })
	return g
}

const patient = 5 * time.Second

// reaches says whether somebody at the host is answered at the address.
func (s *site) reaches(from *nettest.Host, addr string, port int) bool {
	s.t.Helper()
	c, err := from.Dial(net.JoinHostPort(addr, strconv.Itoa(port)), patient)
	if err != nil {
		if !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, os.ErrDeadlineExceeded) {
			s.t.Logf("dial %s: %v", addr, err)
		}
		return false
	}
	defer c.Close()
	return ping(c) == nil
}

func ping(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(patient)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func TestConformance(t *testing.T) {
	guardtest.Run(t, func(t *testing.T) guardtest.Subject {
		s := newSite(t)
		g := s.guard()
		return guardtest.Subject{
			Guard: g, Now: clock, Pass: time.Sleep,
			LetsIn: func() bool { return s.reaches(s.client, member4, port) },
			Lose: func() {
				other := s.guard()
				if err := other.Remove(); err != nil {
					t.Fatal(err)
				}
			},
			Freeze: func(f func()) { s.frozen = f },
			Again:  func() guard.Guard { return s.guard() },
		}
	})
}
