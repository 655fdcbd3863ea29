//go:build !linux

package vip

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/isacloud/ha-manager/services/executor/driver"
)

var errElsewhere = errors.New("floating addresses are kept on Linux only")

func reason(err error) error { return driver.Refused("%w", err) }

func (p place) add(*net.Interface) error { return errElsewhere }

func (p place) take() (bool, error) { return false, errElsewhere }

func (p place) keep(time.Duration) error { return errElsewhere }

func (p place) ask(context.Context, *net.Interface) (net.HardwareAddr, error) {
	return nil, errElsewhere
}

func (p place) announce(context.Context, *net.Interface) error { return errElsewhere }
