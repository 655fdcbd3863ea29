//go:build !linux

package bus

import (
	"net"
	"time"
)

// dialer leaves the socket's own limits: only Linux lets a program bound how long unsent bytes are kept.
func dialer(timeout time.Duration) *net.Dialer { return &net.Dialer{Timeout: timeout} }
