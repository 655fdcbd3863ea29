//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patroni is Patroni of the distribution with one etcd on the witness, and HAProxy asking its REST API as its documentation has it.
type patroni struct {
	ttl, loop, retry int
	inter            string
	fall, rise       int

	b      *bed
	mu     sync.Mutex
	agents map[string]*process
}

func newPatroni(ttl, loop, retry int, inter string, fall, rise int) *patroni {
	return &patroni{ttl: ttl, loop: loop, retry: retry, inter: inter, fall: fall, rise: rise, agents: map[string]*process{}}
}

const patroniPort, etcdPort = 8008, 2379

func (p *patroni) endpoint() string { return fmt.Sprintf("%s:%d", p.b.router.addr, proxyPort) }
func (p *patroni) busPorts() []int  { return []int{etcdPort} }

func (p *patroni) setUp(ctx context.Context, b *bed) error {
	p.b = b
	data, err := b.witness.mkdir("etcd", "", 0o700)
	if err != nil {
		return err
	}
	url := fmt.Sprintf("http://%s:%d", b.witness.addr, etcdPort)
	if _, err := b.witness.start(command{argv: []string{
		"etcd", "--name", "witness", "--data-dir", data, "--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", "http://" + b.witness.addr + ":2380", "--initial-advertise-peer-urls", "http://" + b.witness.addr + ":2380",
		"--initial-cluster", "witness=http://" + b.witness.addr + ":2380",
	}, log: "etcd.log"}); err != nil {
		return err
	}
	if err := reachable(ctx, b.witness, fmt.Sprintf("%s:%d", b.witness.addr, etcdPort)); err != nil {
		return err
	}
	// Patroni takes over data directories that are there, and starts their servers itself.
	for _, h := range []*host{b.rj, b.sp} {
		if err := pgStop(ctx, h); err != nil {
			return err
		}
	}
	check := "    option httpchk OPTIONS /primary\n    http-check expect status 200\n"
	words := fmt.Sprintf("check port %d inter %s fall %d rise %d", patroniPort, p.inter, p.fall, p.rise)
	if err := startHAProxy(ctx, b, haproxyConfig(b, check, words)); err != nil {
		return err
	}
	if err := p.boot(ctx, b.sp); err != nil {
		return err
	}
	if err := until(ctx, 90*time.Second, "patroni's first leader", func() error { return p.rest(ctx, b.sp, "/primary") }); err != nil {
		return err
	}
	if err := p.boot(ctx, b.rj); err != nil {
		return err
	}
	return until(ctx, 120*time.Second, "patroni's replica", func() error { return p.ready(ctx, b.sp) })
}

func (p *patroni) ready(ctx context.Context, primary *host) error {
	if err := p.rest(ctx, primary, "/primary"); err != nil {
		return err
	}
	if err := p.rest(ctx, p.b.other(primary), "/replica"); err != nil {
		return err
	}
	_, err := streams(ctx, primary)
	return err
}

// rest asks an agent, from its own host.
func (p *patroni) rest(ctx context.Context, h *host, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return h.dial(ctx, network, addr)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", h.addr, patroniPort, path), nil)
	if err != nil {
		return err
	}
	r, err := client.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s of %s answers %s", path, h.name, r.Status)
	}
	return nil
}

func (p *patroni) boot(ctx context.Context, h *host) error { return p.startAgent(ctx, h) }

func (p *patroni) startAgent(_ context.Context, h *host) error {
	config, err := h.write("patroni.yml", p.config(h), pgUser, 0o600)
	if err != nil {
		return err
	}
	agent, err := h.start(command{argv: []string{"/usr/bin/patroni", config}, user: pgUser, log: "patroni.log"})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agents[h.name] = agent
	return nil
}

func (p *patroni) killAgent(h *host) error {
	p.mu.Lock()
	a := p.agents[h.name]
	p.mu.Unlock()
	if err := syscall.Kill(a.Process.Pid, syscall.SIGKILL); err != nil {
		return err
	}
	<-a.done
	return nil
}

func (p *patroni) config(h *host) string {
	var hba strings.Builder
	for l := range strings.Lines(pgHBA) {
		fmt.Fprintf(&hba, "    - %s", l)
	}
	return fmt.Sprintf(`scope: bed
name: %[1]s
restapi: {listen: '%[2]s:%[3]d', connect_address: '%[2]s:%[3]d'}
etcd3: {hosts: ['%[4]s:%[5]d']}
bootstrap:
  dcs:
    ttl: %[6]d
    loop_wait: %[7]d
    retry_timeout: %[8]d
    maximum_lag_on_failover: 1048576
    postgresql: {use_pg_rewind: true, use_slots: true, parameters: {wal_log_hints: 'on', max_wal_senders: 10, max_replication_slots: 10, wal_keep_size: 64MB}}
postgresql:
  listen: '%[2]s,127.0.0.1:%[9]d'
  connect_address: '%[2]s:%[9]d'
  data_dir: %[10]s
  bin_dir: %[11]s
  pgpass: %[12]s
  use_unix_socket: true
  authentication:
    superuser: {username: postgres}
    replication: {username: repl}
    rewind: {username: postgres}
  parameters: {unix_socket_directories: '%[13]s', max_wal_size: 256MB, shared_buffers: 64MB}
  pg_hba:
%[14]swatchdog: {mode: 'off'}
`, h.name, h.addr, patroniPort, p.b.witness.addr, etcdPort, p.ttl, p.loop, p.retry, pgPort, h.data(), pgBin, h.path("run", "pgpass"), h.sockets(), hba.String())
}

func (p *patroni) diagnosis(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := p.b.rj.run(ctx, command{argv: []string{"patronictl", "-c", p.b.rj.path("patroni.yml"), "list"}})
	return fmt.Sprintf("%s%v\n", out, err)
}

func (p *patroni) switchover(ctx context.Context, from, to *host) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	_, err := from.run(ctx, command{argv: []string{
		"patronictl", "-c", from.path("patroni.yml"), "switchover", "bed", "--master", from.name, "--candidate", to.name, "--scheduled", "now", "--force",
	}})
	return err
}
