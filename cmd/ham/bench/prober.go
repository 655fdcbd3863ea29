package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
)

// The many checks: proberGroups × 2 members × proberChecks.
const (
	proberGroups = 250
	proberChecks = 10
	manyChecks   = proberGroups * 2 * proberChecks
)

// measureProber: one prober, a process of its own, with 5 000 checks of an HTTP server on this machine.
func measureProber(ctx context.Context, b *bench) (_ []figure, err error) {
	ham, err := b.ham(ctx)
	if err != nil {
		return nil, err
	}
	pl := newLoopback(b.self)
	target, err := pl.start(ctx, "a")
	if err != nil {
		return nil, err
	}
	defer target.kill()
	k, err := startBroker(ctx, b.dir, pl.addr("bus"))
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, k.end()) }()
	own, err := k.connect(ctx, "bench")
	if err != nil {
		return nil, err
	}
	if err := own.Provision(ctx, bus.Layout{}); err != nil {
		return nil, err
	}
	for i := range proberGroups {
		text := fmt.Sprintf("group: g%d\nmembers:\n  a: {site: sp, url: \"http://%s\"}\n  b: {site: rj, url: \"http://%s\"}\nchecks:\n", i, pl.addr("a"), pl.addr("a"))
		for c := range proberChecks {
			text += fmt.Sprintf("  c%d: {http: /alive, every: 1s, timeout: 900ms, from: [p1]}\n", c)
		}
		if _, err := store.Put(ctx, own, text, "bench", "figures", store.AnyRevision); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(b.dir, "prober-")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "ham.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `ham:
  name: p1
  site: sp
  http: "off"
  state_dir: %s
  bus: nats://%s
  prober: {vantages: [p1]}
`, dir, pl.addr("bus")), 0o600); err != nil {
		return nil, err
	}
	prober, err := start{name: "ham prober", program: ham, args: []string{"prober", "-c", config, "--log-level", "warn"}}.spawn()
	if err != nil {
		return nil, err
	}
	cores, late, err := watchProber(ctx, own, prober, b.runs(30, 5))
	prober.stop()
	if err != nil {
		return nil, fmt.Errorf("%w; the prober's last words: %s", err, prober.said.String())
	}
	bare, err := bareLooks(ctx, b, pl.addr("a"), b.runs(30, 5))
	if err != nil {
		return nil, err
	}
	return []figure{
		{What: fmt.Sprintf("%d HTTP checks at 1 s in one prober: processor", manyChecks), Unit: "cores", Values: cores, Goal: atMost("median", 1, "cores"),
			Note: "the prober's process alone, each second by /proc; the server it asks and the bus run beside it on the same cores"},
		{What: "the same requests by a bare Go client, a goroutine each, nothing else", Unit: "cores", Values: bare},
		{What: "the same: how late a look begins", Unit: "ms", Values: late, Goal: atMost("p99", 100, "ms"), Note: "by the prober's own clock, in its heartbeats"},
	}, nil
}

// watchProber waits until every check is looked at and then watches for some seconds.
func watchProber(ctx context.Context, b *bus.Bus, p *child, seconds int) (cores, late sample, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var gone sync.WaitGroup
	defer gone.Wait()
	defer cancel(nil)
	var mu sync.Mutex
	var watching bool
	var down int
	var why string
	type check struct{ group, member, check string }
	seen, all := map[check]bool{}, make(chan struct{})
	gone.Go(func() {
		if err := b.FollowHeartbeats(ctx, bus.HeartbeatOptions{}, func(hb *message.Heartbeat, _ bus.HeartbeatMeta) {
			mu.Lock()
			defer mu.Unlock()
			if len(seen) < manyChecks {
				seen[check{hb.Group, hb.Member, hb.Check}] = true
				if len(seen) == manyChecks {
					close(all)
				}
			}
			if watching {
				late = append(late, float64(hb.LateMicros)/1000)
				if hb.Answer != message.Up {
					down++
					why = fmt.Sprintf("%s: %s", hb.Answer, hb.Evidence)
				}
			}
		}); err != nil {
			cancel(err)
		}
	})
	select {
	case <-all:
	case <-p.gone:
		return nil, nil, p.ended()
	case <-time.After(60 * time.Second):
		mu.Lock()
		defer mu.Unlock()
		return nil, nil, fmt.Errorf("%d of %d checks were looked at within 60 s", len(seen), manyChecks)
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if cores, err = coresOf(ctx, p, seconds, func() { mu.Lock(); watching = true; mu.Unlock() }); err != nil {
		return nil, nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	watching = false
	want := seconds * manyChecks
	switch { // where many looks fail, others run beside on this machine, and what was measured is not what was asked
	case len(late) < want*95/100:
		err = fmt.Errorf("%d looks in %d s, want about %d", len(late), seconds, want)
	case down > want/100:
		err = fmt.Errorf("%d of %d looks say that the server does not answer: %s", down, len(late), why)
	}
	return cores, late, err
}

// coresOf says second by second how many cores a child uses. It leaves two seconds out at first; then begin is called.
func coresOf(ctx context.Context, c *child, seconds int, begin func()) (cores sample, err error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last usage
	var at time.Time
	for n := range seconds + 3 {
		u, err := c.used()
		if err != nil {
			return nil, errors.Join(err, c.ended())
		}
		if n == 2 {
			begin()
		}
		if n > 2 {
			cores = append(cores, (u.cpu-last.cpu).Seconds()/time.Since(at).Seconds())
		}
		last, at = u, time.Now()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return cores, nil
}

// bareLooks measures what the same requests cost without a prober around them.
func bareLooks(ctx context.Context, b *bench, addr string, seconds int) (sample, error) {
	c, err := listening(ctx, start{name: "bare client", program: b.self, args: []string{"child", "bare", addr}})
	if err != nil {
		return nil, err
	}
	defer c.kill()
	return coresOf(ctx, c, seconds, func() {})
}

// askBare is the body of that process: each check is a goroutine with a connection and a ticker of its own.
func askBare(ctx context.Context, addr string) error {
	var failed atomic.Int64
	var all sync.WaitGroup
	var first sync.WaitGroup
	first.Add(manyChecks)
	for i := range manyChecks {
		all.Go(func() {
			client := &http.Client{Timeout: 900 * time.Millisecond, Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext, MaxIdleConnsPerHost: 1}}
			begin := time.NewTimer(time.Duration(i) * time.Second / manyChecks)
			select {
			case <-begin.C:
			case <-ctx.Done():
			}
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				if resp, err := client.Get("http://" + addr + "/alive"); err != nil {
					failed.Add(1)
				} else {
					_, _ = io.Copy(io.Discard, resp.Body) // an answer cut short is an answer
					resp.Body.Close()
				}
				if n == 0 {
					first.Done()
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	first.Wait()
	fmt.Println("listening")
	all.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d requests failed", n)
	}
	return nil
}
