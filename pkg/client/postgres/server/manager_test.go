package server_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
)

// missing skips the test, or fails it with HAM_REQUIRE=1.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("HAM_REQUIRE") == "1" {
		t.Fatalf("HAM_REQUIRE=1 is set, and this test %s", what)
	}
	t.Skip(what)
}

// TestDebiansCluster: a cluster of pg_createcluster, whose configuration lies elsewhere.
func TestDebiansCluster(t *testing.T) {
	b := pgtest.Start(t, pgtest.Options{})
	if _, err := exec.LookPath("pg_createcluster"); err != nil || os.Geteuid() != 0 {
		missing(t, "needs Debian's postgresql-common, and root")
	}
	port := pgtest.Start(t, pgtest.Options{Stopped: true}) // holds a free port
	root, err := os.MkdirTemp("/tmp", "ham-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	t.Setenv("PG_CLUSTER_CONF_ROOT", filepath.Join(root, "etc"))
	for _, dir := range []string{"", "etc", "lib", "run", "log"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("chown", b.User, filepath.Join(root, dir)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	data, major := filepath.Join(root, "lib", "main"), fmt.Sprint(b.Major)
	create := exec.Command("pg_createcluster", major, "hamtest", "--user="+b.User, "--datadir="+data, "--socketdir="+filepath.Join(root, "run"),
		"--logfile="+filepath.Join(root, "log", "log"), "--port="+fmt.Sprint(port.Port), "--start-conf=manual", "--createclusterconf=/dev/null",
		"--pgoption", "dynamic_shared_memory_type=mmap", // the default is a file in /dev/shm, which outlives one that is killed
		"--", "--no-sync", "--auth-local=trust")
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s, err := server.New(server.Options{Service: "cluster:" + major + "/hamtest", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.Kill(within(t, patience)) })
	if err := s.StartPrimary(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	opts, err := os.ReadFile(filepath.Join(data, "postmaster.opts"))
	if err != nil || !strings.Contains(string(opts), filepath.Join(root, "etc")) {
		t.Errorf("it was started with %s, %v: not by pg_ctlcluster", opts, err)
	}
	if err := s.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	c, err := s.Control(within(t, patience))
	if err != nil || c.State != server.ShutDown {
		t.Errorf("%v, %v", c, err)
	}
	// A kill while pg_ctlcluster starts it.
	for i := range 3 {
		started := make(chan error, 1)
		go func() { started <- s.StartPrimary(within(t, patience)) }()
		for {
			if _, err := s.Gone(); err != nil {
				break // its first process is there
			}
		}
		proof, err := s.Kill(within(t, patience))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Gone(); err != nil {
			t.Errorf("round %d: %q, and then %v", i, proof, err)
		}
		<-started
		if _, err := s.Gone(); err != nil {
			t.Errorf("round %d: the start that was killed started it after all: %v", i, err)
		}
	}
	// It becomes a standby of another cluster by a base backup, and keeps its configuration, which lies elsewhere.
	b.Exec("SELECT pg_create_physical_replication_slot('ham_a', true)", "CREATE TABLE w (id int)")
	if _, err := s.BaseBackup(within(t, patience), follow(t, b, "a"), quiet); err != nil {
		t.Fatal(err)
	}
	if err := s.StartStandby(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	b.AwaitStreaming("a")
}

// TestSystemd speaks to a systemctl of the test's own, which starts and stops as a unit of a server would.
func TestSystemd(t *testing.T) {
	pg := pgtest.Start(t, pgtest.Options{Stopped: true})
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	if os.Geteuid() != 0 {
		missing(t, "needs root, to start a server as its user by a script")
	}
	// Like a unit with Restart=always would: a kill alone does not keep it down.
	script := fmt.Sprintf(`#!/bin/sh
echo "$@" >>%[1]s
case "$1" in
start) exec setpriv --reuid=%[2]s --regid=%[2]s --clear-groups %[3]s -D %[4]s -l /dev/null -w start >/dev/null ;;
stop) [ "$2" = --no-block ] || exec setpriv --reuid=%[2]s --regid=%[2]s --clear-groups %[3]s -D %[4]s -m fast -w stop >/dev/null ;;
esac
`, calls, pg.User, pg.Path("pg_ctl"), pg.Data)
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	s, err := server.New(server.Options{Service: "systemd:postgresql@15-main", Data: pg.Data, Bin: pg.Bin})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.StartPrimary(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := s.StartPrimary(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if proof, err := s.Kill(within(t, patience)); err != nil {
		t.Errorf("%q, %v", proof, err)
	}
	said, err := os.ReadFile(calls)
	want := "reset-failed U start U stop U reset-failed U start U stop --no-block U"
	if got := strings.ReplaceAll(strings.Join(strings.Fields(string(said)), " "), "postgresql@15-main", "U"); err != nil || got != want {
		t.Errorf("systemctl was told %q, %v; want %q", got, err, want)
	}
	if left := pg.Processes(); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	// Where systemd cannot be told, it may start the server again: that is no proof.
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte("#!/bin/sh\necho no bus >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if proof, err := s.Kill(within(t, patience)); err == nil || !strings.Contains(err.Error(), "no bus") {
		t.Errorf("%q, %v", proof, err)
	}
}

// TestKillWaitsForAStartUnderWay: a service manager that is about to start the server does so after the kill has begun. The kill outlasts it.
func TestKillWaitsForAStartUnderWay(t *testing.T) {
	pg := pgtest.Start(t, pgtest.Options{Stopped: true})
	if os.Geteuid() != 0 {
		missing(t, "needs root, to start a server as its user by a script")
	}
	dir := t.TempDir()
	begun := filepath.Join(dir, "begun")
	script := fmt.Sprintf(`#!/bin/sh
[ "$1" = start ] || exit 0
touch %[1]s
sleep 0.5
exec setpriv --reuid=%[2]s --regid=%[2]s --clear-groups %[3]s -D %[4]s -l /dev/null -w start >/dev/null
`, begun, pg.User, pg.Path("pg_ctl"), pg.Data)
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	s, err := server.New(server.Options{Service: "systemd:postgresql@15-main", Data: pg.Data, Bin: pg.Bin})
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	go func() { started <- s.StartPrimary(within(t, patience)) }()
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(begun); err == nil {
			break
		}
	}
	proof, err := s.Kill(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(proof)
	if err := <-started; err == nil {
		t.Error("the start says that it is up")
	}
	if left := pg.Processes(); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		o    server.Options
		want string
	}{
		{server.Options{Service: "pg_ctl", Data: "data"}, "data:"},
		{server.Options{Service: "pg_ctl", Data: "/"}, "data:"},
		{server.Options{Service: "pg_ctl", Data: "/x", Bin: "bin"}, "bin:"},
		{server.Options{Service: "", Data: "/x"}, "service:"},
		{server.Options{Service: "systemd:", Data: "/x"}, "service:"},
		{server.Options{Service: "systemd:--now", Data: "/x"}, "service:"},
		{server.Options{Service: "systemd:../x", Data: "/x"}, "service:"},
		{server.Options{Service: "cluster:15", Data: "/x"}, "service:"},
		{server.Options{Service: "cluster:main/15", Data: "/x"}, "service:"},
	} {
		if _, err := server.New(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}

func TestConnInfo(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`host=db1 port=5433 user=x password='it''`, ""},
		{`host=db1 port = 5433 user=x password='it\'s \\ a'`, `host='db1' password='it\'s \\ a' port='5433' user='x'`},
		{`postgres://x:p%20%27w@[2001:db8::1]:5433/app?sslmode=require`, `dbname='app' host='2001:db8::1' password='p \'w' port='5433' sslmode='require' user='x'`},
		{`host=a,b user=x`, ""},
		{`user=x`, ""},
		{`host`, ""},
		{`host=a evil-key=1`, ""},
		{"host=a user='x\ny'", ""},
	} {
		got, err := server.ParseConnInfo(c.in)
		if c.want == "" {
			if err == nil || strings.Contains(err.Error(), "it'") {
				t.Errorf("%s: %v, %v", c.in, got, err)
			}
			continue
		}
		if err != nil || got.String() != c.want {
			t.Errorf("%s is read as %s, %v", c.in, got, err)
		}
	}
}
