//go:build !linux

package server

import (
	"context"
	"errors"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
)

var errPlatform = errors.New("processes of a cluster can be held and watched on Linux only")

type held struct{}

func (held) close() {}

func (s *Server) hold(int) (*held, error) { return nil, errPlatform }

// Kill needs Linux.
func (s *Server) Kill(context.Context) (string, error) { return "", errPlatform }

// Gone needs Linux.
func (s *Server) Gone() (string, error) { return "", errPlatform }

// WatchExit needs Linux.
func (s *Server) WatchExit(context.Context) (string, error) { return "", errPlatform }

// Stop needs Linux.
func (s *Server) Stop(context.Context) error { return errPlatform }

func (s *Server) stop(context.Context) error { return errPlatform }

// Promote needs Linux.
func (s *Server) Promote() error { return errPlatform }

// Startup is what the startup process of a standby does.
type Startup struct {
	Waits    bool
	Timeline uint32
	Segment  postgres.LSN
}

// Startup needs Linux.
func (s *Server) Startup(uint64) (Startup, bool, error) { return Startup{}, false, errPlatform }
