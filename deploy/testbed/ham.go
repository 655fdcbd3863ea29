//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nkeys"
)

const (
	natsPort    = 4222
	clusterPort = 6222
	peerPort    = 8323
	bouncerPort = 6432
	group       = "orders"
)

// hamSettings is what differs between the settings of ham.
type hamSettings struct {
	ttl        time.Duration
	durability string
	redis      bool // a Redis pair instead of PostgreSQL's
	bouncer    bool // clients come through PgBouncer, and a planned swap pauses it
}

// ham is this project's own: a process on each data host and the witness, whose servers form the bus.
type ham struct {
	hamSettings
	b      *bed
	pki    pki
	binary string
	nkey   string // file with the seed of the command line's user
	public string

	mu     sync.Mutex
	agents map[string]*process
}

func newHam(s hamSettings) *ham { return &ham{hamSettings: s, agents: map[string]*process{}} }

func (s *ham) endpoint() string {
	if s.bouncer {
		return fmt.Sprintf("%s:%d", s.b.router.addr, bouncerPort)
	}
	return fmt.Sprintf("%s:%d", s.b.router.addr, proxyPort)
}

func (s *ham) busPorts() []int { return []int{natsPort, clusterPort} }

// nodes are the hosts that a process with a server of the bus is on.
func (s *ham) nodes() []*host { return []*host{s.b.sp, s.b.rj, s.b.witness} }

func (s *ham) setUp(ctx context.Context, b *bed) (err error) {
	s.b = b
	if s.binary, err = hamBinary(); err != nil {
		return err
	}
	if s.pki, err = newPKI(b); err != nil {
		return err
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	seed, err := user.Seed()
	if err != nil {
		return err
	}
	if s.public, err = user.PublicKey(); err != nil {
		return err
	}
	if s.nkey, err = b.router.write("ham.nkey", string(seed), "", 0o600); err != nil {
		return err
	}
	if !s.redis {
		for _, q := range hamRoles() {
			if _, err := ask(ctx, b.sp, "postgres", q); err != nil {
				return err
			}
		}
	}
	if err := startHAProxy(ctx, b, haproxyConfig(b, "", "disabled")); err != nil {
		return err
	}
	if s.bouncer {
		if err := s.startBouncer(ctx); err != nil {
			return err
		}
	}
	for _, h := range s.nodes() {
		if err := s.boot(ctx, h); err != nil {
			return err
		}
	}
	if s.bouncer {
		if err := s.boot(ctx, b.router); err != nil {
			return err
		}
	}
	spec, err := b.router.write("orders.yaml", s.spec(), "", 0o644)
	if err != nil {
		return err
	}
	if err := until(ctx, time.Minute, "the bus takes the spec", func() error {
		_, err := s.cli(ctx, "apply", spec)
		return err
	}); err != nil {
		return err
	}
	return until(ctx, 90*time.Second, "the pair is adopted and ready", func() error { return s.ready(ctx, b.sp) })
}

// hamRoles are what `ham init postgres` writes into roles.sql, without passwords: the rights that ham has, and no more.
func hamRoles() []string {
	out := []string{
		"CREATE ROLE ham LOGIN", "CREATE ROLE ham_local LOGIN REPLICATION", "CREATE ROLE ham_replication LOGIN REPLICATION",
		"CREATE SCHEMA ham", "CREATE TABLE ham.probe (id text PRIMARY KEY, at timestamptz NOT NULL)",
		"GRANT pg_monitor TO ham, ham_local", "GRANT USAGE ON SCHEMA ham TO ham, ham_local", "GRANT SELECT, INSERT, UPDATE ON ham.probe TO ham, ham_local",
		"GRANT pg_checkpoint, pg_signal_backend TO ham_local", "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf() TO ham_local",
	}
	for _, name := range []string{
		"primary_conninfo", "primary_slot_name", "recovery_target_timeline", "synchronous_standby_names", "wal_receiver_status_interval", "wal_retrieve_retry_interval",
	} {
		out = append(out, "GRANT ALTER SYSTEM ON PARAMETER "+name+" TO ham_local")
	}
	for _, f := range []string{"pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)", "pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)"} {
		out = append(out, "GRANT EXECUTE ON FUNCTION "+f+" TO ham_replication")
	}
	return out
}

// hamBinary builds the program of this tree once, or takes the one that HAM_BINARY names.
var hamBinary = sync.OnceValues(func() (string, error) {
	if named := os.Getenv("HAM_BINARY"); named != "" {
		return filepath.Abs(named)
	}
	work, err := printed(exec.Command("go", "env", "GOWORK"))
	if err != nil {
		return "", fmt.Errorf("go env GOWORK: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(work))
	binary := filepath.Join(root, "bin", "ham-testbed")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/ham")
	cmd.Dir = root
	if out, err := printed(cmd); err != nil {
		return "", fmt.Errorf("build ham: %w: %s", err, tail(out, 1000))
	}
	return binary, nil
})

// boot starts ham as an init system would: after a power cut the kernel's packet filter is empty, and nothing else has started the database.
func (s *ham) boot(ctx context.Context, h *host) error { return s.startAgent(ctx, h) }

func (s *ham) startAgent(_ context.Context, h *host) error {
	config, err := h.write("ham.yaml", s.process(h), "", 0o600)
	if err != nil {
		return err
	}
	if _, err := h.write("secret", "one word between the processes of the bed\n", "", 0o600); err != nil {
		return err
	}
	argv := []string{s.binary, "up", "--config", config}
	if h == s.b.router {
		argv = []string{s.binary, "executor", "--config", config}
	}
	env := append(h.clockEnv(), "SSL_CERT_FILE="+s.pki.ca)
	if s.redis {
		env = append(env, "PATH="+h.systemctlPath()+":"+path)
	}
	agent, err := h.start(command{argv: append(argv, "--log-format", "text"), log: "ham.log", env: env})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents[h.name] = agent
	return nil
}

// agent is the process of ham that was started last on the host.
func (s *ham) agent(h *host) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agents[h.name]
}

func (s *ham) killAgent(h *host) error {
	a := s.agent(h)
	if err := syscall.Kill(a.Process.Pid, syscall.SIGKILL); err != nil {
		return err
	}
	<-a.done
	return nil
}

// process is the set-up of the process on a host.
func (s *ham) process(h *host) string {
	if h == s.b.router {
		return fmt.Sprintf(`ham:
  name: router
  site: router
  http: "off"
  state_dir: %s
  bus:
    urls: ["tls://%s:%d", "tls://%s:%d", "tls://%s:%d"]
    nkey: %s
    tls: {ca: %s}
    replicas: 3
  executor: {sites: [router]}
`, h.path("ham"), s.b.witness.addr, natsPort, s.b.rj.addr, natsPort, s.b.sp.addr, natsPort, s.nkey, s.pki.ca)
	}
	var routes, references []string
	for _, n := range s.nodes() {
		routes = append(routes, fmt.Sprintf("%q", fmt.Sprintf("%s:%d", n.addr, clusterPort)))
		if n != h && n != s.b.witness {
			references = append(references, fmt.Sprintf("%q", fmt.Sprintf("tcp://%s:%d", n.addr, peerPort)))
		}
	}
	references = append(references, fmt.Sprintf("%q", fmt.Sprintf("tcp://%s:%d", s.b.router.addr, runtimePort)))
	executor := fmt.Sprintf("{sites: [%s], peer: \"%s:%d\", peer_secret: \"${file:%s}\"}", h.name, h.addr, peerPort, h.path("secret"))
	if h == s.b.witness {
		executor = "{sites: [witness]}"
	}
	return fmt.Sprintf(`ham:
  name: %[1]s
  site: %[1]s
  state_dir: %[2]s
  bus:
    listen: "%[3]s:%[4]d"
    users: [{nkey: %[5]s}]
    cert: %[6]s
    key: %[7]s
    cluster: {name: bed, listen: "%[3]s:%[8]d", routes: [%[9]s], ca: %[10]s, pass: "${file:%[11]s}"}
    replicas: 3
  prober: {vantages: [%[1]s], references: [%[12]s], timeout: 250ms}
  executor: %[13]s
`, h.name, h.path("ham"), h.addr, natsPort, s.public, s.pki.cert[h.name], s.pki.key[h.name], clusterPort,
		strings.Join(routes, ", "), s.pki.ca, h.path("secret"), strings.Join(references, ", "), executor)
}

// quick are the limits that would only make runs longer.
const quick = "policy: {stable_for: 1s, cooldown: 1s, budget: 1000 per 24h, undo_window: 1s}\n"

// spec is the group as README.md shows it, but for the directories of the bed, and for limits that would only make runs longer.
func (s *ham) spec() string {
	route := fmt.Sprintf(`{haproxy: "tcp://%s:%d", backend: pair}`, s.b.router.addr, runtimePort)
	if s.bouncer {
		route = fmt.Sprintf(`{pgbouncer: "host=%s port=%d user=app dbname=pgbouncer sslmode=disable", database: app, file: %s, on: router}`,
			s.b.router.addr, bouncerPort, s.b.router.path("databases.ini"))
	}
	if s.redis {
		return fmt.Sprintf(`group: %[1]s
mode: auto
use: redis-pair
with:
  members:
    sp: {site: sp, host: %[2]s}
    rj: {site: rj, host: %[3]s}
  witness: {site: witness, host: %[4]s}
  service: systemd:redis-server
  ttl: %[5]s
  route: %[6]s
adopt: sp
%[7]s`, group, s.b.sp.addr, s.b.rj.addr, s.b.witness.addr, s.ttl, route, quick)
	}
	return fmt.Sprintf(`group: %[1]s
mode: auto
use: postgres-pair
with:
  members:
    sp: {site: sp, host: %[2]s, data: %[3]s}
    rj: {site: rj, host: %[4]s, data: %[5]s}
  witness: {site: witness, host: %[6]s}
  service: pg_ctl
  bin: %[7]s
  run_as: %[8]s
  durability: %[9]s
  ttl: %[10]s
  route: %[11]s
adopt: sp
members:
  sp: {postgres: {local: "host=%[12]s port=5432 user=ham_local dbname=postgres"}}
  rj: {postgres: {local: "host=%[13]s port=5432 user=ham_local dbname=postgres"}}
%[14]s`, group, s.b.sp.addr, s.b.sp.data(), s.b.rj.addr, s.b.rj.data(), s.b.witness.addr, pgBin, pgUser, s.durability, s.ttl, route, s.b.sp.sockets(), s.b.rj.sockets(), quick)
}

// cli runs the command line on the router, as an operator would.
func (s *ham) cli(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	servers := fmt.Sprintf("tls://%s:%d,tls://%s:%d,tls://%s:%d", s.b.witness.addr, natsPort, s.b.rj.addr, natsPort, s.b.sp.addr, natsPort)
	return s.b.router.run(ctx, command{
		argv: append([]string{s.binary, "--server", servers, "--nkey", s.nkey, "--as", "bed"}, args...), env: []string{"SSL_CERT_FILE=" + s.pki.ca},
	})
}

// hamStatus is the part of `ham status --output json` that is asked for here.
type hamStatus struct {
	Sentence string
	Epoch    uint64
	Held     bool
	Primary  string
	Paused   bool
	Incident string
	Swap     *struct{ State string }
	Drill    *struct{ Stage string }
	Members  []struct {
		Name  string
		Ready bool
	}
	Refusals []struct{ Code, Sentence string }
}

func (s *ham) status(ctx context.Context) (hamStatus, error) {
	out, err := s.cli(ctx, "--output", "json", "status", group)
	if err != nil {
		return hamStatus{}, err
	}
	var all []hamStatus
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		return hamStatus{}, fmt.Errorf("status of one group: %w: %s", err, tail(out, 200))
	}
	return all[0], nil
}

func (s *ham) ready(ctx context.Context, primary *host) error {
	synchronous, err := s.b.db.follows(ctx, primary)
	if err != nil {
		return err
	}
	if s.durability == "never-lose" && !synchronous {
		return errors.New("the standby is not synchronous")
	}
	st, err := s.status(ctx)
	switch {
	case err != nil:
		return err
	case !st.Held || st.Primary != primary.name:
		return fmt.Errorf("epoch %d of %s is not held: %s", st.Epoch, st.Primary, st.Sentence)
	case st.Swap != nil && st.Swap.State != "done":
		return fmt.Errorf("a swap is under way: %s", st.Swap.State)
	case st.Drill != nil:
		return fmt.Errorf("a drill is not over: %s", st.Drill.Stage)
	case len(st.Refusals) > 0:
		return fmt.Errorf("%s %s", st.Refusals[0].Code, st.Sentence)
	}
	return nil
}

// diagnosis is what an operator would look at first.
func (s *ham) diagnosis(ctx context.Context) string {
	var b strings.Builder
	for _, args := range [][]string{{"status"}, {"explain", group}, {"incidents"}} {
		out, err := s.cli(ctx, args...)
		fmt.Fprintf(&b, "$ ham %s\n%s%v\n\n", strings.Join(args, " "), out, err)
	}
	return b.String()
}

func (s *ham) switchover(ctx context.Context, _, to *host) error {
	_, err := s.cli(ctx, "switchover", group, "--to", to.name, "--yes", "--reason", "a test of the bed")
	return err
}

func (s *ham) drill(ctx context.Context, to *host) error {
	out, err := s.cli(ctx, "drill", group, "--to", to.name, "--hold", "3s", "--yes", "--reason", "a test of the bed")
	return errors.Join(err, os.WriteFile(filepath.Join(s.b.logs, "drill.txt"), []byte(out), 0o644)) // its times, for a person who looks later
}

// startBouncer runs PgBouncer on the router, before the pair and beside HAProxy.
func (s *ham) startBouncer(ctx context.Context) error {
	r := s.b.router
	databases, err := r.write("databases.ini", fmt.Sprintf("[databases]\napp = host=%s port=%d dbname=app\n", s.b.sp.addr, pgPort), "", 0o644)
	if err != nil {
		return err
	}
	users, err := r.write("users.txt", "\"app\" \"\"\n", "", 0o644)
	if err != nil {
		return err
	}
	if _, err := r.mkdir("bouncer", pgUser, 0o755); err != nil {
		return err
	}
	config, err := r.write("pgbouncer.ini", fmt.Sprintf(`%%include %s
[pgbouncer]
listen_addr = %s
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
admin_users = app
pool_mode = transaction
server_round_robin = 0
server_connect_timeout = 1
server_login_retry = 0.05
`, databases, r.addr, bouncerPort, users), "", 0o644)
	if err != nil {
		return err
	}
	if _, err := r.start(command{argv: []string{"pgbouncer", config}, user: pgUser, log: "pgbouncer.log"}); err != nil {
		return err
	}
	return reachable(ctx, r, fmt.Sprintf("%s:%d", r.addr, bouncerPort))
}
