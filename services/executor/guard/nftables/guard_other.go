//go:build !linux

package nftables

import (
	"errors"

	"github.com/isacloud/ha-manager/services/executor/guard"
)

// New says that there is no such guard here.
func New(Options) (guard.Guard, error) {
	return nil, errors.New("guard: nftables is a part of Linux; use the guard none here, and vouch for what keeps clients out")
}
