package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Observation is everything that a swap rests on, as one server tells it.
type Observation struct {
	State
	// SystemID is the same on a primary and all that were copied from it.
	SystemID uint64
	// Version is the server's number: 150018 is 15.18. Program is its own word for it.
	Version int
	Program string
	// Started is how long ago the server was started.
	Started time.Duration

	// Write and Flush are how far a primary has written and flushed its log; zero on a standby.
	Write, Flush LSN
	// Replay is how far a standby has replayed; zero on a primary. Paused: it was told to stop replaying.
	Replay LSN
	Paused bool
	// Receiver is what a standby's receiver does; nil: none runs.
	Receiver *Receiver

	// Standbys are those that stream from this server now; Slots its replication slots.
	Standbys []Standby
	Slots    []Slot
	// Settings are those of [Watched] that this version has and this role may see.
	Settings map[string]string
}

// Receiver is how a standby gets the log. https://www.postgresql.org/docs/15/monitoring-stats.html#MONITORING-PG-STAT-WAL-RECEIVER-VIEW
type Receiver struct {
	Status         string // starting, streaming, waiting, restarting, stopping
	Written, Flush LSN
	// End is the end of the log that its primary has told of last, Heard how long ago anything came from it.
	End      LSN
	Heard    time.Duration
	Timeline uint32
	Slot     string
	// Host and Port are whom it streams from.
	Host string
	Port int
}

// Standby is one that streams. https://www.postgresql.org/docs/15/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW
type Standby struct {
	// Name is its application_name, Addr its address ("" by unix socket), Slot the slot it streams by ("": none).
	Name, Addr, Slot string
	State            string // startup, catchup, streaming, backup, stopping
	// Sync is async, potential, sync or quorum; Priority its place in synchronous_standby_names.
	Sync     string
	Priority int
	// Sent, Write, Flush and Replay are how far it has come, as it told last; Heard is how long ago that was.
	Sent, Write, Flush, Replay LSN
	Heard                      time.Duration
}

// Slot is a replication slot. https://www.postgresql.org/docs/15/view-pg-replication-slots.html
type Slot struct {
	Name     string
	Physical bool
	// Active: somebody streams by it now.
	Active bool
	// Restart is the oldest log that it keeps; zero: none yet.
	Restart LSN
	// WAL says whether what it needs is there: reserved, extended, unreserved, lost; "" where it needs nothing.
	WAL string
}

// Watched are the settings that replication, rewinding and the safety of a swap depend on. None of them holds a secret.
var Watched = []string{
	"allow_system_table_mods", "archive_mode", "cluster_name", "data_checksums", "default_transaction_read_only", "fsync", "full_page_writes",
	"hot_standby", "hot_standby_feedback", "max_connections", "max_replication_slots", "max_slot_wal_keep_size", "max_wal_senders", "primary_slot_name",
	"recovery_target_timeline", "restart_after_crash", "superuser_reserved_connections", "synchronous_commit", "synchronous_standby_names",
	"wal_keep_size", "wal_level", "wal_log_hints", "wal_receiver_status_interval", "wal_receiver_timeout", "wal_retrieve_retry_interval",
	"wal_sender_timeout",
}

// Rewindable says whether pg_rewind can bring this server back after it diverged, and else what it needs.
// https://www.postgresql.org/docs/15/app-pgrewind.html
func (o Observation) Rewindable() (ok bool, why string) {
	var lacks []string
	if o.Settings["full_page_writes"] != "on" {
		lacks = append(lacks, "full_page_writes = on")
	}
	if o.Settings["wal_log_hints"] != "on" && o.Settings["data_checksums"] != "on" {
		lacks = append(lacks, "wal_log_hints = on or data checksums")
	}
	if len(lacks) > 0 {
		return false, "pg_rewind needs " + strings.Join(lacks, " and ")
	}
	return true, ""
}

const identityQuery = `
	SELECT (pg_control_system()).system_identifier::text, current_setting('server_version_num')::int4,
		extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8,
		CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() END::text,
		CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() END::text,
		CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END::text,
		CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END`

const receiverQuery = `
	SELECT coalesce(status, ''), written_lsn::text, flushed_lsn::text, latest_end_lsn::text, coalesce(received_tli, 0),
		coalesce(extract(epoch FROM clock_timestamp() - last_msg_receipt_time), 0)::float8,
		coalesce(slot_name, ''), coalesce(sender_host, ''), coalesce(sender_port, 0)
	FROM pg_stat_wal_receiver`

const standbysQuery = `
	SELECT coalesce(r.application_name, ''), coalesce(host(r.client_addr), ''), coalesce(s.slot_name, ''), coalesce(r.state, ''), coalesce(r.sync_state, ''),
		coalesce(r.sync_priority, 0), r.sent_lsn::text, r.write_lsn::text, r.flush_lsn::text, r.replay_lsn::text,
		coalesce(extract(epoch FROM clock_timestamp() - r.reply_time), 0)::float8
	FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid ORDER BY 1, r.pid`

const slotsQuery = "SELECT slot_name::text, slot_type = 'physical', active, restart_lsn::text, coalesce(wal_status, '') FROM pg_replication_slots ORDER BY 1"

const settingsQuery = "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY ($1)"

// Observe asks for everything, in one way there and back after the first. What one query sees may be newer than what another does.
func (c *Conn) Observe(ctx context.Context) (o Observation, err error) {
	err = c.call(ctx, func() error { return twice(func() error { return c.observe(ctx, &o) }) })
	if err != nil {
		return Observation{}, fmt.Errorf("observe: %w", err)
	}
	return o, nil
}

func (c *Conn) observe(ctx context.Context, o *Observation) error {
	var b pgx.Batch
	*o = Observation{Program: c.Version(), Settings: map[string]string{}}
	b.Queue(stateQuery).QueryRow(func(row pgx.Row) error { return o.State.scan(row) })
	b.Queue(identityQuery).QueryRow(func(row pgx.Row) error {
		var id string
		var started float64
		if err := row.Scan(&id, &o.Version, &started, &o.Write, &o.Flush, &o.Replay, &o.Paused); err != nil {
			return err
		}
		o.Started = seconds(started)
		// Stored as a signed number, printed by pg_controldata as an unsigned one.
		signed, err := strconv.ParseInt(id, 10, 64)
		o.SystemID = uint64(signed)
		return err
	})
	b.Queue(receiverQuery).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var r Receiver
			var heard float64
			var timeline int32
			if err := rows.Scan(&r.Status, &r.Written, &r.Flush, &r.End, &timeline, &heard, &r.Slot, &r.Host, &r.Port); err != nil {
				return err
			}
			r.Timeline, r.Heard = uint32(timeline), seconds(heard)
			o.Receiver = &r
		}
		return rows.Err()
	})
	b.Queue(standbysQuery).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var s Standby
			var heard float64
			if err := rows.Scan(&s.Name, &s.Addr, &s.Slot, &s.State, &s.Sync, &s.Priority, &s.Sent, &s.Write, &s.Flush, &s.Replay, &heard); err != nil {
				return err
			}
			s.Heard = seconds(heard)
			o.Standbys = append(o.Standbys, s)
		}
		return rows.Err()
	})
	b.Queue(slotsQuery).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var s Slot
			if err := rows.Scan(&s.Name, &s.Physical, &s.Active, &s.Restart, &s.WAL); err != nil {
				return err
			}
			o.Slots = append(o.Slots, s)
		}
		return rows.Err()
	})
	b.Queue(settingsQuery, Watched).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var name, value string
			if err := rows.Scan(&name, &value); err != nil {
				return err
			}
			o.Settings[name] = value
		}
		return rows.Err()
	})
	return c.pg.SendBatch(ctx, &b).Close()
}
