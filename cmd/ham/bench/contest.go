package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// contestant is who sends the clients to the other site when one is lost.
type contestant interface {
	// ready waits until the loss of a site would be made good, and says which site serves now.
	ready(context.Context) (serving string, err error)
	// told is called at the moment of the loss. All but the limit turn a deaf ear.
	told(ctx context.Context, lost string) error
	stop()
}

// contest is one contestant's turn: two sites, a proxy, clients, and the same fault again and again.
type contest struct {
	place place
	what  string
	rules settings
	// enter brings the contestant up, beside a running proxy.
	enter func(ctx context.Context, p *proxy, dir string) (contestant, error)
	runs  int
	// phase is how much the moment of the fault varies, at least one interval of the checks.
	phase time.Duration
	note  string
}

// run returns the longest time without an answer at each fault, in milliseconds. An error means that clients were not served, or that it
// could not be tried.
func (c contest) run(ctx context.Context, dir string) (_ figure, err error) {
	f := figure{What: c.what, Unit: "ms", Note: c.note}
	wrap := func(err error) (figure, error) { return f, fmt.Errorf("%s: %w", c.what, err) }
	dir, err = os.MkdirTemp(dir, "contest-")
	if err != nil {
		return wrap(err)
	}
	sites := map[string]*child{}
	defer func() {
		for _, s := range sites {
			s.kill()
		}
	}()
	for _, name := range []string{"a", "b"} {
		if sites[name], err = c.place.start(ctx, name); err != nil {
			delete(sites, name)
			return wrap(err)
		}
	}
	p, err := startProxy(ctx, dir, c.place.addr("front"), c.place.addr("a"), c.place.addr("b"), c.rules)
	if err != nil {
		return wrap(err)
	}
	defer p.kill()
	who, err := c.enter(ctx, p, dir)
	if err != nil {
		return wrap(err)
	}
	defer who.stop()

	users := newClient(p.addr)
	usersCtx, stopUsers := context.WithCancel(ctx)
	var gone sync.WaitGroup
	gone.Go(func() { users.run(usersCtx) })
	defer gone.Wait()
	defer stopUsers()

	for n := range c.runs {
		gap, err := c.fault(ctx, who, users, sites)
		if err != nil {
			return wrap(fmt.Errorf("fault %d of %d: %w", n+1, c.runs, err))
		}
		f.Values = append(f.Values, millis(gap))
	}
	if m, ok := who.(*manager); ok {
		f.Note += "; " + m.split()
	}
	return f, nil
}

// patience bounds each wait of a contest: the slowest peer, HAProxy by default with its host silent, needs about 12 s.
const patience = 40 * time.Second

func (c contest) fault(ctx context.Context, who contestant, users *client, sites map[string]*child) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("waited %s in vain", patience))
	defer cancel()
	serving, err := who.ready(ctx)
	if err != nil {
		return 0, err
	}
	if err := users.served(ctx, serving); err != nil {
		return 0, err
	}
	// At a random moment of the checks' interval, as faults come.
	select {
	case <-time.After(rand.N(c.phase)):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	users.take()
	if err := c.place.lose(ctx, serving, sites[serving]); err != nil {
		return 0, err
	}
	if err := who.told(ctx, serving); err != nil {
		return 0, err
	}
	if err := users.served(ctx, other(serving)); err != nil {
		return 0, err
	}
	n := users.take()
	if n.gap <= 0 {
		return 0, errors.New("no gap was seen: the fault did not reach the clients")
	}
	sites[serving].kill()
	sites[serving], err = c.place.start(ctx, serving)
	if err != nil {
		delete(sites, serving)
	}
	return n.gap, err
}

func other(site string) string {
	if site == "a" {
		return "b"
	}
	return "a"
}

// server is HAProxy's name of a site.
func server(site string) string {
	if site == "a" {
		return "s1"
	}
	return "s2"
}

// limit is a script that knows of the loss the moment it happens: what nobody can beat who has to notice it first.
type limit struct {
	p       *proxy
	serving string
}

func enterLimit(ctx context.Context, p *proxy, _ string) (contestant, error) {
	l := &limit{p, "a"}
	return l, p.lead(ctx, server("a"), server("b"))
}

func (l *limit) ready(context.Context) (string, error) { return l.serving, nil }
func (l *limit) stop()                                 {}

func (l *limit) told(ctx context.Context, lost string) error {
	l.serving = other(lost)
	return l.p.lead(ctx, server(l.serving), server(lost))
}

// checks are HAProxy's own: s1 serves while it is up, s2 is the backup.
type checks struct{ p *proxy }

func enterChecks(_ context.Context, p *proxy, _ string) (contestant, error) { return checks{p}, nil }

// ready waits until HAProxy holds both servers for up.
func (h checks) ready(ctx context.Context) (string, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		servers, err := h.p.api.ServersState(ctx, backend)
		if err != nil {
			return "", err
		}
		up := 0
		for _, s := range servers {
			if s.Oper == haproxy.OperRunning && s.CheckResult == haproxy.CheckPassed {
				up++
			}
		}
		if up == 2 {
			return "a", nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", fmt.Errorf("haproxy holds %d of 2 servers for up: %w", up, context.Cause(ctx))
		}
	}
}

func (checks) told(context.Context, string) error { return nil }
func (checks) stop()                              {}

// manager is ham, as `ham up` runs it: one process beside the proxy.
type manager struct {
	process *child
	bus     *observer

	mu                              sync.Mutex
	detect, decide, execute, verify sample // in milliseconds, of each failover
}

// enterHam runs the program with two members and the policy given.
func enterHam(program string, pl place, check, policy string) func(context.Context, *proxy, string) (contestant, error) {
	return func(ctx context.Context, p *proxy, dir string) (contestant, error) {
		config := filepath.Join(dir, "ham.yaml")
		text := fmt.Sprintf(`group: web
mode: auto
members:
  a: {site: sp, url: "http://%s"}
  b: {site: rj, url: "http://%s"}
adopt: a
checks:
  alive: {http: /alive, %s, from: [sp, rj, witness]}
routes:
  front: {haproxy: ["%s"], backend: %s, servers: {a: s1, b: s2}}
policy: {quorum: 2, %s, stable_for: 0s, cooldown: 0s, budget: 1000 per 1h}
---
ham:
  name: bench
  site: sp
  http: "off"
  state_dir: %s
  bus: {listen: "%s"}
  prober: {vantages: [sp, rj, witness]}
`, pl.addr("a"), pl.addr("b"), check, p.admin, backend, policy, filepath.Join(dir, "state"), pl.addr("bus"))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, err
		}
		m := &manager{}
		var err error
		if m.process, err = (start{name: "ham up", program: program, args: []string{"up", "-c", config, "--log-level", "warn"}}).spawn(); err != nil {
			return nil, err
		}
		if m.bus, err = observe(ctx, "nats://"+pl.addr("bus"), m.process); err != nil {
			m.process.stop()
			return nil, err
		}
		if _, err := m.bus.Hear([]string{subject.StoredCommand("web"), subject.StoredSafetyOf("web")}, m.hear); err != nil {
			m.stop()
			return nil, err
		}
		return m, nil
	}
}

// hear notes what ham says of its own times.
func (m *manager) hear(d bus.Delivery) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ms := func(us int64) float64 { return float64(us) / 1000 }
	switch say := d.Message.(type) {
	case *message.Command:
		if say.Kind == message.KindFailover {
			m.detect, m.decide = append(m.detect, ms(say.DetectMicros)), append(m.decide, ms(say.DecideMicros))
		}
	case *message.RunResult:
		if say.Kind == message.KindFailover && say.State == message.StateDone {
			m.execute, m.verify = append(m.execute, ms(say.ExecuteMicros)), append(m.verify, ms(say.VerifyMicros))
		}
	}
}

// split says where the time went by ham's own clocks.
func (m *manager) split() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("medians by ham's own clocks: detect %s, decide %s, execute %s, verify %s ms", show(m.detect.median()),
		show(m.decide.median()), show(m.execute.median()), show(m.verify.median()))
}

// ready waits until nothing stands against a swap by itself.
func (m *manager) ready(ctx context.Context) (string, error) {
	s, err := m.bus.ready(ctx, "web")
	if err != nil {
		return "", fmt.Errorf("%w; ham's last words: %s", err, m.process.said.String())
	}
	return s.Primary, nil
}

func (*manager) told(context.Context, string) error { return nil }

func (m *manager) stop() {
	m.bus.close()
	m.process.stop()
}
