//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
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
}

// writer writes strictly increasing ids, each its own transaction.
type writer struct {
	from  *host
	addr  string
	table string // writes: through the endpoint; beside: straight into a server
	node  string // of the server, where it is known before
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

func newWriter(from *host, addr, table, node string, began time.Time) *writer {
	return &writer{from: from, addr: addr, table: table, node: node, every: clientEvery, began: began}
}

// run writes until ctx ends.
func (w *writer) run(ctx context.Context) {
	var conn *pgconn.PgConn
	defer func() {
		if conn != nil {
			closeNow(conn)
		}
	}()
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		var err error
		if conn == nil {
			conn, err = connect(ctx, w.from, w.addr)
		}
		if err == nil {
			err = w.write(ctx, conn)
		}
		if err != nil && ctx.Err() == nil {
			w.note(err)
			if conn != nil && !readOnly(err) {
				closeNow(conn)
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

// readOnly: a standby said so; the connection is good.
func readOnly(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "25006"
}

func (w *writer) write(ctx context.Context, conn *pgconn.PgConn) error {
	w.mu.Lock()
	w.next++
	id := w.next
	w.mu.Unlock()
	query := fmt.Sprintf("INSERT INTO writes VALUES (%d) RETURNING host(inet_server_addr())", id)
	if w.table == "beside" {
		query = fmt.Sprintf("INSERT INTO beside VALUES (%d, '%s')", id, w.node)
	}
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	asked := time.Now()
	results, err := conn.Exec(ctx, query).ReadAll()
	now := time.Now()
	if err != nil {
		return err
	}
	node := w.node
	if node == "" {
		if len(results) != 1 || len(results[0].Rows) != 1 {
			return errors.New("the server did not say who it is")
		}
		node = w.from.bed.byAddr(string(results[0].Rows[0][0]))
	}
	w.mu.Lock()
	w.acks = append(w.acks, ack{now.Sub(w.began), id, node})
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

// connect opens a connection from a host to a server, within the client's patience.
func connect(ctx context.Context, from *host, addr string) (*pgconn.PgConn, error) {
	ip, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	cfg, err := pgconn.ParseConfig("host=" + ip + " port=" + port + " user=app dbname=app sslmode=disable")
	if err != nil {
		return nil, err
	}
	dialled := false
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dialled { // a write that timed out is not cancelled by a second connection: a client that is cut off could not either
			return nil, errors.New("one connection only")
		}
		dialled = true
		return from.dial(ctx, network, addr)
	}
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	return pgconn.ConnectConfig(ctx, cfg)
}

func closeNow(c *pgconn.PgConn) {
	_ = c.Conn().Close() // without a farewell, which might block
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Close(ctx)
}
