package demo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

// router stands in front of the sites: a real HAProxy where there is one.
type router struct {
	*process
	kind  string // what it is, for the story
	url   string // for clients
	admin string // runtime API
}

// Every server boots disabled: a proxy that was restarted serves nobody until it is told whom.
const haproxyConfig = `global
    stats socket ipv4@%s level admin
    maxconn 1000
defaults
    mode http
    timeout connect 100ms
    timeout client 10s
    timeout server 2s
    retries 0
frontend clients
    bind %s
    default_backend web
backend web
    server s1 %s disabled
    server s2 %s disabled
`

// startRouter runs HAProxy if it is installed, and else the demo's own router, which speaks the part of HAProxy's runtime
// API that a swap needs.
func startRouter(ctx context.Context, program, dir, siteA, siteB string) (*router, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	r := &router{url: "http://" + addr + "/", admin: "tcp://" + admin}
	if path, err := exec.LookPath("haproxy"); err == nil {
		config := filepath.Join(dir, "haproxy.cfg")
		if err := os.WriteFile(config, fmt.Appendf(nil, haproxyConfig, admin, addr, siteA, siteB), 0o600); err != nil {
			return nil, err
		}
		r.kind = "HAProxy"
		if r.process, err = spawn("haproxy", path, "-db", "-q", "-f", config); err != nil {
			return nil, err
		}
	} else {
		r.kind = "a small router of the demo (HAProxy is not installed; this one speaks the part of its runtime API that a swap needs)"
		if r.process, err = spawn("router", program, "demo-router", addr, admin, siteA, siteB); err != nil {
			return nil, err
		}
	}
	if err := r.ready(ctx); err != nil {
		r.kill()
		return nil, err
	}
	return r, nil
}

// ready waits until the runtime API answers.
func (r *router) ready(ctx context.Context) error {
	client, err := haproxy.New(r.admin, haproxy.Options{})
	if err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		try, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		_, err := client.ServersState(try, "web")
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-r.gone:
			return fmt.Errorf("%s ended before it answered", r.name)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", r.name, err)
		case <-tick.C:
		}
	}
}
