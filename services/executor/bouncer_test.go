package executor

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/client/pgbouncer"
	"github.com/isacloud/ha-manager/pkg/client/pgbouncer/pgbouncertest"
	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/file"
	"github.com/isacloud/ha-manager/pkg/spec/store"
)

// pool is a real PgBouncer before a real server, and a group of them with the executor x1 beside the PgBouncer.
type pool struct {
	*lab
	server  *pgtest.Server
	bouncer *pgbouncertest.Bouncer
	console *pgbouncer.Console
	spec    *spec.Group
}

// away is where nobody answers: the standby, which is not asked in these tests.
const away = "127.0.0.1:1"

func newPool(t testing.TB, edit ...func(*embedded.Options)) *pool {
	pgbouncertest.Require(t)
	p := &pool{lab: newLab(t, edit...), server: pgtest.Start(t, pgtest.Options{HBA: []string{"host all app 127.0.0.1/32 trust"}})}
	p.server.Exec("CREATE ROLE app LOGIN")
	host, port, _ := net.SplitHostPort(p.server.Addr())
	p.bouncer = pgbouncertest.Start(t, pgbouncertest.Options{Databases: map[string]string{"orders": "host=" + host + " port=" + port + " dbname=postgres"}})
	p.dialConsole(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(pgbouncertest.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	bouncerHost, bouncerPort, _ := net.SplitHostPort(p.bouncer.Addr())
	admin := fmt.Sprintf("host=%s port=%s user=admin dbname=pgbouncer sslmode=disable password='${file:%s}'", bouncerHost, bouncerPort, password)
	text := fmt.Sprintf(`
group: web
mode: auto
members:
  a: {site: sp, url: "http://127.0.0.1:1"}
  b: {site: rj, url: "http://127.0.0.1:1"}
checks:
  alive: {http: /, every: 6s, timeout: 5s, from: [sp, rj]}
routes:
  pool: {pgbouncer: [%q], database: orders, servers: {a: %q, b: %q}, file: %s, on: x1}
`, admin, p.server.Addr(), away, p.bouncer.File())
	if _, err := store.Put(t.Context(), p.bus, text, "ana", "test", store.AnyRevision); err != nil {
		t.Fatal(err)
	}
	g, err := file.ParseGroup("web", text)
	if err != nil {
		t.Fatal(err)
	}
	p.spec = g
	return p
}

func (p *pool) dialConsole(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := pgbouncer.Dial(ctx, p.bouncer.Admin())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p.console = c
}

// adopt decides an epoch without steps that names a as primary.
func (p *pool) adopt(epoch uint64) {
	p.t.Helper()
	cmd := p.command("web", epoch)
	cmd.Kind, cmd.From, cmd.Primary = message.KindAdopt, "", "a"
	p.decide(cmd)
}

// holdBack decides a switchover whose last step before it would be `held` waits for what does not come, once clients are held back.
func (p *pool) holdBack(epoch uint64) {
	p.t.Helper()
	plan, err := spec.Compile(p.spec, spec.Swap{Kind: message.KindSwitchover, From: "a", To: "b"})
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := p.command("web", epoch)
	cmd.Kind = message.KindSwitchover
	for _, s := range plan.Steps {
		if s.Name == "pause-pool" {
			s.After = nil
			cmd.Plan.Steps = append(cmd.Plan.Steps, s)
		}
	}
	stuck := p.act("stuck", fmt.Sprintf(`{"slow": %q}`, filepath.Join(p.t.TempDir(), "never")))
	stuck.Phase, stuck.Timeout, stuck.After = message.PhaseRelease, message.Duration(time.Minute), []string{"pause-pool"}
	cmd.Plan.Steps = append(cmd.Plan.Steps, stuck)
	p.decide(cmd)
	p.step("web", epoch, "stuck", message.StateStarted)
}

func (p *pool) state(t testing.TB) pgbouncer.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := p.console.State(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// served waits until a client is: one that has waited all along, or comes now.
func (p *pool) served(t testing.TB, after string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	c, err := pgconn.Connect(ctx, p.bouncer.DSN("orders", "app"))
	if err == nil {
		_, err = c.Exec(ctx, "SELECT 1").ReadAll()
		_ = c.Conn().Close()
	}
	if err != nil {
		t.Fatalf("%s: no client is served: %v; PgBouncer %s\n%s", after, err, p.state(t), p.story())
	}
	t.Logf("%s: served after %s", after, time.Since(began).Round(time.Millisecond))
}

// right waits until PgBouncer and its file are as they should be.
func (p *pool) right(t testing.TB, after string) {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		s := p.state(t)
		written, err := pgbouncer.ServerIn(p.bouncer.File(), "orders")
		if err == nil && !s.Paused && s.Server == p.server.Addr() && written == p.server.Addr() {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%s: PgBouncer %s, its file says %s (%v)\n%s", after, s, written, err, p.story())
		}
	}
}

// child runs the executor x1 as a process of its own; kill ends it as kill -9 does.
func (p *pool) child(t *testing.T, dir string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CRASH_URL="+p.lab.server.ClientURL(), "CRASH_DIR="+dir, "CRASH_GROUP=web", "CRASH_AT=-1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	runtime.LockOSThread() // the kernel ends the child with the thread that started it
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}
	t.Cleanup(func() { kill(); runtime.UnlockOSThread() })
	return kill
}

// Every executor dies between the pause and the route, and the swap is not taken up again: the next life lets the clients go.
func TestClientsAreNotHeldBackForEver(t *testing.T) {
	p := newPool(t, func(o *embedded.Options) { o.Listen = "127.0.0.1:0" })
	dir := filepath.Join(t.TempDir(), "x1")
	kill := p.child(t, dir)
	p.adopt(1)
	p.run("web", 1, message.StateDone)
	p.served(t, "before the swap")
	p.holdBack(2)
	if s := p.state(t); !s.Held() {
		t.Fatalf("clients are not held back: %s", s)
	}
	kill()
	if s := p.state(t); !s.Held() {
		t.Fatalf("clients are not held back any more: %s", s)
	}
	p.adopt(3) // it has no steps: nothing of it would let them go
	p.start("x1", func(o *Options) { o.StateDir = dir })
	p.served(t, "the executor is back")
	p.right(t, "the executor is back")
	await(p.lab, "the correction", func(m *message.Event) bool {
		return m.Kind == message.EventDrift && strings.Contains(m.Sentence, "clients of orders are held back")
	})
}

// A swap that is under way holds its clients back for as long as it takes.
func TestAPauseOfASwapIsLeftAlone(t *testing.T) {
	p := newPool(t)
	p.start("x1")
	p.adopt(1)
	p.run("web", 1, message.StateDone)
	p.holdBack(2)
	for began := time.Now(); time.Since(began) < 500*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		if s := p.state(t); !s.Held() {
			t.Fatalf("clients were let go in the middle of a swap: %s", s)
		}
	}
	p.adopt(3)
	p.served(t, "another epoch took the place of the swap")
}

// A foreign hand, and a PgBouncer that comes back with another file.
func TestPgBouncerIsKeptRight(t *testing.T) {
	p := newPool(t)
	p.start("x1")
	p.adopt(1)
	p.run("web", 1, message.StateDone)
	if err := p.console.Pause(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	p.right(t, "a foreign hand paused")
	host, port, _ := net.SplitHostPort(away)
	p.bouncer.Kill()
	p.bouncer.Write("orders = host=" + host + " port=" + port + " dbname=postgres")
	p.bouncer.Launch()
	p.dialConsole(t)
	p.right(t, "it came back with another file")
	p.served(t, "it came back with another file")
}
