package file

import (
	"cmp"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/isacloud/ha-manager/pkg/spec"
)

const (
	formDSN = "a DSN, or a reference to one"
	likeDSN = "such as postgres://ham:${file:/etc/ham/ham.password}@192.0.2.10:5432/postgres"
)

var postgresObject = object[spec.Postgres]{
	title: "postgres",
	short: "dsn",
	means: "The PostgreSQL server that a member holds: how ham reaches it, and in a group with a lease also how its executor runs it. A plain value stands for dsn.",
	keys: []key[spec.Postgres]{
		required(dsnKey("dsn", "How probers and executors reach it over the network, as ham's own user, "+likeDSN+".", func(p *spec.Postgres) *spec.Secret { return &p.DSN })),
		dsnKey("local", "How the executor beside it reaches it, past the guard: by unix socket, such as host=/var/run/postgresql user=ham_local dbname=postgres.",
			func(p *spec.Postgres) *spec.Secret { return &p.Local }),
		dsnKey("upstream", "How a standby streams from it, as a replication user.", func(p *spec.Postgres) *spec.Secret { return &p.Upstream }),
		addressKey("service", "pg_ctl, systemd:<unit> or cluster:<version>/<name>", "Who runs the server process: nobody but the executor (pg_ctl), a systemd unit, or the distribution's pg_ctlcluster. It must not be started at boot.",
			badService, func(p *spec.Postgres) *string { return &p.Service }),
		defaulting(pathKey("data", "The data directory.", func(p *spec.Postgres) *string { return &p.Data }), "with cluster and postgresql@<version>-<name>: /var/lib/postgresql/<version>/<name>"),
		defaulting(pathKey("bin", "The directory of pg_ctl, pg_rewind and pg_basebackup.", func(p *spec.Postgres) *string { return &p.Bin }), "found by the version in data"),
		defaulting(addressKey("run_as", "a user", "The user who owns data and runs the server.", badUser, func(p *spec.Postgres) *string { return &p.RunAs }), "the executor's own"),
	},
	also: func(_ cursor, _ map[string]bool, p *spec.Postgres) {
		if m := distributed.FindStringSubmatch(p.Service); m != nil && p.Data == "" {
			p.Data = "/var/lib/postgresql/" + m[1] + m[2] + "/" + m[3]
		}
	},
}

var (
	userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	unitName = regexp.MustCompile(`^[A-Za-z0-9:_.\\@-]{1,255}$`)
	// distributed is a server that the distribution has laid out: cluster:15/main, or its unit.
	distributed = regexp.MustCompile(`^(?:cluster:([0-9.]+)/|systemd:postgresql@([0-9.]+)-)(.+?)(?:\.service)?$`)
	cluster     = regexp.MustCompile(`^[0-9]{1,2}(\.[0-9]{1,2})?/[A-Za-z0-9_.][A-Za-z0-9_.-]*$`)
)

func badUser(s string) string {
	if !userName.MatchString(s) {
		return "want the name of a user of the system, such as postgres"
	}
	return ""
}

func badService(s string) string {
	if unit, ok := strings.CutPrefix(s, "systemd:"); ok && unitName.MatchString(unit) {
		return ""
	}
	if c, ok := strings.CutPrefix(s, "cluster:"); ok && cluster.MatchString(c) || s == "pg_ctl" {
		return ""
	}
	return "want pg_ctl, systemd:<unit> such as systemd:postgresql@15-main, or cluster:<version>/<name> such as cluster:15/main"
}

var redisObject = object[spec.Redis]{
	title: "redis",
	short: "address",
	means: "The Redis server that a member holds. A plain value stands for address.",
	keys: []key[spec.Redis]{
		required(addressKey("address", "host:port", "Where it answers.", badHostPort, func(r *spec.Redis) *string { return &r.Address })),
		secretKey("password", "Its password, which standbys use too (requirepass and masterauth).", true, func(r *spec.Redis) *spec.Secret { return &r.Password }),
		defaulting(redisService(func(r *spec.Redis) *string { return &r.Service }), "none: ham sends it commands and starts nothing"),
	},
}

func redisService[T any](get func(*T) *string) key[T] {
	return addressKey("service", "systemd:<unit>", "Who runs the server process.", func(s string) string {
		if unit, ok := strings.CutPrefix(s, "systemd:"); !ok || !unitName.MatchString(unit) {
			return "want systemd:<unit>, such as systemd:redis-server"
		}
		return ""
	}, get)
}

func dsnKey[T any](name, means string, get func(*T) *spec.Secret) key[T] {
	return key[T]{
		name: name, form: formDSN, means: means,
		read: func(c cursor, into *T) { c.dsn(get(into)) },
	}
}

// dsn reads how a PostgreSQL server or a PgBouncer is reached. What was found is not repeated: it may hold a password.
func (c cursor) dsn(into *spec.Secret) {
	var s spec.Secret
	if c.processSecret(formDSN, false, &s); s == "" {
		return
	}
	if problem := badDSN(string(s)); problem != "" {
		c.fail("%s", problem)
		return
	}
	*into = s
}

// badDSN wants a URL or key=value pairs whose password is a reference, or a reference alone.
func badDSN(s string) string {
	d, problem := readDSN(s)
	switch {
	case problem != "":
		return problem
	case d.password != "" && len(spec.Refs(d.password)) == 0:
		return writtenOut
	}
	return ""
}

// dsn is what can be told of a DSN without its secrets. All of it is empty where the DSN as a whole is a reference.
type dsn struct{ host, port, user, password string }

var (
	reference = regexp.MustCompile(`\$\{[^}]*\}`)
	keyValue  = regexp.MustCompile(`^\s*([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|[^'\s]\S*|)(?:\s+|$)`)
)

// stand is put in the place of a reference while a DSN is read.
const stand = "a-reference-to-a-secret"

// referred puts a reference back, to nothing.
func referred(s string) string { return strings.ReplaceAll(s, stand, "${}") }

func readDSN(s string) (d dsn, problem string) {
	const want = "want a DSN " + likeDSN + ", or pairs such as host=192.0.2.10 user=ham dbname=postgres"
	if reference.FindString(s) == s && s != "" {
		return dsn{}, ""
	}
	s = reference.ReplaceAllString(s, stand) // it may hold what ends a part of a URL, or a quoted text
	if strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://") {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" && u.Query().Get("host") == "" {
			return dsn{}, want
		}
		d = dsn{host: cmp.Or(u.Hostname(), u.Query().Get("host")), port: cmp.Or(u.Port(), u.Query().Get("port")), user: u.User.Username()}
		d.password, _ = u.User.Password()
		d.password = referred(cmp.Or(d.password, u.Query().Get("password")))
		return d, ""
	}
	all := map[string]string{}
	for rest := s; strings.TrimSpace(rest) != ""; {
		m := keyValue.FindStringSubmatch(rest)
		if m == nil {
			return dsn{}, want
		}
		all[m[1]] = strings.Trim(m[2], "'")
		rest = rest[len(m[0]):]
	}
	if all["host"] == "" && all["hostaddr"] == "" {
		return dsn{}, want
	}
	return dsn{host: cmp.Or(all["hostaddr"], all["host"]), port: all["port"], user: all["user"], password: referred(all["password"])}, ""
}

// ip is the host as an address, or nil.
func (d dsn) ip() net.IP { return net.ParseIP(d.host) }

// local says that the DSN leads to a unix socket.
func (d dsn) local() bool { return filepath.IsAbs(d.host) || strings.HasPrefix(d.host, "@") }
