package story

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/subject"
)

func config(t testing.TB, b *bus.Bus, stream string) jetstream.StreamConfig {
	t.Helper()
	s, err := b.JS().Stream(within(t, 10*time.Second), stream)
	if err != nil {
		t.Fatalf("%s: %v", stream, err)
	}
	return s.CachedInfo().Config
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func streams(t testing.TB, b *bus.Bus) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for s := range b.JS().StreamNames(within(t, 10*time.Second)).Name() {
		out[s] = true
	}
	return out
}

// The promises of the layout, as the server itself tells them.
func TestProvisionMakesEveryStreamAsPromised(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "up")
	for stream, check := range map[string]func(jetstream.StreamConfig) bool{
		subject.StreamHeartbeats: func(c jetstream.StreamConfig) bool {
			return c.PersistMode == jetstream.AsyncPersistMode && c.Replicas == 1 && c.MaxAge > 0 && c.MaxBytes > 0 && c.Duplicates <= time.Second
		},
		subject.StreamRequests: func(c jetstream.StreamConfig) bool { return c.DenyDelete && c.MaxAge > 0 },
		subject.StreamCommands: func(c jetstream.StreamConfig) bool {
			return c.DenyDelete && c.DenyPurge && c.MaxAge == 0 && c.MaxBytes <= 0 && c.MaxMsgs <= 0 && c.PersistMode == jetstream.DefaultPersistMode && c.RePublish != nil && !c.AllowRollup && !c.AllowDirect
		},
		subject.StreamSafety: func(c jetstream.StreamConfig) bool {
			return c.DenyDelete && c.DenyPurge && c.MaxAge == 0 && c.PersistMode == jetstream.DefaultPersistMode && c.RePublish != nil
		},
		subject.StreamEvents:           func(c jetstream.StreamConfig) bool { return c.DenyDelete && c.Duplicates == 10*time.Minute },
		subject.StreamDeadLetter:       func(c jetstream.StreamConfig) bool { return c.MaxBytes > 0 && c.Duplicates >= time.Hour },
		subject.StreamGathered:         func(c jetstream.StreamConfig) bool { return c.MaxBytes > 0 && c.MaxAge > 0 },
		"KV_" + subject.BucketSpec:     func(c jetstream.StreamConfig) bool { return !c.AllowDirect && c.MaxMsgsPerSubject > 1 },
		"KV_" + subject.BucketJournal:  func(c jetstream.StreamConfig) bool { return !c.AllowDirect && c.DenyDelete },
		"KV_" + subject.BucketIncident: func(c jetstream.StreamConfig) bool { return !c.AllowDirect },
		"KV_" + subject.BucketLedger:   func(c jetstream.StreamConfig) bool { return !c.AllowDirect },
	} {
		c := config(t, b, stream)
		if !check(c) || c.Storage != jetstream.FileStorage {
			t.Errorf("%s is %+v", stream, c)
		}
	}
	if n := len(streams(t, b)); n != 12 {
		t.Errorf("%d streams, want 12", n)
	}
	// A bucket that ham made is one for everybody else, too.
	if _, err := b.JS().KeyValue(within(t, 10*time.Second), subject.BucketSpec); err != nil {
		t.Errorf("no bucket for a stock client: %v", err)
	}
	if _, err := b.JS().Publish(within(t, 10*time.Second), "ham.v1.command.web", nil); err != nil {
		t.Error(err)
	}
	s, err := b.JS().Stream(within(t, 10*time.Second), subject.StreamCommands)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(within(t, 10*time.Second), 1); err == nil {
		t.Error("a chain entry could be deleted")
	}
	if err := s.Purge(within(t, 10*time.Second)); err == nil {
		t.Error("the chain could be purged")
	}
}

func TestProvisionMayBeCalledAgainAndByManyAtOnce(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	var all sync.WaitGroup
	for i := range 6 {
		b := bustest.Dial(t, srv.BusOptions(fmt.Sprint("up", i), "test"))
		all.Go(func() {
			for range 3 {
				if err := b.Provision(context.Background(), bustest.Layout); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// Limits of history are raised, never lowered; those of heartbeats follow the layout; what the layout leaves open stays.
func TestProvisionNeverThrowsHistoryAway(t *testing.T) {
	t.Parallel()
	b := bustest.Connect(t, bustest.Start(t), "up")
	before := config(t, b, subject.StreamEvents)
	provision := func(l bus.Layout) {
		t.Helper()
		if err := b.Provision(within(t, 30*time.Second), l); err != nil {
			t.Fatal(err)
		}
	}
	provision(bus.Layout{})
	if now := config(t, b, subject.StreamEvents); now.MaxBytes != before.MaxBytes || now.MaxAge != before.MaxAge {
		t.Errorf("an open layout changed the events to %d bytes, %s", now.MaxBytes, now.MaxAge)
	}
	provision(bus.Layout{EventsMaxBytes: before.MaxBytes / 2, EventsMaxAge: time.Hour, HeartbeatMaxAge: time.Hour, HeartbeatMaxBytes: 64 << 20})
	if now := config(t, b, subject.StreamEvents); now.MaxBytes != before.MaxBytes || now.MaxAge != before.MaxAge {
		t.Errorf("the events were lowered to %d bytes, %s", now.MaxBytes, now.MaxAge)
	}
	if now := config(t, b, subject.StreamHeartbeats); now.MaxAge != time.Hour || now.MaxBytes != 64<<20 {
		t.Errorf("the heartbeats are at %s and %d bytes", now.MaxAge, now.MaxBytes)
	}
	provision(bus.Layout{EventsMaxBytes: before.MaxBytes * 2})
	if now := config(t, b, subject.StreamEvents); now.MaxBytes != before.MaxBytes*2 {
		t.Errorf("the events were not raised: %d bytes", now.MaxBytes)
	}
}

// Whatever would break a promise is named, with what to do, and nothing is made or changed.
func TestAnIncompatibleStreamIsRefusedAndNothingIsDone(t *testing.T) {
	t.Parallel()
	cmd := jetstream.StreamConfig{Name: subject.StreamCommands, Subjects: []string{subject.AllCommands}, DenyDelete: true, DenyPurge: true,
		RePublish: &jetstream.RePublish{Source: subject.AllCommands, Destination: "ham.v1.stored.command.{{wildcard(1)}}"}}
	with := func(c jetstream.StreamConfig, f func(*jetstream.StreamConfig)) jetstream.StreamConfig {
		f(&c)
		return c
	}
	events := jetstream.StreamConfig{Name: subject.StreamEvents, Subjects: []string{subject.AllEvents}, DenyDelete: true}
	for name, c := range map[string]struct {
		cfg    jetstream.StreamConfig
		layout bus.Layout
		says   []string
	}{
		"deletable":             {with(cmd, func(c *jetstream.StreamConfig) { c.DenyDelete = false }), bus.Layout{}, []string{"HAM_COMMANDS.deny_delete is false, want true", "nats stream edit"}},
		"purgeable":             {with(cmd, func(c *jetstream.StreamConfig) { c.DenyPurge = false }), bus.Layout{}, []string{"HAM_COMMANDS.deny_purge is false, want true"}},
		"in memory":             {with(cmd, func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }), bus.Layout{}, []string{"HAM_COMMANDS.storage is memory, want file", "delete it"}},
		"a work queue":          {with(cmd, func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }), bus.Layout{}, []string{"HAM_COMMANDS.retention is workqueue, want limits"}},
		"of other subjects":     {with(cmd, func(c *jetstream.StreamConfig) { c.Subjects, c.RePublish = []string{"ham.cmd.*"}, nil }), bus.Layout{}, []string{"HAM_COMMANDS.subjects is ham.cmd.*, want ham.v1.command.*"}},
		"not republished":       {with(cmd, func(c *jetstream.StreamConfig) { c.RePublish = nil }), bus.Layout{}, []string{"HAM_COMMANDS.republish is none"}},
		"forgetting with age":   {with(cmd, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }), bus.Layout{}, []string{"HAM_COMMANDS.max_age is 1h0m0s, want none"}},
		"forgetting with count": {with(cmd, func(c *jetstream.StreamConfig) { c.MaxMsgs = 100 }), bus.Layout{}, []string{"HAM_COMMANDS.max_msgs is 100, want no limit"}},
		"one entry a group":     {with(cmd, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }), bus.Layout{}, []string{"HAM_COMMANDS.max_msgs_per_subject is 1"}},
		"unsynced":              {with(cmd, func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }), bus.Layout{}, []string{"HAM_COMMANDS.persist_mode is async, want default"}},
		"unconfirmed":           {with(cmd, func(c *jetstream.StreamConfig) { c.NoAck = true }), bus.Layout{}, []string{"HAM_COMMANDS.no_ack is true"}},
		"too few copies":        {cmd, bus.Layout{Replicas: 3}, []string{"HAM_COMMANDS.replicas is 1, want 3", "--replicas=3"}},
		"small messages only":   {with(cmd, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 }), bus.Layout{}, []string{"HAM_COMMANDS.max_msg_size is 1000"}},
		"full means full":       {with(events, func(c *jetstream.StreamConfig) { c.Discard, c.MaxBytes = jetstream.DiscardNew, 1<<20 }), bus.Layout{}, []string{"HAM_EVENTS.discard is"}},
		"two things at once":    {with(cmd, func(c *jetstream.StreamConfig) { c.DenyDelete, c.Storage = false, jetstream.MemoryStorage }), bus.Layout{}, []string{"HAM_COMMANDS.deny_delete", "HAM_COMMANDS.storage"}},
		"another's subjects":    {jetstream.StreamConfig{Name: "ELSE", Subjects: []string{"ham.v1.command.web"}}, bus.Layout{}, []string{"HAM_COMMANDS cannot be made", "ham.v1.command.*"}},
		"a forgetful bucket":    {jetstream.StreamConfig{Name: "KV_ham_journal", Subjects: []string{"$KV.ham_journal.>"}, MaxMsgsPerSubject: 1, AllowRollup: true, DenyDelete: true}, bus.Layout{}, []string{"KV_ham_journal.max_msgs_per_subject is 1, want at least"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bustest.Dial(t, bustest.Start(t).BusOptions("up", "test"))
			if _, err := b.JS().CreateStream(within(t, 10*time.Second), c.cfg); err != nil {
				t.Fatal(err)
			}
			before := text(t, config(t, b, c.cfg.Name))
			err := b.Provision(within(t, 30*time.Second), c.layout)
			wantError(t, err, bus.ErrIncompatible, c.says...)
			if after := text(t, config(t, b, c.cfg.Name)); after != before {
				t.Errorf("it was changed from %s to %s", before, after)
			}
			if name != "another's subjects" { // that can only be seen by trying
				if s := streams(t, b); len(s) != 1 {
					t.Errorf("made %v although one was refused", s)
				}
			}
		})
	}
}

func TestProvisionRefusesAnEvenNumberOfReplicas(t *testing.T) {
	t.Parallel()
	b := bustest.Dial(t, bustest.Start(t).BusOptions("up", "test"))
	wantError(t, b.Provision(within(t, 10*time.Second), bus.Layout{Replicas: 2}), bus.ErrOptions, "replicas is 2")
	err := b.Provision(within(t, 10*time.Second), bus.Layout{Replicas: 3})
	wantError(t, err, bus.ErrRefused, "replicas > 1 not supported")
}

// A small disk: the defaults that nobody asked for shrink to what fits; what was asked for is refused, with what to do.
func TestProvisionOnASmallDisk(t *testing.T) {
	t.Parallel()
	small := func(o *embedded.Options) { o.MaxStore = 600 << 20 }
	b := bustest.Dial(t, bustest.Start(t, small).BusOptions("up", "test"))
	if err := b.Provision(within(t, 30*time.Second), bus.Layout{}); err != nil {
		t.Fatal(err)
	}
	if n := len(streams(t, b)); n != 12 {
		t.Fatalf("%d streams, want 12", n)
	}
	other := bustest.Dial(t, bustest.Start(t, small).BusOptions("up", "test"))
	err := other.Provision(within(t, 30*time.Second), bus.Layout{HeartbeatMaxBytes: 1 << 30})
	wantError(t, err, bus.ErrRefused, "HAM_HEARTBEATS", "1024 MiB", "max_file_store")
}

// What `ham doctor` is told.
func TestInspectSaysWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	b := bustest.Dial(t, bustest.Start(t).BusOptions("doctor", "test"))
	r, err := b.Inspect(within(t, 30*time.Second), bus.Layout{})
	if err != nil || len(r.Problems) != 12 || len(r.Streams) != 12 || r.Streams[0].Exists || r.Version == "" || r.Server != "test" {
		t.Fatalf("an empty bus: %+v, %v", r, err)
	}
	bustest.Provision(t, b)
	if r, err = b.Inspect(within(t, 30*time.Second), bustest.Layout); err != nil || len(r.Problems) != 0 || !r.Streams[0].Exists {
		t.Fatalf("a good bus: %+v, %v", r, err)
	}
	publishEvent(t, b, "e1")
	if r, err = b.Inspect(within(t, 30*time.Second), bus.Layout{Replicas: 3}); err != nil || len(r.Problems) != 11 {
		t.Fatalf("asked for three replicas of all but the heartbeats: %+v, %v", r, err)
	}
	for _, s := range r.Streams {
		if s.Name == subject.StreamEvents && (s.Messages != 1 || s.LastSeq != 1 || s.Newest.IsZero()) {
			t.Errorf("events: %+v", s)
		}
	}
	if err := b.Err(); err != nil {
		t.Errorf("looking left a mark: %v", err)
	}
}
