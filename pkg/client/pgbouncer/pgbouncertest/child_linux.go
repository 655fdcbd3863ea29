package pgbouncertest

import (
	"os"
	"syscall"
)

// nobody is who PgBouncer runs as when the test is root.
const nobody = 65534

// childAttributes makes the child die with the test's process, and not be root.
func childAttributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return a
}

// give lets PgBouncer read and replace what the test has made.
func give(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, nobody, nobody)
}
