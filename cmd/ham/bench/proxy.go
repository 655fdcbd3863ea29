package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
)

// proxy is a running HAProxy in front of two sites.
type proxy struct {
	*child
	addr  string // for clients
	admin string // runtime API, as pkg/client/haproxy takes it
	api   *haproxy.Client
}

const backend = "web"

// The same for every peer but for the lines of the servers. retries 0: HAProxy's own retries would hide a recovery until the client's
// time-out.
const proxyConfig = `global
    stats socket %s level admin
    maxconn 1000
defaults
    mode http
    timeout connect 100ms
    timeout client 10s
    timeout server 2s
    retries 0
frontend clients
    bind %s
    default_backend ` + backend + `
backend ` + backend + `
    %s
    server s1 %s %s
    server s2 %s %s
`

// settings are what differs between the peers.
type settings struct {
	backend, s1, s2 string
}

var (
	// switched: HAProxy checks nothing and is told by its runtime API. Both servers boot in maintenance.
	switched = settings{"", "disabled", "disabled"}
	// tuned and byDefault: HAProxy looks by itself, s2 is the backup.
	tuned = settings{
		"option httpchk GET /alive",
		"check inter 100ms fall 2 rise 2 on-marked-down shutdown-sessions",
		"check inter 100ms fall 2 rise 2 backup",
	}
	byDefault = settings{"option httpchk GET /alive", "check", "check backup"}
	// hasty is tuned with a shorter time-out for a check; its connect has that of the backend.
	hasty = settings{tuned.backend + "\n    timeout check 50ms\n    timeout connect 50ms", tuned.s1, tuned.s2}
	// watching also judges by the clients' own traffic: the first failed connection marks the server down.
	watching = settings{tuned.backend, tuned.s1 + " observe layer4 error-limit 1 on-error mark-down", tuned.s2}
)

var errNoHAProxy = errors.New("the program haproxy is not in PATH: install it (Debian: apt-get install haproxy)")

// startProxy runs HAProxy and returns when its runtime API answers.
func startProxy(ctx context.Context, dir, addr, siteA, siteB string, s settings) (*proxy, error) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		return nil, errNoHAProxy
	}
	socket, config := filepath.Join(dir, "proxy.sock"), filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf(proxyConfig, socket, addr, s.backend, siteA, s.s1, siteB, s.s2)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p := &proxy{addr: addr, admin: "unix://" + socket}
	if p.api, err = haproxy.New(p.admin, haproxy.Options{}); err != nil {
		return nil, err
	}
	if p.child, err = (start{name: "haproxy", program: program, args: []string{"-db", "-q", "-f", config}}).spawn(); err != nil {
		return nil, err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := p.api.ShowInfo(ctx)
		if err == nil {
			return p, nil
		}
		select {
		case <-p.gone:
			return nil, p.ended()
		case <-ctx.Done():
			p.kill()
			return nil, fmt.Errorf("haproxy does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// lead sends clients to one server and cuts what is on the other, in one line to the proxy.
func (p *proxy) lead(ctx context.Context, to, from string) error {
	_, err := p.api.Do(ctx,
		haproxy.SetState(backend, from, haproxy.Maint), haproxy.SetState(backend, to, haproxy.Ready), haproxy.ShutdownSessions(backend, from))
	return err
}
