package pgtest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// holdPort finds a free port of 127.0.0.1 and keeps the kernel from choosing it for somebody else while the server is away: connections are then
// refused, as ours never listens. PostgreSQL, who asks for this very port, shares the address with it (SO_REUSEADDR).
func holdPort() (port int, release func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, os.NewSyscallError("socket", err)
	}
	release = func() { unix.Close(fd) }
	defer func() {
		if err != nil {
			release()
		}
	}()
	// Chosen before it is shared: the kernel must not choose one that another test holds.
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, nil, os.NewSyscallError("bind", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, nil, os.NewSyscallError("setsockopt", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, nil, os.NewSyscallError("getsockname", err)
	}
	in4, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return 0, nil, fmt.Errorf("getsockname: not an IPv4 address but %T", name)
	}
	return in4.Port, release, nil
}

// removeSharedMemory removes the System V segment that a killed postmaster leaves behind.
func removeSharedMemory(id int) { _, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) }

func mountMemory(dir string, bytes int) error {
	return os.NewSyscallError("mount", unix.Mount("pgtest", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,mode=0777", bytes)))
}

func unmount(dir string) error {
	return os.NewSyscallError("umount", unix.Unmount(dir, unix.MNT_DETACH))
}
