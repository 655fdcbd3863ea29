//go:build !linux

package server

import (
	"os/exec"
	"syscall"
)

// attributes gives a program a process group, and another user where that is asked for.
func attributes(cmd *exec.Cmd, a account, _ bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	credential(cmd, a)
}

const noFollow = syscall.O_NOFOLLOW

// session gives a server a session of its own: it outlives this process.
func session(cmd *exec.Cmd, a account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	credential(cmd, a)
}
