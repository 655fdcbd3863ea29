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

// measureRequest: from a client's message to the first step of the swap, all services and the synced server in this process. A step is begun
// when the journal holds its claim: this program hears of it when the executor does.
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

	heard := &swaps{begun: map[uint64]time.Time{}, told: map[uint64]time.Time{}, done: map[uint64]message.State{}, changed: make(chan struct{})}
	silence, err := s.Bus.Hear([]string{subject.StoredSafetyOf("web")}, heard.take)
	if err != nil {
		return nil, err
	}
	defer silence()
	watchCtx, blind := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- s.Bus.Table(subject.BucketJournal).Watch(watchCtx, "web.*", heard.claim, nil) }()
	defer func() { blind(); err = firstOf(err, <-watched) }()
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
	under, err := openFloor(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, under.close()) }()
	watch := &observer{Bus: s.Bus}
	if _, err := watch.ready(ctx, "web"); err != nil {
		return nil, err
	}

	const note = "switchovers of a group without routes, one after the other; stored and synced on the way: request, command, claim of the step in the journal"
	asked := figure{What: "ham.v1.ask → first step begun, all in one process, command stream synced", Unit: "ms", Goal: atMost("p99", 5, "ms"), Note: note}
	told := figure{What: "ham.v1.ask → the step's beginning told on the bus, stored too", Unit: "ms"}
	answered := figure{What: "ham.v1.ask → answered", Unit: "ms"}
	stored := figure{What: "ham.v1.request → first step begun, the same", Unit: "ms", Goal: atMost("p99", 5, "ms")}
	for n := range b.runs(1000, 40) {
		if err := under.sample(ctx, 20, 5); err != nil {
			return nil, err
		}
		if n%2 == 0 {
			took, err := heard.swap(ctx, watch, func(ctx context.Context) error {
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
			asked.Values = append(asked.Values, millis(took.begun))
			answered.Values, told.Values = append(answered.Values, millis(took.answered)), append(told.Values, millis(took.told))
			continue
		}
		took, err := heard.swap(ctx, watch, func(context.Context) error {
			return s.Bus.Conn().Publish(subject.Request("web", message.VerbSwitchover, "bench"), nil)
		})
		if err != nil {
			return nil, fmt.Errorf("swap %d: %w", n+1, err)
		}
		stored.Values = append(stored.Values, millis(took.begun))
	}
	return []figure{asked, answered, told, under.ask, under.store, stored}, nil
}

// swaps is what was heard of swaps, by epoch.
type swaps struct {
	mu      sync.Mutex
	begun   map[uint64]time.Time // when the journal first held a claim
	told    map[uint64]time.Time // when the first result of a step was heard
	done    map[uint64]message.State
	changed chan struct{}
}

// times are how long it took from the asking.
type times struct{ begun, told, answered time.Duration }

// claim takes a record of the journal: group.epoch.
func (w *swaps) claim(r bus.Record) {
	now := time.Now()
	var run struct {
		Epoch uint64
		Steps map[string]struct{ State message.State }
	}
	if err := r.Into(&run); err != nil || len(run.Steps) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.begun[run.Epoch]; !ok {
		w.begun[run.Epoch] = now
		w.wake()
	}
}

// take takes what safety rests on.
func (w *swaps) take(d bus.Delivery) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m := d.Message.(type) {
	case *message.StepResult:
		if _, ok := w.told[m.Epoch]; !ok {
			w.told[m.Epoch] = now
		}
	case *message.RunResult:
		switch m.State {
		case message.StateDone, message.StateEnded, message.StateAborted, message.StatePaused, message.StateSuperseded:
			w.done[m.Epoch] = m.State
		}
	}
	w.wake()
}

func (w *swaps) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// swap asks for one and waits until it is done.
func (w *swaps) swap(ctx context.Context, o *observer, ask func(context.Context) error) (times, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("not done within 20s"))
	defer cancel()
	before, err := o.ready(ctx, "web")
	if err != nil {
		return times{}, err
	}
	epoch := before.Epoch + 1
	began := time.Now()
	if err := ask(ctx); err != nil {
		return times{}, err
	}
	took := times{answered: time.Since(began)}
	for {
		w.mu.Lock()
		begun, told, state, changed := w.begun[epoch], w.told[epoch], w.done[epoch], w.changed
		w.mu.Unlock()
		switch {
		case state == message.StateDone && !begun.IsZero() && !told.IsZero():
			took.begun, took.told = begun.Sub(began), told.Sub(began)
			return took, nil
		case state != "" && state != message.StateDone:
			return times{}, fmt.Errorf("epoch %d came out %s", epoch, state)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return times{}, fmt.Errorf("epoch %d: %w", epoch, context.Cause(ctx))
		}
	}
}
