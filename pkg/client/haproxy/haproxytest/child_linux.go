package haproxytest

import "syscall"

// childAttributes puts HAProxy and its workers into a process group, and makes the kernel kill HAProxy when the test's
// process dies without cleaning up.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
