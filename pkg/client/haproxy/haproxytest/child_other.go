//go:build !linux

package haproxytest

import "syscall"

// childAttributes puts HAProxy and its workers into a process group.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// frozen cannot tell here.
func frozen(int) bool { return true }
