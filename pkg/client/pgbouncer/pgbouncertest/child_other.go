//go:build !linux

package pgbouncertest

import "syscall"

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func give(string) error { return nil }
