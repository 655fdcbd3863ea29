package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Target is one server, one database and one role, as a DSN names them. It is not changed after Parse, and safe for concurrent use.
type Target struct {
	config *pgx.ConnConfig
	// Password may be empty. It is here to be kept out of what people read.
	Password string
}

// keys are what a DSN may hold. Those that are missing would read other files (service), choose among hosts (target_session_attrs), or
// change what statements do.
var keys = []string{
	"host", "port", "user", "password", "database", "dbname", "passfile", "connect_timeout", "application_name",
	"ssl", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslsni", "sslnegotiation", "channel_binding", "require_auth",
}

// Parse reads a DSN: a URL (postgres://user:password@host:port/database?sslmode=verify-full), or key=value pairs, with the meaning that libpq gives
// them. https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING. It names one server. It reads the files that the DSN names, and nothing
// else. What the DSN says of the application's name and of time-outs is left to [Options] and contexts. Errors do not repeat it.
func Parse(dsn string) (*Target, error) {
	if strings.TrimSpace(dsn) == "" {
		return nil, errors.New("the DSN is empty, want postgres://user:password@host:port/database")
	}
	config, err := pgx.ParseConfigWithOptions(dsn, pgx.ParseConfigOptions{ParseConfigOptions: pgconn.ParseConfigOptions{ConnStringAllowedKeys: keys}})
	if err != nil {
		return nil, errors.New(unread(err))
	}
	for _, other := range config.Fallbacks { // "prefer" is TLS first, then without, at the same address
		if other.Host != config.Host || other.Port != config.Port {
			return nil, errors.New("the DSN names several hosts: a member is one server")
		}
	}
	if config.User == "" {
		return nil, errors.New("the DSN names no user")
	}
	config.ConnectTimeout = 0 // contexts bound it
	return &Target{config: config, Password: config.Password}, nil
}

// unread says why a DSN cannot be read. Only what cannot hold a piece of it is repeated: where a password is not escaped, any part of
// it may be taken for a host, a port or a key.
func unread(err error) string {
	var file *fs.PathError
	var certificate x509.CertificateInvalidError
	switch {
	case errors.As(err, &file):
		return fmt.Sprintf("the DSN names a file that cannot be read: %v", reason(file))
	case errors.As(err, &certificate):
		return fmt.Sprintf("the DSN names a certificate that is not valid: %v", certificate)
	}
	return "the DSN cannot be read: want postgres://user:password@host:port/database?sslmode=…, where / : @ ? % and white space in a password are written %2F " +
		"%3A %40 %3F %25 %20; or host=… port=… user=… password='…' dbname=…; with no other keys than " + strings.Join(keys, ", ")
}

func reason(e *fs.PathError) string { return e.Path + ": " + e.Err.Error() }

// Addr is host:port, or the path of a unix socket.
func (t *Target) Addr() string {
	_, addr := pgconn.NetworkAddress(t.config.Host, t.config.Port)
	return addr
}

// Local says that it is reached by a unix socket.
func (t *Target) Local() bool {
	network, _ := pgconn.NetworkAddress(t.config.Host, t.config.Port)
	return network == "unix"
}

// String names the target without its secrets.
func (t *Target) String() string {
	return (&url.URL{Scheme: "postgres", User: url.User(t.config.User), Host: t.Addr(), Path: t.config.Database}).Redacted()
}

// Options of a connection. All may be left out.
type Options struct {
	// Name is the application_name, by which people find it in pg_stat_activity; empty: "ham". At most 63 bytes count.
	Name string
	// Dial connects to host:port, or to the path of a unix socket; nil: as package net does.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// LockTimeout is how long a statement waits for a lock of others before it ends as [Locked]; zero: 1 s. It must be shorter than what a call
	// may take, otherwise nobody can tell a lock from a disk that hangs.
	LockTimeout time.Duration
	// Lost is called, from a goroutine of its own, when the server ends the connection between two calls; at most once. It must not block.
	Lost func()
}

// statementTimeout bounds what may go on in the server after nobody waits for it any more.
const statementTimeout = 30 * time.Second

// mostSaid bounds what is taken from a server during one call, in bytes: an answer has a few hundred.
const mostSaid = 1 << 20

// Connect opens a session, within ctx.
func (t *Target) Connect(ctx context.Context, o Options) (*Conn, error) {
	if o.Name == "" {
		o.Name = "ham"
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = time.Second
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	}
	config := t.config.Copy()
	config.MaxProtocolMessageBodyLen = mostSaid
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 16, 0
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // Dial resolves it
	config.RuntimeParams = map[string]string{
		"application_name":                    o.Name,
		"synchronous_commit":                  "local",
		"default_transaction_read_only":       "off",
		"lock_timeout":                        fmt.Sprint(max(1, o.LockTimeout.Milliseconds())),
		"statement_timeout":                   fmt.Sprint(statementTimeout.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint(statementTimeout.Milliseconds()),
		"search_path":                         "pg_catalog",
		"client_min_messages":                 "error",
		"datestyle":                           "ISO",
		"work_mem":                            "64kB", // see roomy
		"temp_tablespaces":                    "",
	}
	c := &Conn{}
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if ctx.Value(connecting{}) == nil {
			return nil, net.ErrClosed // pgx wants to cancel a statement that was given up: the server's own time limit does that
		}
		raw, err := o.Dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c.line = newLine(raw, o.Lost)
		return c.line, nil
	}
	pg, err := pgx.ConnectConfig(context.WithValue(ctx, connecting{}, true), config)
	if err != nil {
		if c.line != nil {
			_ = c.line.Close()
		}
		return nil, err
	}
	c.pg = pg
	c.line.watch()
	return c, nil
}

// connecting marks the context of Connect.
type connecting struct{}

// keepAlive finds a peer that went away without a word while nothing was asked.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 3}
