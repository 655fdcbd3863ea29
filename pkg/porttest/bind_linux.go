package porttest

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

const (
	reuseAddr = unix.SO_REUSEADDR
	reusePort = unix.SO_REUSEPORT
)

func bind(share int) (addr string, release func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("socket", err)
	}
	release = func() { unix.Close(fd) }
	defer func() {
		if err != nil {
			release()
		}
	}()
	// Chosen before it is shared: the kernel must not choose one that another test holds.
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", nil, os.NewSyscallError("bind", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, share, 1); err != nil {
		return "", nil, os.NewSyscallError("setsockopt", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return "", nil, os.NewSyscallError("getsockname", err)
	}
	in4, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return "", nil, fmt.Errorf("getsockname: not an IPv4 address but %T", name)
	}
	return (&net.TCPAddr{IP: in4.Addr[:], Port: in4.Port}).String(), release, nil
}
