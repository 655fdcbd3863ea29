package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Status of a running postmaster, as the eighth line of postmaster.pid says it.
// https://www.postgresql.org/docs/15/storage-file-layout.html and pidfile.h of the server.
const (
	StatusStarting = "starting"
	StatusStopping = "stopping"
	StatusReady    = "ready"   // takes connections
	StatusStandby  = "standby" // does not take connections yet, or hot_standby is off
)

// Postmaster is the first process of a running server.
type Postmaster struct {
	PID    int
	Status string
	// Started is when it was, by the wall clock, in seconds.
	Started string
}

// Life tells one start of the server from every other.
func (p Postmaster) Life() string { return strconv.Itoa(p.PID) + "@" + p.Started }

// Running says which postmaster runs on the data directory; ErrNotRunning: none does.
func (s *Server) Running() (Postmaster, error) {
	p, err := s.pidFile()
	if err != nil {
		return Postmaster{}, err
	}
	held, err := s.hold(p.PID)
	if err != nil {
		return Postmaster{}, err
	}
	if held == nil {
		return Postmaster{}, fmt.Errorf("%w: postmaster.pid names process %d, which is gone or not a server of %s", ErrNotRunning, p.PID, s.o.Data)
	}
	held.close()
	return p, nil
}

// pidFile reads postmaster.pid. ErrNotRunning: there is none, or it is being written.
func (s *Server) pidFile() (Postmaster, error) {
	b, err := os.ReadFile(s.in("postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return Postmaster{}, fmt.Errorf("%w: no postmaster.pid in %s", ErrNotRunning, s.o.Data)
	}
	if err != nil {
		return Postmaster{}, fmt.Errorf("read postmaster.pid: %w", err)
	}
	lines := strings.Split(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid == 0 {
		return Postmaster{}, fmt.Errorf("%w: postmaster.pid begins with %q", ErrNotRunning, lines[0])
	}
	p := Postmaster{PID: max(pid, -pid), Status: StatusStarting} // negative: a server in single-user mode
	if len(lines) > 2 {
		p.Started = strings.TrimSpace(lines[2])
	}
	if len(lines) > 7 {
		p.Status = strings.TrimSpace(lines[7])
	}
	return p, nil
}
