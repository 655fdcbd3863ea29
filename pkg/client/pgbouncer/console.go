package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The reasons for which a call fails. Compare with [errors.Is].
var (
	// ErrUnreachable: no answer came. What was sent may have been done.
	ErrUnreachable = errors.New("unreachable")
	// ErrRefused: PgBouncer said no, in its own words.
	ErrRefused = errors.New("refused")
	// ErrNoSuchDatabase: its configuration has no entry of that name.
	ErrNoSuchDatabase = errors.New("no such database")
)

// Console is one connection to an admin console. Used by one goroutine at a time.
type Console struct {
	addr string
	conn *pgconn.PgConn
	end  context.CancelFunc // after it nothing is dialled any more
}

// goodbye bounds how long Close waits.
const goodbye = 200 * time.Millisecond

// Dial logs in with a DSN (URL or key=value); its database is pgbouncer where it names none. Errors never hold the password.
func Dial(ctx context.Context, dsn string) (*Console, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		// The error of pgconn repeats the DSN, with what it takes for the password left out.
		return nil, fmt.Errorf("%w: the DSN of the admin console cannot be read; want postgres://user:password@host:6432/pgbouncer or host=… port=… user=…", ErrRefused)
	}
	if config.Database == "" {
		config.Database = "pgbouncer"
	}
	life, end := context.WithCancel(context.Background())
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		// pgconn dials once more to cancel a query that was given up. PgBouncer's console has nothing to cancel.
		if err := life.Err(); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		return dial(ctx, network, addr)
	}
	c := &Console{addr: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), end: end}
	if c.conn, err = pgconn.ConnectConfig(ctx, config); err != nil {
		end()
		return nil, c.failure(ctx, "log in", err)
	}
	return c, nil
}

// Addr is host:port of the console.
func (c *Console) Addr() string { return c.addr }

// Close ends the connection. A PAUSE stays.
func (c *Console) Close() {
	c.end()
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	_ = c.conn.Close(ctx) // it is closed in any case
	select {
	case <-c.conn.CleanupDone():
	case <-ctx.Done():
		_ = c.conn.Conn().Close()
	}
}

func (c *Console) failure(ctx context.Context, doing string, err error) error {
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said) && doing != "log in":
		return fmt.Errorf("pgbouncer %s: %s: %w: %s", c.addr, doing, ErrRefused, said.Message)
	case errors.As(err, &said):
		return fmt.Errorf("pgbouncer %s: %s: %w: %s", c.addr, doing, ErrUnreachable, said.Message)
	case ctx.Err() != nil:
		return fmt.Errorf("pgbouncer %s: %s: %w: %w", c.addr, doing, ErrUnreachable, context.Cause(ctx))
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // what pgconn says around it repeats user and host
	}
	return fmt.Errorf("pgbouncer %s: %s: %w: %w", c.addr, doing, ErrUnreachable, err)
}

// run gives one command and returns the rows of its answer, by the names of their columns.
func (c *Console) run(ctx context.Context, command string) ([]map[string]string, error) {
	results, err := c.conn.Exec(ctx, command).ReadAll()
	if err != nil {
		return nil, c.failure(ctx, command, err)
	}
	var rows []map[string]string
	for _, r := range results {
		for _, values := range r.Rows {
			row := make(map[string]string, len(values))
			for i, v := range values {
				row[r.FieldDescriptions[i].Name] = string(v)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// State is what one PgBouncer says of one database.
type State struct {
	// Server is host:port where its clients are led.
	Server string
	// Paused: a PAUSE was given. Transactions may still run: see Held.
	Paused bool
	// Connections is how many server connections there are, Waiting how many clients wait for one.
	Connections, Waiting int
}

// Held says that clients are held back, and that no transaction of theirs runs any more.
func (s State) Held() bool { return s.Paused && s.Connections == 0 }

// String says it in words: "leads to 192.0.2.10:5432, paused, 3 clients wait".
func (s State) String() string {
	words := "leads to " + s.Server
	switch {
	case s.Held():
		words += ", paused"
	case s.Paused:
		words += fmt.Sprintf(", pausing, %d server connections left", s.Connections)
	}
	if s.Waiting > 0 {
		words += fmt.Sprintf(", %d clients wait", s.Waiting)
	}
	return words
}

// State reads SHOW DATABASES and SHOW POOLS.
func (c *Console) State(ctx context.Context, database string) (State, error) {
	databases, err := c.run(ctx, "SHOW DATABASES")
	if err != nil {
		return State{}, err
	}
	var s State
	found := false
	for _, row := range databases {
		if row["name"] == database {
			found = true
			s.Server, s.Paused = net.JoinHostPort(row["host"], row["port"]), row["paused"] == "1"
		}
	}
	if !found {
		return State{}, fmt.Errorf("pgbouncer %s: %w: %s; add it to [databases]", c.addr, ErrNoSuchDatabase, database)
	}
	pools, err := c.run(ctx, "SHOW POOLS")
	if err != nil {
		return State{}, err
	}
	for _, row := range pools {
		if row["database"] != database {
			continue
		}
		for column, value := range row {
			n, err := strconv.Atoi(value)
			if err != nil {
				continue // the pool's mode, and what later versions add
			}
			switch {
			case column == "cl_waiting":
				s.Waiting += n
			case strings.HasPrefix(column, "sv_"):
				s.Connections += n
			}
		}
	}
	return s, nil
}

// Pause holds the database's clients back and returns when no transaction runs any more. It may wait for as long as ctx does. Where it
// ends by ctx the pause stays, and somebody has to take it back: see [Console.Resume].
func (c *Console) Pause(ctx context.Context, database string) error {
	return c.about(ctx, "PAUSE", database)
}

// Resume lets them go.
func (c *Console) Resume(ctx context.Context, database string) error {
	return c.about(ctx, "RESUME", database)
}

// Reload makes PgBouncer read its configuration. Without an error it may still have gone on with the old one: read back.
func (c *Console) Reload(ctx context.Context) error {
	_, err := c.run(ctx, "RELOAD")
	return err
}

// Setting reads one setting as SHOW CONFIG gives it.
func (c *Console) Setting(ctx context.Context, key string) (string, error) {
	rows, err := c.run(ctx, "SHOW CONFIG")
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if row["key"] == key {
			return row["value"], nil
		}
	}
	return "", fmt.Errorf("pgbouncer %s: %w: it has no setting %s", c.addr, ErrRefused, key)
}

// Set changes one setting until the next RELOAD or restart. Key and value are the program's own words.
func (c *Console) Set(ctx context.Context, key, value string) error {
	_, err := c.run(ctx, "SET "+key+" = '"+value+"'")
	return err
}

func (c *Console) about(ctx context.Context, command, database string) error {
	if strings.ContainsAny(database, "\"\x00") {
		return fmt.Errorf("pgbouncer %s: %w: a database name with a quotation mark cannot be told to it", c.addr, ErrRefused)
	}
	_, err := c.run(ctx, command+` "`+database+`"`)
	return err
}
