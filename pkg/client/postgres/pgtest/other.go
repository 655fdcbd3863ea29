//go:build !linux

package pgtest

import (
	"errors"
	"syscall"
)

func childAttributes(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who, Setpgid: true}
}

func removeSharedMemory(int) {}

func mountMemory(string, int) error { return errors.New("only on Linux") }

func unmount(string) error { return errors.New("only on Linux") }
