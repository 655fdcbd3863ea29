//go:build linux

package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// The clients' habits: one write every 5 ms, 300 ms for a connect or a write, a new connection 5 ms after an error.
const (
	clientEvery    = 5 * time.Millisecond
	clientPatience = 300 * time.Millisecond
)

// ack is one acknowledged write.
type ack struct {
	at   time.Duration // since the run began
	id   int64
	node string // that acknowledged it
	// alone: nobody else had it yet, and the client was told so.
	alone bool
}

// writer writes strictly increasing ids, each its own transaction.
type writer struct {
	from  *host
	addr  string
	node  string // of the server, where the client is beside it and goes straight into it; "": through the endpoint
	every time.Duration
	began time.Time

	mu      sync.Mutex
	acks    []ack
	errors  []clientError
	failed  int
	longest time.Duration // of one acknowledged write
	next    int64
}

type clientError struct {
	At   time.Duration
	Text string
}

// most errors of one client that are kept; the others are counted.
const mostErrors = 200

func newWriter(from *host, addr, node string, began time.Time) *writer {
	return &writer{from: from, addr: addr, node: node, every: clientEvery, began: began}
}

// run writes until ctx ends.
func (w *writer) run(ctx context.Context) {
	var conn session
	defer func() {
		if conn != nil {
			conn.close()
		}
	}()
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		var err error
		if conn == nil {
			conn, err = w.from.bed.db.connect(ctx, w.from, w.addr)
		}
		if err == nil {
			err = w.write(ctx, conn)
		}
		if err != nil && ctx.Err() == nil {
			w.note(err)
			if conn != nil && !conn.good(err) {
				conn.close()
				conn = nil
			}
			tick.Reset(w.every)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (w *writer) write(ctx context.Context, conn session) error {
	w.mu.Lock()
	w.next++
	id := w.next
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	asked := time.Now()
	node, alone, err := conn.write(ctx, id, w.node)
	now := time.Now()
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.acks = append(w.acks, ack{now.Sub(w.began), id, node, alone})
	w.longest = max(w.longest, now.Sub(asked))
	w.mu.Unlock()
	return nil
}

func (w *writer) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed++
	if len(w.errors) < mostErrors {
		w.errors = append(w.errors, clientError{time.Since(w.began), err.Error()})
	}
}

// last is the newest acknowledgement.
func (w *writer) last() (ack, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.acks) == 0 {
		return ack{}, 0
	}
	return w.acks[len(w.acks)-1], len(w.acks)
}

// since are the acknowledgements from t on.
func (w *writer) since(t time.Duration) []ack {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, _ := slices.BinarySearchFunc(w.acks, t, func(a ack, t time.Duration) int { return int(a.at - t) })
	return slices.Clone(w.acks[i:])
}

func (b *bed) byAddr(addr string) string {
	for _, h := range b.hosts {
		if h.addr == addr {
			return h.name
		}
	}
	return addr
}
