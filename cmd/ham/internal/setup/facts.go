package setup

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/isacloud/ha-manager/pkg/client/postgres"
)

// Facts are what one server says of itself.
type Facts struct {
	Name string `json:"name"`
	// Host is where it is reached, "" where nobody said so by address; Port its port.
	Host string `json:"host,omitempty"`
	Port int    `json:"port"`
	// Version is the server's number: 150018.
	Version  int    `json:"version"`
	Says     string `json:"says"` // its version in its own words
	SystemID string `json:"system_id"`
	// Standby: it is in recovery. Streams: it receives from somebody now.
	Standby bool `json:"standby"`
	Streams bool `json:"streams"`
	// Data and Socket are directories.
	Data   string `json:"data"`
	Socket string `json:"socket"`
	// Checksums: data checksums are on.
	Checksums bool `json:"checksums"`
	// Settings are those that matter to a pair.
	Settings map[string]string `json:"settings"`
}

// asked are the settings that matter to a pair.
var asked = []string{
	"wal_level", "wal_log_hints", "full_page_writes", "fsync", "hot_standby", "max_wal_senders", "max_replication_slots", "max_slot_wal_keep_size", "listen_addresses",
	"synchronous_commit", "password_encryption", "restart_after_crash", "archive_mode", "unix_socket_permissions",
}

const factsQuery = `
	SELECT current_setting('server_version_num')::int4, version(), (SELECT system_identifier FROM pg_control_system())::text, pg_is_in_recovery(),
		EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'),
		coalesce(current_setting('data_directory', true), ''), coalesce(current_setting('unix_socket_directories', true), ''),
		current_setting('data_checksums') = 'on', current_setting('port')::int4, coalesce(host(inet_server_addr()), ''),
		pg_has_role('pg_read_all_settings', 'USAGE') AND pg_has_role('pg_read_all_stats', 'USAGE'),
		(SELECT array_agg(name) FROM pg_settings WHERE name = ANY ($1)), (SELECT array_agg(current_setting(name)) FROM pg_settings WHERE name = ANY ($1))`

// Look asks a server about itself, as a superuser or a role with pg_monitor. It changes nothing. Errors hold no password.
func Look(ctx context.Context, name, dsn string) (Facts, error) {
	f := Facts{Name: name, Settings: map[string]string{}}
	target, err := postgres.Parse(dsn) // for its errors, which hold no password
	if err != nil {
		return f, fmt.Errorf("server %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return f, fmt.Errorf("server %s at %s: %s", name, target.Addr(), refused(err, target.Password))
	}
	defer conn.Close(ctx)
	var server string
	var sees bool
	var names, values []string
	err = conn.QueryRow(ctx, factsQuery, asked).Scan(&f.Version, &f.Says, &f.SystemID, &f.Standby, &f.Streams, &f.Data, &f.Socket, &f.Checksums, &f.Port, &server, &sees, &names, &values)
	if err != nil {
		return f, fmt.Errorf("server %s at %s: %w", name, target.Addr(), err)
	}
	if !sees {
		return f, fmt.Errorf("server %s at %s: this role does not see the server's settings: log in as a superuser, or as a role with pg_monitor", name, target.Addr())
	}
	for i := range names {
		f.Settings[names[i]] = values[i]
	}
	f.Socket = strings.TrimSpace(strings.Split(f.Socket, ",")[0])
	if host, port, err := net.SplitHostPort(target.Addr()); err == nil {
		f.Port, _ = strconv.Atoi(port) // as it is reached, which may be forwarded
		if net.ParseIP(host) != nil {
			server = host
		}
	}
	f.Host = server
	return f, nil
}

// refused says why there is no connection: once, although TLS and plain were tried, in one line, and without the password.
func refused(err error, password string) string {
	var reasons []string
	for _, line := range strings.Split(err.Error(), "\n") {
		if _, why, ok := strings.Cut(line, "): "); ok {
			line = why
		} else if strings.HasPrefix(line, "failed to connect") {
			continue
		}
		if line = strings.TrimSpace(line); !slices.Contains(reasons, line) {
			reasons = append(reasons, line)
		}
	}
	text := strings.Join(reasons, "; ")
	if text == "" {
		text = "cannot be reached"
	}
	if password != "" {
		text = strings.ReplaceAll(text, password, "***")
	}
	return text
}

var debianData = regexp.MustCompile(`^/var/lib/postgresql/([0-9.]+)/([A-Za-z0-9_.-]+)/?$`)

// Service guesses who runs the server, from where its data lies.
func (f Facts) Service() (service string, sure bool) {
	if m := debianData.FindStringSubmatch(f.Data); m != nil {
		return "cluster:" + m[1] + "/" + m[2], true
	}
	return "pg_ctl", false
}

// Finding is something about the servers that stands in the way, or weakens what a pair can promise.
type Finding struct {
	Level  string `json:"level"` // bad, warn
	Server string `json:"server"`
	Found  string `json:"found"`
	Do     string `json:"do"`
}

// Judge says what about the two servers has to be changed. The settings among it stand in the configuration that [Write] gives.
func Judge(a, b Facts) []Finding {
	var all []Finding
	add := func(level, server, found, do string) { all = append(all, Finding{level, server, found, do}) }
	switch {
	case a.Standby && b.Standby:
		add("bad", a.Name+", "+b.Name, "both are in recovery, neither takes writes", "name the primary and one standby of it")
	case !a.Standby && !b.Standby && a.SystemID == b.SystemID:
		add("bad", a.Name+", "+b.Name, "both take writes, and come from the same cluster: they have gone separate ways", "stop the one whose writes are to be given up, and let ham rewind it")
	case !a.Standby && !b.Standby:
		add("warn", b.Name, "takes writes, and is a cluster of its own", "make it a standby by a base backup (step 5 of docs/postgres.md): what it holds now is lost with that, and ham does not do it by itself")
	case a.SystemID != b.SystemID:
		add("bad", b.Name, "one is a standby, but not of the other: their system identifiers differ", "name the two servers of one pair")
	}
	if a.Version/10000 != b.Version/10000 {
		add("bad", b.Name, fmt.Sprintf("runs version %d, and %s version %d", b.Version/10000, a.Name, a.Version/10000), "streaming needs the same major version")
	}
	return append(all, append(JudgeServer(a), JudgeServer(b)...)...)
}

// JudgeServer says what about one server has to be changed.
func JudgeServer(f Facts) (all []Finding) {
	add := func(level, server, found, do string) { all = append(all, Finding{level, server, found, do}) }
	set := func(level, name string, right bool, want, why string) {
		if v, known := f.Settings[name]; known && !right {
			add(level, f.Name, name+" is "+v, "set "+name+" = "+want+": "+why)
		}
	}
	s := f.Settings
	if f.Version < 120000 {
		add("bad", f.Name, "runs "+f.Says, "use version 12 or newer: older ones have no standby.signal")
	} else if f.Version < 150000 {
		add("warn", f.Name, fmt.Sprintf("version %d cannot give a role the right to change single settings", f.Version/10000), "ham_local has to be a superuser there, which roles.sql makes it")
	}
	set("bad", "wal_log_hints", s["wal_log_hints"] == "on" || f.Checksums, "on (needs a restart)", "without it or data checksums an old primary cannot be rewound, and every failover ends in a base backup")
	set("bad", "full_page_writes", s["full_page_writes"] == "on", "on", "pg_rewind needs it")
	set("bad", "fsync", s["fsync"] == "on", "on", "without it a crash of the host loses what was acknowledged")
	set("bad", "wal_level", s["wal_level"] != "minimal", "replica (needs a restart)", "a standby cannot follow otherwise")
	set("warn", "hot_standby", s["hot_standby"] == "on", "on (needs a restart)", "a standby that takes no connections cannot be looked at")
	set("bad", "synchronous_commit", s["synchronous_commit"] == "on" || s["synchronous_commit"] == "remote_apply", "on", "never-lose rests on it")
	set("bad", "max_wal_senders", atLeast(s["max_wal_senders"], 5), "10 (needs a restart)", "standbys, base backups and tools take one each")
	set("bad", "max_replication_slots", atLeast(s["max_replication_slots"], 2), "10 (needs a restart)", "each standby streams by a slot")
	set("warn", "max_slot_wal_keep_size", s["max_slot_wal_keep_size"] != "-1", "a size that fits the disk, such as 16GB", "else a standby that stays away fills the primary's disk with log that is kept for it")
	set("bad", "listen_addresses", s["listen_addresses"] != "" && s["listen_addresses"] != "localhost" && s["listen_addresses"] != "127.0.0.1", "the host's address, or '*' (needs a restart)", "nobody else reaches it")
	set("warn", "restart_after_crash", s["restart_after_crash"] == "on", "on", "else one crashed backend is a failover")
	return all
}

func atLeast(s string, n int) bool {
	got, err := strconv.Atoi(s)
	return err == nil && got >= n
}
