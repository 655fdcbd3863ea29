package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/message"
)

// measureCare: what an operator meets every week: a proxy that is reloaded with its own configuration, and the plan before the button is pressed.
func measureCare(ctx context.Context, b *bench) ([]figure, error) {
	ham, err := b.ham(ctx)
	if err != nil {
		return nil, err
	}
	pl := newLoopback(b.self)
	dir, err := os.MkdirTemp(b.dir, "care-")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"a", "b"} {
		site, err := pl.start(ctx, name)
		if err != nil {
			return nil, err
		}
		defer site.kill()
	}
	p, err := startProxy(ctx, dir, pl.addr("front"), pl.addr("a"), pl.addr("b"), switched)
	if err != nil {
		return nil, err
	}
	defer func() { p.kill() }()
	entered, err := enterHam(ham, pl, "every: 1s, timeout: 300ms", "fall: 3, rise: 1")(ctx, p, dir)
	if err != nil {
		return nil, err
	}
	m := entered.(*manager)
	defer m.stop()
	if _, err := m.ready(ctx); err != nil {
		return nil, err
	}
	reload := figure{
		What: "HAProxy reloaded with its own configuration, in which both servers boot disabled → clients served by the primary again", Unit: "ms",
		Goal: atMost("max", 2000, "ms"), Note: "from the start of the new process; a request every 5 ms over a connection of its own",
	}
	limit := figure{What: "limit: its first answer over the runtime API", Unit: "ms"}
	for range b.runs(20, 5) {
		right, answers, err := reloaded(ctx, p, dir)
		if err != nil {
			return nil, fmt.Errorf("%w; ham's last words: %s", err, m.process.said.String())
		}
		reload.Values, limit.Values = append(reload.Values, right), append(limit.Values, answers)
	}
	plans, err := planned(ctx, b, m, ham, "nats://"+pl.addr("bus"))
	return append([]figure{reload, limit}, plans...), err
}

// reloaded starts a new process beside the old one, which leaves, and returns when clients are served by the new one, and when it first answered.
func reloaded(ctx context.Context, p *proxy, dir string) (right, answers float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		return 0, 0, errNoHAProxy
	}
	old := p.child
	began := time.Now()
	next, err := start{name: "haproxy", program: program, args: []string{"-db", "-q", "-f", filepath.Join(dir, "haproxy.cfg"), "-sf", strconv.Itoa(old.pid())}}.spawn()
	if err != nil {
		return 0, 0, err
	}
	p.child = next
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if answers == 0 && answersAs(ctx, p.admin, next.pid()) {
			answers = millis(time.Since(began))
		}
		if answers > 0 && served(ctx, client, "http://"+p.addr+"/") {
			right = millis(time.Since(began))
			break
		}
		select {
		case <-tick.C:
		case <-next.gone:
			return 0, 0, next.ended()
		case <-ctx.Done():
			return 0, 0, fmt.Errorf("clients are not served after a reload: %w", context.Cause(ctx))
		}
	}
	select {
	case <-old.gone:
	case <-ctx.Done():
		return 0, 0, errors.New("the old haproxy does not leave")
	}
	return right, answers, nil
}

// answersAs says whether the process of that pid answers at the runtime API.
func answersAs(ctx context.Context, admin string, pid int) bool {
	c, err := haproxy.New(admin, haproxy.Options{})
	if err != nil {
		return false
	}
	info, err := c.ShowInfo(ctx)
	return err == nil && info.Pid == pid
}

func served(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// planned measures `ham plan` as a process, the preview alone, and the way to the bus and back.
func planned(ctx context.Context, b *bench, m *manager, ham, url string) ([]figure, error) {
	whole := figure{What: "`ham plan web`, from its start to its end", Unit: "ms", Goal: atMost("p99", 1000, "ms"), Note: "a process of its own: connecting and asking every executor what each step would find is in it"}
	asked := figure{What: "the same question over the bus, connected already (plan preview)", Unit: "ms", Goal: atMost("p99", 1000, "ms")}
	trip := figure{What: "limit: to the bus and back", Unit: "ms"}
	client := ask.Client{Bus: m.bus.Bus}
	for range b.runs(50, 10) {
		began := time.Now()
		cmd := exec.CommandContext(ctx, ham, "plan", "web")
		cmd.Env = append(os.Environ(), "HAM_SERVER="+url)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ham plan: %w: %s", err, out)
		}
		whole.Values = append(whole.Values, millis(time.Since(began)))
		began = time.Now()
		if _, err := client.Preview(ctx, &message.Request{ID: "bench.plan", Group: "web", Verb: message.VerbSwitchover, Actor: "bench"}); err != nil {
			return nil, err
		}
		asked.Values = append(asked.Values, millis(time.Since(began)))
		began = time.Now()
		if err := m.bus.Conn().FlushWithContext(ctx); err != nil {
			return nil, err
		}
		trip.Values = append(trip.Values, millis(time.Since(began)))
	}
	return []figure{whole, asked, trip}, nil
}
