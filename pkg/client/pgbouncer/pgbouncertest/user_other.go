//go:build !linux

package pgbouncertest

import "syscall"

func unprivileged(*syscall.SysProcAttr) {}

func give(string) error { return nil }
