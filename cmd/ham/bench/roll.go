package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/isacloud/ha-manager/cmd/ham/internal/load"
	"github.com/isacloud/ha-manager/pkg/message"
)

const rollProxy = `global
    stats socket %s level admin
    stats maxconn 50
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    retries 0
frontend clients
    bind %s
    default_backend web
backend web
    balance roundrobin
    default-server check inter 200ms fall 3 rise 1
%s`

// measureRoll: a rolling deployment of four server processes, each killed and started anew, under 500 requests a second.
func measureRoll(ctx context.Context, b *bench) ([]figure, error) {
	ham, err := b.ham(ctx)
	if err != nil {
		return nil, err
	}
	program, err := exec.LookPath("haproxy")
	if err != nil {
		return nil, errNoHAProxy
	}
	dir, err := os.MkdirTemp(b.dir, "roll-")
	if err != nil {
		return nil, err
	}
	pl := newLoopback(b.self)
	f := rollFleet{b: b, ctx: ctx, net: pl.net, sites: map[string]*child{}}
	defer f.end()
	lines, members := "", ""
	for i := range 4 {
		name := fmt.Sprintf("w%d", i+1)
		if err := f.launch(name); err != nil {
			return nil, err
		}
		lines += fmt.Sprintf("    server s%d %s\n", i+1, f.addr(name))
		members += fmt.Sprintf("  %s: {site: sp, url: \"http://%s\"}\n", name, f.addr(name))
	}
	socket := filepath.Join(dir, "proxy.sock")
	for name, text := range map[string]string{
		"haproxy.cfg": fmt.Sprintf(rollProxy, socket, pl.addr("front"), lines),
		"ham.yaml": fmt.Sprintf(`group: web
mode: auto
members:
%spool: {minimum: 3}
checks:
  alive: {http: /alive, every: 500ms, timeout: 500ms, from: [sp]}
routes:
  front: {haproxy: "unix://%s", backend: web, servers: {w1: s1, w2: s2, w3: s3, w4: s4}}
policy: {rise: 1}
---
ham: {name: bench, site: sp, http: "off", console: off, state_dir: %s, bus: {listen: "%s"}}
`, members, socket, filepath.Join(dir, "ham"), pl.addr("bus")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	proxy, err := start{name: "haproxy", program: program, args: []string{"-db", "-q", "-f", filepath.Join(dir, "haproxy.cfg")}}.spawn()
	if err != nil {
		return nil, err
	}
	defer proxy.kill()
	up, err := start{name: "ham up", program: ham, args: []string{"up", "-c", filepath.Join(dir, "ham.yaml"), "--log-level", "warn"}}.spawn()
	if err != nil {
		return nil, err
	}
	defer up.stop()
	o, err := observe(ctx, "nats://"+pl.addr("bus"), up)
	if err != nil {
		return nil, err
	}
	defer o.close()
	whole := func(s *message.GroupStatus) bool { return s.Pool != nil && len(s.Pool.Serve) == 4 }
	if err := f.until(o, whole); err != nil {
		return nil, fmt.Errorf("four servers do not serve: %w; ham's last words: %s", err, up.said.String())
	}

	// The deployment command is a process, as a real one is; what it asks for is done here, since the children are this program's.
	listener, err := net.Listen("tcp", pl.net+"5:8080")
	if err != nil {
		return nil, err
	}
	control := &http.Server{Handler: http.HandlerFunc(f.deploy), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = control.Serve(listener) }() // ends with Close
	defer control.Close()

	asked, end := context.WithCancel(ctx)
	defer end()
	report := make(chan load.Report, 1)
	go func() { report <- load.Run(asked, "http://"+pl.addr("front"), 2*time.Millisecond) }()
	took := figure{What: "the same: how long it took", Unit: "s"}
	rolls := b.runs(5, 1)
	for range rolls {
		began := time.Now()
		cmd := exec.CommandContext(ctx, ham, "roll", "web", "--", b.self, "child", "deploy", "http://"+listener.Addr().String())
		cmd.Env = append(os.Environ(), "HAM_SERVER=nats://"+pl.addr("bus"))
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ham roll: %w: %s", err, out)
		}
		took.Values = append(took.Values, time.Since(began).Seconds())
		if err := f.until(o, whole); err != nil {
			return nil, err
		}
	}
	end()
	r := <-report
	b.say("%s", r)
	if f.killed != 4*rolls {
		return nil, fmt.Errorf("%d servers were killed, want %d", f.killed, 4*rolls)
	}
	return []figure{
		{What: fmt.Sprintf("rolling deploy of 4 servers under 500 requests/s, %d times: failed requests", rolls), Unit: "requests", Values: sample{float64(r.Failed)}, Goal: atMost("", 0, "requests"),
			Note: fmt.Sprintf("%d requests sent, %.0f/s, each on a connection of its own, HAProxy's retries 0; each of the servers is killed by kill -9 and started anew", r.Sent, r.Rate())},
		took,
	}, nil
}

// rollFleet are the servers.
type rollFleet struct {
	b   *bench
	ctx context.Context
	net string

	mu     sync.Mutex
	sites  map[string]*child
	killed int
}

func (f *rollFleet) addr(name string) string {
	return f.net + "1" + strings.TrimPrefix(name, "w") + ":8080"
}

func (f *rollFleet) launch(name string) error {
	site, err := listening(f.ctx, start{name: "site " + name, program: f.b.self, args: []string{"child", "site", name, f.addr(name), ""}})
	if err == nil {
		f.sites[name] = site
	}
	return err
}

// until waits until a decider says that the pool is so.
func (f *rollFleet) until(o *observer, so func(*message.GroupStatus) bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := "no decider answered"
	for {
		s, err := o.status(f.ctx, "web")
		if err == nil && so(s) {
			return nil
		}
		if err == nil {
			last = s.Sentence
		}
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			return fmt.Errorf("%s: %w", last, context.Cause(f.ctx))
		}
	}
}

func (f *rollFleet) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, site := range f.sites {
		site.kill()
	}
}

func (f *rollFleet) deploy(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := r.FormValue("member")
	site := f.sites[name]
	if site == nil {
		http.Error(w, "no such server", http.StatusBadRequest)
		return
	}
	site.kill()
	f.killed++
	if err := f.launch(name); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// callDeploy is the body of the deployment command's process.
func callDeploy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"?member="+os.Getenv("HAM_MEMBER"), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("deploy: %s", resp.Status)
	}
	return nil
}
