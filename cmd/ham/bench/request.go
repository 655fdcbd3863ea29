package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// measureRequest: from a client's message to the first step of the swap, all services and the synced server in this process. Begun is
// when the result "started" of the first step is heard, which is after it was stored.
func measureRequest(ctx context.Context, b *bench) (_ []figure, err error) {
	pl := newLoopback(b.self)
	for _, name := range []string{"a", "b"} {
		site, err := pl.start(ctx, name)
		if err != nil {
			return nil, err
		}
		defer site.kill()
	}
	s, err := stack.Start(ctx, stack.Options{
		Process: spec.Process{
			Name: "bench", Site: "sp", HTTP: "off", StateDir: filepath.Join(b.dir, "request"),
			Prober: spec.Prober{Vantages: []string{"sp"}},
		},
		Services: []string{stack.Prober, stack.Decider, stack.Executor}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, s.Close()) }()
	runCtx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(runCtx) }()
	defer func() { stop(); err = firstOf(err, <-ran) }()

	heard := &swaps{begun: map[uint64]time.Time{}, done: map[uint64]message.State{}, changed: make(chan struct{})}
	silence, err := s.Bus.Hear([]string{subject.StoredSafetyOf("web")}, heard.take)
	if err != nil {
		return nil, err
	}
	defer silence()
	text := fmt.Sprintf(`group: web
mode: auto
members:
  a: {site: sp, url: "http://%s"}
  b: {site: rj, url: "http://%s"}
adopt: a
checks:
  alive: {http: /alive, every: 500ms, timeout: 300ms, from: [sp]}
policy: {quorum: 1, rise: 1, stable_for: 0s, cooldown: 0s, undo_window: 0s, budget: 1000 per 1h}
`, pl.addr("a"), pl.addr("b"))
	if _, err := store.Put(ctx, s.Bus, text, "bench", "figures", store.AnyRevision); err != nil {
		return nil, err
	}
	watch := &observer{Bus: s.Bus}
	if _, err := watch.ready(ctx, "web"); err != nil {
		return nil, err
	}

	const note = "switchovers of a group without routes, one after the other; stored and synced on the way: request, command, claim of the step, its result"
	asked := figure{What: "ham.v1.ask → first step begun, all in one process, command stream synced", Unit: "ms", Goal: atMost("p99", 5, "ms"), Note: note}
	answered := figure{What: "ham.v1.ask → answered", Unit: "ms"}
	stored := figure{What: "ham.v1.request → first step begun, the same", Unit: "ms", Goal: atMost("p99", 5, "ms")}
	for n := range b.runs(1000, 40) {
		if n%2 == 0 {
			begun, answer, err := heard.swap(ctx, watch, func(ctx context.Context) error {
				msg, err := s.Bus.Conn().RequestWithContext(ctx, subject.Ask("web", message.VerbSwitchover), nil)
				if err != nil {
					return err
				}
				out := new(message.Outcome)
				if err := message.DecodeAs(message.Header(msg.Header), msg.Data, out); err != nil {
					return err
				}
				if !out.Accepted {
					return fmt.Errorf("refused: %s %v", out.Sentence, out.Reasons)
				}
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("swap %d: %w", n+1, err)
			}
			asked.Values, answered.Values = append(asked.Values, millis(begun)), append(answered.Values, millis(answer))
			continue
		}
		begun, _, err := heard.swap(ctx, watch, func(context.Context) error {
			return s.Bus.Conn().Publish(subject.Request("web", message.VerbSwitchover, "bench"), nil)
		})
		if err != nil {
			return nil, fmt.Errorf("swap %d: %w", n+1, err)
		}
		stored.Values = append(stored.Values, millis(begun))
	}
	floor, err := busFloor(ctx, b)
	if err != nil {
		return nil, err
	}
	return append([]figure{asked, answered}, append(floor, stored)...), nil
}

// swaps is what was heard of swaps.
type swaps struct {
	mu      sync.Mutex
	begun   map[uint64]time.Time // epoch: when its first step was heard of
	done    map[uint64]message.State
	changed chan struct{}
}

func (w *swaps) take(d bus.Delivery) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m := d.Message.(type) {
	case *message.StepResult:
		if _, ok := w.begun[m.Epoch]; !ok {
			w.begun[m.Epoch] = now
		}
	case *message.RunResult:
		switch m.State {
		case message.StateDone, message.StateEnded, message.StateAborted, message.StatePaused, message.StateSuperseded:
			w.done[m.Epoch] = m.State
		}
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// swap asks for one and waits until it is done. It returns how long it took from the asking to the first step, and to the return of ask.
func (w *swaps) swap(ctx context.Context, o *observer, ask func(context.Context) error) (begun, answered time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("not done within 20s"))
	defer cancel()
	before, err := o.ready(ctx, "web")
	if err != nil {
		return 0, 0, err
	}
	epoch := before.Epoch + 1
	began := time.Now()
	if err := ask(ctx); err != nil {
		return 0, 0, err
	}
	answered = time.Since(began)
	for {
		w.mu.Lock()
		at, state, changed := w.begun[epoch], w.done[epoch], w.changed
		w.mu.Unlock()
		switch {
		case state == message.StateDone && !at.IsZero():
			return at.Sub(began), answered, nil
		case state != "" && state != message.StateDone:
			return 0, 0, fmt.Errorf("epoch %d came out %s", epoch, state)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, 0, fmt.Errorf("epoch %d: %w", epoch, context.Cause(ctx))
		}
	}
}
