package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/postgres"
)

const patience = 60 * time.Second

// lease is a lease that a test gives and takes.
type lease struct {
	mu     sync.Mutex
	epoch  uint64        // held; 0: none
	left   time.Duration // 0: a second
	armed  bool
	calls  []string // in their order
	onCall func(string)
	fail   error
}

func (l *lease) note(call string) error {
	l.mu.Lock()
	l.calls = append(l.calls, call)
	f, err := l.onCall, l.fail
	l.mu.Unlock()
	if f != nil {
		f(call)
	}
	return err
}

func (l *lease) Renewed(context.Context, string) bool { return true }

func (l *lease) Holds(epoch uint64) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.left
	if left == 0 {
		left = time.Second
	}
	return left, l.epoch == epoch && l.epoch != 0
}

func (l *lease) lose() { l.mu.Lock(); defer l.mu.Unlock(); l.epoch = 0 }

func (l *lease) Armed() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.armed }

func (l *lease) Shut(_ context.Context, epoch uint64) error {
	err := l.note(fmt.Sprintf("shut %d", epoch))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed, l.epoch = false, 0
	return err
}

func (l *lease) Say(_ context.Context, epoch uint64, able bool, sentence string) error {
	return l.note(fmt.Sprintf("say %d %t: %s", epoch, able, sentence))
}

func (l *lease) Busy(context.Context) (func(), error) {
	return func() { _ = l.note("release") }, l.note("busy")
}

func args(pg *pgtest.Server, action, member string) spec.PostgresArgs {
	return spec.PostgresArgs{Action: action, Member: member, MaxLag: -1, Timeout: 30 * time.Second, Server: spec.Postgres{
		DSN: spec.Secret(pg.DSN(pgtest.Super)), Local: spec.Secret(pg.LocalDSN(pgtest.Super)), Upstream: spec.Secret(pg.DSN(pgtest.Super)),
		Service: "pg_ctl", Data: pg.Data, Bin: pg.Bin, Slot: "ham_" + member, AppName: member,
	}}
}

func bind(t testing.TB, a spec.PostgresArgs) driver.Driver {
	t.Helper()
	with, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	d, err := postgres.Kind().New(with)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { driver.Close(d); _ = os.RemoveAll(a.Server.Data + ".ham") })
	return d
}

// in is the input of a step of epoch 7, a failover from a to b.
func in(t testing.TB, l driver.Lease) driver.Input {
	i := drivertest.In(t, "{}")
	i.Command.Members = []string{"b"}
	if l != nil {
		i.Lease = l
	}
	return i
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func pair(t testing.TB) (a, b *pgtest.Server) {
	t.Helper()
	a = pgtest.Start(t, pgtest.Options{})
	b = pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b"})
	return a, b
}

func look(t testing.TB, d driver.Driver, i driver.Input) driver.Sight {
	t.Helper()
	sight, err := d.Look(within(t), i)
	if err != nil {
		t.Fatal(err)
	}
	return sight
}

func TestPromote(t *testing.T) {
	a, b := pair(t)
	a.Exec("CREATE TABLE w (id int)")
	b.Exec("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (\"a\")'", "SELECT pg_reload_conf()") // left of an earlier life
	a.KillAll()
	d := bind(t, args(b, "promote", "b"))
	l := &lease{epoch: 7}
	i := in(t, l)
	if sight := look(t, d, i); sight.Done != driver.No {
		t.Errorf("before: %+v", sight)
	}
	began := time.Now()
	deed, err := d.Do(within(t), i)
	took := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s; %s with everything", deed.Evidence, took.Round(time.Millisecond))
	b.Exec("INSERT INTO w VALUES (1)") // it would wait for ever
	if sight := look(t, d, i); sight.Done != driver.Yes || !deed.Applied {
		t.Errorf("after: %+v, %+v", sight, deed)
	}
	if deed, err := d.Do(within(t), i); err != nil || deed.Applied {
		t.Errorf("promoted twice: %+v, %v", deed, err)
	}
	if !slices.Equal(l.calls, []string{"busy", "release", "busy", "release"}) {
		t.Errorf("the lease was asked: %q", l.calls)
	}
}

// TestPromoteNeedsTheLease: a server does not become primary without the lease of the very epoch, sure for a while.
func TestPromoteNeedsTheLease(t *testing.T) {
	_, b := pair(t)
	d := bind(t, args(b, "promote", "b"))
	lost := &lease{epoch: 7}
	lost.onCall = func(call string) {
		if call == "busy" {
			lost.lose()
		}
	}
	for _, c := range []struct {
		name string
		l    driver.Lease
		want error
	}{
		{"none is kept here", nil, driver.ErrUnasked},
		{"it is not held", &lease{}, driver.ErrRefused},
		{"it is held of an older epoch", &lease{epoch: 6}, driver.ErrRefused},
		{"it is about to end", &lease{epoch: 7, left: 20 * time.Millisecond}, driver.ErrRefused},
		{"it was lost while the resource was busy", lost, driver.ErrRefused},
	} {
		if _, err := d.Do(within(t), in(t, c.l)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if b.Value("SELECT pg_is_in_recovery()") != "true" {
			t.Fatalf("%s: it was promoted", c.name)
		}
	}
}

// TestPromoteWithoutAConnection: readers have taken every connection of the standby, and it is promoted all the same.
func TestPromoteWithoutAConnection(t *testing.T) {
	settings := pgtest.Options{Settings: map[string]string{"max_connections": "10"}}
	a := pgtest.Start(t, settings)
	b := pgtest.Standby(t, a, pgtest.StandbyOptions{Name: "b", Options: settings})
	a.KillAll()
	for range 7 { // three are kept for superusers
		b.Connect(pgtest.Repl)
	}
	w := args(b, "promote", "b")
	w.Server.Local = spec.Secret(b.LocalDSN(pgtest.Repl))
	d := bind(t, w)
	i := in(t, &lease{epoch: 7})
	if sight := look(t, d, i); sight.Done != driver.No || !strings.Contains(sight.Found, "no connection left") {
		t.Errorf("before: %+v", sight)
	}
	if _, err := d.Do(within(t), in(t, &lease{epoch: 6})); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("without the lease: %v", err)
	}
	deed, err := d.Do(within(t), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(deed.Evidence)
	if b.Value("SELECT pg_is_in_recovery()") != "false" {
		t.Error("it is a standby still")
	}
	if sight := look(t, d, i); sight.Done != driver.Yes {
		t.Errorf("after: %+v", sight)
	}
}

// TestPromoteWithNothingMissing: a limit of nothing lost does not refuse a standby that has everything it was told of.
func TestPromoteWithNothingMissing(t *testing.T) {
	a, b := pair(t)
	w := args(b, "promote", "b")
	w.MaxLag = 0
	a.KillAll()
	if _, err := bind(t, w).Do(within(t), in(t, &lease{epoch: 7})); err != nil {
		t.Errorf("a standby that lacks nothing is refused: %v", err)
	}
}

// TestResumeStartsItAsPrimary: a stopped former primary is started as one by a resume, and by nothing else.
func TestResumeStartsItAsPrimary(t *testing.T) {
	a := pgtest.Start(t, pgtest.Options{})
	a.Exec("CREATE TABLE w (id int)")
	a.KillAll()
	d := bind(t, args(a, "promote", "a"))
	i := in(t, &lease{epoch: 7})
	i.Command.Primary, i.Command.From = "a", ""
	if _, err := d.Do(within(t), i); !errors.Is(err, driver.ErrRefused) || a.Running() {
		t.Errorf("a failover starts a stopped server: %v; running %t", err, a.Running())
	}
	i.Command.Kind = message.KindResume
	if sight := look(t, d, i); sight.Done != driver.No || !strings.Contains(sight.Found, "in production") {
		t.Errorf("before: %+v", sight)
	}
	deed, err := d.Do(within(t), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(deed.Evidence)
	a.Exec("INSERT INTO w VALUES (1)")
	if sight := look(t, d, i); sight.Done != driver.Yes {
		t.Errorf("after: %+v", sight)
	}
	if got := a.Value("SELECT timeline_id FROM pg_control_checkpoint()"); got != "1" {
		t.Errorf("it is on timeline %s", got)
	}
}

// TestResumeOfAStandby: it is started as what it was, and then promoted. Without its signal nobody knows what it would start as.
func TestResumeOfAStandby(t *testing.T) {
	a, b := pair(t)
	b.Stop()
	a.KillAll()
	d := bind(t, args(b, "promote", "b"))
	i := in(t, &lease{epoch: 7})
	i.Command.Kind = message.KindResume
	signal := filepath.Join(b.Data, "standby.signal")
	if err := os.Rename(signal, signal+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Do(within(t), i); !errors.Is(err, driver.ErrRefused) || b.Running() {
		t.Errorf("without its signal: %v; running %t", err, b.Running())
	}
	if err := os.Rename(signal+".away", signal); err != nil {
		t.Fatal(err)
	}
	deed, err := d.Do(within(t), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(deed.Evidence)
	if b.Value("SELECT pg_is_in_recovery()") != "false" {
		t.Error("it is a standby still")
	}
}

// TestResumeOfAPromotionCutShort: it died when its signal was gone, and was no primary yet. It is a standby still, and is promoted to a timeline of
// its own, with all that was acknowledged.
func TestResumeOfAPromotionCutShort(t *testing.T) {
	a, b := pair(t)
	a.Exec("CREATE TABLE w (id int)", "INSERT INTO w VALUES (1)")
	b.AwaitReplay(a)
	b.KillAll()
	a.KillAll()
	if err := os.Remove(filepath.Join(b.Data, "standby.signal")); err != nil {
		t.Fatal(err)
	}
	d := bind(t, args(b, "promote", "b"))
	i := in(t, &lease{epoch: 7})
	i.Command.Kind = message.KindResume
	deed, err := d.Do(within(t), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(deed.Evidence)
	b.Exec("INSERT INTO w VALUES (2)")
	if got := b.Value("SELECT count(*) FROM w"); got != "2" {
		t.Errorf("it has %s rows", got)
	}
	if got := b.Value("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 8, 1)"); got != "2" {
		t.Errorf("it writes on timeline %s: the old primary's own writes and these would look like one history", got)
	}
}

// TestTheLeaseIsLostWhileItStarts: what was started is killed.
func TestTheLeaseIsLostWhileItStarts(t *testing.T) {
	a := pgtest.Start(t, pgtest.Options{})
	a.KillAll()
	a.Set(map[string]string{"restart_after_crash": "on", "pre_auth_delay": "0"})
	// A configuration that makes the start take for ever: recovery waits for a file that never comes.
	a.Set(map[string]string{"restore_command": "sleep 60"})
	if err := os.WriteFile(filepath.Join(a.Data, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := bind(t, args(a, "promote", "a"))
	l := &lease{epoch: 7}
	i := in(t, l)
	i.Command.Kind, i.Command.Primary = message.KindResume, "a"
	time.AfterFunc(300*time.Millisecond, l.lose)
	_, err := d.Do(within(t), i)
	if !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "lost while") {
		t.Errorf("it says %v", err)
	}
	if a.Running() {
		t.Error("it runs")
	}
}

func TestGiveUp(t *testing.T) {
	a, b := pair(t)
	a.Exec("CREATE TABLE w (id int)", "INSERT INTO w SELECT generate_series(1, 1000)")
	d := bind(t, args(a, "give-up", "a"))
	l := &lease{epoch: 6, armed: true}
	l.onCall = func(call string) {
		if strings.HasPrefix(call, "shut") && !a.Running() {
			t.Error("it was stopped before it was shut")
		}
		if strings.HasPrefix(call, "say") && a.Running() {
			t.Error("it runs when it is said to be fenced")
		}
	}
	i := in(t, l)
	if sight := look(t, d, i); sight.Done != driver.No {
		t.Errorf("before: %+v", sight)
	}
	deed, err := d.Do(within(t), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(deed.Evidence)
	if !strings.Contains(deed.Evidence, "; cleanly: shut down, ") || !deed.Applied {
		t.Errorf("%+v", deed)
	}
	if len(l.calls) != 4 || l.calls[0] != "busy" || l.calls[1] != "shut 7" || !strings.HasPrefix(l.calls[2], "say 7 true: ") || l.calls[3] != "release" {
		t.Errorf("the lease was asked: %q", l.calls)
	}
	if sight := look(t, d, i); sight.Done != driver.Yes {
		t.Errorf("after: %+v", sight)
	}
	// The next attempt after a crash between the stop and the word: it is said again.
	again := bind(t, args(a, "give-up", "a"))
	l.onCall = nil
	if sight := look(t, again, i); sight.Done != driver.No {
		t.Errorf("a driver that did not say it counts it as said: %+v", sight)
	}
	if _, err := again.Do(within(t), i); err != nil {
		t.Error(err)
	}
	// The standby has all of it, the end included.
	b.Promote()
	if got := b.Value("SELECT count(*) FROM w"); got != "1000" {
		t.Errorf("the standby has %s rows", got)
	}
}

// TestGiveUpKillsWhatDoesNotStop: a frozen server does not stop. It is fenced all the same, and nothing of it is left before that is said.
func TestGiveUpKillsWhatDoesNotStop(t *testing.T) {
	a := pgtest.Start(t, pgtest.Options{})
	w := args(a, "give-up", "a")
	w.Timeout = 2 * time.Second
	a.Freeze()
	l := &lease{epoch: 6, armed: true}
	l.onCall = func(call string) {
		if strings.HasPrefix(call, "say") && a.Running() {
			t.Error("it runs when it is said to be fenced")
		}
	}
	deed, err := bind(t, w).Do(within(t), in(t, l))
	if err != nil || !strings.Contains(deed.Evidence, "killed, because it did not stop") {
		t.Errorf("%+v, %v", deed, err)
	}
	// Where the guard cannot be shut nothing is stopped and nothing said.
	b := pgtest.Start(t, pgtest.Options{})
	l = &lease{epoch: 6, armed: true}
	l.onCall = func(call string) {
		if call == "busy" {
			l.mu.Lock()
			defer l.mu.Unlock()
			return
		}
		l.mu.Lock()
		l.fail = errors.New("no such table")
		l.mu.Unlock()
	}
	shut := &failing{lease: l}
	if _, err := bind(t, args(b, "give-up", "b")).Do(within(t), in(t, shut)); err == nil || !b.Running() {
		t.Errorf("with a guard that cannot be shut: %v; running %t", err, b.Running())
	}
}

type failing struct{ *lease }

func (f *failing) Shut(context.Context, uint64) error { return errors.New("no such table") }

func TestStillDown(t *testing.T) {
	a, b := pair(t)
	a.Exec("CREATE SCHEMA ham", "CREATE TABLE ham.probe (id text PRIMARY KEY, at timestamptz NOT NULL)")
	w := args(a, "still-down", "a")
	w.Timeout = 2 * time.Second
	d := bind(t, w)
	i := in(t, nil)
	if sight := look(t, d, i); !sight.Ends || sight.Done != driver.No {
		t.Errorf("a primary that is up: %+v", sight)
	}
	of := args(b, "still-down", "b")
	if sight := look(t, bind(t, of), i); sight.Ends || sight.Done != driver.Yes {
		t.Errorf("a standby: %+v", sight)
	}
	// It answers, and waits for ever for a standby that is gone: that is no sign of death.
	a.Exec("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (\"nobody\")'", "SELECT pg_reload_conf()")
	if sight := look(t, d, i); !sight.Ends {
		t.Errorf("a primary that waits for a standby: %+v", sight)
	}
	a.Freeze()
	w.Timeout = 200 * time.Millisecond
	if sight := look(t, bind(t, w), i); sight.Ends || sight.Done != driver.Yes {
		t.Errorf("a frozen one: %+v", sight)
	}
	a.KillAll()
	if sight := look(t, d, i); sight.Ends || sight.Done != driver.Yes {
		t.Errorf("one that is gone: %+v", sight)
	}
}

func TestStreaming(t *testing.T) {
	a, b := pair(t)
	w := args(b, "streaming", "b")
	w.MaxLag = 1 << 20
	d := bind(t, w)
	i := in(t, nil)
	if sight := look(t, d, i); sight.Ends || sight.Done != driver.Yes {
		t.Errorf("a standby that streams: %+v", sight)
	}
	b.Exec("SELECT pg_wal_replay_pause()")
	a.Exec("CREATE TABLE w AS SELECT generate_series(1, 100000) AS id")
	sight := look(t, d, i)
	for until := time.Now().Add(patience); !sight.Ends && time.Now().Before(until); sight = look(t, d, i) {
		time.Sleep(10 * time.Millisecond)
	}
	if !sight.Ends {
		t.Errorf("one that is far behind: %+v", sight)
	}
	if sight := look(t, bind(t, args(a, "streaming", "a")), i); !sight.Ends {
		t.Errorf("a primary: %+v", sight)
	}
	a.KillAll()
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if sight = look(t, d, i); strings.Contains(sight.Found, "does not stream") {
			break
		}
	}
	if !sight.Ends || !strings.Contains(sight.Found, "does not stream") {
		t.Errorf("one without its primary: %+v", sight)
	}
}

func TestCheckpointAndWritable(t *testing.T) {
	a := pgtest.Start(t, pgtest.Options{})
	a.Exec("CREATE TABLE w AS SELECT generate_series(1, 200000) AS id")
	d := bind(t, args(a, "checkpoint", "a"))
	i := in(t, nil)
	if sight := look(t, d, i); sight.Done != driver.No {
		t.Errorf("before: %+v", sight)
	}
	deed, err := d.Do(within(t), i)
	if err != nil || !deed.Applied {
		t.Errorf("%+v, %v", deed, err)
	}
	t.Log(deed.Evidence)
	if sight := look(t, d, i); sight.Done != driver.Yes {
		t.Errorf("after: %+v", sight)
	}
	w := args(a, "writable", "a")
	w.Timeout = 500 * time.Millisecond
	d = bind(t, w)
	if sight := look(t, d, i); sight.Done != driver.Yes {
		t.Errorf("a primary: %+v", sight)
	}
	a.KillAll()
	if sight := look(t, d, i); sight.Done != driver.No {
		t.Errorf("one that is gone: %+v", sight)
	}
	if _, err := d.Do(within(t), i); !errors.Is(err, driver.ErrUnasked) {
		t.Errorf("one that is gone: %v", err)
	}
}

func BenchmarkPromote(b *testing.B) {
	var sum, most time.Duration
	for range b.N {
		b.StopTimer()
		primary, standby := pair(b)
		primary.KillAll()
		d, i := bind(b, args(standby, "promote", "b")), in(b, &lease{epoch: 7})
		b.StartTimer()
		began := time.Now()
		if _, err := d.Do(within(b), i); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		sum, most = sum+took, max(most, took)
	}
	b.ReportMetric(float64(sum.Microseconds())/float64(b.N)/1000, "ms/promotion")
	b.ReportMetric(float64(most.Microseconds())/1000, "ms/worst")
}

// A primary whose disk is full is down for its clients, though a row that changes in its page can be written: the look does not end the failover.
func TestStillDownWithAFullDisk(t *testing.T) {
	disk := pgtest.NewDisk(t, 128<<20)
	a := pgtest.Start(t, pgtest.Options{Data: filepath.Join(disk.Dir, "data")})
	a.Exec("CREATE SCHEMA ham", "CREATE TABLE ham.probe (id text PRIMARY KEY, at timestamptz NOT NULL)")
	d := bind(t, args(a, "still-down", "a"))
	if sight := look(t, d, in(t, nil)); !sight.Ends {
		t.Fatalf("a primary that is up: %+v", sight)
	}
	disk.Fill()
	if sight := look(t, d, in(t, nil)); sight.Ends || sight.Done != driver.Yes || !strings.Contains(sight.Found, "takes no write") {
		t.Errorf("%+v", sight)
	}
	disk.Free()
}
