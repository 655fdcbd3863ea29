package decider

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// What must not be lost waits while the bus has no room, and is stored once somebody has made some.
func TestAFullBusLosesNothing(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t, func(o *embedded.Options) { o.MaxStore = 1 << 20 })
	b := bustest.Dial(t, srv.BusOptions("d1", "decider"))
	require.NoError(t, b.Provision(t.Context(), bus.Layout{HeartbeatMaxBytes: 100 << 10, EventsMaxBytes: 300 << 10, DeadLetterMaxBytes: 100 << 10}))
	_, err := b.JS().CreateStream(t.Context(), jetstream.StreamConfig{Name: "FILL", Subjects: []string{"fill"}})
	require.NoError(t, err)
	var full *jetstream.APIError
	for err == nil {
		_, err = b.JS().Publish(t.Context(), "fill", make([]byte, 8000))
	}
	require.ErrorAs(t, err, &full)

	d, err := New(Options{Bus: b, Name: "d1", Log: bustest.Log(t)})
	require.NoError(t, err)
	word := &message.Instruction{ID: "i1", Group: "web", Epoch: 1, Step: "look", Attempt: 1, Verb: message.VerbRetry, Actor: "ana", Decider: "d1"}
	subj := subject.Safety("web", subject.SafetyInstruction, "d1")
	_, err = b.Publish(t.Context(), subj, word)
	require.ErrorIs(t, err, bus.ErrFull)
	require.ErrorIs(t, err, bus.ErrRefused)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stored := make(chan bool, 1)
	go func() { stored <- d.publish(ctx, subj, word) }()
	select {
	case got := <-stored:
		t.Fatalf("it did not wait: %t", got)
	case <-time.After(2 * publishPause):
	}
	require.NoError(t, b.JS().DeleteStream(t.Context(), "FILL"))
	require.True(t, <-stored)
	e, err := b.Last(t.Context(), subject.StreamSafety, subj)
	require.NoError(t, err)
	require.Equal(t, "i1", e.ID())

	word.Group = "" // a mistake in the program is not tried for ever
	require.False(t, d.publish(ctx, subj, word))
	require.False(t, errors.Is(ctx.Err(), context.DeadlineExceeded))
}
