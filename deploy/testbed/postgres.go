//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	pgBin  = "/usr/lib/postgresql/15/bin"
	pgUser = "postgres"
	pgPort = 5432
)

// data is the host's PostgreSQL data directory.
func (h *host) data() string { return h.path("disk", "pg") }

// sockets is where its server has its unix socket: for its owner and for root alone.
func (h *host) sockets() string { return h.path("run") }

// pgConfig is what both servers have in common under every manager; the rest are PostgreSQL's own defaults. Dynamic shared memory is in files of its own, so
// that a killed server leaves none in /dev/shm.
const pgConfig = `listen_addresses = '*'
port = 5432
unix_socket_directories = '%s'
wal_log_hints = on
hot_standby = on
max_wal_senders = 10
max_replication_slots = 10
wal_keep_size = 64MB
max_wal_size = 256MB
shared_buffers = 64MB
dynamic_shared_memory_type = mmap
log_line_prefix = '%%m [%%p] '
`

// Passwords cost each connect some milliseconds of hashing, the same for all managers, and are left out. The network leads nowhere.
const pgHBA = `local all all trust
host all all 127.0.0.1/32 trust
host all all 10.99.0.0/24 trust
local replication all trust
host replication all 127.0.0.1/32 trust
host replication all 10.99.0.0/24 trust
`

// makeDisk prepares what a data host's server stands on.
func makeDisk(ctx context.Context, h *host, kind string) error {
	at, err := h.mkdir("disk", pgUser, 0o755)
	if err != nil {
		return err
	}
	if _, err := h.mkdir("run", pgUser, 0o700); err != nil {
		return err
	}
	switch kind {
	case "small":
		err = h.bed.mount(ctx, at, "-t", "tmpfs", "-o", "size=400m", "tmpfs")
	case "own":
		image := h.path("disk.img")
		f, err2 := os.Create(image)
		if err2 != nil {
			return err2
		}
		err = errors.Join(f.Truncate(2<<30), f.Close())
		if err == nil {
			err = tool(ctx, "mkfs.ext4", "-q", "-F", image)
		}
		if err == nil {
			err = h.bed.mount(ctx, at, "-o", "loop", image)
		}
	}
	return errors.Join(err, chown(at, pgUser))
}

// makePair makes a primary on sp and a standby of it on rj, both running, as a person would have them before any manager.
func makePair(ctx context.Context, b *bed, disk string) error {
	for _, h := range []*host{b.sp, b.rj} {
		if err := makeDisk(ctx, h, disk); err != nil {
			return err
		}
	}
	if _, err := b.sp.run(ctx, asPostgres(pgBin+"/initdb", "-D", b.sp.data(), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--no-locale")); err != nil {
		return err
	}
	if err := configure(b.sp); err != nil {
		return err
	}
	if err := pgStart(ctx, b.sp); err != nil {
		return err
	}
	for _, q := range []string{
		"CREATE ROLE app LOGIN", "CREATE ROLE repl LOGIN REPLICATION", "CREATE DATABASE app OWNER app",
	} {
		if _, err := ask(ctx, b.sp, "postgres", q); err != nil {
			return err
		}
	}
	for _, q := range []string{
		"CREATE TABLE writes (id bigint PRIMARY KEY)",
		"CREATE TABLE beside (id bigint, node text)",
		"ALTER TABLE writes OWNER TO app", "ALTER TABLE beside OWNER TO app",
		"GRANT EXECUTE ON FUNCTION inet_server_addr() TO app",
	} {
		if _, err := ask(ctx, b.sp, "app", q); err != nil {
			return err
		}
	}
	if _, err := b.rj.run(ctx, asPostgres(pgBin+"/pg_basebackup", "-D", b.rj.data(), "-d", "host="+b.sp.addr+" user=repl application_name=rj", "-R", "-X", "stream", "-c", "fast", "--no-sync", "-S", "ham_rj", "-C")); err != nil {
		return err
	}
	if err := configure(b.rj); err != nil {
		return err
	}
	if err := pgStart(ctx, b.rj); err != nil {
		return err
	}
	return until(ctx, 20*time.Second, "the standby streams", func() error {
		_, err := streams(ctx, b.sp)
		return err
	})
}

// makeRegisters makes a table of registers on the primary, all of them 0.
func makeRegisters(ctx context.Context, primary *host, table string) error {
	for _, q := range []string{
		"CREATE TABLE " + table + " (k int PRIMARY KEY, val bigint NOT NULL, prev bigint)",
		fmt.Sprintf("INSERT INTO %s SELECT n, 0 FROM generate_series(0, %d) n", table, keys-1),
		"ALTER TABLE " + table + " OWNER TO app",
	} {
		if _, err := ask(ctx, primary, "app", q); err != nil {
			return err
		}
	}
	return nil
}

func asPostgres(argv ...string) command { return command{argv: argv, user: pgUser} }

func configure(h *host) error {
	conf := fmt.Sprintf(pgConfig, h.sockets())
	if h.bed.fakeClock {
		conf += "# the wall clock is libfaketime's\n"
	}
	f, err := os.OpenFile(filepath.Join(h.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n" + conf)
	return errors.Join(err, f.Close(), os.WriteFile(filepath.Join(h.data(), "pg_hba.conf"), []byte(pgHBA), 0o600))
}

// pgStart starts the server of the host and waits until it answers.
func pgStart(ctx context.Context, h *host) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	log, err := h.write("postgres.log", "", pgUser, 0o644)
	if err != nil {
		return err
	}
	c := asPostgres(pgBin+"/pg_ctl", "-D", h.data(), "-l", log, "-w", "-t", "50", "start")
	c.env = h.clockEnv()
	_, err = h.run(ctx, c)
	return err
}

func pgStop(ctx context.Context, h *host) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := h.run(ctx, asPostgres(pgBin+"/pg_ctl", "-D", h.data(), "-w", "-t", "50", "-m", "fast", "stop"))
	return err
}

// clockEnv puts the server's wall clock under the file faketime of its host, where the bed was made so.
func (h *host) clockEnv() []string {
	if !h.bed.fakeClock {
		return nil
	}
	return []string{
		"LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "FAKETIME_TIMESTAMP_FILE=" + h.path("faketime"),
		"FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
	}
}

// ask asks a host's server over its unix socket, as its owner, whatever stands between it and its clients.
func ask(ctx context.Context, h *host, db, query string) ([][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := pgconn.Connect(ctx, fmt.Sprintf("host=%s port=%d user=postgres dbname=%s", h.sockets(), pgPort, db))
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	results, err := c.Exec(ctx, query).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", h.name, query, err)
	}
	var rows [][]string
	for _, r := range results {
		for _, row := range r.Rows {
			var text []string
			for _, v := range row {
				text = append(text, string(v))
			}
			rows = append(rows, text)
		}
	}
	return rows, nil
}

// inRecovery says whether the host's server is a standby.
func inRecovery(ctx context.Context, h *host) (bool, error) {
	rows, err := ask(ctx, h, "postgres", "SELECT pg_is_in_recovery()")
	if err != nil {
		return false, err
	}
	return rows[0][0] == "t", nil
}

// streams says how the other server follows this one; an error unless it streams and has flushed all that was there when it was asked.
func streams(ctx context.Context, primary *host) (sync string, err error) {
	rows, err := ask(ctx, primary, "postgres", "SELECT state, sync_state, pg_wal_lsn_diff(pg_current_wal_flush_lsn(), flush_lsn) <= 65536 "+
		"FROM pg_stat_replication WHERE NOT pg_is_in_recovery() AND state = 'streaming' AND application_name NOT LIKE 'pg_%'")
	switch {
	case err != nil:
		return "", err
	case len(rows) == 0:
		return "", errors.New("nobody streams from " + primary.name)
	case rows[0][2] != "t":
		return "", errors.New("the standby of " + primary.name + " is far behind")
	}
	return rows[0][1], nil
}

// until tries every 50 ms: what happens in a server of another process has no event here.
func until(ctx context.Context, limit time.Duration, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("waited %s: %s: %w", limit, strings.TrimSpace(what), err)
		}
	}
}

// postgres is the bed's first kind of database.
type postgres struct{}

func (postgres) port() int { return pgPort }

func (postgres) makePair(ctx context.Context, b *bed, disk string) error {
	return makePair(ctx, b, disk)
}

func (postgres) kill(h *host) error { return killPostmaster(h) }

func (postgres) owns(pid int) bool { return isPostgres(pid) }

func (postgres) acts(ctx context.Context, h *host) (bool, error) {
	standby, err := inRecovery(ctx, h)
	return err == nil && !standby, err
}

func (postgres) follows(ctx context.Context, primary *host) (bool, error) {
	sync, err := streams(ctx, primary)
	return sync == "sync" || sync == "quorum", err
}

func (postgres) writes(ctx context.Context, h *host) (map[int64]bool, error) {
	return ids(ctx, h, "app", "SELECT id FROM writes")
}

func (postgres) connect(ctx context.Context, from *host, addr string) (session, error) {
	c, err := connect(ctx, from, addr)
	if err != nil {
		return nil, err
	}
	return pgSession{c, from.bed}, nil
}

// pgSession is a client's connection to PostgreSQL.
type pgSession struct {
	c   *pgconn.PgConn
	bed *bed
}

func (s pgSession) write(ctx context.Context, id int64, beside string) (node string, alone bool, err error) {
	query := fmt.Sprintf("INSERT INTO writes VALUES (%d) RETURNING host(inet_server_addr())", id)
	if beside != "" {
		query = fmt.Sprintf("INSERT INTO beside VALUES (%d, '%s')", id, beside)
	}
	results, err := s.c.Exec(ctx, query).ReadAll()
	switch {
	case err != nil:
		return "", false, err
	case beside != "":
		return beside, false, nil
	case len(results) != 1 || len(results[0].Rows) != 1:
		return "", false, errors.New("the server did not say who it is")
	}
	return s.bed.byAddr(string(results[0].Rows[0][0])), false, nil
}

func (s pgSession) good(err error) bool { return readOnly(err) }

func (s pgSession) close() { closeNow(s.c) }

// readOnly: a standby said so; the connection is good.
func readOnly(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "25006"
}

// connect opens a connection from a host to a server, within the client's patience.
func connect(ctx context.Context, from *host, addr string) (*pgconn.PgConn, error) {
	ip, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	cfg, err := pgconn.ParseConfig("host=" + ip + " port=" + port + " user=app dbname=app sslmode=disable")
	if err != nil {
		return nil, err
	}
	dialled := false
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dialled { // a write that timed out is not cancelled by a second connection: a client that is cut off could not either
			return nil, errors.New("one connection only")
		}
		dialled = true
		return from.dial(ctx, network, addr)
	}
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	return pgconn.ConnectConfig(ctx, cfg)
}

func closeNow(c *pgconn.PgConn) {
	_ = c.Conn().Close() // without a farewell, which might block
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Close(ctx)
}
