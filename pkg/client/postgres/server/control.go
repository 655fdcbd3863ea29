package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
)

// States of a cluster as its control file tells them (pg_controldata).
const (
	ShutDown           = "shut down"                // a primary that was stopped cleanly
	ShutDownInRecovery = "shut down in recovery"    // a standby that was stopped cleanly
	InProduction       = "in production"            // a primary that runs, or crashed
	InArchiveRecovery  = "in archive recovery"      // a standby that runs, or crashed
	InCrashRecovery    = "in crash recovery"        // a primary that starts after a crash, or crashed again
	ShuttingDown       = "shutting down"            // a primary that stops, or crashed while it did
	StartingUp         = "starting up"              // just initialised, or just begun
	unusedByUs         = "unrecognized status code" // what pg_controldata says of a control file it does not know
)

// Control is what the control file of the cluster says: true of a stopped cluster; of a running one as of its last checkpoint.
type Control struct {
	State    string
	SystemID string
	// Timeline and Checkpoint are those of the latest checkpoint.
	Timeline   uint32
	Checkpoint postgres.LSN
	// MinRecovery is how far a standby had replayed at least, on MinTimeline; 0 on a primary.
	MinRecovery postgres.LSN
	MinTimeline uint32
	// Segment is how large a segment of the log is, in bytes.
	Segment uint64
	// Hints: wal_log_hints or data checksums are on, without which pg_rewind cannot work.
	Hints bool
}

// WasStandby says that the cluster last ran, or runs, as a standby.
func (c Control) WasStandby() bool {
	return c.State == ShutDownInRecovery || c.State == InArchiveRecovery
}

// Clean says that it was shut down cleanly.
func (c Control) Clean() bool { return c.State == ShutDown || c.State == ShutDownInRecovery }

// End is the timeline and position that the cluster is known to have reached.
func (c Control) End() (uint32, postgres.LSN) {
	if c.MinRecovery > c.Checkpoint {
		return max(c.MinTimeline, 1), c.MinRecovery
	}
	return c.Timeline, c.Checkpoint
}

func (c Control) String() string {
	return fmt.Sprintf("%s, timeline %d, checkpoint %s", c.State, c.Timeline, c.Checkpoint)
}

// Control reads the control file by pg_controldata.
func (s *Server) Control(ctx context.Context) (Control, error) {
	program, err := s.bin("pg_controldata")
	if err != nil {
		return Control{}, err
	}
	out, err := s.tool(ctx, nil, program, "-D", s.o.Data)
	if err != nil {
		return Control{}, fmt.Errorf("read the control file: %w", err)
	}
	return parseControl(out)
}

func parseControl(out string) (Control, error) {
	var c Control
	is := map[string]string{}
	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			is[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	c.State, c.SystemID = is["Database cluster state"], is["Database system identifier"]
	if c.State == "" || c.State == unusedByUs || c.SystemID == "" {
		return c, fmt.Errorf("read the control file: pg_controldata says no state or no system identifier: %q", out)
	}
	number := func(key string) (uint32, error) {
		n, err := strconv.ParseUint(is[key], 10, 32)
		if err != nil {
			return 0, fmt.Errorf("read the control file: %s is %q, want a number", key, is[key])
		}
		return uint32(n), nil
	}
	var err error
	if c.Timeline, err = number("Latest checkpoint's TimeLineID"); err != nil {
		return c, err
	}
	if c.MinTimeline, err = number("Min recovery ending loc's timeline"); err != nil {
		return c, err
	}
	if c.Checkpoint, err = postgres.ParseLSN(is["Latest checkpoint location"]); err != nil {
		return c, fmt.Errorf("read the control file: latest checkpoint: %w", err)
	}
	if c.MinRecovery, err = postgres.ParseLSN(is["Minimum recovery ending location"]); err != nil {
		return c, fmt.Errorf("read the control file: minimum recovery: %w", err)
	}
	if c.Segment, err = strconv.ParseUint(is["Bytes per WAL segment"], 10, 64); err != nil || c.Segment == 0 {
		return c, fmt.Errorf("read the control file: bytes per WAL segment is %q, want a number", is["Bytes per WAL segment"])
	}
	checksums := is["Data page checksum version"]
	c.Hints = is["wal_log_hints setting"] == "on" || (checksums != "" && checksums != "0")
	return c, nil
}
