//go:build !linux

package boottime

import "time"

var began = time.Now()

// Now is the time since this process started. It may stand still while the machine is suspended: leases need Linux.
func Now() time.Duration { return time.Since(began) }
