package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const probe = "INSERT INTO ham.probe AS p (id, at) VALUES ($1, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET at = excluded.at"

// Probe writes the row of that id, as one transaction that has reached the local disk when it returns without an error. It does not
// wait for standbys. See [Explain] for errors. Where ctx ends before it does, the session is over, and the transaction may go on in the server.
func (c *Conn) Probe(ctx context.Context, id string) error {
	return c.call(ctx, func() error {
		_, err := c.pg.Exec(ctx, probe, id)
		return err
	})
}

// roomy takes up new space before it writes the row: a row that is changed in its own page needs none, and a full disk would not be seen until the
// log needs its next file. What it takes is a temporary file of 256 kB where the database's tables are, since the session's work_mem is less than that; it is gone
// when the statement ends. It writes no log, and is not synced.
const roomy = `
	WITH room AS MATERIALIZED (SELECT repeat('-', 8192) AS page FROM generate_series(1, 32))
	INSERT INTO ham.probe AS p (id, at) SELECT $1, clock_timestamp() WHERE (SELECT count(page) FROM room) > 0
	ON CONFLICT (id) DO UPDATE SET at = excluded.at`

// ProbeRoom is Probe that also sees whether the file system of the data has room for more. Not enough is [DiskFull]. Where a temporary file
// is refused for another reason, that is no word on writes, and the row alone counts.
func (c *Conn) ProbeRoom(ctx context.Context, id string) error {
	err := c.call(ctx, func() error {
		_, err := c.pg.Exec(ctx, roomy, id)
		return err
	})
	if said := new(pgconn.PgError); errors.As(err, &said) && !Ended(err) {
		if kind, _ := Explain(err); kind != DiskFull && kind != Locked { // a lock was waited for already
			return c.Probe(ctx, id)
		}
	}
	return err
}

// Waiting is what a session does.
type Waiting struct {
	// Active: its statement has not ended.
	Active bool
	// For is what it waits for, "IO:WALSync", "Lock:relation"; empty: it works.
	For string
	// BlockedBy are the processes that hold the locks it waits for.
	BlockedBy []int32
	// Since is how long its statement runs.
	Since time.Duration
}

// Watch says what another session of the same role does. ok is false where there is no such session.
func (c *Conn) Watch(ctx context.Context, pid uint32) (w Waiting, ok bool, err error) {
	err = c.call(ctx, func() error {
		row := c.pg.QueryRow(ctx, `
			SELECT state IS NOT DISTINCT FROM 'active', coalesce(wait_event_type || ':' || wait_event, ''), pg_blocking_pids(pid),
				coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float8
			FROM pg_stat_activity WHERE pid = $1 AND usename = current_user`, int32(pid))
		var since float64
		err := row.Scan(&w.Active, &w.For, &w.BlockedBy, &since)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		w.Since, ok = seconds(since), err == nil
		return err
	})
	return w, ok, err
}

// seconds is at least 0: clocks may be set back.
func seconds(s float64) time.Duration { return max(0, time.Duration(s*float64(time.Second))) }
