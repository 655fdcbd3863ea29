package main

import (
	"bytes"
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// messageBytes is about the size of ham's messages.
const messageBytes = 300

// busFloor measures what nothing that goes over the bus can beat: a question and its answer, and one message stored
// and synced, both inside this process.
func busFloor(ctx context.Context, b *bench) (_ []figure, err error) {
	k, err := startBroker(ctx, b.dir, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, k.end()) }()
	answering, err := k.connect(ctx, "answering")
	if err != nil {
		return nil, err
	}
	asking, err := k.connect(ctx, "asking")
	if err != nil {
		return nil, err
	}
	if _, err := answering.Conn().Subscribe("floor.ask", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		return nil, err
	}
	if err := answering.Conn().Flush(); err != nil {
		return nil, err
	}
	body := bytes.Repeat([]byte("x"), messageBytes)
	ask := figure{What: "in-process request-reply", Unit: "ms"}
	for range b.runs(20_000, 2_000) {
		began := time.Now()
		if _, err := asking.Conn().RequestWithContext(ctx, "floor.ask", body); err != nil {
			return nil, err
		}
		ask.Values = append(ask.Values, millis(time.Since(began)))
	}
	if _, err := asking.JS().CreateStream(ctx, jetstream.StreamConfig{Name: "FLOOR", Subjects: []string{"floor.store"}, Storage: jetstream.FileStorage}); err != nil {
		return nil, err
	}
	store := figure{What: "one synced publish, in process", Unit: "ms"}
	for range b.runs(5_000, 500) {
		began := time.Now()
		if _, err := asking.JS().Publish(ctx, "floor.store", body); err != nil {
			return nil, err
		}
		store.Values = append(store.Values, millis(time.Since(began)))
	}
	return []figure{ask, store}, nil
}

// firstOf keeps the error that came first.
func firstOf(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
