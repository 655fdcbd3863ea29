package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Standing is what the one who keeps a server in its role looks at, several times a second.
type Standing struct {
	State
	// Flush is how far a primary has flushed its log: everything acknowledged is below. Zero on a standby.
	Flush LSN
	// CheckpointTimeline is that of the last checkpoint: older than Timeline until the first one after a promotion.
	CheckpointTimeline uint32
	// Told is the end of the primary's log as a standby's receiver was last told; zero: no receiver runs.
	Told LSN
	// Followers are those that stream from it, Slots its replication slots.
	Followers []Follower
	Slots     []Slot
	// Settings are those of [Kept].
	Settings map[string]string
}

// Follower is one that streams.
type Follower struct {
	PID            int32  `json:"pid"`
	Name           string `json:"name"`
	Slot           string `json:"slot"` // the slot it streams by; "": none
	State          string `json:"state"`
	Sync           string `json:"sync"` // async, potential, sync, quorum
	Flush          LSN    `json:"flush"`
	FlushLagMicros int64  `json:"lag_us"`
	Reply          string `json:"reply"` // when it last said something, by its own clock: a mark that changes with each word, not a time to reckon with
}

// Kept are the settings that whoever keeps a server makes and looks after.
var Kept = []string{
	"primary_conninfo", "primary_slot_name", "recovery_target_timeline", "synchronous_standby_names", "wal_receiver_status_interval", "wal_retrieve_retry_interval",
}

// A receiver calls itself streaming as soon as it is connected, before it has asked for anything, and so a standby that is refused every
// 50 ms would seem to stream now and then. Both times of its last message are set to the same when it starts, and differ from the first message on;
// where there is nothing to send, no message comes for half a minute, but it waits for one in its main loop.
const standingQuery = `
	SELECT r.recovery,
		CASE WHEN r.recovery
			THEN greatest(w.received_tli, (pg_control_recovery()).min_recovery_end_timeline, (pg_control_checkpoint()).timeline_id)
			ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int4
		END,
		CASE WHEN r.recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text,
		CASE WHEN r.recovery THEN pg_last_wal_receive_lsn() END::text,
		CASE WHEN w.status = 'streaming' THEN coalesce(w.last_msg_send_time <> w.last_msg_receipt_time, false)
			OR EXISTS (SELECT FROM pg_stat_get_activity(w.pid) a WHERE a.wait_event = 'WalReceiverMain') ELSE false END,
		CASE WHEN NOT r.recovery THEN pg_current_wal_flush_lsn() END::text,
		(pg_control_checkpoint()).timeline_id,
		w.latest_end_lsn::text,
		coalesce((SELECT json_agg(json_build_object('pid', f.pid, 'name', coalesce(f.application_name, ''), 'slot', coalesce(s.slot_name, ''),
			'state', coalesce(f.state, ''), 'sync', coalesce(f.sync_state, ''), 'flush', coalesce(f.flush_lsn, '0/0')::text,
			'lag_us', coalesce(extract(epoch FROM f.flush_lag) * 1000000, 0)::int8, 'reply', coalesce(f.reply_time::text, '')) ORDER BY f.pid)
			FROM pg_stat_replication f LEFT JOIN pg_replication_slots s ON s.active_pid = f.pid), '[]')::text,
		coalesce((SELECT json_agg(json_build_object('Name', slot_name, 'Physical', slot_type = 'physical', 'Active', active,
			'Restart', coalesce(restart_lsn, '0/0')::text, 'WAL', coalesce(wal_status, '')) ORDER BY slot_name) FROM pg_replication_slots), '[]')::text,
		(SELECT json_object_agg(name, current_setting(name)) FROM pg_settings WHERE name = ANY ($1))::text
	FROM (SELECT pg_is_in_recovery() AS recovery) r LEFT JOIN pg_stat_wal_receiver w ON true`

// Standing asks for it in one round trip. The role must be a superuser, or have pg_monitor: else settings are missing and followers have no state.
func (c *Conn) Standing(ctx context.Context) (s Standing, err error) {
	err = c.call(ctx, func() error {
		var timeline, checkpoint int32
		var followers, slots, settings string
		err := twice(func() error {
			return c.pg.QueryRow(ctx, standingQuery, Kept).Scan(&s.Recovery, &timeline, &s.LSN, &s.Received, &s.Streaming, &s.Flush, &checkpoint, &s.Told,
				&followers, &slots, &settings)
		})
		if err != nil {
			return err
		}
		s.Timeline, s.CheckpointTimeline = uint32(timeline), uint32(checkpoint)
		for _, part := range []struct {
			text string
			into any
		}{{followers, &s.Followers}, {slots, &s.Slots}, {settings, &s.Settings}} {
			if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Standing{}, fmt.Errorf("look: %w", err)
	}
	return s, nil
}

// Starving says of a standby that it has replayed all it has, and waits for more of the log: its startup process waits for a stream, or to ask
// for one again. https://www.postgresql.org/docs/15/monitoring-stats.html#WAIT-EVENT-TIMEOUT-TABLE
func (c *Conn) Starving(ctx context.Context) (starving bool, err error) {
	err = c.call(ctx, func() error {
		return c.pg.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE backend_type = 'startup' AND wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream'))`).Scan(&starving)
	})
	return starving, err
}

// Recovery says whether it is a standby.
func (c *Conn) Recovery(ctx context.Context) (recovery bool, err error) {
	err = c.call(ctx, func() error { return c.pg.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovery) })
	return recovery, err
}

// CheckpointTimeline is that of the last checkpoint. Every role may ask.
func (c *Conn) CheckpointTimeline(ctx context.Context) (timeline uint32, err error) {
	err = c.call(ctx, func() error {
		var t int32
		err := c.pg.QueryRow(ctx, "SELECT timeline_id FROM pg_control_checkpoint()").Scan(&t)
		timeline = uint32(t)
		return err
	})
	return timeline, err
}

// SinceCheckpoint is how many bytes were written to the log since the last checkpoint began, on a primary: about what a clean stop has to bring to disk.
func (c *Conn) SinceCheckpoint(ctx context.Context) (bytes int64, err error) {
	err = c.call(ctx, func() error {
		return c.pg.QueryRow(ctx, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::int8 FROM pg_control_checkpoint()").Scan(&bytes)
	})
	return bytes, err
}

// Readiness is what has to be known of a standby to promote it, and no more: every millisecond of that question is one that clients wait.
type Readiness struct {
	Recovery bool
	// Received and Replayed are how far it has come; Told is how far its primary was, as it said last, while a receiver runs.
	Received, Replayed, Told LSN
	// Names is synchronous_standby_names.
	Names string
}

// Readiness asks for it in one round trip.
func (c *Conn) Readiness(ctx context.Context) (r Readiness, err error) {
	err = c.call(ctx, func() error {
		return c.pg.QueryRow(ctx, `
			SELECT pg_is_in_recovery(), pg_last_wal_receive_lsn()::text, pg_last_wal_replay_lsn()::text, (SELECT latest_end_lsn FROM pg_stat_wal_receiver)::text,
				current_setting('synchronous_standby_names')`).Scan(&r.Recovery, &r.Received, &r.Replayed, &r.Told, &r.Names)
	})
	return r, err
}

// Promote tells a standby to become a primary, and does not wait: ask Recovery until it says false.
func (c *Conn) Promote(ctx context.Context) error {
	return c.exec(ctx, "promote", "SELECT pg_promote(false)")
}

// Checkpoint writes a checkpoint at once. It may take as long as the disk takes; ctx bounds it.
func (c *Conn) Checkpoint(ctx context.Context) error {
	return c.exec(ctx, "checkpoint", "SET statement_timeout = 0", "CHECKPOINT", "RESET statement_timeout")
}

// Mark writes a record of a few bytes to the log, and returns how far the log is flushed with it: further than it was before.
func (c *Conn) Mark(ctx context.Context, word string) (flushed LSN, err error) {
	err = c.call(ctx, func() error {
		if _, err := c.pg.Exec(ctx, "SELECT pg_logical_emit_message(true, 'ham', $1)", word); err != nil {
			return err
		}
		return c.pg.QueryRow(ctx, "SELECT pg_current_wal_flush_lsn()::text").Scan(&flushed)
	})
	return flushed, err
}

// Setting is the value that a setting has in this session.
func (c *Conn) Setting(ctx context.Context, name string) (value string, err error) {
	err = c.call(ctx, func() error { return c.pg.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value) })
	return value, err
}

// Alter sets settings of the whole server (ALTER SYSTEM) and tells it to read them. It returns before every process has.
func (c *Conn) Alter(ctx context.Context, settings map[string]string) error {
	var statements []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		statements = append(statements, "ALTER SYSTEM SET "+pgx.Identifier{name}.Sanitize()+" = "+literal(settings[name]))
	}
	return c.exec(ctx, "change settings", append(statements, "SELECT pg_reload_conf()")...)
}

// Reload tells every process of the server to read its configuration again, and returns before they have.
func (c *Conn) Reload(ctx context.Context) error {
	return c.exec(ctx, "reload", "SELECT pg_reload_conf()")
}

// literal quotes for every value of standard_conforming_strings.
func literal(s string) string {
	s = strings.ReplaceAll(s, "'", "''")
	if strings.Contains(s, `\`) {
		return ` E'` + strings.ReplaceAll(s, `\`, `\\`) + `'`
	}
	return "'" + s + "'"
}

// MakeSlot makes a physical replication slot that keeps the log from now on. One that is there is left.
func (c *Conn) MakeSlot(ctx context.Context, name string) error {
	return c.call(ctx, func() error {
		_, err := c.pg.Exec(ctx, "SELECT pg_create_physical_replication_slot($1, true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)", name)
		if err != nil {
			return fmt.Errorf("make slot %s: %w", name, err)
		}
		return nil
	})
}

// DropSlot drops a slot that nobody uses.
func (c *Conn) DropSlot(ctx context.Context, name string) error {
	return c.call(ctx, func() error {
		if _, err := c.pg.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active", name); err != nil {
			return fmt.Errorf("drop slot %s: %w", name, err)
		}
		return nil
	})
}

// EndFollower ends the process that sends to one that streams, if it still does.
func (c *Conn) EndFollower(ctx context.Context, pid int32) error {
	return c.call(ctx, func() error {
		if _, err := c.pg.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE pid = $1", pid); err != nil {
			return fmt.Errorf("end follower %d: %w", pid, err)
		}
		return nil
	})
}

// exec runs statements one after the other, each by itself.
func (c *Conn) exec(ctx context.Context, what string, statements ...string) error {
	return c.call(ctx, func() error {
		for _, sql := range statements {
			if _, err := c.pg.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
		return nil
	})
}
