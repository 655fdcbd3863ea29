package haproxytest

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// childAttributes puts HAProxy and its workers into a process group, and makes the kernel kill HAProxy when the test's
// process dies without cleaning up.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// frozen tells whether a process was stopped by a signal. The kernel does that a moment after the signal was sent.
func frozen(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The state is the first field after the program's name, which stands in brackets and may hold anything.
	i := bytes.LastIndexByte(stat, ')')
	return err == nil && i >= 0 && len(stat) > i+2 && stat[i+2] == 'T'
}
