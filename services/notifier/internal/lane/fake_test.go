package lane

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/internal/ledger"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

// table is a bucket in memory, with the promises of bus.Table.
type table struct {
	mu   sync.Mutex
	rows map[string]bus.Record
	rev  uint64
	fail error // every write fails with it
	// failAt has the write of that number fail, from 0 on; it counts down.
	failAt int
}

func (b *table) Get(_ context.Context, key string) (bus.Record, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.rows[key]
	if !ok {
		return bus.Record{}, bus.ErrNotFound
	}
	return r, nil
}

func (b *table) Create(ctx context.Context, key string, v any) (uint64, error) {
	return b.Update(ctx, key, v, 0)
}

func (b *table) Update(ctx context.Context, key string, v any, rev uint64) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return 0, b.fail
	}
	if b.failAt--; b.failAt == -1 {
		return 0, bus.ErrUnavailable
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if b.rows[key].Revision != rev {
		return 0, bus.ErrConflict
	}
	body, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	b.rev++
	b.rows[key] = bus.Record{Key: key, Revision: b.rev, Value: body}
	return b.rev, nil
}

// stream is HAM_EVENTS in memory; its sequences begin at 1.
type stream struct {
	mu     sync.Mutex
	events []bus.Entry
}

func (s *stream) add(e *message.Event) bus.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := uint64(len(s.events) + 1)
	x := bus.Entry{Stream: subject.StreamEvents, Seq: n, Time: time.Now(), Subject: subject.Event(e.Group, e.Kind, e.Writer), Message: e}
	s.events = append(s.events, x)
	return bus.Delivery{Stream: x.Stream, Seq: n, Time: x.Time, Subject: x.Subject, Message: e}
}

func (s *stream) Since(_ context.Context, _, subj string, seq uint64, limit int) ([]bus.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []bus.Entry
	for _, x := range s.events {
		if x.Seq >= seq && len(out) < limit && strings.HasPrefix(x.Subject, strings.TrimSuffix(subj, "*.*")) {
			out = append(out, x)
		}
	}
	return out, nil
}

func (s *stream) Next(ctx context.Context, name, subj string, seq uint64) (bus.Entry, error) {
	found, _ := s.Since(ctx, name, subj, seq, 1)
	if len(found) == 0 {
		return bus.Entry{}, bus.ErrNone
	}
	return found[0], nil
}

// chat is a channel that does what the test says.
type chat struct {
	// send and find answer; nil: accepted, not found.
	send  func(channel.Post) error
	find  func(channel.Post) error
	posts []channel.Post // accepted
	calls int
}

func (c *chat) Send(_ context.Context, p channel.Post) (channel.Ref, error) {
	c.calls++
	if c.send != nil {
		if err := c.send(p); err != nil {
			return channel.Ref{}, err
		}
	}
	c.posts = append(c.posts, p)
	return channel.Ref{Place: "C1", ID: fmt.Sprint(len(c.posts))}, nil
}

func (c *chat) Find(_ context.Context, p channel.Post, _ time.Time) (channel.Ref, error) {
	if c.find != nil {
		return channel.Ref{}, c.find(p)
	}
	return channel.Ref{}, channel.ErrNotFound
}

// wall is a chat whose messages can be changed.
type wall struct {
	*chat
	// shown is what stands there, by id; update answers, nil: changed.
	shown  map[string]channel.Post
	update func() error
}

func (w *wall) Send(ctx context.Context, p channel.Post) (channel.Ref, error) {
	ref, err := w.chat.Send(ctx, p)
	if err == nil {
		w.shown[ref.ID] = p
	}
	return ref, err
}

func (w *wall) Update(_ context.Context, ref channel.Ref, p channel.Post) error {
	if w.update != nil {
		if err := w.update(); err != nil {
			return err
		}
	}
	w.shown[ref.ID] = p
	return nil
}

// bench is a lane with everything in memory.
type bench struct {
	t       *testing.T
	table   *table
	stream  *stream
	chat    *chat
	wall    *wall // nil: what was posted cannot be changed
	lane    *Lane
	told    []*message.Event
	letters []*message.DeadLetter
	changed chan struct{}
	silence []spec.Silence
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, table: &table{rows: map[string]bus.Record{}, failAt: -1}, stream: &stream{}, chat: &chat{}, changed: make(chan struct{})}
	b.lane = b.newLane("run1")
	return b
}

var target = route.Target{Channel: "chat"}

func (b *bench) channel() channel.Channel {
	if b.wall != nil {
		return b.wall
	}
	return b.chat
}

// newLane is what a restarted notifier would have: the same ledger, nothing in memory.
func (b *bench) newLane(run string) *Lane {
	return New(Options{
		Target: target, Channel: b.channel(), Ledger: ledger.Open(b.table, "chat"), Stream: b.stream,
		Routing: func() route.Table {
			return route.Table{Channels: []spec.Channel{{Name: "chat", Kind: "log"}}, Silence: b.silence}
		},
		Changed: func() <-chan struct{} { return b.changed },
		Tell: func(_ context.Context, e *message.Event) error {
			if err := message.Validate(e); err != nil {
				b.t.Errorf("an event that nobody would take: %v", err)
			}
			b.told = append(b.told, e)
			return nil
		},
		Dead: func(_ context.Context, d *message.DeadLetter) error {
			if err := message.Validate(d); err != nil {
				b.t.Errorf("a dead letter that nobody would take: %v", err)
			}
			b.letters = append(b.letters, d)
			return nil
		},
		Writer: "n1", Run: run, Log: slog.New(slog.DiscardHandler),
	})
}

func (b *bench) event(id string) bus.Delivery {
	return b.stream.add(&message.Event{
		ID: id, Group: "web", Kind: message.EventVerdict, Severity: message.Critical, Sentence: "It is " + id + ".", Writer: "w", At: time.Now().UnixMicro(),
	})
}

// handle has the event delivered until it is done, as a queue does, at most for limit.
func (b *bench) handle(d bus.Delivery, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(b.t.Context(), limit)
	defer cancel()
	for {
		err := b.lane.Handle(ctx, d)
		if err == nil || ctx.Err() != nil {
			return err
		}
		_ = b.lane.Rest(ctx)
		time.Sleep(time.Second) // the queue's own wait
	}
}

// entry is what the ledger says of an event.
func (b *bench) entry(id string) *ledger.Entry {
	e, _, err := ledger.Open(b.table, "chat").Entry(b.t.Context(), ledger.Open(b.table, "chat").EventKey(id))
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}
