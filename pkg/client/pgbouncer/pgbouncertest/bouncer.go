package pgbouncertest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/internal/child"
	"github.com/isacloud/ha-manager/pkg/client/pgbouncer"
	"github.com/isacloud/ha-manager/pkg/porttest"
)

// patience bounds each wait for PgBouncer: to come up, to end.
const patience = 20 * time.Second

// Password is that of the admin and of every user of the databases.
const Password = `hunter2&"quoted"/x`

// Require returns the path of the pgbouncer program. Where there is none it skips the test, or, with HAM_REQUIRE=1, fails it.
func Require(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/pgbouncer") // where Debian puts it, and which an ordinary user's PATH may lack
	}
	if err == nil {
		return path
	}
	const missing = "this test needs the program pgbouncer in PATH (Debian: apt-get install pgbouncer)"
	if os.Getenv("HAM_REQUIRE") == "1" {
		t.Fatalf("%s, and HAM_REQUIRE=1 is set: %v", missing, err)
	}
	t.Skipf("%s: %v", missing, err)
	return ""
}

// Options of a PgBouncer.
type Options struct {
	// Databases maps a name to its connection string.
	Databases map[string]string
	// Settings are added to the section [pgbouncer]; pool_mode is transaction unless one says otherwise.
	Settings map[string]string
}

// Bouncer is a running PgBouncer. Its methods fail the test when it does not do as told.
type Bouncer struct {
	t       testing.TB
	program string
	dir     string
	addr    string
	process child.Process
}

// Start runs PgBouncer and waits until its console answers.
func Start(t testing.TB, o Options) *Bouncer {
	t.Helper()
	b := &Bouncer{t: t, program: Require(t)}
	// Not t.TempDir: that may be closed to the user that PgBouncer runs as.
	dir, err := os.MkdirTemp("", "pgbouncer")
	if err != nil {
		t.Fatal(err)
	}
	b.dir = dir
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b.addr = porttest.Hold(t)
	host, port, _ := net.SplitHostPort(b.addr)

	settings := map[string]string{
		"listen_addr": host, "listen_port": port, "unix_socket_dir": "", "auth_type": "scram-sha-256", "auth_file": filepath.Join(dir, "users"),
		"admin_users": "admin", "stats_users": "watcher", "pool_mode": "transaction", "server_tls_sslmode": "disable",
	}
	maps.Copy(settings, o.Settings)
	config := "%include " + b.File() + "\n[pgbouncer]\n"
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		config += k + " = " + settings[k] + "\n"
	}
	databases := "; what ham points at the primary\n[databases]\n"
	for _, name := range slices.Sorted(maps.Keys(o.Databases)) {
		databases += name + " = " + o.Databases[name] + "\n"
	}
	users := ""
	for _, u := range []string{"admin", "watcher", "app"} {
		users += fmt.Sprintf("%q %s\n", u, `"`+strings.ReplaceAll(Password, `"`, `""`)+`"`)
	}
	for name, text := range map[string]string{b.config(): config, b.File(): databases, filepath.Join(dir, "users"): users} {
		if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := give(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := give(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PgBouncer said:\n%s", b.process.Log())
		}
		b.Kill()
	})
	b.Launch()
	return b
}

func (b *Bouncer) config() string { return filepath.Join(b.dir, "pgbouncer.ini") }

// File holds the section [databases].
func (b *Bouncer) File() string { return filepath.Join(b.dir, "databases.ini") }

// Addr is host:port.
func (b *Bouncer) Addr() string { return b.addr }

// Admin is the DSN of the console, as a user that may change things.
func (b *Bouncer) Admin() string { return b.DSN("pgbouncer", "admin") }

// DSN leads a user to a database.
func (b *Bouncer) DSN(database, user string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, Password), Host: b.addr, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Launch starts it again after a Kill, and waits until its console answers.
func (b *Bouncer) Launch() {
	b.t.Helper()
	cmd := exec.Command(b.program, b.config())
	cmd.Dir = "/"
	b.process.Start(b.t, cmd, unprivileged)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// It gives no sign when it is ready, so it is asked every few milliseconds.
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		c, err := pgbouncer.Dial(ctx, b.Admin())
		if err == nil {
			c.Close()
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-b.process.Ended():
			b.t.Fatalf("PgBouncer ended when it should come up:\n%s", b.process.Log())
		case <-ctx.Done():
			b.t.Fatalf("PgBouncer did not come up within %s: %v\n%s", patience, err, b.process.Log())
		}
	}
}

// Kill ends it by SIGKILL and waits until it is gone.
func (b *Bouncer) Kill() { b.process.Kill() }

// Freeze stops it (SIGSTOP): the kernel still accepts connections, and nothing answers.
func (b *Bouncer) Freeze() {
	b.t.Helper()
	b.process.Signal(b.t, syscall.SIGSTOP)
}

// Thaw lets it go on.
func (b *Bouncer) Thaw() {
	b.t.Helper()
	b.process.Signal(b.t, syscall.SIGCONT)
}

// Write replaces the section [databases].
func (b *Bouncer) Write(databases string) {
	b.t.Helper()
	if err := os.WriteFile(b.File(), []byte("[databases]\n"+databases+"\n"), 0o640); err != nil {
		b.t.Fatal(err)
	}
}
