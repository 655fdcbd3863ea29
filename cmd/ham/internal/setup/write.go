package setup

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Pair is what the files are written for.
type Pair struct {
	Group string
	A, B  Facts
	// Witness is the address of the third host, Sites what the places of a, b and the witness are called; "": not known yet.
	Witness string
	Sites   [3]string
	// Secrets is the directory in which the passwords lie on each host.
	Secrets string
}

// File is one of them.
type File struct {
	Name string `json:"name"`
	// For says what it is for, in words.
	For  string `json:"for"`
	Text string `json:"-"`
}

// What stands for an address that nobody knows yet: from the networks for documentation (RFC 5737).
const (
	unknownA       = "192.0.2.10"
	unknownB       = "198.51.100.10"
	unknownWitness = "203.0.113.5"
)

func (p Pair) witness() string { return cmp.Or(p.Witness, unknownWitness) }

// site is what the place of one of the three is called: as the process there, where nobody said.
func (p Pair) site(process string) string {
	i := slices.Index([]string{p.A.Name, p.B.Name, "witness"}, process)
	return cmp.Or(p.Sites[i], process)
}

func (p Pair) secret(name string) string { return filepath.Join(cmp.Or(p.Secrets, "/etc/ham"), name) }

func (p Pair) database() string { return "postgres" }

// Files gives all of them.
func (p Pair) Files() []File {
	return []File{
		{p.Group + ".yaml", "the spec, in dry run: ham apply " + p.Group + ".yaml", p.spec()},
		{"node-" + p.A.Name + ".yaml", "the process of ham on the host of " + p.A.Name, p.node(p.A.Name, hostOr(p.A, unknownA))},
		{"node-" + p.B.Name + ".yaml", "the process of ham on the host of " + p.B.Name, p.node(p.B.Name, hostOr(p.B, unknownB))},
		{"node-witness.yaml", "the process of ham at the witness", p.node("witness", p.witness())},
		{"roles.sql", "the roles and their rights: once, on the primary", p.roles()},
		{"pg_hba.conf", "lines for pg_hba.conf and pg_ident.conf of both servers, above the others", p.hba()},
		{"postgresql.conf", "lines for postgresql.conf of both servers", p.conf()},
		{"haproxy.cfg", "the lines of a HAProxy in front of them, where clients follow one", p.haproxy()},
		{"host.sh", "what is done once on both hosts, as root; read it first", p.host()},
		{"ham.service", "the unit of the process of ham beside a server", p.unit()},
	}
}

func hostOr(f Facts, unknown string) string { return cmp.Or(f.Host, unknown) }

func (p Pair) primary() (Facts, bool) {
	switch {
	case p.A.Standby == p.B.Standby:
		return p.A, false
	case p.A.Standby:
		return p.B, true
	}
	return p.A, true
}

func (p Pair) spec() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by `ham init postgres` from what the servers say. Lines with a question mark hold what they cannot know: answer them.\n")
	fmt.Fprintf(&b, "# `ham validate --expanded %s.yaml` shows everything that this stands for.\n", p.Group)
	fmt.Fprintf(&b, "group: %s\nmode: dry-run                # it looks, and applies nothing. Then manual, then auto\nuse: postgres-pair\nwith:\n  members:\n", p.Group)
	for i, f := range []Facts{p.A, p.B} {
		service, sure := f.Service()
		host, ask := f.Host, ""
		if host == "" {
			host, ask = []string{unknownA, unknownB}[i], ", and at which address do the others reach it"
		}
		member := fmt.Sprintf("site: %s, host: %s", p.site(f.Name), yamlText(host))
		if f.Port != 5432 {
			member += fmt.Sprintf(", port: %d", f.Port)
		}
		member += ", service: " + service
		if !sure {
			member += ", data: " + yamlText(f.Data)
		}
		if p.Sites == [3]string{} {
			ask = "what is its site called (--sites writes it into all files)" + ask
		}
		if ask = strings.TrimPrefix(ask, ", and "); ask != "" {
			ask = "   # ? " + ask
		}
		fmt.Fprintf(&b, "    %s: {%s}%s\n", f.Name, member, ask)
		if !sure {
			fmt.Fprintf(&b, "    # ? who runs the server of %s: pg_ctl (the executor alone), systemd:<unit>, or cluster:<version>/<name>\n", f.Name)
		}
	}
	ask := ""
	if p.Witness == "" {
		ask = "   # ? its address stands in node-*.yaml and pg_hba.conf, too: --witness writes it into all files"
	}
	fmt.Fprintf(&b, "  # A third place: it looks and decides, and holds no data.\n  witness: {site: %s, host: %s}%s\n", p.site("witness"), yamlText(p.witness()), ask)
	if p.A.Socket != "" && p.A.Socket != "/var/run/postgresql" {
		fmt.Fprintf(&b, "  socket: %s\n", yamlText(p.A.Socket))
		if p.B.Socket != p.A.Socket {
			fmt.Fprintf(&b, "  # ? the socket of %s is in %s: give both servers the same unix_socket_directories\n", p.B.Name, p.B.Socket)
		}
	}
	fmt.Fprintf(&b, "  password: \"${file:%s}\"\n  replication_password: \"${file:%s}\"\n", p.secret("postgres.password"), p.secret("replication.password"))
	b.WriteString("  durability: never-lose     # ? or never-stop: what gives way when the standby is gone, the service or the last writes\n")
	b.WriteString("  # ? what do clients follow to the primary? One of\n")
	b.WriteString("  # route: {haproxy: \"tcp://203.0.113.20:9999\", backend: " + p.Group + "}\n")
	b.WriteString("  # route: {pgbouncer: \"host=203.0.113.20 port=6432 user=ham dbname=pgbouncer\", database: " + p.Group + ", file: /etc/pgbouncer/ham.ini, on: <process>}\n")
	b.WriteString("  # route: {vip: 192.0.2.100/24, interfaces: eth0}\n")
	if primary, sure := p.primary(); sure {
		fmt.Fprintf(&b, "adopt: %s                    # it takes writes today\n", primary.Name)
	} else {
		fmt.Fprintf(&b, "adopt: %s                    # ? which one is primary: the servers do not say\n", primary.Name)
	}
	return b.String()
}

func (p Pair) node(name, host string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# The process %s: ham up --config node-%s.yaml\n# The three embedded servers form one bus, which survives the loss of any one of them.\n", name, name)
	fmt.Fprintf(&b, "ham:\n  name: %s\n  site: %s\n  bus:\n    listen: %s\n    cert: %s\n    key: %s\n    users: [{name: ham, pass: \"${file:%s}\"}]\n    replicas: 3\n", name, p.site(name),
		yamlText(join(host, 4222)), p.secret("tls/server.crt"), p.secret("tls/server.key"), p.secret("bus.password"))
	fmt.Fprintf(&b, "    cluster:\n      name: ham\n      listen: %s\n      routes: [%s, %s, %s]\n      ca: %s\n      pass: \"${file:%s}\"\n", yamlText(join(host, 6222)),
		yamlText(join(hostOr(p.A, unknownA), 6222)), yamlText(join(hostOr(p.B, unknownB), 6222)), yamlText(join(p.witness(), 6222)), p.secret("tls/ca.crt"), p.secret("bus.password"))
	if name != "witness" {
		fmt.Fprintf(&b, "  executor:\n    sites: [%s]\n    peer: %s     # the others ask it here, also when the bus is gone\n    peer_secret: \"${file:%s}\"\n", p.site(name), yamlText(join(host, 8323)), p.secret("peer.secret"))
	} else {
		fmt.Fprintf(&b, "  executor: {sites: [%s]}\n", p.site(name))
	}
	b.WriteString("  # ? what does it see only while its own link is well, such as its router? Without one it is never blind\n  # prober: {references: [\"tcp://192.0.2.1:53\"]}\n")
	return b.String()
}

func (p Pair) hba() string {
	var b strings.Builder
	b.WriteString("# pg_hba.conf of both servers: above the other lines, since the first that fits counts. Then: SELECT pg_reload_conf();\n")
	b.WriteString("# TYPE  DATABASE     USER             ADDRESS             METHOD\n")
	line := func(kind, database, user, address, method string) {
		fmt.Fprintf(&b, "%-7s %-12s %-16s %-19s %s\n", kind, database, user, address, method)
	}
	line("local", "all", LocalRole, "", "peer map=ham")
	line("host", "all", LocalRole, "all", "reject")
	line("host", "replication", LocalRole, "all", "reject")
	for _, host := range []string{hostOr(p.A, unknownA), hostOr(p.B, unknownB), p.witness()} {
		line("host", p.database(), WatchRole, single(host), "scram-sha-256")
	}
	for _, host := range []string{hostOr(p.A, unknownA), hostOr(p.B, unknownB)} {
		line("host", "replication", StreamRole, single(host), "scram-sha-256")
		line("host", p.database(), StreamRole, single(host), "scram-sha-256")
	}
	b.WriteString("\n# pg_ident.conf of both servers: the user of the system that ham runs as may be " + LocalRole + ".\n# MAPNAME  SYSTEM-USER  PG-USER\nham        postgres     " + LocalRole + "\n")
	return b.String()
}

func (p Pair) conf() string {
	var b strings.Builder
	b.WriteString("# postgresql.conf of both servers. Those marked with ! need a restart.\n")
	for _, s := range []struct{ line, why string }{
		{"wal_level = replica", "! a standby follows"},
		{"wal_log_hints = on", "! an old primary can be rewound; not needed with data checksums"},
		{"hot_standby = on", "! a standby can be looked at"},
		{"max_wal_senders = 10", "! standbys, base backups and tools"},
		{"max_replication_slots = 10", "! a slot for each standby"},
		{"listen_addresses = '*'", "! the guard, not this, keeps clients out"},
		{"full_page_writes = on", "pg_rewind needs it"},
		{"synchronous_commit = on", "never-lose rests on it; ham names the standbys in synchronous_standby_names"},
		{"wal_retrieve_retry_interval = 50ms", "ham sets it too: by default a standby that has lost its primary waits 5 s, and so would its promotion"},
		{"wal_receiver_status_interval = 1s", "ham sets it too: a standby says how far it is"},
		{"max_slot_wal_keep_size = 16GB", "what a standby that stays away may cost: less than what is free on the disk"},
		{"restart_after_crash = on", "one crashed backend is no failover"},
	} {
		fmt.Fprintf(&b, "%-38s # %s\n", s.line, s.why)
	}
	b.WriteString("\n# ham writes primary_conninfo, primary_slot_name, recovery_target_timeline and synchronous_standby_names by ALTER SYSTEM: leave them out here.\n")
	return b.String()
}

func (p Pair) haproxy() string {
	var b strings.Builder
	b.WriteString(`# HAProxy in front of the pair, on a host of its own: neither of the two, nor the witness. For
#   route: {haproxy: "tcp://203.0.113.20:9999", backend: ` + p.Group + `}
# with the address that ham reaches it at. The runtime API has no password: let nobody but the three hosts reach it.
global
    stats socket ipv4@203.0.113.20:9999 level admin   # ?
defaults
    mode tcp
    timeout connect 1s
    timeout client 1h     # an idle session of a pool is not cut sooner
    timeout server 1h
    retries 0             # else a client that comes in the middle of a swap waits 1 s for each retry at the server that has just gone
frontend ` + p.Group + `
    bind :5432
    default_backend ` + p.Group + `
backend ` + p.Group + `
    # Both begin disabled: a HAProxy that was restarted serves nobody until ham has told it whom, which takes less than two seconds.
`)
	for i, f := range []Facts{p.A, p.B} {
		fmt.Fprintf(&b, "    server %s %s disabled\n", f.Name, join(hostOr(f, []string{unknownA, unknownB}[i]), f.Port))
	}
	return b.String()
}

func (p Pair) host() string {
	var b strings.Builder
	b.WriteString(`#!/bin/sh
# What is done once on both hosts, as root. Read it first: it changes how PostgreSQL is started.
set -eu

# Secrets, the same on both hosts and the witness: made here once, then copied. Nobody but root and ham reads them.
`)
	fmt.Fprintf(&b, "install -d -m 0750 -o root -g postgres %s\n", shellWord(cmp.Or(p.Secrets, "/etc/ham")))
	fmt.Fprintf(&b, "for s in postgres.password replication.password peer.secret bus.password; do\n  f=%s/$s\n  [ -s \"$f\" ] || (umask 037; head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \\n' >\"$f\"; chgrp postgres \"$f\")\ndone\n", shellWord(cmp.Or(p.Secrets, "/etc/ham")))
	b.WriteString("\n# Nobody but ham starts PostgreSQL: not the boot, not systemd after a crash. What starts by itself could act as a primary that nobody knows of.\n")
	seen := map[string]bool{}
	for _, f := range []Facts{p.A, p.B} {
		service, sure := f.Service()
		if seen[service] {
			continue
		}
		seen[service] = true
		if !sure {
			fmt.Fprintf(&b, "# ? %s: disable whatever starts the server of %s (systemctl disable <unit>), and write Restart=no for it\n", f.Name, f.Data)
			continue
		}
		version, name, _ := strings.Cut(strings.TrimPrefix(service, "cluster:"), "/")
		unit := "postgresql@" + version + "-" + name + ".service"
		fmt.Fprintf(&b, "echo manual >/etc/postgresql/%s/%s/start.conf\n", version, name)
		fmt.Fprintf(&b, "mkdir -p /etc/systemd/system/%s.d\nprintf '[Service]\\nRestart=no\\n' >/etc/systemd/system/%s.d/ham.conf\n", unit, unit)
	}
	b.WriteString("\n# The process of ham beside the server.\ninstall -m 0644 ham.service /etc/systemd/system/ham.service\nsystemctl daemon-reload\n")
	fmt.Fprintf(&b, "# then, on each host with its own file: install -m 0640 -g postgres node-<name>.yaml %s && systemctl enable --now ham\n", shellWord(p.secret("ham.yaml")))
	return b.String()
}

func (p Pair) unit() string {
	return `# The process of ham beside a PostgreSQL server. It runs as the server's own user: so it can start, stop, rewind and kill that server, and
# nothing else on the host.
[Unit]
Description=isaCloud HA Manager
Documentation=https://github.com/isacloud/ha-manager
Wants=network-online.target
After=network-online.target

[Service]
User=postgres
Group=postgres
ExecStart=/usr/local/bin/ham up --config ` + p.secret("ham.yaml") + `
StateDirectory=ham
Environment=HAM_STATE_DIR=/var/lib/ham
# The guard is a filter in the kernel (net_admin); a floating address is told to the network (net_raw).
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW
NoNewPrivileges=yes
# The end of ham is not the end of the server that it started: the guard shuts by itself when the lease ends.
KillMode=process
Restart=always
RestartSec=200ms
# A process that is starved would lose its lease.
Nice=-10
OOMScoreAdjust=-900
LimitMEMLOCK=infinity

[Install]
WantedBy=multi-user.target
`
}

func join(host string, port int) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s:%d", host, port)
}

func single(host string) string {
	if strings.Contains(host, ":") {
		return host + "/128"
	}
	return host + "/32"
}

var plainText = regexp.MustCompile(`^[A-Za-z0-9/._][A-Za-z0-9/._-]*$`)

func yamlText(s string) string {
	if plainText.MatchString(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
