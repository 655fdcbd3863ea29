//go:build unix

package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// onReaderGone calls gone when nobody reads what this process prints any more.
//
// A program that wants to hear of that gets the same signal for every connection that its other end has closed, with the write
// failing as well: those writes say so themselves, and must end nothing.
func onReaderGone(gone func()) {
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	go func() {
		for range pipes {
			if readerGone(os.Stdout, os.Stderr) {
				gone()
			}
		}
	}()
}

// readerGone says whether one of the files is a pipe, or the like, whose other end is closed.
func readerGone(files ...*os.File) bool {
	return slices.ContainsFunc(files, func(f *os.File) bool {
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, 0)
		return err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	})
}
