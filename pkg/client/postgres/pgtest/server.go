package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/isacloud/ha-manager/pkg/porttest"
)

// patience bounds each wait for a server: a busy machine is no failure.
const patience = 60 * time.Second

// Options of a server.
type Options struct {
	// Settings go into postgresql.conf, over those that tests want: fsync off, small buffers, wal_log_hints on.
	Settings map[string]string
	// HBA are lines that come first in pg_hba.conf. The others trust the unix socket, and ask for the password on 127.0.0.1.
	HBA []string
	// Data is where the data directory is made; it must not exist, or be empty and the servers' user's. Empty: a folder of its own.
	Data string
	// Stopped only prepares it; see Launch.
	Stopped bool
}

// Server is one PostgreSQL server. Its methods fail the test when the server does not do as told. They are not safe for concurrent use.
type Server struct {
	Programs
	// Data is the data directory, Socket the folder of the unix socket, Port the port on both.
	Data, Socket string
	Port         int

	t        testing.TB
	settings map[string]string
	hba      []string
	log      string // path
	ended    chan struct{}
}

// Start runs a server and waits until it takes connections. It is gone, with everything it wrote, when the test ends.
//
// The postmaster dies with the thread that started it: a test that moves its thread into a namespace of its own keeps the thread until the end.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := prepare(t, o)
	tp, err := initialized()
	if err == nil {
		err = tp.write(s.Programs, s.Data)
	}
	if err != nil {
		t.Fatalf("make a data directory: %v", err)
	}
	s.configure()
	if !o.Stopped {
		s.Launch()
	}
	return s
}

// StandbyOptions of a standby.
type StandbyOptions struct {
	Options
	// Name is its application_name; empty: "standby".
	Name string
	// Slot is the name of its replication slot on the primary, which is made where it is missing; empty: "ham_" and the name.
	Slot string
}

// Standby makes a base backup of the primary, runs it as a standby that streams by a slot, and waits until it does.
func Standby(t testing.TB, primary *Server, o StandbyOptions) *Server {
	t.Helper()
	if o.Name == "" {
		o.Name = "standby"
	}
	if o.Slot == "" {
		o.Slot = "ham_" + o.Name
	}
	s := prepare(t, o.Options)
	primary.Exec("SELECT pg_create_physical_replication_slot('" + o.Slot + "', true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '" + o.Slot + "')")
	backup := s.Command("pg_basebackup", "--pgdata="+s.Data, "--host="+primary.Socket, "--port="+strconv.Itoa(primary.Port), "--username="+Repl,
		"--wal-method=stream", "--slot="+o.Slot, "--checkpoint=fast", "--no-sync", "--no-manifest")
	if out, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s\nThe primary said:\n%s", err, out, primary.Log())
	}
	s.settings["primary_conninfo"], s.settings["primary_slot_name"] = primary.Conninfo(o.Name), o.Slot
	s.configure()
	signal := filepath.Join(s.Data, "standby.signal")
	if err := errors.Join(os.WriteFile(signal, nil, 0o600), s.give(signal)); err != nil {
		t.Fatal(err)
	}
	if !o.Stopped {
		s.Launch()
		primary.AwaitStreaming(o.Name)
	}
	return s
}

func prepare(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{Programs: Require(t), t: t, hba: o.HBA, settings: map[string]string{
		"fsync": "off", "shared_buffers": "16MB", "dynamic_shared_memory_type": "mmap", "wal_log_hints": "on", "max_connections": "50",
		"log_line_prefix": "%m [%p] %a ", "log_checkpoints": "off", "jit": "off",
	}}
	dir, err := newFolder(s.Programs)
	if err != nil {
		t.Fatalf("make a folder for PostgreSQL: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.Socket, s.log, s.Data = dir, filepath.Join(dir, "log"), o.Data
	if s.Data == "" {
		s.Data = filepath.Join(dir, "data")
	}
	_, port, _ := net.SplitHostPort(porttest.Hold(t))
	s.Port, _ = strconv.Atoi(port)
	s.settings["listen_addresses"], s.settings["port"], s.settings["unix_socket_directories"] = "127.0.0.1", port, dir
	maps.Copy(s.settings, o.Settings)
	t.Cleanup(s.end)
	return s
}

// Set changes settings in postgresql.conf; they count from the next Reload or Launch.
func (s *Server) Set(settings map[string]string) {
	s.t.Helper()
	maps.Copy(s.settings, settings)
	s.configure()
}

func (s *Server) configure() {
	s.t.Helper()
	var conf strings.Builder
	quote := strings.NewReplacer(`\`, `\\`, `'`, `''`)
	for _, name := range slices.Sorted(maps.Keys(s.settings)) {
		fmt.Fprintf(&conf, "%s = '%s'\n", name, quote.Replace(s.settings[name]))
	}
	hba := append(slices.Clone(s.hba), "local all all trust", "local replication all trust",
		"host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256", "")
	for name, text := range map[string]string{"postgresql.conf": conf.String(), "pg_hba.conf": strings.Join(hba, "\n")} {
		path := filepath.Join(s.Data, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), s.give(path)); err != nil {
			s.t.Fatalf("configure PostgreSQL: %v", err)
		}
	}
}

// Launch starts the server and waits until it takes connections.
func (s *Server) Launch() { s.t.Helper(); s.Begin(); s.AwaitReady() }

// Begin starts the server and does not wait.
func (s *Server) Begin() {
	s.t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := s.Command("postgres", "-D", s.Data)
	cmd.Stdout, cmd.Stderr = log, log // a file, so that waiting for the postmaster does not wait for its children
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start PostgreSQL: %v", err)
	}
	ended := make(chan struct{})
	s.ended = ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
}

// AwaitReady waits until the server takes connections, whoever started it. PostgreSQL gives no other sign than a word in postmaster.pid.
func (s *Server) AwaitReady() {
	s.t.Helper()
	s.poll("take connections", func() error {
		switch f := readPidFile(s.Data); { // read once: a killed server's file, which says ready, is being replaced
		case f.status != "ready":
			return fmt.Errorf("postmaster.pid says %q", f.status)
		case f.process(s.Data) == 0:
			return errors.New("postmaster.pid is not of a process of this server")
		}
		return nil
	})
}

// AwaitStreaming waits until the standby of that application_name streams from this server.
func (s *Server) AwaitStreaming(name string) {
	s.t.Helper()
	conn := s.Connect(Super)
	defer conn.Close(context.Background())
	s.poll("have "+name+" streaming", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		var state string
		if err := conn.QueryRow(ctx, "SELECT coalesce(max(state), 'none') FROM pg_stat_replication WHERE application_name = $1", name).Scan(&state); err != nil {
			return err
		}
		if state != "streaming" {
			return errors.New("its state is " + state)
		}
		return nil
	})
}

// AwaitReplay waits until this standby has replayed what its primary has written so far.
func (s *Server) AwaitReplay(primary *Server) {
	s.t.Helper()
	end := primary.Value("pg_current_wal_flush_lsn()")
	conn := s.Connect(Super)
	defer conn.Close(context.Background())
	s.poll("replay up to "+end, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		var at string
		var there bool
		if err := conn.QueryRow(ctx, "SELECT l::text, l >= $1::pg_lsn FROM pg_last_wal_replay_lsn() l", end).Scan(&at, &there); err != nil {
			return err
		}
		if !there {
			return errors.New("it is at " + at)
		}
		return nil
	})
}

// poll tries until there is no error, or the server that was started here has ended.
func (s *Server) poll(what string, try func() error) {
	s.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-s.ended:
			s.ended = nil
			s.fatalf("PostgreSQL ended when it should %s: %v", what, err)
		case <-late:
			s.fatalf("PostgreSQL did not %s within %v: %v", what, patience, err)
		}
	}
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// passwords of the roles that [Server.DSN] knows.
var passwords = map[string]string{Super: SuperPassword, Repl: ReplPassword, Ham: HamPassword}

// DSN is the URL by which the role reaches database postgres over TCP, with its password.
func (s *Server) DSN(role string) string { s.t.Helper(); return s.DSNWith(role, s.password(role)) }

// DSNWith is DSN with another password.
func (s *Server) DSNWith(role, password string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Host: s.Addr(), Path: "/postgres", RawQuery: "sslmode=disable"}
	return u.String()
}

// LocalDSN is how the role reaches database postgres by the unix socket, without a password.
func (s *Server) LocalDSN(role string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=postgres sslmode=disable", s.Socket, s.Port, role)
}

// Conninfo is how a standby of that application_name streams from this server.
func (s *Server) Conninfo(name string) string {
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return fmt.Sprintf("host=127.0.0.1 port=%d user=%s password='%s' application_name=%s", s.Port, Repl, escape.Replace(ReplPassword), escape.Replace(name))
}

func (s *Server) password(role string) string {
	s.t.Helper()
	password, ok := passwords[role]
	if !ok {
		s.t.Fatalf("role %q has no password that is known here: use DSNWith", role)
	}
	return password
}

// Connect returns a connection by the unix socket, which ends with the test.
func (s *Server) Connect(role string) *pgx.Conn {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.LocalDSN(role))
	if err != nil {
		s.fatalf("connect as %s: %v", role, err)
	}
	s.t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	return conn
}

// FillSlots opens sessions of the role until none is left, and keeps them until the test ends. A session that has ended gives its slot back a moment
// later, so it goes on until it was refused for some time. It returns how to end them.
func (s *Server) FillSlots(role string) (release func()) {
	s.t.Helper()
	var taken []*pgx.Conn
	release = func() {
		for _, conn := range taken {
			_ = conn.PgConn().Conn().Close()
		}
	}
	s.t.Cleanup(func() { release() })
	for refused := 0; refused < 20; {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		conn, err := pgx.Connect(ctx, s.LocalDSN(role))
		cancel()
		var said *pgconn.PgError
		switch {
		case err == nil:
			taken, refused = append(taken, conn), 0
		case errors.As(err, &said) && said.Code == "53300":
			refused++
			time.Sleep(10 * time.Millisecond)
		default:
			s.fatalf("take a slot as %s: %v", role, err)
		}
	}
	return release
}

// Exec runs statements as superuser, each by itself.
func (s *Server) Exec(statements ...string) {
	s.t.Helper()
	conn := s.Connect(Super)
	defer conn.Close(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			s.fatalf("%s: %v", sql, err)
		}
	}
}

// Value runs a query as superuser and returns its one value as text.
func (s *Server) Value(query string) string {
	s.t.Helper()
	conn := s.Connect(Super)
	defer conn.Close(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var value string
	if err := conn.QueryRow(ctx, "SELECT ("+query+")::text").Scan(&value); err != nil {
		s.fatalf("%s: %v", query, err)
	}
	return value
}

// Postmaster is the process id of the running postmaster, whoever started it.
func (s *Server) Postmaster() int {
	s.t.Helper()
	pid := postmaster(s.Data)
	if pid == 0 {
		s.fatalf("the server of %s does not run", s.Data)
	}
	return pid
}

// Running tells whether any process of the server is there.
func (s *Server) Running() bool { return len(processes(s.Data)) > 0 }

// Processes are all processes of the server.
func (s *Server) Processes() []int { return processes(s.Data) }

// Reload makes the server read its configuration again. It does so soon, not at once.
func (s *Server) Reload() { s.t.Helper(); s.signal(s.Postmaster(), syscall.SIGHUP) }

// Promote makes a standby a primary and waits until it is.
func (s *Server) Promote() {
	s.t.Helper()
	s.Exec("SELECT pg_promote(true, 60)")
}

// Stop ends the server in good order ("fast": sessions are ended, standbys get everything), and waits until it is gone.
func (s *Server) Stop() { s.t.Helper(); s.signal(s.Postmaster(), syscall.SIGINT); s.awaitGone("stop") }

// Kill9 kills the postmaster alone by SIGKILL. Its children notice and leave; this waits for them.
func (s *Server) Kill9() {
	s.t.Helper()
	s.signal(s.Postmaster(), syscall.SIGKILL)
	s.awaitGone("go after its postmaster was killed")
}

// KillAll kills every process by SIGKILL, as the death of the host would, and waits until they are gone.
func (s *Server) KillAll() {
	s.t.Helper()
	if !killAll(s.Data) {
		s.fatalf("PostgreSQL did not go within %v after SIGKILL", patience)
	}
	s.forget()
}

func (s *Server) awaitGone(what string) {
	s.t.Helper()
	s.forget()
	s.poll(what, func() error {
		if left := processes(s.Data); len(left) > 0 {
			return fmt.Errorf("processes %v are still there", left)
		}
		return nil
	})
}

// forget waits for the postmaster that was started here, if it was.
func (s *Server) forget() {
	s.t.Helper()
	if s.ended == nil {
		return
	}
	select {
	case <-s.ended:
		s.ended = nil
	case <-time.After(patience):
		s.fatalf("the postmaster did not end within %v", patience)
	}
}

// Freeze stops every process (SIGSTOP) and waits until they stand still: the kernel still accepts connections, and nothing answers.
func (s *Server) Freeze() {
	s.t.Helper()
	main := s.Postmaster()
	s.poll("stand still", func() error {
		s.signal(main, syscall.SIGSTOP) // the first one, so that it starts no more
		if state(main) != 'T' {
			return errors.New("the postmaster runs")
		}
		var moving []int
		for _, pid := range processes(s.Data) {
			if state(pid) != 'T' {
				_ = syscall.Kill(pid, syscall.SIGSTOP)
				moving = append(moving, pid)
			}
		}
		if len(moving) > 0 {
			return fmt.Errorf("processes %v move", moving)
		}
		return nil
	})
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() {
	s.t.Helper()
	for _, pid := range processes(s.Data) {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

func (s *Server) signal(pid int, sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		s.fatalf("send %v to process %d: %v", sig, pid, err)
	}
}

// Log is what the server has written to its standard error so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return string(text)
}

// longest is how much of a log is shown, in bytes.
const longest = 16 << 10

func (s *Server) tail() string {
	text := s.Log()
	return text[max(0, len(text)-longest):]
}

func (s *Server) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf(format, args...) // the end shows the log
}

// end leaves nothing behind.
func (s *Server) end() {
	if s.t.Failed() {
		s.t.Logf("PostgreSQL of port %d said:\n%s", s.Port, s.tail())
	}
	segment := readPidFile(s.Data).shmem
	if !killAll(s.Data) {
		s.t.Errorf("processes %v of PostgreSQL in %s are still there", processes(s.Data), s.Data)
	}
	if s.ended != nil {
		<-s.ended
	}
	if segment >= 0 {
		removeSharedMemory(segment)
	}
}
