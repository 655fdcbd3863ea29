package main

import (
	"bytes"
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
)

// messageBytes is about the size of ham's messages.
const messageBytes = 300

// floor is what nothing that goes over the bus can beat: a question and its answer, and one message stored and synced, both
// inside this process, on a server of their own.
type floor struct {
	ask, store figure

	broker *broker
	asking *bus.Bus
	body   []byte
}

func openFloor(ctx context.Context, b *bench) (_ *floor, err error) {
	k, err := startBroker(ctx, b.dir, "")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = k.end() // the first error counts
		}
	}()
	answering, err := k.connect(ctx, "answering")
	if err != nil {
		return nil, err
	}
	f := &floor{
		ask: figure{What: "in-process request-reply", Unit: "ms"}, store: figure{What: "one synced publish, in process", Unit: "ms"},
		broker: k, body: bytes.Repeat([]byte("x"), messageBytes),
	}
	if f.asking, err = k.connect(ctx, "asking"); err != nil {
		return nil, err
	}
	if _, err := answering.Conn().Subscribe("floor.ask", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		return nil, err
	}
	if err := answering.Conn().Flush(); err != nil {
		return nil, err
	}
	_, err = f.asking.JS().CreateStream(ctx, jetstream.StreamConfig{Name: "FLOOR", Subjects: []string{"floor.store"}, Storage: jetstream.FileStorage})
	return f, err
}

// sample measures both, a few times each. It is called again and again between what stands beside it, so that both have the same disk and the
// same neighbours.
func (f *floor) sample(ctx context.Context, asks, stores int) error {
	for range asks {
		began := time.Now()
		if _, err := f.asking.Conn().RequestWithContext(ctx, "floor.ask", f.body); err != nil {
			return err
		}
		f.ask.Values = append(f.ask.Values, millis(time.Since(began)))
	}
	for range stores {
		began := time.Now()
		if _, err := f.asking.JS().Publish(ctx, "floor.store", f.body); err != nil {
			return err
		}
		f.store.Values = append(f.store.Values, millis(time.Since(began)))
	}
	return nil
}

func (f *floor) close() error { return f.broker.end() }

// firstOf keeps the error that came first.
func firstOf(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
