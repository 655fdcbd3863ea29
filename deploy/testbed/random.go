//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

type randomOptions struct {
	seed       uint64
	count      int
	length     time.Duration
	stack, dir string
	again      bool
}

// sequence is what became of one seed.
type sequence struct {
	Seed       uint64    `json:"seed"`
	Stack      string    `json:"stack"`
	Length     float64   `json:"length_s"`
	Began      time.Time `json:"began"`
	Took       float64   `json:"took_s"`
	Operations int       `json:"operations"`
	Unknown    int       `json:"unknown"`
	Served     float64   `json:"served_percent"` // of 100 ms in which a write was acknowledged
	Swaps      int       `json:"swaps"`          // changes of who acknowledges
	Epochs     uint64    `json:"epochs"`
	Broken     []string  `json:"broken,omitempty"`
	Timeline   []moment  `json:"timeline"`
}

// random runs a batch of seeds. Those that are kept are passed over, so that a batch that was cut short goes on.
func random(ctx context.Context, o randomOptions) error {
	stacks, err := choose(o.stack)
	if err != nil {
		return err
	}
	if len(stacks) != 1 || stacks[0].stack != "ham" {
		return errors.New("random is for one setting of ham, such as ham:default")
	}
	if err := able(stacks); err != nil {
		return err
	}
	dir := filepath.Join(o.dir, "random")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	bad, made := 0, 0
	for seed := o.seed; seed < o.seed+uint64(o.count); seed++ {
		file := filepath.Join(dir, fmt.Sprintf("%s-%06d.json", stacks[0].name, seed))
		if !o.again && exists(file) {
			continue
		}
		q, err := playSeed(ctx, stacks[0], seed, o.length, dir)
		if ctx.Err() != nil {
			return cut(ctx, err)
		}
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		made++
		verdict := "ok"
		if len(q.Broken) > 0 {
			bad++
			verdict = "BROKEN: " + strings.Join(q.Broken, "; ")
		}
		fmt.Printf("seed %d: %s (%d operations, %d unknown, served %.0f %%, %d swaps, epoch %d)\n", seed, verdict, q.Operations, q.Unknown, q.Served, q.Swaps, q.Epochs)
		text, err := json.MarshalIndent(q, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("sequences made: %d, broken: %d, kept from before: %d\n", made, bad, o.count-made)
	if bad > 0 {
		return fmt.Errorf("%d sequences broke a promise: raw results in %s, `testbed random -seed N -count 1 -again` runs one again", bad, dir)
	}
	return nil
}

// playSeed runs one sequence on a bed of its own.
func playSeed(ctx context.Context, st setting, seed uint64, length time.Duration, dir string) (q sequence, err error) {
	q = sequence{Seed: seed, Stack: st.stack + ":" + st.name, Length: length.Seconds(), Began: time.Now().UTC()}
	logs := filepath.Join(dir, "logs-"+strconv.FormatUint(seed, 10))
	if err := os.RemoveAll(logs); err != nil {
		return q, err
	}
	b, err := newBed(ctx, logs)
	if err != nil {
		return q, err
	}
	defer func() {
		err = errors.Join(err, b.Close())
		if err == nil && len(q.Broken) == 0 {
			err = os.RemoveAll(logs)
		}
	}()
	setUp, cancel := context.WithTimeout(ctx, setUpIn)
	defer cancel()
	if err := makePair(setUp, b, ""); err != nil {
		return q, err
	}
	s := st.make().(*ham)
	if err := s.setUp(setUp, b); err != nil {
		b.note(s.diagnosis(ctx))
		q.Broken = append(q.Broken, "the pair was not ready: "+err.Error())
		return q, ctx.Err()
	}
	began := time.Now()
	var mu sync.Mutex
	mark := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		q.Timeline = append(q.Timeline, moment{ms(time.Since(began)), fmt.Sprintf(format, args...)})
	}
	clients, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	var players []*player
	loopback := fmt.Sprintf("127.0.0.1:%d", pgPort)
	for i, at := range []struct {
		from       *host
		addr, node string
	}{{b.router, s.endpoint(), ""}, {b.router, s.endpoint(), ""}, {b.router, s.endpoint(), ""}, {b.sp, loopback, "sp"}, {b.rj, loopback, "rj"}} {
		p := &player{id: i + 1, from: at.from, addr: at.addr, node: at.node, every: 20 * time.Millisecond, began: began, rng: rand.New(rand.NewPCG(seed, uint64(i)))}
		players = append(players, p)
		running.Go(func() { p.run(clients) })
	}
	c := &chaos{b: b, s: s, on: map[string]int{}, mark: mark}
	if err := c.run(ctx, schedule(seed, length), length); err != nil {
		return q, err
	}
	// Every fault is healed: the pair becomes whole by itself, or a person would have to be called.
	whole := until(ctx, 90*time.Second, "the pair is whole after all was healed", func() error {
		st, err := s.status(ctx)
		if err != nil {
			return err
		}
		q.Epochs = st.Epoch
		primary := b.hosts[st.Primary]
		if primary == nil {
			return errors.New("nobody is primary")
		}
		return s.ready(ctx, primary)
	})
	mark("whole: %v", whole)
	if whole != nil {
		b.note(s.diagnosis(ctx))
		q.Broken = append(q.Broken, whole.Error())
	}
	if err := wait(ctx, time.Second); err != nil {
		return q, err
	}
	stop()
	running.Wait()
	if ctx.Err() != nil {
		return q, context.Cause(ctx)
	}
	return q, q.judge(ctx, b, s, players, began, length, dir)
}

// judge holds what the clients saw to what is promised.
func (q *sequence) judge(ctx context.Context, b *bed, s *ham, players []*player, began time.Time, length time.Duration, dir string) error {
	var ops []porcupine.Operation
	var acks []ack
	for _, p := range players {
		ops = append(ops, p.ops...)
		acks = append(acks, p.acks...)
	}
	for _, op := range ops {
		if op.Output.(output).unknown {
			q.Unknown++
		}
	}
	q.Operations = len(ops)
	q.Served, q.Swaps = share(acks, length), changes(acks)
	if f := flicker(acks, 300*time.Millisecond); f > 0 {
		q.Broken = append(q.Broken, fmt.Sprintf("two acknowledged within %.0f ms", ms(f)))
	}
	// The last word of every register, as the final primary has it.
	final, err := s.finalPrimary(ctx)
	if err != nil {
		q.Broken = append(q.Broken, err.Error())
	} else {
		rows, err := ask(ctx, final, "app", "SELECT k, val FROM kv")
		if err != nil {
			return err
		}
		now := time.Since(began).Nanoseconds()
		for _, row := range rows {
			k, err1 := strconv.Atoi(row[0])
			v, err2 := strconv.ParseInt(row[1], 10, 64)
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			ops = append(ops, porcupine.Operation{ClientId: 0, Input: input{key: k}, Output: output{value: v}, Call: now, Return: now + 1})
		}
	}
	verdict, info := linearizable(ops, time.Minute)
	if verdict != porcupine.Ok {
		what := "the clients' history is not linearizable"
		if verdict == porcupine.Unknown {
			what = "the clients' history could not be judged within a minute"
		}
		picture := filepath.Join(dir, fmt.Sprintf("history-%d.html", q.Seed))
		if err := porcupine.VisualizePath(register, info, picture); err != nil {
			what += " (" + err.Error() + ")"
		}
		q.Broken = append(q.Broken, what+": "+picture)
	}
	q.Took = time.Since(q.Began).Seconds()
	return nil
}

// finalPrimary is the one host whose server takes writes; an error where there is none, or more.
func (s *ham) finalPrimary(ctx context.Context) (*host, error) {
	var found []*host
	for _, h := range []*host{s.b.sp, s.b.rj} {
		if standby, err := inRecovery(ctx, h); err == nil && !standby {
			found = append(found, h)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d servers take writes at the end, want one", len(found))
	}
	return found[0], nil
}

// share is how much of the time somebody was served, in percent of 100 ms each.
func share(acks []ack, length time.Duration) float64 {
	const slot = 100 * time.Millisecond
	served := map[time.Duration]bool{}
	for _, a := range acks {
		if a.at < length {
			served[a.at/slot] = true
		}
	}
	return 100 * float64(len(served)) / float64(max(1, length/slot))
}

// changes is how often another node acknowledged than before.
func changes(acks []ack) int {
	n, last := 0, ""
	for _, a := range inOrder(acks) {
		if last != "" && a.node != last {
			n++
		}
		last = a.node
	}
	return n
}
