//go:build !linux

package server

import (
	"errors"
	"math"
)

func exchange(string, string) error { return errors.ErrUnsupported }

// available cannot tell here, and says plenty.
func available(string) (uint64, error) { return math.MaxUint64, nil }
