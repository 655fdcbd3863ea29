package pgtest

import "syscall"

// childAttributes makes the child run as who, in a process group of its own, and die with the test's process.
func childAttributes(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who, Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
