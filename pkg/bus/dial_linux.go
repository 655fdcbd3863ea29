package bus

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unsentLimit is how long the kernel may keep what it could not deliver, also after the socket was closed.
const unsentLimit = 5 * time.Second

// dialer makes sockets whose unsent bytes do not outlive a cut link: without the limit the kernel goes on sending them for minutes after the program has
// given the message up, and closed the socket.
func dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: timeout, Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unsentLimit.Milliseconds()))
		}); e != nil {
			return e
		}
		return err
	}}
}
