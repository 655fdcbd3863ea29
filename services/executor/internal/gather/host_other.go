//go:build !linux

package gather

import (
	"errors"
	"io"
	"syscall"
)

const nonBlocking = syscall.O_NONBLOCK

func system(io.Writer) error { return errors.New("load and memory are read on Linux alone") }

func disk(string) (string, error) { return "", errors.New("it is read on Linux alone") }
