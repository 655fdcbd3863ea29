package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/resource"
)

const patience = 90 * time.Second

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func member(pg *pgtest.Server, name string) spec.Member {
	return spec.Member{Name: name, Postgres: &spec.Postgres{
		DSN: spec.Secret(pg.DSN(pgtest.Super)), Local: spec.Secret(pg.LocalDSN(pgtest.Super)), Upstream: spec.Secret(pg.DSN(pgtest.Super)),
		Service: "pg_ctl", Data: pg.Data, Bin: pg.Bin, RunAs: pg.User, Slot: "ham_" + name, AppName: name,
	}}
}

// kept is a member as its keeper has it.
type kept struct {
	t  testing.TB
	pg *pgtest.Server
	m  spec.Member
	*database
	did []string
}

func keep(t testing.TB, pg *pgtest.Server, name string) *kept {
	t.Helper()
	k := &kept{t: t, pg: pg, m: member(pg, name)}
	d, err := open(resource.Options{Group: "db", Member: k.m, Progress: func(s string) { k.did = append(k.did, "progress: "+s) }}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	k.database = d
	t.Cleanup(d.hangUp)
	return k
}

// tend looks and settles as the keeper does, until ok says so of what was looked at.
func (k *kept) tend(role resource.Role, what string, ok func(resource.Sight) bool) resource.Sight {
	k.t.Helper()
	var last error
	var sight resource.Sight
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		var err error
		if sight, err = k.Look(within(k.t, patience)); err == nil && ok(sight) {
			return sight
		}
		did, err := k.Settle(within(k.t, patience), role)
		if last = err; did != "" {
			k.t.Logf("%s: %s", k.m.Name, did)
			k.did = append(k.did, did)
		}
	}
	k.t.Fatalf("%s does not come to %s: %+v; settle says %v; it did %q", k.m.Name, what, sight, last, k.did)
	return sight
}

func (k *kept) done(word string) bool {
	return slices.ContainsFunc(k.did, func(s string) bool { return strings.Contains(s, word) })
}

func streams(s resource.Sight) bool { return s.Running && !s.Acting && s.Behind >= 0 }

func state(s resource.Sight, member string) string {
	for _, b := range s.Standbys {
		if b.Member == member {
			return b.State
		}
	}
	return ""
}

// pair is a primary a and its standby b, as their keepers have them.
func pair(t testing.TB, settings map[string]string) (a, b *kept) {
	t.Helper()
	pa := pgtest.Start(t, pgtest.Options{Settings: settings})
	pb := pgtest.Standby(t, pa, pgtest.StandbyOptions{Name: "b", Options: pgtest.Options{Settings: settings}})
	pa.Exec("CREATE TABLE w (id int)", "INSERT INTO w SELECT generate_series(1, 1000)")
	return keep(t, pa, "a"), keep(t, pb, "b")
}

// swap promotes b after a was killed with writes that b does not have.
func swap(a, b *kept) {
	a.pg.Exec("CHECKPOINT")
	b.pg.AwaitReplay(a.pg)
	b.pg.Promote()
	a.pg.Exec("INSERT INTO w SELECT generate_series(2001, 2100)")
	if _, err := a.Kill(within(a.t, patience)); err != nil {
		a.t.Fatal(err)
	}
	b.pg.Exec("INSERT INTO w SELECT generate_series(3001, 3010)")
}

func primary(standbys ...*kept) resource.Role {
	r := resource.Role{Epoch: 2, Primary: true}
	for _, s := range standbys {
		r.Standbys = append(r.Standbys, s.m)
	}
	return r
}

func standbyOf(up *kept) resource.Role {
	m := up.m
	return resource.Role{Epoch: 2, Upstream: &m, Standbys: []spec.Member{m}}
}

// both tends a primary and a standby side by side until the standby streams.
func both(p *kept, role resource.Role, s *kept) time.Duration {
	p.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithCancel(p.t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			if _, err := p.Look(ctx); err == nil {
				_, _ = p.Settle(ctx, role)
			}
			wait(ctx, 50*time.Millisecond)
		}
	}()
	s.tend(standbyOf(p), "stream from "+p.m.Name, streams)
	took := time.Since(began)
	cancel()
	<-over
	return took
}

func same(t testing.TB, a, b *kept) {
	t.Helper()
	const q = "SELECT count(*) || ' ' || sum(id) FROM w"
	want, got := b.pg.Value(q), ""
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if got = a.pg.Value(q); got == want {
			return
		}
	}
	t.Errorf("%s has %s, %s has %s", a.m.Name, got, b.m.Name, want)
}

func TestRejoinByRewind(t *testing.T) {
	a, b := pair(t, nil)
	swap(a, b)
	took := both(b, primary(a), a)
	t.Logf("back in line after %s", took.Round(time.Millisecond))
	if !a.done("rewound") || a.done("base backup") {
		t.Errorf("it did %q", a.did)
	}
	same(t, a, b)
	if got := a.pg.Value("SELECT count(*) FROM w WHERE id BETWEEN 2001 AND 2100"); got != "0" {
		t.Errorf("%s rows that were never replicated are left", got)
	}
	if got := a.pg.Value("SELECT setting FROM pg_settings WHERE name = 'wal_retrieve_retry_interval'"); got != "50" {
		t.Errorf("wal_retrieve_retry_interval is %s ms", got)
	}
}

func TestRejoinByBaseBackup(t *testing.T) {
	a, b := pair(t, map[string]string{"wal_log_hints": "off"})
	swap(a, b)
	took := both(b, primary(a), a)
	t.Logf("back in line after %s", took.Round(time.Millisecond))
	if !a.done("cannot be rewound") || !a.done("base backup of") || !a.done("progress: base backup") {
		t.Errorf("it did %q", a.did)
	}
	same(t, a, b)
}

// TestACleanlyStoppedPrimaryIsNotRewound: after a switchover the old primary has nothing that the new one has not.
func TestACleanlyStoppedPrimaryIsNotRewound(t *testing.T) {
	a, b := pair(t, nil)
	if err := a.server.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	b.pg.Promote()
	took := both(b, primary(a), a)
	t.Logf("back in line after %s", took.Round(time.Millisecond))
	if a.done("rewound to") || a.done("base backup") {
		t.Errorf("it did %q", a.did)
	}
	same(t, a, b)
}

// TestAStandbyThatWentItsOwnWay: it runs, streamed what the new primary never had, and is rewound.
func TestAStandbyThatWentItsOwnWay(t *testing.T) {
	a, b := pair(t, nil)
	pc := pgtest.Standby(t, a.pg, pgtest.StandbyOptions{Name: "c"})
	c := keep(t, pc, "c")
	b.pg.Exec("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()") // c gets what b does not
	for a.pg.Value("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'b'") != "0" {
		time.Sleep(5 * time.Millisecond)
	}
	a.pg.Exec("INSERT INTO w SELECT generate_series(2001, 2100)")
	same(t, c, a)
	a.pg.KillAll()
	b.pg.Exec("SELECT pg_promote(true, 60)", "INSERT INTO w SELECT generate_series(3001, 3010)")
	took := both(b, primary(a, c), c)
	t.Logf("back in line after %s", took.Round(time.Millisecond))
	if !c.done("rewound") {
		t.Errorf("it did %q", c.did)
	}
	same(t, c, b)
}

// TestFollowsTheNewPrimaryAtOnce: a standby that lost its primary follows the new one without a restart, also when that one is promoted just while
// nobody streams.
func TestFollowsTheNewPrimaryAtOnce(t *testing.T) {
	a, b := pair(t, nil)
	pc := pgtest.Standby(t, a.pg, pgtest.StandbyOptions{Name: "c"})
	c := keep(t, pc, "c")
	c.tend(standbyOf(a), "stream from a", func(s resource.Sight) bool { return streams(s) && c.done("follows a") })
	b.tend(standbyOf(a), "stream from a", func(s resource.Sight) bool { return streams(s) && b.done("follows a") })
	postmaster := c.pg.Postmaster()
	a.pg.KillAll()
	b.tend(standbyOf(a), "lose its stream", func(s resource.Sight) bool { return s.Running && s.Behind < 0 })
	began := time.Now()
	b.pg.Promote()
	t.Logf("promoted after %s", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	both(b, primary(a, c), c)
	t.Logf("follows after %s", time.Since(began).Round(time.Millisecond))
	b.pg.Exec("INSERT INTO w VALUES (5)")
	same(t, c, b)
	if c.pg.Postmaster() != postmaster {
		t.Error("it was restarted")
	}
}

// TestTheLogIsGone: a standby that was away for too long is replaced.
func TestTheLogIsGone(t *testing.T) {
	a, b := pair(t, map[string]string{"max_slot_wal_keep_size": "16MB", "min_wal_size": "32MB", "max_wal_size": "32MB", "wal_keep_size": "0"})
	if err := b.server.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		a.pg.Exec("INSERT INTO w VALUES (1)", "SELECT pg_switch_wal()", "CHECKPOINT")
	}
	took := both(a, primary(b), b)
	t.Logf("back in line after %s", took.Round(time.Millisecond))
	if !b.done("no longer has the log") || !b.done("base backup") {
		t.Errorf("it did %q", b.did)
	}
	same(t, b, a)
}

// TestNothingStartsAsPrimary: without an upstream a stopped server stays stopped, whatever it was, and also where the role says primary: a step
// of the plan starts it, which holds the lease.
func TestNothingStartsAsPrimary(t *testing.T) {
	a, b := pair(t, nil)
	a.pg.KillAll()
	for _, role := range []resource.Role{{}, primary(b), {Epoch: 3, Standbys: []spec.Member{b.m}}} {
		if did, err := a.Settle(within(t, patience), role); did != "" || err != nil || a.pg.Running() {
			t.Errorf("with %+v: it did %q, %v; running %t", role, did, err, a.pg.Running())
		}
	}
	// With an upstream that cannot be reached, or that is no primary, a former primary stays as it is.
	for _, up := range []*kept{a, b} {
		if did, err := a.Settle(within(t, patience), standbyOf(up)); did != "" || err == nil || a.pg.Running() {
			t.Errorf("with upstream %s: it did %q, %v; running %t", up.m.Name, did, err, a.pg.Running())
		}
		a.rebuild = attempts{}
	}
	// One that acts as primary against its role is not touched but said to be: the keeper kills it.
	b.pg.Promote()
	sight, err := b.Look(within(t, patience))
	if err != nil || !sight.Acting {
		t.Errorf("it says %+v, %v", sight, err)
	}
	if did, err := b.Settle(within(t, patience), standbyOf(a)); did != "" || err == nil {
		t.Errorf("it did %q, %v", did, err)
	}
}

// TestNothingIsDestroyedUnderAnOpenGuard, nor where the upstream is another cluster.
func TestNothingIsDestroyedUnderAnOpenGuard(t *testing.T) {
	a, b := pair(t, nil)
	swap(a, b)
	b.tend(primary(a), "be primary", func(s resource.Sight) bool { return s.Acting && b.done("made slot ham_a") })
	b.pg.Exec("CHECKPOINT")
	armed := true
	a.o.Armed = func() bool { return armed }
	before, err := a.server.Control(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	untouched := func(why string) {
		t.Helper()
		a.rebuild = attempts{}
		did, err := a.Settle(within(t, patience), standbyOf(b))
		after, controlErr := a.server.Control(within(t, patience))
		if err == nil || !strings.Contains(err.Error(), why) || after != before || controlErr != nil || a.pg.Running() {
			t.Errorf("it did %q, %v; the cluster was %v and is %v (%v)", did, err, before, after, controlErr)
		}
	}
	untouched("guard is open")
	if err := os.WriteFile(a.pg.Data+".ham/rewinding", nil, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	untouched("guard is open") // a half rewound one is not replaced, either
	_ = os.Remove(a.pg.Data + ".ham/rewinding")
	armed = false
	stranger := keep(t, pgtest.Start(t, pgtest.Options{Stopped: true}), "b")
	anew(t, stranger.pg)
	b = stranger
	untouched("another cluster")
}

// anew gives a stopped server a cluster of its own: all others of the tests come from one.
func anew(t testing.TB, pg *pgtest.Server) {
	t.Helper()
	if err := os.RemoveAll(pg.Data); err != nil {
		t.Fatal(err)
	}
	if out, err := pg.Command("initdb", "--pgdata="+pg.Data, "--username="+pgtest.Super, "--auth=trust", "--no-sync", "--no-instructions").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pg.Set(nil)
	pg.Launch()
	pg.Exec("ALTER ROLE " + pgtest.Super + " PASSWORD '" + pgtest.SuperPassword + "'")
}

func TestSynchronousNames(t *testing.T) {
	a, b := pair(t, nil)
	role := primary(b)
	role.Wanted = []string{"b"}
	names := func() string {
		return a.pg.Value("SELECT setting FROM pg_settings WHERE name = 'synchronous_standby_names'")
	}
	// Declared slowly: its own settings first, so that it says every second how far it is.
	b.tend(standbyOf(a), "follow", func(s resource.Sight) bool { return streams(s) && b.done("follows a") })
	sight := a.tend(role, "wait for b", func(s resource.Sight) bool { return state(s, "b") == message.StandbySynchronous })
	if got := names(); got != `ANY 1 ("b")` {
		t.Errorf("it waits for %s: %+v", got, sight)
	}
	// The decider has recorded it. It goes: it is lost after the patience, and is waited for until the role says otherwise.
	role.Synchronous = []string{"b"}
	b.pg.KillAll()
	began := time.Now()
	sight = a.tend(role, "lose b", func(s resource.Sight) bool { return state(s, "b") == message.StandbyLost })
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("it is lost after %s", took)
	}
	for range 10 {
		if _, err := a.Settle(within(t, patience), role); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(); got != `ANY 1 ("b")` {
		t.Errorf("with b lost, and not yet said to be: it waits for %q: %+v", got, sight)
	}
	role.Synchronous = nil
	a.tend(role, "wait for nobody", func(resource.Sight) bool { return names() == "" })
	a.pg.Exec("INSERT INTO w VALUES (7)")
	// It comes back, and is waited for again.
	b.tend(standbyOf(a), "be back", streams)
	a.tend(role, "wait for b again", func(s resource.Sight) bool { return state(s, "b") == message.StandbySynchronous })
	// Whatever Synchronous says, all of it stands in the setting, known or not.
	role.Synchronous, role.Wanted = []string{"b", "z"}, nil
	if _, err := a.Settle(within(t, patience), role); err != nil {
		t.Fatal(err)
	}
	a.tend(role, "wait for both", func(resource.Sight) bool { return names() == `ANY 2 ("b", "z")` })
	role.Synchronous = nil
	a.tend(role, "wait for nobody", func(resource.Sight) bool { return names() == "" })
}

// TestSynchronousIsShownBeforeItIsSaid: the checkpointer is what makes commits wait, and here it does not hear.
func TestSynchronousIsShownBeforeItIsSaid(t *testing.T) {
	a, b := pair(t, nil)
	b.tend(standbyOf(a), "follow", func(s resource.Sight) bool { return streams(s) && b.done("follows a") })
	role := primary(b)
	role.Wanted = []string{"b"}
	checkpointer := 0
	if _, err := fmt.Sscan(a.pg.Value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"), &checkpointer); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(checkpointer, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	thaw := func() { _ = syscall.Kill(checkpointer, syscall.SIGCONT) }
	t.Cleanup(thaw)
	var sight resource.Sight
	a.tend(role, "ask for b", func(s resource.Sight) bool {
		sight = s
		return a.pg.Value("SELECT coalesce(max(sync_state), '') FROM pg_stat_replication") == "quorum"
	})
	for range 30 {
		if _, err := a.Settle(within(t, patience), role); err != nil {
			t.Fatal(err)
		}
		var err error
		if sight, err = a.Look(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		if state(sight, "b") == message.StandbySynchronous {
			t.Fatal("b is called synchronous, and no commit waits for it")
		}
		time.Sleep(10 * time.Millisecond)
	}
	thaw()
	a.tend(role, "wait for b", func(s resource.Sight) bool { return state(s, "b") == message.StandbySynchronous })
}

// TestWatchAndKill: the death of the server is told at once, also of its second life, and a kill leaves nothing.
func TestWatchAndKill(t *testing.T) {
	a := keep(t, pgtest.Start(t, pgtest.Options{}), "a")
	ctx, cancel := context.WithCancel(t.Context())
	lost := make(chan string, 10)
	over := make(chan error, 1)
	go func() { over <- a.Watch(ctx, func(evidence string) { lost <- evidence }) }()
	for range 2 {
		time.Sleep(100 * time.Millisecond) // the watch looks for a server that runs every 20 ms
		began := time.Now()
		proof, err := a.Kill(within(t, patience))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case evidence := <-lost:
			t.Logf("%s, seen after %s; %s", evidence, time.Since(began).Round(100*time.Microsecond), proof)
		case <-time.After(patience):
			t.Fatal("nobody was told")
		}
		if sight, err := a.Look(within(t, patience)); err != nil || sight.Running || sight.Acting {
			t.Errorf("after the kill: %+v, %v", sight, err)
		}
		a.pg.Launch()
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// TestTheExecutorDiesInABaseBackup: what it leaves is no cluster that starts, the old one is whole, and the next life takes it again.
func TestTheExecutorDiesInABaseBackup(t *testing.T) {
	a, b := pair(t, map[string]string{"wal_log_hints": "off"})
	a.pg.Exec("CREATE TABLE big AS SELECT i, repeat('x', 1000) AS t FROM generate_series(1, 20000) i")
	swap(a, b)
	b.tend(primary(a), "be primary", func(s resource.Sight) bool { return s.Acting && b.done("made slot ham_a") })
	b.pg.Exec("CHECKPOINT")
	child := exec.Command(os.Args[0], "-test.run=^TestChildRejoins$", "-test.v")
	child.Env = append(os.Environ(), "HAM_TEST_REJOIN=1", "HAM_TEST_DATA="+a.pg.Data, "HAM_TEST_BIN="+a.pg.Bin, "HAM_TEST_USER="+a.pg.User,
		"HAM_TEST_LOCAL="+a.pg.LocalDSN(pgtest.Super), "HAM_TEST_UPSTREAM="+b.pg.DSN(pgtest.Super))
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	// As soon as the copy has something in it.
	fresh := a.pg.Data + ".ham/new"
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(fresh, "base")); err == nil {
			break
		}
	}
	_ = syscall.Kill(child.Process.Pid, syscall.SIGKILL)
	_ = child.Wait()
	if _, err := os.Stat(fresh); err != nil {
		t.Fatalf("the child came too far, or not at all: %v", err)
	}
	if _, err := os.Stat(filepath.Join(fresh, "ham.complete")); err == nil {
		t.Fatal("the copy was complete")
	}
	// pg_basebackup dies with its executor.
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if b.pg.Value("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'ham_base_backup'") == "0" {
			break
		}
	}
	if c, err := a.server.Control(within(t, patience)); err != nil || a.pg.Running() {
		t.Errorf("the old cluster is %v, %v; running %t", c, err, a.pg.Running())
	}
	took := both(b, primary(a), a)
	t.Logf("back in line after %s", took.Round(time.Millisecond))
	same(t, a, b)
	if left, _ := os.ReadDir(a.pg.Data + ".ham"); len(left) > 2 { // pgpass, server.log
		t.Errorf("left beside: %v", left)
	}
}

// TestChildRejoins is the executor that dies.
func TestChildRejoins(t *testing.T) {
	if os.Getenv("HAM_TEST_REJOIN") == "" {
		return // it is for TestTheExecutorDiesInABaseBackup alone
	}
	me := spec.Member{Name: "a", Postgres: &spec.Postgres{Local: spec.Secret(os.Getenv("HAM_TEST_LOCAL")), Service: "pg_ctl", Data: os.Getenv("HAM_TEST_DATA"),
		Bin: os.Getenv("HAM_TEST_BIN"), RunAs: os.Getenv("HAM_TEST_USER"), Slot: "ham_a", AppName: "a"}}
	up := spec.Member{Name: "b", Postgres: &spec.Postgres{Upstream: spec.Secret(os.Getenv("HAM_TEST_UPSTREAM"))}}
	d, err := open(resource.Options{Member: me}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for t.Context().Err() == nil {
		did, err := d.Settle(t.Context(), resource.Role{Upstream: &up})
		fmt.Println(did, err)
		time.Sleep(20 * time.Millisecond)
	}
}

// TestLeastPrivileges: the whole life of a pair with the roles that ham init postgres makes, none of them a superuser.
func TestLeastPrivileges(t *testing.T) {
	hba := []string{"local all ham_local trust", "host all,replication ham_replication 127.0.0.1/32 trust"}
	pa := pgtest.Start(t, pgtest.Options{HBA: hba})
	pa.Exec("CREATE ROLE ham_local LOGIN REPLICATION", "CREATE ROLE ham_replication LOGIN REPLICATION")
	pa.Exec(postgres.Grants("ham_local")...)
	pa.Exec("GRANT pg_checkpoint, pg_signal_backend TO ham_local", "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf() TO ham_local")
	for _, name := range postgres.Kept {
		pa.Exec("GRANT ALTER SYSTEM ON PARAMETER " + name + " TO ham_local")
	}
	for _, f := range []string{"pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)", "pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)"} {
		pa.Exec("GRANT EXECUTE ON FUNCTION " + f + " TO ham_replication")
	}
	pb := pgtest.Standby(t, pa, pgtest.StandbyOptions{Name: "b", Options: pgtest.Options{HBA: hba}})
	pa.Exec("CREATE TABLE w (id int)", "INSERT INTO w SELECT generate_series(1, 1000)")
	a, b := keep(t, pa, "a"), keep(t, pb, "b")
	for _, k := range []*kept{a, b} {
		k.me.Local = spec.Secret(k.pg.LocalDSN("ham_local"))
		k.m.Postgres.Upstream = spec.Secret(k.pg.DSNWith("ham_replication", "none is asked for"))
	}
	role := primary(b)
	role.Wanted = []string{"b"}
	b.tend(standbyOf(a), "follow", func(s resource.Sight) bool { return streams(s) && b.done("follows a") })
	a.tend(role, "wait for b", func(s resource.Sight) bool { return state(s, "b") == message.StandbySynchronous })
	a.pg.Exec("ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()") // so that it can write what b has not
	swap(a, b)
	both(b, primary(a), a)
	if !a.done("rewound") {
		t.Errorf("it did %q", a.did)
	}
	same(t, a, b)
}

func TestNamesAreWrittenAndRead(t *testing.T) {
	for _, names := range [][]string{nil, {"a"}, {"a", "b-2"}, {`q"x`}} {
		text := formatNames(names)
		if got := parseNames(text); !slices.Equal(got, names) {
			t.Errorf("%q is written %s and read %q", names, text, got)
		}
	}
	for _, other := range []string{"*", "b", "FIRST 1 (a, b)", "ANY 1 (a, b)", "2 (a, b)", `ANY 1 ("a", "b")`} {
		if got := parseNames(other); got != nil {
			t.Errorf("%s is read as %q: it does not wait for all", other, got)
		}
	}
}
