package story

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// seed makes an identity: its file and its public key.
func seed(t testing.TB) (file, public string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	s, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "user.nk")
	if err := os.WriteFile(file, s, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, public
}

// What subscribes right after it connected waits until the server knows of it, and does so only while the link is up.
func TestLinkIsUpOnceConnected(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	for range 200 {
		b := bustest.Dial(t, s.BusOptions("d1", "decider"))
		up, _ := b.Link()
		b.Close()
		if !up {
			t.Fatal("connected, and the link is said to be down")
		}
	}
}

func TestWrongOptionsAreRefusedBeforeAnythingIsOpened(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.nk")
	if err := os.WriteFile(bad, []byte("SECRETSEED"), 0o600); err != nil {
		t.Fatal(err)
	}
	urls := []string{"nats://127.0.0.1:4222"}
	for says, o := range map[string]bus.Options{
		"name is":                     {Service: "decider", URLs: urls},
		"service is":                  {Name: "d1", URLs: urls},
		"neither urls":                {Name: "d1", Service: "decider"},
		"credentials file /no/file":   {Name: "d1", Service: "decider", URLs: urls, CredsFile: "/no/file"},
		"nkey seed file /no/file":     {Name: "d1", Service: "decider", URLs: urls, NKeySeedFile: "/no/file"},
		"holds no user seed":          {Name: "d1", Service: "decider", URLs: urls, NKeySeedFile: bad},
		"more than one of":            {Name: "d1", Service: "decider", URLs: urls, NKeySeedFile: bad, User: "u"},
		"ping_every is 2s":            {Name: "d1", Service: "decider", URLs: urls, PingEvery: 2 * time.Second},
		`name is "a.b"`:               {Name: "a.b", Service: "decider", URLs: urls},
		"want at most 1s: a dead lin": {Name: "d1", Service: "decider", URLs: urls, PingEvery: time.Minute},
	} {
		_, err := bus.Connect(within(t, time.Second), o)
		wantError(t, err, bus.ErrOptions, says)
		if contains(err.Error(), "SECRETSEED") {
			t.Errorf("the error holds the secret: %v", err)
		}
	}
}

// A password that is refused ends the attempt at once; a server that is not there is waited for until the caller gives up. Neither error holds the password.
func TestRefusedCredentialsEndTheConnectAtOnceAndAMissingServerDoesNot(t *testing.T) {
	t.Parallel()
	file, public := seed(t)
	srv := bustest.Start(t, bustest.Listening, func(o *embedded.Options) {
		o.Users = []embedded.User{{Name: "ana", Password: "right"}, {NKey: public}}
	})
	o := bus.Options{Name: "d1", Service: "decider", URLs: []string{srv.ClientURL()}, User: "ana", Password: "wr0ng-s3cret"}
	begin := time.Now()
	_, err := bus.Connect(within(t, 30*time.Second), o)
	wantError(t, err, bus.ErrConnect, srv.ClientURL())
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s to say that the password is wrong", took)
	}
	if contains(err.Error(), "wr0ng") {
		t.Errorf("the error holds the password: %v", err)
	}
	o.Password = "right"
	bustest.Dial(t, o)
	o.User, o.Password, o.NKeySeedFile = "", "", file
	bustest.Dial(t, o)
	bustest.Connect(t, srv, "inside") // this process itself, with an identity of its own

	relay := bustest.NewRelay(t, srv.ClientURL())
	relay.Refuse()
	o = bus.Options{Name: "d1", Service: "decider", URLs: []string{"nats://ana:s3cret@" + relay.URL()[len("nats://"):]}}
	_, err = bus.Connect(within(t, 300*time.Millisecond), o)
	wantError(t, err, bus.ErrConnect, "***@")
	if contains(err.Error(), "s3cret") {
		t.Errorf("the error holds the password: %v", err)
	}
	var late sync.WaitGroup
	late.Go(func() {
		time.Sleep(300 * time.Millisecond)
		relay.Heal()
	})
	o.URLs = []string{relay.URL()}
	o.User, o.Password = "ana", "right"
	bustest.Dial(t, o)
	late.Wait()
}

// The link is watched: down and up in order, within the promised times.
func TestTheLinkIsToldInOrderAndComesBackQuickly(t *testing.T) {
	bustest.Bubble(t, func(t *testing.T, srv *bustest.Server) {
		b := srv.Connect("d1")
		defer b.Close()
		var mu sync.Mutex
		var told []bool
		var when []time.Time
		stop := b.OnLink(func(up bool) {
			mu.Lock()
			defer mu.Unlock()
			told, when = append(told, up), append(when, time.Now())
		})
		for range 3 {
			srv.Stop()
			synctest.Wait()
			time.Sleep(10 * time.Second)
			srv.Start()
			back := time.Now()
			linkIs(t, b, true)
			synctest.Wait()
			if took := time.Since(back); took > 150*time.Millisecond {
				t.Errorf("back after %s, want at most about 100ms", took)
			}
		}
		mu.Lock()
		for i, up := range told {
			if up != (i%2 == 0) {
				t.Errorf("told %v", told)
			}
		}
		if len(told) != 7 {
			t.Errorf("told %v, want 7 of them", told)
		}
		mu.Unlock()
		stop()
		b.Close()
		if up, _ := b.Link(); up || len(told) != 7 {
			t.Errorf("after Close: up %v, told %v", up, told)
		}
		_, err := b.Publish(within(t, time.Second), subject.Event("web", message.EventNote, "d1"), event("e", "web", "d1"))
		wantError(t, err, bus.ErrClosed)
	})
}

// A silent link is noticed: the network drops everything, no reset arrives.
func TestASilentLinkIsNoticed(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.Listening)
	relay := bustest.NewRelay(t, srv.ClientURL())
	b := bustest.Dial(t, bus.Options{Name: "d1", URLs: []string{relay.URL()}})
	relay.Hold()
	begin := time.Now()
	linkIs(t, b, false)
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("noticed after %s", took)
	}
	relay.Heal()
	linkIs(t, b, true)
}

// A role without a permission is told at once which one, instead of waiting for answers that never come.
func TestAMissingPermissionIsSaidAtOnceAndSeen(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.Listening, func(o *embedded.Options) {
		o.Users = []embedded.User{{
			Name: "p1", Password: "x",
			Publish:   []string{"ham.v1.heartbeat.*.*.p1", "$JS.API.STREAM.MSG.GET.HAM_EVENTS"},
			Subscribe: []string{bus.InboxPrefix("prober") + ".>"},
		}}
	})
	bustest.Connect(t, srv, "setup")
	open := func() *bus.Bus {
		return bustest.Dial(t, bus.Options{Name: "p1", Service: "prober", URLs: []string{srv.ClientURL()}, User: "p1", Password: "x"})
	}
	b := open()
	select {
	case <-b.Fatal():
		t.Fatal("fatal before anything was tried")
	default:
	}
	publish(t, b, subject.Heartbeat("web", "a", "p1"), heartbeat("a", "alive", 1))
	begin := time.Now()
	_, err := b.Publish(within(t, 30*time.Second), subject.Event("web", message.EventNote, "p1"), event("e1", "web", "p1"))
	wantError(t, err, bus.ErrPermission, "/ham/prober/p1", "ham.v1.event.web.note.p1")
	await(t, b.Fatal(), "the mistake to be seen")
	wantError(t, b.Err(), bus.ErrPermission, "ham.v1.event.web.note.p1")

	_, err = b.Propose(within(t, 30*time.Second), subject.Command("web"), mark("m", "web"), 0)
	wantError(t, err, bus.ErrPermission, "ham.v1.command.web")
	_, err = b.Last(within(t, 30*time.Second), subject.StreamCommands, subject.Command("web"))
	wantError(t, err, bus.ErrPermission, "HAM_COMMANDS")
	_, err = b.Table(subject.BucketSpec).Put(within(t, 30*time.Second), "web", entry{})
	wantError(t, err, bus.ErrPermission, "$KV.ham_spec.web")
	wantError(t, b.Follow(within(t, 30*time.Second), bus.FollowOptions{Stream: subject.StreamEvents}, func(bus.Delivery) {}), bus.ErrPermission, "CONSUMER.CREATE")
	wantError(t, b.Work(within(t, 30*time.Second), queue(), func(context.Context, bus.Delivery) error { return nil }), bus.ErrPermission)
	wantError(t, b.Provision(within(t, 30*time.Second), bus.Layout{}), bus.ErrPermission)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("seven refusals took %s", took)
	}
	if _, err := b.Last(within(t, 30*time.Second), subject.StreamEvents, subject.AllEvents); err == nil || contains(err.Error(), "permission") {
		t.Errorf("what is allowed is refused too: %v", err)
	}
	// Listening is refused as quietly by NATS, and as loudly here.
	c := open()
	cancel, err := c.Hear([]string{subject.AllStored}, func(bus.Delivery) {})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	await(t, c.Fatal(), "the mistake to be seen")
	wantError(t, c.Err(), bus.ErrPermission, "subscribe to", subject.AllStored)
}
