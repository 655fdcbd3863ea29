//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cell is one place of the table: a manager with its settings under a fault.
type cell struct {
	setting setting
	fault   fault
	hold    time.Duration // of faults with holdDefault
}

func (c cell) String() string { return c.setting.stack + " " + c.setting.name + " " + c.fault.name }

// result is one run of a cell, kept as it was.
type result struct {
	Stack   string    `json:"stack"`
	Setting string    `json:"setting"`
	Fault   string    `json:"fault"`
	Run     int       `json:"run"`
	Began   time.Time `json:"began"`
	Took    float64   `json:"took_s"`

	Gap         float64 `json:"gap_ms"`       // the longest between two acknowledgements that ends after the fault
	AtFault     float64 `json:"at_fault_ms"`  // the one during which the fault came
	LongestWait float64 `json:"longest_wait"` // of one acknowledged write, in ms
	Errors      int     `json:"errors"`       // of the client, from the fault on
	Acked       int     `json:"acked"`
	Lost        int     `json:"lost"`            // acknowledged, and the final primary does not have it
	Alone       int     `json:"alone,omitempty"` // acknowledged by one server, which said that nobody else has it: not counted as lost
	LostIDs     []int64 `json:"lost_ids,omitempty"`
	Overlap     float64 `json:"overlap_ms"`   // two acknowledged
	TwoWritable bool    `json:"two_writable"` // at the end
	Moved       bool    `json:"moved"`        // another node acknowledges at the end
	Recovered   bool    `json:"recovered"`    // clients were served at the end
	Rejoin      float64 `json:"rejoin_ms"`    // from when the old primary could be reached (or clients were served) until it streamed; -1: it did not, or was not waited for
	CPU         float64 `json:"cpu_percent,omitempty"`
	RSS         float64 `json:"rss_mib,omitempty"`
	Parts       []part  `json:"parts,omitempty"` // of the idle cost

	Timeline     []moment            `json:"timeline"`
	Failed       string              `json:"failed,omitempty"` // the run could not be made: no figures
	Acks         map[string][][2]any `json:"acks,omitempty"`   // by client: microseconds since the run began, node
	ClientErrors []clientError       `json:"client_errors,omitempty"`
}

type moment struct {
	At   float64 `json:"at_ms"`
	What string  `json:"what"`
}

type part struct {
	Name string  `json:"name"`
	CPU  float64 `json:"cpu_percent"`
	RSS  float64 `json:"rss_mib"`
}

const (
	warmUp      = 10 * time.Second // nobody runs what was set up a moment ago: caches, and leaders of the bus that are still on their way
	recoverIn   = 90 * time.Second // clients that are not served by then are given up
	calm        = 3 * time.Second  // without an error or a gap: the clients are served again
	afterHeal   = 15 * time.Second
	rejoinIn    = 60 * time.Second
	setUpIn     = 4 * time.Minute
	shortHold   = 10 * time.Second
	besideEvery = 10 * time.Millisecond
)

// run makes one run on a bed of its own. Logs go below dir. An error is of the bed; what the manager did wrong is in the result.
func (c cell) run(ctx context.Context, n int, dir string, say func(string, ...any)) (r result, err error) {
	r = result{Stack: c.setting.stack, Setting: c.setting.name, Fault: c.fault.name, Run: n, Began: time.Now().UTC(), Rejoin: -1}
	logs := filepath.Join(dir, strings.Join([]string{"logs", r.Stack, r.Setting, r.Fault, strconv.Itoa(n)}, "-"))
	if err := os.RemoveAll(logs); err != nil {
		return r, err
	}
	b, err := newBed(ctx, logs)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if c.fault.name == "clock" {
		if err := b.fakeClocks(); err != nil {
			return r, err
		}
	}
	s := c.setting.make()
	setUp, cancel := context.WithTimeout(ctx, setUpIn)
	defer cancel()
	b.db = c.setting.database()
	if err := b.db.makePair(setUp, b, c.fault.disk); err != nil {
		return r, err
	}
	if err := s.setUp(setUp, b); err != nil {
		b.note(s.diagnosis(ctx))
		r.Failed = err.Error()
		return r, ctx.Err()
	}
	if c.fault.name == "idle" {
		err := idle(ctx, b, &r)
		r.Took = time.Since(r.Began).Seconds()
		return r, err
	}
	return r, c.measure(ctx, b, s, &r, say)
}

// hold is how long the fault stays.
func (c cell) holds() time.Duration {
	switch c.fault.hold {
	case holdDefault:
		return c.hold
	case holdShort:
		return shortHold
	}
	return c.fault.hold
}

func (c cell) measure(ctx context.Context, b *bed, s stack, r *result, say func(string, ...any)) error {
	began := time.Now()
	mark := func(format string, args ...any) {
		m := moment{ms(time.Since(began)), fmt.Sprintf(format, args...)}
		r.Timeline = append(r.Timeline, m)
		say("  %8.0f ms  %s", m.At, m.What)
	}
	clients, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	main := newWriter(b.router, s.endpoint(), "", began)
	writers := map[string]*writer{"endpoint": main}
	if c.fault.hold != 0 { // the old node lives on, so somebody is to ask it
		for _, h := range []*host{b.sp, b.rj} {
			w := newWriter(h, fmt.Sprintf("127.0.0.1:%d", b.db.port()), h.name, began)
			w.every = besideEvery
			writers["beside "+h.name] = w
		}
	}
	for _, w := range writers {
		running.Go(func() { w.run(clients) })
	}
	if err := until(ctx, recoverIn, "the first 100 writes are acknowledged", func() error {
		if _, n := main.last(); n < 100 {
			return fmt.Errorf("%d are", n)
		}
		return nil
	}); err != nil {
		r.Failed = err.Error()
		return ctx.Err()
	}
	if err := wait(ctx, warmUp); err != nil {
		return err
	}
	last, _ := main.last()
	primary := b.hosts[last.node]
	if primary == nil {
		return fmt.Errorf("the bed has no host %q", last.node)
	}
	errorsBefore := main.failures()

	fault := time.Since(began)
	mark("%s at %s", c.fault.name, primary.name)
	if err := c.fault.do(ctx, b, s, primary); err != nil {
		r.Failed = fmt.Sprintf("%s: %v", c.fault.name, err)
		if !c.fault.planned {
			return err
		}
	}
	mark("%s is done", c.fault.name)
	reachableAt := time.Time{}
	if hold := c.holds(); hold > 0 {
		if err := wait(ctx, hold-time.Since(began.Add(fault))); err != nil {
			return err
		}
		reachableAt = time.Now()
		if err := c.fault.heal(ctx, b, s, primary); err != nil {
			return err
		}
		mark("healed")
	}
	r.Recovered = served(ctx, main, began, fault) == nil
	mark("clients are served: %t", r.Recovered)
	if c.fault.revive != nil {
		reachableAt = time.Now()
		if err := c.fault.revive(ctx, b, s, primary); err != nil {
			return err
		}
		mark("%s is booted", primary.name)
	}
	if reachableAt.IsZero() {
		reachableAt = began.Add(main.firstAfterGap(fault))
	}
	last, _ = main.last()
	now := b.hosts[last.node]
	if r.Recovered {
		if err := until(ctx, rejoinIn, "the pair is whole again", func() error { return s.ready(ctx, now) }); err == nil {
			r.Rejoin = ms(time.Since(reachableAt))
			mark("the pair is whole again")
		} else {
			mark("%v", err)
		}
	}
	if r.Rejoin < 0 {
		b.note(s.diagnosis(ctx))
	}
	if hold := c.holds(); hold > 0 {
		if err := wait(ctx, afterHeal-time.Since(reachableAt)); err != nil {
			return err
		}
	}
	stop()
	running.Wait()

	acks := main.since(0)
	gap, at := gaps(acks, fault)
	r.Gap, r.AtFault, r.LongestWait, r.Acked = ms(gap), ms(at), ms(main.longest), len(acks)
	r.Errors = main.failures() - errorsBefore
	all := slices.Clone(acks)
	r.Acks = map[string][][2]any{}
	for name, w := range writers {
		if w != main {
			all = append(all, w.since(0)...)
		}
		for _, a := range w.since(0) {
			r.Acks[name] = append(r.Acks[name], [2]any{a.at.Microseconds(), a.node})
		}
	}
	r.ClientErrors = main.errors
	r.Overlap = ms(overlap(all, primary.name, fault))
	last, _ = main.last()
	r.Moved = last.node != primary.name
	r.Took = time.Since(r.Began).Seconds()
	return c.final(ctx, b, b.hosts[last.node], acks, r)
}

// served waits until a client is served again: the newest gap or error is some time ago.
func served(ctx context.Context, w *writer, began time.Time, fault time.Duration) error {
	return until(ctx, recoverIn, "clients are served again", func() error {
		now := time.Since(began)
		if now < fault+calm {
			return errors.New("too early to say")
		}
		recent := w.since(now - calm)
		if len(recent) == 0 {
			return errors.New("no write is acknowledged")
		}
		before := now - calm
		for _, a := range append(recent, ack{at: now}) {
			if a.at-before > clientPatience {
				return errors.New("not yet steadily")
			}
			before = a.at
		}
		return nil
	})
}

// final looks at the databases once the clients have stopped.
func (c cell) final(ctx context.Context, b *bed, now *host, acks []ack, r *result) error {
	writable := 0
	for _, h := range []*host{b.sp, b.rj} {
		if acts, err := b.db.acts(ctx, h); err == nil && acts {
			writable++
		}
	}
	r.TwoWritable = writable > 1
	var have map[int64]bool
	if err := until(ctx, 30*time.Second, "the final primary can be read", func() (err error) {
		have, err = b.db.writes(ctx, now)
		return err
	}); err != nil {
		r.Failed = cmp.Or(r.Failed, err.Error())
		return ctx.Err()
	}
	for _, a := range acks {
		if a.alone {
			r.Alone++
		} else if !have[a.id] {
			r.Lost++
			if len(r.LostIDs) < 50 {
				r.LostIDs = append(r.LostIDs, a.id)
			}
		}
	}
	return nil
}

func ids(ctx context.Context, h *host, db, query string) (map[int64]bool, error) {
	rows, err := ask(ctx, h, db, query)
	if err != nil {
		return nil, err
	}
	have := make(map[int64]bool, len(rows))
	for _, row := range rows {
		id, err := strconv.ParseInt(row[0], 10, 64)
		if err != nil {
			return nil, err
		}
		have[id] = true
	}
	return have, nil
}

func (w *writer) failures() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// firstAfterGap is when clients were served again: the end of the longest gap after the fault.
func (w *writer) firstAfterGap(fault time.Duration) time.Duration {
	acks := w.since(0)
	var longest, end time.Duration
	for i := 1; i < len(acks); i++ {
		if d := acks[i].at - acks[i-1].at; acks[i].at > fault && d > longest {
			longest, end = d, acks[i].at
		}
	}
	return end
}

func (r result) path(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%s-%s-%02d.json", r.Stack, r.Setting, r.Fault, r.Run))
}

// save keeps the result; a run that was half written is not there at all.
func (r result) save(dir string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := r.path(dir) + ".tmp"
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, r.path(dir))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(max(d, 0)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
