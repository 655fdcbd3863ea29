package story

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

type entry struct {
	State string `json:"state"`
	N     int    `json:"n"`
}

func TestAKeyIsWrittenOnlyOnTheRevisionThatWasRead(t *testing.T) {
	t.Parallel()
	tab := bustest.Connect(t, bustest.Start(t), "x1").Table(subject.BucketJournal)
	ctx := within(t, 30*time.Second)
	_, err := tab.Get(ctx, "web.1.fence")
	wantError(t, err, bus.ErrNotFound, "web.1.fence", subject.BucketJournal)
	r1, err := tab.Create(ctx, "web.1.fence", entry{"started", 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tab.Create(ctx, "web.1.fence", entry{"started", 2})
	wantError(t, err, bus.ErrConflict, "web.1.fence")
	r2, err := tab.Update(ctx, "web.1.fence", entry{"done", 3}, r1)
	if err != nil || r2 <= r1 {
		t.Fatal(r2, err)
	}
	_, err = tab.Update(ctx, "web.1.fence", entry{"done", 4}, r1)
	wantError(t, err, bus.ErrConflict, "web.1.fence")
	got, err := tab.Get(ctx, "web.1.fence")
	var e entry
	if err != nil || got.Revision != r2 || got.Into(&e) != nil || e != (entry{"done", 3}) {
		t.Fatalf("%+v holds %+v, error %v; want done 3 at %d", got, e, err, r2)
	}
	wantError(t, tab.Delete(ctx, "web.1.fence", r1), bus.ErrConflict)
	if err := tab.Delete(ctx, "web.1.fence", r2); err != nil {
		t.Fatal(err)
	}
	_, err = tab.Get(ctx, "web.1.fence")
	wantError(t, err, bus.ErrNotFound, "deleted")
	if _, err := tab.Create(ctx, "web.1.fence", entry{"again", 5}); err != nil {
		t.Fatalf("create after a delete: %v", err)
	}
	for _, key := range []string{"", "a..b", ".a", "a.", "a b", "a.*", "a.>", "ä"} {
		if _, err := tab.Put(ctx, key, entry{}); err == nil {
			t.Errorf("key %q was taken", key)
		}
	}
}

// An answer that got lost is asked for again; the caller learns that its write is there, and it is there once.
func TestALostAcknowledgementOfAKeyIsResolved(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, bustest.Listening)
	relay := bustest.NewRelay(t, srv.ClientURL())
	direct := bustest.Connect(t, srv, "x2").Table(subject.BucketJournal)
	b := bustest.Dial(t, bus.Options{Name: "x1", URLs: []string{relay.URL()}})
	tab := b.Table(subject.BucketJournal)
	ctx := within(t, 60*time.Second)

	relay.LoseToClient(`"seq":`, nil)
	r1, err := tab.Create(ctx, "k", entry{"mine", 1})
	if err != nil {
		t.Fatalf("create, acknowledgement lost: %v", err)
	}
	relay.LoseToClient(`"seq":`, func() { // and somebody else has written on since
		if now, err := direct.Get(context.Background(), "k"); err != nil {
			t.Error(err)
		} else if _, err := direct.Update(context.Background(), "k", entry{"other", 3}, now.Revision); err != nil {
			t.Error(err)
		}
	})
	r2, err := tab.Update(ctx, "k", entry{"mine", 2}, r1)
	if err != nil {
		t.Fatalf("update, acknowledgement lost: %v", err)
	}
	now, err := tab.Get(ctx, "k")
	var e entry
	if err != nil || now.Into(&e) != nil || e != (entry{"other", 3}) || r2 != r1+1 || now.Revision != r2+1 {
		t.Fatalf("now %+v at %d, error %v; own writes at %d and %d: want the other's right after them", e, now.Revision, err, r1, r2)
	}
	// The update itself is lost, and another one is first: a conflict, for sure.
	relay.LoseToServer("HPUB", func() {
		if _, err := direct.Update(context.Background(), "k", entry{"other", 4}, now.Revision); err != nil {
			t.Error(err)
		}
	})
	_, err = tab.Update(ctx, "k", entry{"mine", 5}, now.Revision)
	wantError(t, err, bus.ErrConflict, "k")
	if b.Stats().Retried < 3 {
		t.Fatalf("%d tries had no answer, want 3: this shows nothing", b.Stats().Retried)
	}
}

// Many contend for one counter: no increment is lost, none is done twice.
func TestACounterUnderContentionLosesNothing(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	bustest.Connect(t, srv, "setup")
	const writers, each = 4, 25
	var running sync.WaitGroup
	ctx := within(t, 60*time.Second)
	for w := range writers {
		tab := bustest.Dial(t, srv.BusOptions(fmt.Sprint("x", w), "test")).Table(subject.BucketIncident)
		running.Go(func() {
			for range each {
				for {
					now, err := tab.Get(ctx, "n")
					var e entry
					if errors.Is(err, bus.ErrNotFound) {
						_, err = tab.Create(ctx, "n", entry{N: 1})
					} else if err == nil {
						if err = now.Into(&e); err == nil {
							_, err = tab.Update(ctx, "n", entry{N: e.N + 1}, now.Revision)
						}
					}
					if err == nil {
						break
					}
					if !errors.Is(err, bus.ErrConflict) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	running.Wait()
	r, err := bustest.Dial(t, srv.BusOptions("reader", "test")).Table(subject.BucketIncident).Get(ctx, "n")
	var e entry
	if err != nil || r.Into(&e) != nil || e.N != writers*each {
		t.Fatalf("counted %d, want %d (%v)", e.N, writers*each, err)
	}
}

// A watcher sees what is there, then every change, over a restart of the server; keys are listed without the deleted ones.
func TestAWatcherSeesEveryChangeOverARestart(t *testing.T) {
	t.Parallel()
	srv := bustest.Restartable(t)
	b := srv.Connect("x1")
	tab := b.Table(subject.BucketSpec)
	ctx := within(t, 60*time.Second)
	put := func(key string, n int) {
		t.Helper()
		if _, err := tab.Put(ctx, key, entry{N: n}); err != nil {
			t.Fatal(err)
		}
	}
	put("web", 1)
	put("web", 2)
	put("orders", 1)
	put("gone", 1)
	if err := tab.Delete(ctx, "gone", 0); err != nil {
		t.Fatal(err)
	}
	keys, err := tab.Keys(ctx, "")
	if slices.Sort(keys); err != nil || !slices.Equal(keys, []string{"orders", "web"}) {
		t.Fatalf("keys %v, %v", keys, err)
	}
	if keys, err = tab.Keys(ctx, "nothing.>"); err != nil || len(keys) != 0 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	changes := make(chan string, 20)
	caught := make(chan struct{})
	wctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- tab.Watch(wctx, "", func(r bus.Record) {
			var e entry
			if !r.Deleted {
				if err := r.Into(&e); err != nil {
					t.Error(err)
				}
			}
			changes <- fmt.Sprintf("%s%d%v", r.Key, e.N, r.Deleted)
		}, func() { close(caught) })
	}()
	await(t, caught, "what is there")
	var there []string
	for range 3 {
		there = append(there, await(t, changes, "what is there"))
	}
	if slices.Sort(there); !slices.Equal(there, []string{"gone0true", "orders1false", "web2false"}) {
		t.Fatalf("there was %v", there)
	}
	put("web", 3)
	if c := await(t, changes, "a change"); c != "web3false" {
		t.Fatal(c)
	}
	srv.Stop()
	srv.Start()
	put("web", 4)
	if err := tab.Delete(ctx, "orders", 0); err != nil {
		t.Fatal(err)
	}
	if a, b := await(t, changes, "a change after the restart"), await(t, changes, "a deletion"); a != "web4false" || b != "orders0true" {
		t.Fatal(a, b)
	}
	cancel()
	if err := await(t, done, "the watcher to end"); err != nil {
		t.Fatal(err)
	}
}

func TestAMessageInATableIsValidatedBothWays(t *testing.T) {
	t.Parallel()
	tab := bustest.Connect(t, bustest.Start(t), "x1").Table(subject.BucketIncident)
	ctx := within(t, 30*time.Second)
	_, err := tab.Put(ctx, "web", &message.Incident{Group: "web"})
	wantError(t, err, message.ErrInvalid, "incident.n")
	want := &message.Incident{Group: "web", N: 14, Open: true, Sentence: "a is down", Decider: "d1"}
	if _, err := tab.Put(ctx, "web", want); err != nil {
		t.Fatal(err)
	}
	r, err := tab.Get(ctx, "web")
	var got message.Incident
	if err != nil || r.Into(&got) != nil || got != *want {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, err := tab.Put(ctx, "web", []byte(`{"group":"web"}`)); err != nil {
		t.Fatal(err)
	}
	if r, err = tab.Get(ctx, "web"); err != nil {
		t.Fatal(err)
	}
	wantError(t, r.Into(&got), message.ErrInvalid)
}
