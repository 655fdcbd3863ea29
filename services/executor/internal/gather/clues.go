package gather

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/pgbouncer"
	"github.com/isacloud/ha-manager/pkg/client/postgres"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
	"github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// beside are the members that this executor stands beside: those that name it, and of those that name none the ones at a site that it serves.
func (g *Gatherer) beside(s *spec.Group) []spec.Member {
	var own []spec.Member
	for _, m := range s.Members {
		if m.Executor == g.o.Name || m.Executor == "" && g.o.Serves(m.Site) {
			own = append(own, m)
		}
	}
	return own
}

// clues is everything that this executor looks at for the group; nothing where it has nothing to do with it.
func (g *Gatherer) clues(s *spec.Group, secrets *driver.Secrets) []Clue {
	own := g.beside(s)
	var all []Clue
	if len(own) > 0 {
		all = append(all, g.host(own))
	}
	for _, m := range own {
		switch {
		case m.Postgres != nil && m.Executor == g.o.Name:
			all = append(all, postgresClues(m, secrets)...)
		case m.Redis != nil && m.Executor == g.o.Name:
			all = append(all, redisClues(m, secrets)...)
		}
		for _, r := range s.Routes {
			if r.VIP != nil && m.Executor == g.o.Name {
				all = append(all, addressClue(r.Name, m, r.VIP))
			}
		}
	}
	for _, r := range s.Routes {
		switch {
		case r.HAProxy != nil:
			for _, proxy := range r.HAProxy.Proxies {
				all = append(all, haproxyClue(r.Name, proxy, r.HAProxy.Backend))
			}
		case r.PgBouncer != nil && r.PgBouncer.On == g.o.Name:
			for i, admin := range r.PgBouncer.Admins {
				all = append(all, bouncerClue(r.Name, i, admin, secrets))
			}
		}
	}
	for _, m := range own {
		for _, c := range s.Gather {
			if c, ok := c.For(m); ok {
				all = append(all, g.ownClue(s.Name, m, c, secrets))
			}
		}
	}
	return all
}

// What a PostgreSQL server says of itself. No text of a statement is read: it may hold anything.
var postgresAsks = []struct{ title, query string }{
	{"state", `SELECT version(), pg_is_in_recovery() AS recovery, pg_postmaster_start_time() AS started, now(),
		CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END AS wal, pg_last_wal_receive_lsn() AS received, pg_last_wal_replay_lsn() AS replayed,
		pg_last_xact_replay_timestamp() AS replayed_until, current_setting('synchronous_standby_names') AS synchronous_standby_names,
		current_setting('max_connections') AS max_connections`},
	{"sessions", `SELECT backend_type, state, wait_event_type, wait_event, count(*), max(now() - xact_start) AS longest_transaction
		FROM pg_stat_activity GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2 LIMIT 60`},
	{"standbys", `SELECT application_name, client_addr, state, sync_state, sent_lsn, write_lsn, flush_lsn, replay_lsn, write_lag, flush_lag, replay_lag, reply_time
		FROM pg_stat_replication ORDER BY application_name LIMIT 60`},
	{"slots", `SELECT slot_name, slot_type, active, restart_lsn, wal_status, safe_wal_size FROM pg_replication_slots ORDER BY 1 LIMIT 60`},
	{"receiver", `SELECT status, sender_host, sender_port, slot_name, received_tli, flushed_lsn, latest_end_lsn, latest_end_time, last_msg_send_time,
		last_msg_receipt_time FROM pg_stat_wal_receiver`},
}

func postgresClues(m spec.Member, secrets *driver.Secrets) []Clue {
	p := m.Postgres
	dsn, what := p.Local, "its statistics, by the local socket"
	if dsn == "" {
		dsn, what = p.DSN, "its statistics"
	}
	all := []Clue{{Name: "postgres " + m.Name, What: what, Look: func(ctx context.Context) (string, error) {
		text, err := secrets.Resolve(dsn)
		if err != nil {
			return "", err
		}
		target, err := postgres.Parse(text)
		if err != nil {
			return "", err
		}
		secrets.Hide(target.Password)
		conn, err := target.Connect(ctx, postgres.Options{Name: "ham_gather"})
		if err != nil {
			return "", explained(err)
		}
		defer conn.Close()
		var b strings.Builder
		for _, ask := range postgresAsks {
			rows, err := conn.Tell(ctx, ask.query)
			if err != nil {
				return b.String(), fmt.Errorf("%s: %w", ask.title, explained(err))
			}
			section(&b, ask.title, rows)
		}
		return b.String(), nil
	}}}
	if p.Data == "" {
		return all
	}
	files, err := server.New(server.Options{Service: p.Service, Data: p.Data, Bin: p.Bin, RunAs: p.RunAs})
	if err != nil {
		return all // the spec was checked: its own keeper says so
	}
	all = append(all, Clue{Name: "control file of postgres " + m.Name, What: "pg_controldata", Look: func(ctx context.Context) (string, error) {
		c, err := files.Control(ctx)
		if err != nil {
			return "", err
		}
		timeline, end := c.End()
		return fmt.Sprintf("state: %s\nsystem identifier: %s\ntimeline: %d\ncheckpoint: %s\nreached at least: %s on timeline %d\nmay be rewound: %t\n",
			c.State, c.SystemID, c.Timeline, c.Checkpoint, end, timeline, c.Hints), nil
	}})
	all = append(all, Clue{Name: "log of postgres " + m.Name, What: "the newest of its log files", Look: func(ctx context.Context) (string, error) {
		path, err := newestFile(files.LogFiles())
		if err != nil {
			return "", err
		}
		text, err := tail(path, rawMost)
		return path + "\n" + text, err
	}})
	if unit := unitOf(p.Service); unit != "" {
		all = append(all, unitClue(unit), journalClue(unit))
	}
	return all
}

// explained says what a server said in words, or why it said nothing.
func explained(err error) error {
	if _, says := postgres.Explain(err); says != "" {
		return errors.New(says)
	}
	return postgres.Cause(err)
}

// section writes one answer below its title.
func section(b *strings.Builder, title, rows string) {
	if rows == "" {
		rows = "none\n"
	}
	fmt.Fprintf(b, "-- %s\n%s", title, rows)
	if !strings.HasSuffix(rows, "\n") {
		b.WriteByte('\n')
	}
}

func redisClues(m spec.Member, secrets *driver.Secrets) []Clue {
	ask := func(ctx context.Context, commands ...[]string) ([]redis.Reply, error) {
		password, err := secrets.Resolve(m.Redis.Password)
		if err != nil {
			return nil, err
		}
		conn, err := redis.Dial(ctx, m.Redis.Address, password)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return conn.Pipe(ctx, commands...)
	}
	all := []Clue{
		{Name: "redis " + m.Name, What: "INFO server, clients, memory, persistence, replication", Look: func(ctx context.Context) (string, error) {
			var b strings.Builder
			sections := []string{"server", "clients", "memory", "persistence", "replication"}
			var commands [][]string
			for _, s := range sections {
				commands = append(commands, []string{"INFO", s})
			}
			replies, err := ask(ctx, commands...)
			for _, r := range replies {
				b.WriteString(strings.TrimSpace(r.Text) + "\n")
				err = errors.Join(err, r.Err)
			}
			return b.String(), err
		}},
		{Name: "log of redis " + m.Name, What: "the file that it logs to", Look: func(ctx context.Context) (string, error) {
			replies, err := ask(ctx, []string{"CONFIG", "GET", "dir"}, []string{"CONFIG", "GET", "logfile"})
			if err != nil {
				return "", err
			}
			value := func(r redis.Reply) string {
				if len(r.Array) != 2 {
					return ""
				}
				return r.Array[1].Text
			}
			dir, path := value(replies[0]), value(replies[1])
			if path == "" {
				return "", errors.New("it logs to no file, or may not be asked")
			}
			if !strings.HasPrefix(path, "/") {
				path = strings.TrimSuffix(dir, "/") + "/" + path
			}
			text, err := tail(path, rawMost)
			return path + "\n" + text, err
		}},
	}
	if unit := unitOf(m.Redis.Service); unit != "" {
		all = append(all, unitClue(unit), journalClue(unit))
	}
	return all
}

func haproxyClue(route, proxy, backend string) Clue {
	return Clue{Name: "haproxy of " + route + " at " + proxy, What: "show info, show stat, show servers state", Look: func(ctx context.Context) (string, error) {
		c, err := haproxy.New(proxy, haproxy.Options{Timeout: Limit, MaxAnswer: rawMost})
		if err != nil {
			return "", err
		}
		var b strings.Builder
		answers, err := c.Do(ctx, haproxy.ShowServersState(backend), haproxy.ShowStat(backend), haproxy.ShowInfo())
		for _, a := range answers {
			if a.Err == nil {
				section(&b, a.Command.String(), a.Text)
			}
		}
		return b.String(), err
	}}
}

func bouncerClue(route string, i int, admin spec.Secret, secrets *driver.Secrets) Clue {
	return Clue{Name: fmt.Sprintf("pgbouncer of %s, console %d", route, i+1), What: "SHOW DATABASES, POOLS", Look: func(ctx context.Context) (string, error) {
		dsn, err := secrets.Resolve(admin)
		if err != nil {
			return "", err
		}
		if t, err := postgres.Parse(dsn); err == nil {
			secrets.Hide(t.Password)
		}
		c, err := pgbouncer.Dial(ctx, dsn)
		if err != nil {
			return "", err
		}
		defer c.Close()
		var b strings.Builder
		for _, what := range []string{"DATABASES", "POOLS"} {
			rows, err := c.Tell(ctx, what)
			if err != nil {
				return b.String(), err
			}
			section(&b, "SHOW "+what, rows)
		}
		return b.String(), nil
	}}
}

func addressClue(route string, m spec.Member, v *spec.VIPRoute) Clue {
	name := v.Interfaces[m.Name]
	return Clue{Name: "address of " + route + " at " + m.Name, What: "interface " + name, Look: func(context.Context) (string, error) {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return "", fmt.Errorf("interface %s: %w", name, err)
		}
		addrs, err := i.Addrs()
		if err != nil {
			return "", err
		}
		ip, _, _ := strings.Cut(v.Address, "/")
		has := slices.ContainsFunc(addrs, func(a net.Addr) bool { at, _, _ := strings.Cut(a.String(), "/"); return at == ip })
		var b strings.Builder
		fmt.Fprintf(&b, "%s is here: %t\nflags: %s\nhardware: %s\n", ip, has, i.Flags, i.HardwareAddr)
		for _, a := range addrs {
			fmt.Fprintf(&b, "%s\n", a)
		}
		return b.String(), nil
	}}
}

// ownClue is one that the operator has written.
func (g *Gatherer) ownClue(group string, m spec.Member, c spec.GatherClue, secrets *driver.Secrets) Clue {
	name := c.Name + " at " + m.Name
	if c.File != "" {
		return Clue{Name: name, What: c.File, Look: func(context.Context) (string, error) { return tail(c.File, rawMost) }}
	}
	return Clue{Name: name, What: strings.Join(c.Command, " "), Look: func(ctx context.Context) (string, error) {
		env := []string{"HAM_GROUP=" + group, "HAM_MEMBER=" + m.Name, "HAM_EXECUTOR=" + g.o.Name}
		for k, v := range c.Env {
			value, err := secrets.Resolve(v)
			if err != nil {
				return "", err
			}
			env = append(env, k+"="+value)
		}
		ctx, cancel := context.WithTimeoutCause(ctx, min(c.Timeout, Limit), fmt.Errorf("it did not end within %s, and was ended", min(c.Timeout, Limit)))
		defer cancel()
		return run(ctx, c.Dir, env, c.Command...)
	}}
}

// ago is for people.
func ago(d time.Duration) string { return d.Round(time.Second).String() }
