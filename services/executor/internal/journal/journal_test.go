package journal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/executor/internal/journal"
	"github.com/isacloud/ha-manager/services/executor/internal/plan"
)

func record(executor string) plan.Record {
	return plan.Record{
		Group: "web", Epoch: 5, Command: "c5", State: message.StateStarted, Executor: executor,
		Steps: map[string]plan.Step{"one": {State: message.StateStarted, Attempt: 1, Executor: executor, Boot: 3}},
	}
}

// Of two executors that claim the same step, having read the same record, one is first and the other is told so.
func TestOneClaimIsFirst(t *testing.T) {
	t.Parallel()
	j := journal.New(bustest.Connect(t, bustest.Start(t), "x1"))
	ctx := t.Context()
	if e, err := j.Load(ctx, "web.5"); err != nil || e.Revision != 0 || e.Record.Exists() {
		t.Fatalf("an empty journal holds %+v, %v", e, err)
	}
	first, err := j.Store(ctx, "web.5", record("x1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Store(ctx, "web.5", record("x2"), 0); !errors.Is(err, journal.ErrLost) {
		t.Errorf("a second claim on nothing: %v", err)
	}
	if _, err := j.Store(ctx, "web.5", record("x1"), first); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Store(ctx, "web.5", record("x2"), first); !errors.Is(err, journal.ErrLost) {
		t.Errorf("a second claim on the same revision: %v", err)
	}
	e, err := j.Load(ctx, "web.5")
	if err != nil || e.Record.Steps["one"].Executor != "x1" || e.Record.Steps["one"].Boot != 3 {
		t.Errorf("%+v, %v", e, err)
	}
}

// Every change is seen by the others, records of rehearsals under keys of their own.
func TestWatch(t *testing.T) {
	t.Parallel()
	j := journal.New(bustest.Connect(t, bustest.Start(t), "x1"))
	real := &message.Command{ID: "c5", Group: "web", Epoch: 5}
	dry := &message.Command{ID: "c5", Group: "web", Epoch: 5, DryRun: true}
	if journal.Key(real) != "web.5" || journal.Key(dry) == journal.Key(real) {
		t.Errorf("keys %s and %s", journal.Key(real), journal.Key(dry))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	seen, ready, done := make(chan journal.Entry, 10), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- j.Watch(ctx, func(e journal.Entry) { seen <- e }, func(err error) { t.Error(err) }, func() { close(ready) })
	}()
	<-ready
	for _, key := range []string{journal.Key(real), journal.Key(dry)} {
		rev, err := j.Store(ctx, key, record("x1"), 0)
		if err != nil {
			t.Fatal(err)
		}
		if e := <-seen; e.Key != key || e.Revision != rev {
			t.Errorf("seen %s at %d, want %s at %d", e.Key, e.Revision, key, rev)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
