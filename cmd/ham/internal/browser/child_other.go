//go:build !linux

package browser

import "syscall"

// childAttributes puts the browser and what it starts into a process group.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
