//go:build unix && !linux

package exec

import "syscall"

// ownGroup starts the command as the leader of a new process group.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends every process of the group. An error means that none is left.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
