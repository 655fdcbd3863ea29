package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/client/redis/redistest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/resource"
	"github.com/isacloud/ha-manager/services/executor/resource/redis"
)

const (
	patience = 30 * time.Second
	password = `hunter2&"quoted"/x`
)

func secrets(kind, name string) (string, error) {
	if kind == "env" && name == "REDIS" {
		return password, nil
	}
	return "", errors.New("no such secret")
}

func member(name string, s *redistest.Server) spec.Member {
	return spec.Member{Name: name, Redis: &spec.Redis{Address: s.Addr, Password: "${env:REDIS}"}}
}

func keep(t *testing.T, m spec.Member) resource.Resource {
	t.Helper()
	r, err := redis.Kind().New(resource.Options{Group: "cache", Member: m, Secrets: secrets, Log: slog.New(slog.DiscardHandler), Progress: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func start(t *testing.T, config ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, redistest.Options{Password: password, Config: config})
}

func look(t *testing.T, r resource.Resource) resource.Sight {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := r.Look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// settle settles and says what was done.
func settle(t *testing.T, r resource.Resource, role resource.Role) string {
	t.Helper()
	did, err := r.Settle(t.Context(), role)
	if err != nil {
		t.Fatal(err)
	}
	return did
}

// takes says whether the server takes a write: "" or the code with which it says no.
func takes(s *redistest.Server) string {
	_, err := s.Try("SET", "k", "v")
	return client.Code(err)
}

func TestKind(t *testing.T) {
	if k := redis.Kind(); k.Holds(spec.Member{}) || !k.Holds(spec.Member{Redis: &spec.Redis{}}) {
		t.Error("a member holds one where it declares one")
	}
	m := spec.Member{Name: "a", Redis: &spec.Redis{Service: "redis"}}
	if _, err := redis.Kind().New(resource.Options{Member: m}); err == nil || !strings.Contains(err.Error(), "want systemd:<unit>") {
		t.Errorf("%v", err)
	}
}

// However a server comes to act without the role, it takes no writes once it was settled, and its clients are cut.
func TestMasterWithoutRole(t *testing.T) {
	t.Parallel()
	for _, upstream := range []bool{false, true} {
		a, b := start(t), start(t)
		ra := keep(t, member("a", a))
		if s := look(t, ra); !s.Running || !s.Acting {
			t.Fatalf("%+v", s)
		}
		c := a.Dial()
		role := resource.Role{Epoch: 3}
		if upstream {
			m := member("b", b)
			role.Upstream = &m
		}
		if did := settle(t, ra, role); !strings.HasPrefix(did, "it was a master without the role: barred from writes") {
			t.Errorf("it did %q", did)
		}
		if _, err := c.Do(t.Context(), "PING"); err == nil {
			t.Error("a client is still there")
		}
		if s := look(t, ra); s.Acting || !s.Running {
			t.Errorf("%+v", s)
		}
		if got, want := takes(a), map[bool]string{false: "NOREPLICAS", true: "READONLY"}[upstream]; got != want {
			t.Errorf("upstream %t: a write is answered with %q, want %q", upstream, got, want)
		}
		if did := settle(t, ra, role); did != "" {
			t.Errorf("once more it did %q", did)
		}
	}
}

// A replica is barred too, so that a promotion by hand, or a restart, gives no master that takes writes.
func TestPromotedByHand(t *testing.T) {
	t.Parallel()
	a, b := start(t), start(t, "replicaof 127.0.0.1 1", "replica-read-only no")
	rb, ma := keep(t, member("b", b)), member("a", a)
	role := resource.Role{Epoch: 3, Upstream: &ma}
	did := settle(t, rb, role)
	if did != "barred from writes, for whoever promotes it by hand, replica-read-only is yes again, follows a" {
		t.Errorf("it did %q", did)
	}
	b.AwaitLink()
	if s := look(t, rb); s.Acting || s.Behind != 0 || !strings.Contains(s.Says, "replica of "+a.Addr+", 0 bytes behind, barred from writes") {
		t.Errorf("%+v", s)
	}
	b.Do("REPLICAOF", "NO", "ONE")
	if got := takes(b); got != "NOREPLICAS" {
		t.Errorf("a write is answered with %q", got)
	}
	if did := settle(t, rb, role); did != "follows a" {
		t.Errorf("it did %q", did)
	}
	b.Kill()
	b.Launch()
	b.AwaitLink() // it begins with the role that it had
	b.Do("REPLICAOF", "NO", "ONE")
	if got := takes(b); got != "NOREPLICAS" {
		t.Errorf("after a restart a write is answered with %q", got)
	}
}

// An old primary follows the new one, and what only it had is gone.
func TestRejoin(t *testing.T) {
	t.Parallel()
	a, b := start(t), start(t)
	a.Do("SET", "both", "old")
	a.Do("SET", "only", "a")
	b.Do("SET", "both", "new")
	ra, mb := keep(t, member("a", a)), member("b", b)
	settle(t, ra, resource.Role{Epoch: 4, Upstream: &mb})
	a.AwaitLink()
	if got := a.Do("GET", "both").Text; got != "new" {
		t.Errorf("it has %q", got)
	}
	if got := a.Do("EXISTS", "only").Int; got != 0 {
		t.Error("it still has what the new primary has not")
	}
	// One that is not master yet, or cannot be asked, is not followed: its data would be taken for the primary's.
	c := start(t)
	c.Do("SET", "only", "c")
	rc, ma := keep(t, member("c", c)), member("a", a)
	if did := settle(t, rc, resource.Role{Epoch: 4, Upstream: &ma}); !strings.HasPrefix(did, "it was a master") || strings.Contains(did, "follows") {
		t.Errorf("it did %q", did)
	}
	nobody := spec.Member{Name: "d", Redis: &spec.Redis{Address: "127.0.0.1:1"}}
	if _, err := rc.Settle(t.Context(), resource.Role{Epoch: 4, Upstream: &nobody}); err == nil || !strings.Contains(err.Error(), "d cannot be asked whether it is master") {
		t.Errorf("%v", err)
	}
	if got := c.Do("GET", "only").Text; got != "c" {
		t.Errorf("its data is %q", got)
	}
	b.Kill()
	if s := look(t, ra); s.Behind != -1 && s.Behind != 0 {
		t.Errorf("%+v", s)
	}
	if _, err := ra.Settle(t.Context(), resource.Role{Epoch: 4, Upstream: &ma}); err == nil {
		t.Error("it follows itself")
	}
}

// Settle never promotes, and leaves a primary alone.
func TestSettleNeverPromotes(t *testing.T) {
	t.Parallel()
	a := start(t)
	ra := keep(t, member("a", a))
	for _, prepare := range []func(){
		func() {},
		func() {
			if _, err := a.Dial().Bar(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		func() { a.Do("REPLICAOF", "127.0.0.1", "1") },
	} {
		prepare()
		before, refuses := a.Info().Master, takes(a)
		if did := settle(t, ra, resource.Role{Epoch: 3, Primary: true}); did != "" || a.Info().Master != before || takes(a) != refuses {
			t.Errorf("it did %q", did)
		}
	}
}

func TestStandbys(t *testing.T) {
	t.Parallel()
	a, b := start(t), start(t)
	ra, ma := keep(t, member("a", a)), member("a", a)
	settle(t, keep(t, member("b", b)), resource.Role{Epoch: 3, Upstream: &ma})
	b.AwaitLink()
	never := spec.Member{Name: "c", Redis: &spec.Redis{Address: "192.0.2.1:6379"}}
	settle(t, ra, resource.Role{Epoch: 3, Primary: true, Standbys: []spec.Member{member("b", b), never}})
	state := func(want string) {
		t.Helper()
		for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			var got []string
			for _, s := range look(t, ra).Standbys {
				got = append(got, s.Member+" "+s.State)
			}
			if strings.Join(got, ", ") == want {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("standbys are %v, want %s", got, want)
			}
		}
	}
	state("b streaming, c catching-up") // patience begins with the first look
	state("b streaming, c lost")
	b.Kill()
	state("b lost, c lost")
	b.Launch()
	state("b streaming, c lost")
}

// An end is seen at once, a cut connection is none, and what was started anew is another one.
func TestWatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := keep(t, member("a", s))
	ctx, cancel := context.WithCancel(t.Context())
	lost := make(chan string, 8)
	ended := make(chan error, 1)
	go func() { ended <- r.Watch(ctx, func(evidence string) { lost <- evidence }) }()
	watching := func() {
		t.Helper()
		s.Await("be watched", func(client.Info) bool {
			return strings.Count(s.Do("CLIENT", "LIST", "TYPE", "normal").Text, "cmd=info") >= 1
		})
	}
	watching()
	s.Do("CLIENT", "KILL", "TYPE", "normal")
	watching() // again, on another connection
	select {
	case e := <-lost:
		t.Errorf("a connection was cut, and it says %s", e)
	default:
	}
	for range 2 {
		began := time.Now()
		s.Kill()
		e := <-lost
		t.Logf("seen %s after the kill began: %s", time.Since(began), e)
		if !strings.Contains(e, "gone") {
			t.Errorf("it says %s", e)
		}
		s.Launch()
		watching()
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := len(lost); n != 0 {
		t.Errorf("%d words too many: %s", n, <-lost)
	}
}

func TestWatchWithAWrongPassword(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Password: "another"})
	err := keep(t, member("a", s)).Watch(t.Context(), func(e string) { t.Errorf("it says %s", e) })
	if client.Code(err) != "WRONGPASS" || strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v", err)
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := keep(t, member("a", s))
	c := s.Dial()
	proof, err := r.Kill(t.Context())
	if err != nil || !strings.Contains(proof, "it refuses every write") {
		t.Errorf("%q, %v", proof, err)
	}
	if _, err := c.Do(t.Context(), "PING"); err == nil || takes(s) != "NOREPLICAS" {
		t.Errorf("a client is still there, or a write is answered with %q", takes(s))
	}
	if proof, err := r.Kill(t.Context()); err != nil || proof == "" {
		t.Errorf("once more: %q, %v", proof, err)
	}
	s.Freeze()
	if proof, err := r.Kill(t.Context()); err == nil || !strings.Contains(err.Error(), "no service is declared") {
		t.Errorf("a frozen one: %q, %v", proof, err)
	}
	s.Thaw()
	s.Kill()
	if proof, err := r.Kill(t.Context()); err != nil || !strings.Contains(proof, "nobody listens") {
		t.Errorf("one that is gone: %q, %v", proof, err)
	}
	if sight := look(t, r); sight.Running || sight.Acting || sight.Says != "not running: nobody listens at "+s.Addr {
		t.Errorf("%+v", sight)
	}
	if _, err := r.Settle(t.Context(), resource.Role{}); err == nil || !strings.Contains(err.Error(), "ham starts nothing") {
		t.Errorf("%v", err)
	}
}

// Where ham runs the service, one that does not answer is killed, and one that is gone is started once there is another to follow. Until then its
// replicas have what it has lost.
func TestService(t *testing.T) {
	s := start(t)
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\necho \"$*\" >> %s/asked\ncase $1 in kill) kill -9 %d ;; esac\n", dir, s.Pid())
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	m := member("a", s)
	m.Redis.Service = "systemd:redis-server@a"
	r := keep(t, m)
	s.Freeze()
	if proof, err := r.Kill(t.Context()); err != nil || !strings.Contains(proof, "was killed: nobody listens") {
		t.Errorf("%q, %v", proof, err)
	}
	for _, role := range []resource.Role{{Epoch: 3}, {Epoch: 3, Primary: true}} {
		if did := settle(t, r, role); did != "" {
			t.Errorf("with nobody to follow it did %q", did)
		}
	}
	other := spec.Member{Name: "b", Redis: &spec.Redis{Address: "127.0.0.1:1"}}
	if did := settle(t, r, resource.Role{Epoch: 3, Upstream: &other}); did != "started systemd:redis-server@a" {
		t.Errorf("it did %q", did)
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if want := "kill --signal=SIGKILL redis-server@a\nstart redis-server@a\n"; err != nil || string(asked) != want {
		t.Errorf("systemctl was asked for %q, %v; want %q", asked, err, want)
	}
}
