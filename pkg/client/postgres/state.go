package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// State is what a server is now, in few words.
type State struct {
	// Recovery: it is a standby, or restores an archive.
	Recovery bool
	// Timeline is the one that it writes, or the newest that it has received.
	Timeline uint32
	// LSN is the end of what was written on a primary, and of what was replayed on a standby.
	LSN LSN

	// Synchronous is how many standbys a primary may wait for now: those that stream as sync or quorum. -1: not to be seen by this role.
	Synchronous int

	// Streaming: a standby's receiver gets the log from somebody now.
	Streaming bool
	// Received is the end of what a standby has on its disk. Zero: it has received nothing since it started.
	Received LSN
	// ReplayAge is how old the last replayed transaction is by its commit time on the primary, while there is more to replay; else 0. It compares
	// two machines' clocks.
	ReplayAge time.Duration
	// Hidden: this role does not see the statistics, so that Streaming and Synchronous are not known.
	Hidden bool
}

// LagBytes is how much a standby has received and not replayed.
func (s State) LagBytes() int64 {
	if !s.Recovery {
		return 0
	}
	return s.LSN.Behind(s.Received)
}

// One row, one way there and back. A role that does not see the statistics gets NULL for what it may not see. The timeline of the control file is
// that of the last checkpoint, which a promotion does not wait for: hence the name of the segment that is written.
const stateQuery = `
	SELECT r.recovery,
		CASE WHEN r.recovery
			THEN greatest(w.received_tli, (pg_control_recovery()).min_recovery_end_timeline, (pg_control_checkpoint()).timeline_id)
			ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int4
		END,
		CASE WHEN r.recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text,
		CASE WHEN r.recovery THEN pg_last_wal_receive_lsn() END::text,
		coalesce(w.status = 'streaming', false),
		CASE WHEN r.recovery AND pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()
			THEN coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float8 ELSE 0 END,
		(SELECT count(*) FILTER (WHERE s.sync_state IN ('sync', 'quorum') AND s.state = 'streaming') FROM pg_stat_replication s)::int4,
		NOT pg_has_role('pg_read_all_stats', 'USAGE')
	FROM (SELECT pg_is_in_recovery() AS recovery) r LEFT JOIN pg_stat_wal_receiver w ON true`

// State asks for it in one round trip.
func (c *Conn) State(ctx context.Context) (s State, err error) {
	err = c.call(ctx, func() error {
		return twice(func() error { return s.scan(c.pg.QueryRow(ctx, stateQuery)) })
	})
	return s, err
}

// twice does f again where the server was promoted in the middle of it, between two functions of one query: some are for one role alone.
func twice(f func() error) error {
	err := f()
	var said *pgconn.PgError
	if errors.As(err, &said) && said.Code == "55000" {
		err = f()
	}
	return err
}

func (s *State) scan(row pgx.Row) error {
	var age float64
	var timeline int32
	err := row.Scan(&s.Recovery, &timeline, &s.LSN, &s.Received, &s.Streaming, &age, &s.Synchronous, &s.Hidden)
	s.Timeline, s.ReplayAge = uint32(timeline), seconds(age)
	if s.Hidden {
		s.Streaming, s.Synchronous = false, -1
	}
	return err
}
