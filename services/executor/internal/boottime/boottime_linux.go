// Package boottime is the clock of leases: it only grows, and goes on while the machine is suspended (CLOCK_BOOTTIME, clock_gettime(2)).
package boottime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time since the machine started.
func Now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("boottime: the kernel has no CLOCK_BOOTTIME: " + err.Error()) // it has since Linux 2.6.39
	}
	return time.Duration(t.Nano())
}
