package redis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	client "github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/client/redis/redistest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/redis"
)

// newRelay counts what changes a server.
func newRelay(t *testing.T, backend string) *drivertest.Relay {
	t.Helper()
	return drivertest.NewRelay(t, backend, func(sent string) (n int) {
		for _, word := range strings.Fields(sent) {
			switch word {
			case "SET", "REPLICAOF", "CLIENT", "REWRITE": // SET is CONFIG SET here
				n++
			}
		}
		return n
	})
}

func args(action, address string) spec.RedisArgs {
	return spec.RedisArgs{Action: action, Member: "b", Server: spec.Redis{Address: address, Password: "${env:SUITE_SECRET}"}, MaxLag: -1, Timeout: 20 * time.Second}
}

func with(t *testing.T, a spec.RedisArgs) string {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func bound(t *testing.T, a spec.RedisArgs) (driver.Driver, driver.Input) {
	t.Helper()
	in := drivertest.In(t, with(t, a))
	d, err := redis.Kind().New(in.Step.With)
	if err != nil {
		t.Fatal(err)
	}
	return d, in
}

// pair is a master and a replica that follows it.
func pair(t *testing.T) (master, replica *redistest.Server) {
	t.Helper()
	master = redistest.Start(t, redistest.Options{Password: drivertest.Secret})
	replica = redistest.Start(t, redistest.Options{Password: drivertest.Secret, ReplicaOf: master})
	replica.AwaitLink()
	// After a whole copy a master sends nothing more until it has heard of the replica, which takes up to a second.
	master.Do("SET", "begun", "1")
	goal := master.Info().Offset
	replica.Await("have what was written", func(i client.Info) bool { return i.Offset >= goal })
	return master, replica
}

func bar(t *testing.T, s *redistest.Server) {
	t.Helper()
	if _, err := s.Dial().Bar(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// takes says whether the server takes a write: "" or the code with which it says no. A pause that was left would last some seconds longer.
func takes(s *redistest.Server) string {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, s.Addr, s.Password)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_, err = c.Do(ctx, "SET", "k", "v")
	if err != nil && client.Code(err) == "" {
		return err.Error()
	}
	return client.Code(err)
}

func TestConformance(t *testing.T) {
	redistest.Require(t)
	for _, action := range []string{"promote", "give-up"} {
		t.Run(action, func(t *testing.T) {
			drivertest.Run(t, redis.Kind(), func(t *testing.T) drivertest.Target {
				master, replica := pair(t)
				s := replica
				if action == "give-up" {
					s = master
				} else {
					bar(t, s)
				}
				r := newRelay(t, s.Addr)
				return drivertest.Target{
					With: with(t, args(action, r.Addr())), Changes: r.Changes, Tells: true,
					Hang: r.Hang, Gone: r.Gone,
					Refuse: func() { s.Do("ACL", "SETUSER", "default", "-config", "-replicaof") },
				}
			})
		})
	}
}

func TestConfiguration(t *testing.T) {
	for key, spoil := range map[string]func(*spec.RedisArgs){
		"action":         func(a *spec.RedisArgs) { a.Action = "checkpoint" },
		"member":         func(a *spec.RedisArgs) { a.Member = "" },
		"server.address": func(a *spec.RedisArgs) { a.Server.Address = "192.0.2.1" },
		"server.service": func(a *spec.RedisArgs) { a.Server.Service = "redis" },
		"timeout_ns":     func(a *spec.RedisArgs) { a.Timeout = -1 },
	} {
		a := args("promote", "192.0.2.1:6379")
		spoil(&a)
		_, err := redis.Kind().New(json.RawMessage(with(t, a)))
		var wrong *driver.ConfigError
		if !errors.As(err, &wrong) || wrong.Key != key {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// lease is one that a test says everything about, and that writes down what was done with it.
type lease struct {
	holds  func() bool
	shut   error
	say    error
	armed  bool
	events []string
}

func (l *lease) Renewed(context.Context, string) bool { return true }

func (l *lease) Holds(uint64) (time.Duration, bool) {
	if l.holds == nil || l.holds() {
		return time.Second, true
	}
	return 0, false
}
func (l *lease) Armed() bool { return l.armed }
func (l *lease) Shut(_ context.Context, epoch uint64) error {
	l.events = append(l.events, fmt.Sprintf("shut %d", epoch))
	if l.shut == nil {
		l.armed = false
	}
	return l.shut
}
func (l *lease) Say(_ context.Context, epoch uint64, able bool, _ string) error {
	l.events = append(l.events, fmt.Sprintf("say %d %t", epoch, able))
	return l.say
}
func (l *lease) Busy(context.Context) (func(), error) {
	l.events = append(l.events, "busy")
	return func() { l.events = append(l.events, "free") }, nil
}
func (l *lease) story() string { return strings.Join(l.events, ", ") }

// A switchover loses nothing, under writes that go on until they are refused.
func TestSwitchoverLosesNothing(t *testing.T) {
	a, b := pair(t)
	bar(t, b)
	acknowledged := make(chan int, 1)
	writer := a.Dial()
	begun := make(chan struct{})
	go func() {
		n := 0
		for {
			if _, err := writer.Do(context.Background(), "INCR", "n"); err != nil {
				acknowledged <- n
				return
			}
			if n++; n == 200 {
				close(begun)
			}
		}
	}()
	<-begun
	l := &lease{armed: true}
	d, in := bound(t, args("give-up", a.Addr))
	in.Lease = l
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.No {
		t.Errorf("%+v, %v", sight, err)
	}
	began := time.Now()
	deed, err := d.Do(t.Context(), in)
	if err != nil || !deed.Applied {
		t.Fatalf("%+v, %v", deed, err)
	}
	t.Logf("gave up in %s: %s", time.Since(began), deed.Evidence)
	if got := l.story(); got != "busy, shut 7, say 7 true, free" {
		t.Errorf("what became of the lease: %s", got)
	}
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.Yes {
		t.Errorf("%+v, %v", sight, err)
	}
	if got := takes(a); got != "NOREPLICAS" {
		t.Errorf("the old primary answers a write with %q", got)
	}
	d, in = bound(t, args("promote", b.Addr))
	in.Lease = &lease{}
	if deed, err := d.Do(t.Context(), in); err != nil {
		t.Fatalf("%+v, %v", deed, err)
	}
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.Yes {
		t.Errorf("%+v, %v", sight, err)
	}
	n := <-acknowledged
	if got := b.Do("GET", "n").Text; got != fmt.Sprint(n) {
		t.Errorf("%d writes were acknowledged, and the new primary has %s", n, got)
	}
	if got := takes(b); got != "" {
		t.Errorf("the new primary answers a write with %q", got)
	}
	// Whoever goes on after a crash says once more that it gave up: nobody knows whether that was said.
	l = &lease{}
	d, in = bound(t, args("give-up", a.Addr))
	in.Lease = l
	if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != driver.No {
		t.Errorf("%+v, %v", sight, err)
	}
	if _, err := d.Do(t.Context(), in); err != nil || l.story() != "busy, shut 7, say 7 true, free" {
		t.Errorf("%s, %v", l.story(), err)
	}
}

// Until the guard is shut, whatever fails leaves a primary that takes writes.
func TestGiveUpThatFailsIsTakenBack(t *testing.T) {
	t.Run("nobody follows", func(t *testing.T) {
		s := redistest.Start(t, redistest.Options{Password: drivertest.Secret})
		l := &lease{armed: true}
		d, in := bound(t, args("give-up", s.Addr))
		in.Lease = l
		deed, err := d.Do(t.Context(), in)
		if !errors.Is(err, driver.ErrRefused) || deed.Applied || l.story() != "busy, free" {
			t.Errorf("%+v, %v, %s", deed, err, l.story())
		}
		if got := takes(s); got != "" {
			t.Errorf("a write is answered with %q", got)
		}
	})
	t.Run("the replica does not catch up", func(t *testing.T) {
		master, replica := pair(t)
		replica.Freeze()
		master.Do("SET", "k", strings.Repeat("x", 1000))
		l := &lease{armed: true}
		a := args("give-up", master.Addr)
		a.Timeout = 3 * time.Second
		d, in := bound(t, a)
		in.Lease = l
		deed, err := d.Do(t.Context(), in)
		if !errors.Is(err, driver.ErrRefused) || !deed.Applied || l.story() != "busy, free" || !strings.Contains(err.Error(), "0 of 1 replicas have everything") {
			t.Errorf("%+v, %v, %s", deed, err, l.story())
		}
		replica.Thaw()
		if got := takes(master); got != "" {
			t.Errorf("a write is answered with %q", got)
		}
	})
	t.Run("the guard cannot be shut", func(t *testing.T) {
		master, _ := pair(t)
		l := &lease{armed: true, shut: errors.New("no such table")}
		d, in := bound(t, args("give-up", master.Addr))
		in.Lease = l
		if deed, err := d.Do(t.Context(), in); err == nil || l.story() != "busy, shut 7, free" {
			t.Errorf("%+v, %v, %s", deed, err, l.story())
		}
		if got := takes(master); got != "" {
			t.Errorf("a write is answered with %q", got)
		}
	})
}

// Fenced is said only when Redis takes no writes.
func TestSaysFencedOnlyWhenBarred(t *testing.T) {
	master, _ := pair(t)
	master.Do("ACL", "SETUSER", "default", "-config|set")
	l := &lease{armed: true}
	d, in := bound(t, args("give-up", master.Addr))
	in.Lease = l
	if deed, err := d.Do(t.Context(), in); !errors.Is(err, driver.ErrUnknown) || l.story() != "busy, shut 7, free" {
		t.Errorf("%+v, %v, %s", deed, err, l.story())
	}
}

// The bar is lifted only for who holds the lease, and comes back where that ended on the way.
func TestPromotionNeedsTheLease(t *testing.T) {
	for at := 0; at < 3; at++ {
		_, b := pair(t)
		bar(t, b)
		asked := 0
		l := &lease{holds: func() bool { asked++; return asked <= at }}
		d, in := bound(t, args("promote", b.Addr))
		in.Lease = l
		if deed, err := d.Do(t.Context(), in); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "does not hold the lease of epoch 7") {
			t.Errorf("lapsed at question %d: %+v, %v", at+1, deed, err)
		}
		if got := takes(b); got == "" {
			t.Errorf("lapsed at question %d: it takes writes", at+1)
		}
	}
	_, b := pair(t)
	d, in := bound(t, args("promote", b.Addr))
	in.Command.Lease = &message.Lease{}
	if _, err := d.Do(t.Context(), in); !errors.Is(err, driver.ErrRefused) || takes(b) != "READONLY" {
		t.Errorf("the lease is another executor's: %v", err)
	}
}

// After a restart a promoted server is a master that is barred: neither one that takes writes nor one that follows the old primary.
func TestPromotedServerRestarts(t *testing.T) {
	a, b := pair(t)
	bar(t, b)
	a.Kill()
	d, in := bound(t, args("promote", b.Addr))
	if _, err := d.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if got := takes(b); got != "" {
		t.Fatalf("it answers a write with %q", got)
	}
	b.Kill()
	b.Launch()
	if i := b.Info(); !i.Master {
		t.Errorf("it follows %s", i.Upstream)
	}
	if got := takes(b); got != "NOREPLICAS" {
		t.Errorf("it answers a write with %q", got)
	}
	// The resume of the same member lifts it again.
	if _, err := d.Do(t.Context(), in); err != nil || takes(b) != "" {
		t.Errorf("%v, %q", err, takes(b))
	}
}

func TestLooks(t *testing.T) {
	master, replica := pair(t)
	barred := redistest.Start(t, redistest.Options{Password: drivertest.Secret})
	bar(t, barred)
	lonely := redistest.Start(t, redistest.Options{Password: drivertest.Secret, Config: []string{"replicaof 127.0.0.1 1"}})
	failing := redistest.Start(t, redistest.Options{Password: drivertest.Secret, Config: []string{"min-replicas-to-write 1"}})
	gone := redistest.Start(t, redistest.Options{Password: drivertest.Secret})
	gone.Kill()
	frozen := redistest.Start(t, redistest.Options{Password: drivertest.Secret})
	frozen.Freeze()
	for _, c := range []struct {
		action    string
		at        *redistest.Server
		done      driver.Done
		ends, err bool
	}{
		{"still-down", master, driver.No, true, false},
		{"still-down", replica, driver.Yes, false, false},
		{"still-down", barred, driver.Yes, false, false},
		{"still-down", failing, driver.Yes, false, false},
		{"still-down", gone, driver.Yes, false, false},
		{"still-down", frozen, driver.Yes, false, false},
		{"streaming", replica, driver.Yes, false, false},
		{"streaming", master, driver.No, true, false},
		{"streaming", lonely, driver.No, true, false},
		{"streaming", gone, driver.No, true, false},
		{"streaming", frozen, driver.No, false, true},
		{"writable", master, driver.Yes, false, false},
		{"writable", replica, driver.No, false, false},
		{"writable", barred, driver.No, false, false},
		{"writable", failing, driver.No, false, false},
		{"writable", gone, driver.No, false, true},
	} {
		a := args(c.action, c.at.Addr)
		if c.at == frozen {
			a.Timeout = 200 * time.Millisecond
		}
		d, in := bound(t, a)
		sight, err := d.Look(t.Context(), in)
		if sight.Done != c.done || sight.Ends != c.ends || (err != nil) != c.err {
			t.Errorf("%s: done %s, ends %t, error %v; want %s, %t, %t. Found: %s", c.action, sight.Done, sight.Ends, err, c.done, c.ends, c.err, sight.Found)
		}
	}
	frozen.Thaw()
	// Writable waits: for a server that is not there yet, and for one that is barred still.
	d, in := bound(t, args("writable", gone.Addr))
	done := make(chan error, 1)
	go func() { _, err := d.Do(context.WithoutCancel(t.Context()), in); done <- err }()
	gone.Launch()
	if err := <-done; err != nil {
		t.Errorf("writable: %v", err)
	}
	a := args("writable", barred.Addr)
	a.Timeout = 2 * time.Second // time for a first answer, also on a busy machine
	d, in = bound(t, a)
	if _, err := d.Do(t.Context(), in); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "barred from writes") {
		t.Errorf("writable: %v", err)
	}
}
