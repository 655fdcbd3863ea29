package bus

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUnsentBytesDoNotOutliveACutLink(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := dialer(time.Second).Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	if e := raw.Control(func(fd uintptr) { ms, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	if got := time.Duration(ms) * time.Millisecond; got != unsentLimit {
		t.Fatalf("the kernel keeps unsent bytes for %s, want %s", got, unsentLimit)
	}
}
