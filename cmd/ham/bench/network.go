package main

import (
	"os"
	"syscall"
)

// ownNetwork gives a child a network of its own, empty but for a loopback that is down. It has no name: the kernel removes it,
// with every link and address in it, when its last process ends, however it ends. Where this program is not root the child
// becomes root of a user namespace of its own, if the system lets it.
func ownNetwork(a *syscall.SysProcAttr) {
	a.Cloneflags |= syscall.CLONE_NEWNET
	if os.Geteuid() != 0 {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
}
