package pgtest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// removeSharedMemory removes the System V segment that a killed postmaster leaves behind.
func removeSharedMemory(id int) { _, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) }

func mountMemory(dir string, bytes int) error {
	return os.NewSyscallError("mount", unix.Mount("pgtest", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,mode=0777", bytes)))
}

func unmount(dir string) error {
	return os.NewSyscallError("umount", unix.Unmount(dir, unix.MNT_DETACH))
}
