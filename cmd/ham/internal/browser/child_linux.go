package browser

import "syscall"

// childAttributes puts the browser and what it starts into a process group, and makes the kernel kill it when this process dies without closing it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
