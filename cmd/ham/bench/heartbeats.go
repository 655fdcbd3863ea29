package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/decider/core"
)

// looks is what the heartbeats are about: groups of two members with three checks each, seen by one vantage.
type looks struct {
	groups []string
	hb     message.Heartbeat
	n      uint64
}

var lookMembers, lookChecks = []string{"a", "b"}, []string{"alive", "login", "write"}

func newLooks(groups int) *looks {
	l := &looks{hb: message.Heartbeat{
		Vantage: "p1", Boot: "0123456789abcdef", Answer: message.Up, LatencyMicros: 1234, EveryMicros: 1_000_000,
		Evidence: "GET http://192.0.2.10:8080/alive: 200 in 1.2 ms", SpecRevision: 17, At: 1_700_000_000_000_000,
	}}
	for i := range groups {
		l.groups = append(l.groups, fmt.Sprintf("group-%d", i))
	}
	return l
}

// next is the next heartbeat, of another target each time; it is valid until the following call.
func (l *looks) next() *message.Heartbeat {
	kinds := uint64(len(lookMembers) * len(lookChecks))
	round := kinds * uint64(len(l.groups))
	at := l.n % round
	l.hb.Group, l.hb.Member, l.hb.Check = l.groups[at/kinds], lookMembers[at%2], lookChecks[at%kinds/2]
	l.hb.Seq = l.n/round + 1
	l.n++
	return &l.hb
}

// measureHeartbeats: as many as go through, from the prober's writer to the decider's core, all in this process.
func measureHeartbeats(ctx context.Context, b *bench) (_ []figure, err error) {
	span := b.span(15*time.Second, 3*time.Second)
	k, err := startBroker(ctx, b.dir, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, k.end()) }()
	prober, err := k.connect(ctx, "prober")
	if err != nil {
		return nil, err
	}
	decider, err := k.connect(ctx, "decider")
	if err != nil {
		return nil, err
	}
	if err := prober.Provision(ctx, bus.Layout{}); err != nil {
		return nil, err
	}
	const groups = 1000
	all := newLooks(groups)
	states, err := newStates(all.groups)
	if err != nil {
		return nil, err
	}
	ours := figure{What: "heartbeats through JetStream (file, PersistMode async), validated on both sides, into the decider's core", Unit: "/s",
		Goal: atLeast("median", 30_000, "/s"), Note: fmt.Sprintf("%d groups of 2 members with 3 checks, prober, server and decider in one process on %d cores, each second of %s", groups, runtime.GOMAXPROCS(0), span)}
	if ours.Values, err = flood(ctx, prober, decider, all, states, span); err != nil {
		return nil, err
	}
	raw := figure{What: "raw asynchronous publish to the same kind of stream, the same bytes, no reader", Unit: "/s"}
	if raw.Values, err = rawPublish(ctx, prober, all.next(), span); err != nil {
		return nil, err
	}
	return []figure{ours, raw}, nil
}

// flood offers heartbeats as fast as they are stored, so that none is dropped for a newer one, and counts those that the core has taken, second by second.
func flood(ctx context.Context, prober, decider *bus.Bus, all *looks, states map[string]*core.State, span time.Duration) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var taken, said atomic.Int64
	began := time.Now()
	followed, wrote := make(chan struct{}), make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(followed)
		var seen core.HeartbeatSeen
		err := decider.FollowHeartbeats(ctx, bus.HeartbeatOptions{CaughtUp: func() { close(ready) }}, func(hb *message.Heartbeat, m bus.HeartbeatMeta) {
			now := time.Now()
			seen = core.HeartbeatSeen{Heartbeat: hb, Seq: m.Seq, Stored: m.Time.UnixMicro()}
			out := states[hb.Group].Step(core.Time{Mono: now.Sub(began), Stream: now.UnixMicro(), Wall: now.UnixMicro()}, &seen)
			said.Add(int64(len(out)))
			taken.Add(1)
		})
		if err != nil {
			cancel(err)
		}
	}()
	defer func() { <-followed }()
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	w := prober.NewHeartbeatWriter(bus.WriterOptions{})
	go func() {
		defer close(wrote)
		if err := w.Run(ctx); err != nil {
			cancel(err)
		}
	}()
	defer func() { <-wrote }()
	defer cancel(nil)

	var values sample
	const window = 4000 // below the number of targets: what waits is never replaced
	second, before := time.NewTicker(time.Second), int64(0)
	defer second.Stop()
	for len(values) < int(span/time.Second) {
		if int64(all.n)-int64(w.Stats().Stored) < window {
			for range 64 {
				if err := w.Offer(all.next()); err != nil {
					return nil, err
				}
			}
		} else {
			time.Sleep(50 * time.Microsecond)
		}
		select {
		case <-second.C:
			now := taken.Load()
			values = append(values, float64(now-before))
			before = now
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		default:
		}
	}
	if d := w.Dropped(); d > 0 {
		return nil, fmt.Errorf("%d heartbeats were dropped: the figure would be of fewer than were offered", d)
	}
	// All that were offered must arrive: a rate of messages that get lost is no rate.
	ctx, stop := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("not all heartbeats arrived"))
	defer stop()
	for taken.Load() < int64(all.n) {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %d of %d", context.Cause(ctx), taken.Load(), all.n)
		}
	}
	// Each core says once that its standby is ready, and nothing else.
	if n := said.Load(); n > 4*int64(len(states)) {
		return nil, fmt.Errorf("the cores had %d things to say of heartbeats that change nothing", n)
	}
	return values, nil
}

// rawPublish stores the bytes of one heartbeat again and again, as fast as acknowledgements come.
func rawPublish(ctx context.Context, b *bus.Bus, hb *message.Heartbeat, span time.Duration) (sample, error) {
	h, body, err := message.Encode(hb, b.Source(), time.Now())
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(b.Conn(), jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		return nil, err
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "RAW", Subjects: []string{"raw.*"}, Storage: jetstream.FileStorage, PersistMode: jetstream.AsyncPersistMode, MaxBytes: 1 << 30, Duplicates: 100 * time.Millisecond,
	}); err != nil {
		return nil, err
	}
	delete(h, message.HeaderMsgID) // the same message again would not be stored
	began := time.Now()
	var values sample
	sent, before := 0, 0
	for len(values) < int(span/time.Second) {
		for range 64 {
			if _, err := js.PublishMsgAsync(&nats.Msg{Subject: "raw.x", Header: nats.Header(h), Data: body}, jetstream.WithStallWait(20*time.Second)); err != nil {
				return nil, err
			}
			sent++
		}
		if time.Since(began) >= time.Second {
			values = append(values, float64(sent-before)/time.Since(began).Seconds())
			began, before = time.Now(), sent
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	info, err := js.Stream(ctx, "RAW")
	if err != nil {
		return nil, err
	}
	if got := info.CachedInfo().State.LastSeq; got != uint64(sent) {
		return nil, fmt.Errorf("%d of %d were stored", got, sent)
	}
	return values, js.DeleteStream(ctx, "RAW")
}
