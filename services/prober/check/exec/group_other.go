//go:build !unix

package exec

import (
	"os"
	"syscall"
)

// ownGroup: this system has no process groups.
func ownGroup() *syscall.SysProcAttr { return nil }

// killGroup ends the command alone.
func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}
