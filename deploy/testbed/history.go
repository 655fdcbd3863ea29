//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/jackc/pgx/v5/pgconn"
)

// keys is how many registers the clients use: the fewer operations a key has, the cheaper is the check.
const keys = 64

// input and output are those of one operation on one register.
type input struct {
	key   int
	value int64 // written; 0: a read
}

type output struct {
	value   int64 // read; for a write what was there before
	unknown bool  // nobody knows whether it took effect
}

// register is what a key is to its clients: a write tells what it replaced, so each acknowledgement tells of all before it.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make([][]porcupine.Operation, keys)
		for _, op := range history {
			k := op.Input.(input).key
			byKey[k] = append(byKey[k], op)
		}
		return byKey
	},
	Init: func() any { return int64(0) },
	Step: func(state, in, out any) (bool, any) {
		i, o := in.(input), out.(output)
		if i.value == 0 {
			return o.value == state.(int64), state
		}
		return o.unknown || o.value == state.(int64), i.value
	},
	DescribeOperation: func(in, out any) string {
		i, o := in.(input), out.(output)
		switch {
		case i.value == 0:
			return fmt.Sprintf("k%d: read %d", i.key, o.value)
		case o.unknown:
			return fmt.Sprintf("k%d: write %d, unknown", i.key, i.value)
		}
		return fmt.Sprintf("k%d: write %d after %d", i.key, i.value, o.value)
	},
	DescribeState: func(state any) string { return strconv.FormatInt(state.(int64), 10) },
}

// linearizable checks a history. An operation of unknown outcome may have taken effect at any time since, or never: it returns after all others.
func linearizable(ops []porcupine.Operation, limit time.Duration) (porcupine.CheckResult, porcupine.LinearizationInfo) {
	return porcupine.CheckOperationsVerbose(register, ops, limit)
}

// forever is when operations of unknown outcome return.
const forever = int64(1) << 60

// player is one client that reads and writes registers, as a history keeps it.
type player struct {
	id    int
	from  *host
	addr  string
	node  string // of the server, where it is known before
	table string // of the registers: each sequence has one of its own
	every time.Duration
	began time.Time
	rng   *rand.Rand
	next  int64 // values that nobody else writes: id + a multiple of 100

	mu   sync.Mutex
	ops  []porcupine.Operation
	acks []ack // of writes
	// tried are the same writes, by the wall clock.
	tried []tried
}

func (p *player) run(ctx context.Context) {
	var conn *pgconn.PgConn
	defer func() {
		if conn != nil {
			closeNow(conn)
		}
	}()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		var err error
		if conn == nil {
			conn, err = connect(ctx, p.from, p.addr)
		}
		if err == nil {
			if err = p.play(ctx, conn); err != nil && !readOnly(err) {
				closeNow(conn)
				conn = nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// play does one operation and notes it. A read that a standby answers is none.
func (p *player) play(ctx context.Context, conn *pgconn.PgConn) error {
	in := input{key: p.rng.IntN(keys)}
	query := fmt.Sprintf("SELECT val, host(inet_server_addr()), pg_is_in_recovery() FROM %s WHERE k = %d", p.table, in.key)
	if p.rng.IntN(3) > 0 {
		p.next += 100
		in.value = p.next + int64(p.id)
		query = fmt.Sprintf("UPDATE %s SET prev = val, val = %d WHERE k = %d RETURNING prev, host(inet_server_addr()), false", p.table, in.value, in.key)
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), clientPatience)
	defer cancel()
	call := time.Since(p.began)
	results, err := conn.Exec(patience, query).ReadAll()
	back := time.Since(p.began)
	op := porcupine.Operation{ClientId: p.id, Input: in, Call: call.Nanoseconds(), Return: back.Nanoseconds()}
	switch {
	case err == nil && len(results) == 1 && len(results[0].Rows) == 1:
		row := results[0].Rows[0]
		if string(row[2]) == "t" {
			return nil
		}
		value, err := strconv.ParseInt(string(row[0]), 10, 64)
		if err != nil {
			return err
		}
		node := p.node
		if node == "" {
			node = p.from.bed.byAddr(string(row[1]))
		}
		op.Output = output{value: value}
		if in.value != 0 {
			p.mu.Lock()
			p.acks = append(p.acks, ack{at: back, id: in.value, node: node})
			p.tried = append(p.tried, tried{p.began.Add(call).UTC(), p.began.Add(back).UTC(), node})
			p.mu.Unlock()
		}
	case err == nil:
		return errors.New("the register is not there")
	case in.value == 0 || readOnly(err):
		return err // it had no effect
	default:
		op.Output, op.Return = output{unknown: true}, forever
	}
	p.mu.Lock()
	p.ops = append(p.ops, op)
	p.mu.Unlock()
	return err
}
