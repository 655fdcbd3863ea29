package redistest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/internal/child"
	"github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/porttest"
)

// patience bounds each wait for a server: a busy machine is no failure.
const patience = 30 * time.Second

// Require returns the path of the redis-server program. Where there is none it skips the test, or, with HAM_REQUIRE=1, fails it.
func Require(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err == nil {
		return path
	}
	const missing = "this test needs the program redis-server in PATH (Debian: apt-get install redis-server)"
	if os.Getenv("HAM_REQUIRE") == "1" {
		t.Fatalf("%s, and HAM_REQUIRE=1 is set: %v", missing, err)
	}
	t.Skipf("%s: %v", missing, err)
	return ""
}

// Options of a server.
type Options struct {
	// Password is required of clients, and shown to its master; empty: none.
	Password string
	// ReplicaOf is the master that it follows from the start.
	ReplicaOf *Server
	// Config are lines of its configuration.
	Config []string
}

// Server is one Redis server. Its methods fail the test when it does not do as told.
type Server struct {
	// Addr is host:port.
	Addr     string
	Password string
	// Dir holds its configuration, redis.conf, and its files.
	Dir string

	t       testing.TB
	program string
	process child.Process
}

// Start runs a server and waits until it answers.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{t: t, program: Require(t), Dir: t.TempDir(), Password: o.Password}
	s.Addr = porttest.Hold(t)
	_, port, _ := net.SplitHostPort(s.Addr)
	config := []string{
		"bind 127.0.0.1", "port " + port, "dir " + s.Dir, `save ""`, "appendonly no", "daemonize no", "repl-diskless-sync yes", "repl-diskless-sync-delay 0",
		"repl-diskless-load swapdb", "repl-ping-replica-period 1", "shutdown-timeout 0",
	}
	if o.Password != "" {
		config = append(config, "requirepass "+quote(o.Password), "masterauth "+quote(o.Password))
	}
	if o.ReplicaOf != nil {
		host, port, _ := net.SplitHostPort(o.ReplicaOf.Addr)
		config = append(config, "replicaof "+host+" "+port)
	}
	config = append(config, o.Config...)
	if err := os.WriteFile(s.config(), []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Redis at %s said:\n%s", s.Addr, s.process.Log())
		}
		s.Kill()
	})
	s.Launch()
	return s
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (s *Server) config() string { return filepath.Join(s.Dir, "redis.conf") }

// Launch starts it, after a Kill, on the same port, and waits until it answers.
func (s *Server) Launch() {
	s.t.Helper()
	s.process.Start(s.t, exec.Command(s.program, s.config()), nil)
	s.Await("come up", func(redis.Info) bool { return true })
}

// Await waits until what INFO tells is right.
func (s *Server) Await(what string, right func(redis.Info) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		i, err := s.info(ctx)
		if err == nil && right(i) {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-s.process.Ended():
			s.t.Fatalf("Redis ended when it should %s:\n%s", what, s.process.Log())
		case <-ctx.Done():
			s.t.Fatalf("Redis did not %s within %s: %+v, %v\n%s", what, patience, i, err, s.process.Log())
		}
	}
}

func (s *Server) info(ctx context.Context) (redis.Info, error) {
	c, err := redis.Dial(ctx, s.Addr, s.Password)
	if err != nil {
		return redis.Info{}, err
	}
	defer c.Close()
	return c.Info(ctx)
}

// Info is what it tells now.
func (s *Server) Info() redis.Info {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	i, err := s.info(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

// AwaitLink waits until it follows its master.
func (s *Server) AwaitLink() {
	s.t.Helper()
	s.Await("follow its master", func(i redis.Info) bool { return i.LinkUp })
}

// Dial returns a connection that ends with the test.
func (s *Server) Dial() *redis.Conn {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := redis.Dial(ctx, s.Addr, s.Password)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// Try gives one command on a connection of its own.
func (s *Server) Try(words ...string) (redis.Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := redis.Dial(ctx, s.Addr, s.Password)
	if err != nil {
		return redis.Reply{}, err
	}
	defer c.Close()
	return c.Do(ctx, words...)
}

// Do gives one command and fails the test where the server says no.
func (s *Server) Do(words ...string) redis.Reply {
	s.t.Helper()
	r, err := s.Try(words...)
	if err != nil {
		s.t.Fatalf("%s: %v", strings.Join(words, " "), err)
	}
	return r
}

// Pid is its process id.
func (s *Server) Pid() int { return s.process.PID() }

// Kill ends it by SIGKILL and waits until it is gone: its port refuses. Nothing happens if it was killed.
func (s *Server) Kill() { s.process.Kill() }

// Freeze stops it (SIGSTOP) and waits until it stands still: the kernel still accepts connections, and nothing answers.
func (s *Server) Freeze() {
	s.t.Helper()
	s.process.Signal(s.t, syscall.SIGSTOP)
	for until := time.Now().Add(patience); time.Now().Before(until); {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err := s.info(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
	s.t.Fatalf("Redis at %s goes on after SIGSTOP", s.Addr)
}

// Thaw lets it go on.
func (s *Server) Thaw() {
	s.t.Helper()
	s.process.Signal(s.t, syscall.SIGCONT)
}
