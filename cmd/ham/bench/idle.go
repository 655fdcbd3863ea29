package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
)

// measureIdle: what `ham up` costs while nothing happens, beside the server that it embeds with the same streams.
func measureIdle(ctx context.Context, b *bench) ([]figure, error) {
	const groups, window = 10, 10 * time.Second
	ham, err := b.ham(ctx)
	if err != nil {
		return nil, err
	}
	pl := newLoopback(b.self)
	site, err := pl.start(ctx, "a")
	if err != nil {
		return nil, err
	}
	defer site.kill()
	dir, err := os.MkdirTemp(b.dir, "idle-")
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for i := range groups {
		fmt.Fprintf(&text, `group: web%d
mode: auto
members:
  a: {site: sp, url: "http://%s"}
  b: {site: rj, url: "http://%s"}
adopt: a
checks:
  alive: {http: "/alive", every: 1s, timeout: 300ms, from: [sp]}
policy: {quorum: 1, stable_for: 0s}
---
`, i, pl.addr("a"), pl.addr("a"))
	}
	fmt.Fprintf(&text, `ham:
  name: bench
  site: sp
  http: "off"
  state_dir: %s
  bus: {listen: "%s"}
`, filepath.Join(dir, "ham"), pl.addr("bus"))
	config := filepath.Join(dir, "ham.yaml")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	up, err := start{name: "ham up", program: ham, args: []string{"up", "-c", config, "--log-level", "warn"}}.spawn()
	if err != nil {
		return nil, err
	}
	defer up.stop()
	alone, err := listening(ctx, start{name: "the embedded server alone", program: b.self, args: []string{"child", "bus", filepath.Join(dir, "bus")}})
	if err != nil {
		return nil, err
	}
	defer alone.stop()

	o, err := observe(ctx, "nats://"+pl.addr("bus"), up)
	if err != nil {
		return nil, err
	}
	for i := range groups {
		if _, err := o.ready(ctx, fmt.Sprintf("web%d", i)); err != nil {
			o.close()
			return nil, fmt.Errorf("%w; ham's last words: %s", err, up.said.String())
		}
	}
	o.close() // what is measured has no client
	cpu := []figure{
		{What: fmt.Sprintf("ham up, idle, %d groups of 2 members at 1 s: processor", groups), Unit: "% of a core", Goal: atMost("median", 2, "% of a core"),
			Note: "each value is the mean of 10 s, by /proc"},
		{What: "the embedded server alone, same streams, in the same seconds", Unit: "% of a core"},
	}
	rss := []figure{
		{What: "the same: memory", Unit: "MB", Goal: atMost("max", 70, "MB"), Note: "resident, MB of 10^6 bytes"},
		{What: "the embedded server alone", Unit: "MB"},
	}
	children := []*child{up, alone}
	var last [2]usage
	tick := time.NewTicker(window)
	defer tick.Stop()
	began := time.Now()
	for n := range b.runs(7, 2) {
		for i, c := range children {
			u, err := c.used()
			if err != nil {
				return nil, errors.Join(err, c.ended())
			}
			if n > 0 {
				cpu[i].Values = append(cpu[i].Values, 100*(u.cpu-last[i].cpu).Seconds()/time.Since(began).Seconds())
				rss[i].Values = append(rss[i].Values, u.rss)
			}
			last[i] = u
		}
		began = time.Now()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return append(cpu, rss...), nil
}

// serveBus is the body of a process that is an embedded server with ham's streams and nothing else.
func serveBus(ctx context.Context, dir string) error {
	s, err := embedded.Start(ctx, embedded.Options{Name: "alone", StoreDir: dir})
	if err != nil {
		return err
	}
	b, err := bus.Connect(ctx, s.BusOptions("alone", "bench"))
	if err == nil {
		err = b.Provision(ctx, bus.Layout{})
		b.Close()
	}
	if err == nil {
		fmt.Println("listening")
		<-ctx.Done()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, s.Shutdown(end))
}
