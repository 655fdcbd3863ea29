package pgbouncertest

import (
	"os"
	"syscall"
)

// nobody is who PgBouncer runs as when the test is root.
const nobody = 65534

// unprivileged makes the child not be root.
func unprivileged(a *syscall.SysProcAttr) {
	if os.Geteuid() == 0 {
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
}

// give lets PgBouncer read and replace what the test has made.
func give(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, nobody, nobody)
}
