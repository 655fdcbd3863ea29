package embedded

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Errors of this package.
var (
	// ErrOptions says that the options contradict themselves or would open the server to anybody. Nothing was opened.
	ErrOptions = errors.New("wrong server options")
	// ErrLocked says that another process uses the store directory.
	ErrLocked = errors.New("store directory is in use")
	// ErrStart says that the server could not start; nothing is left running.
	ErrStart = errors.New("server did not start")
)

// Options of a server. Name and StoreDir are required.
type Options struct {
	// Name of this server, unique in its cluster. A name as message.IsName has it.
	Name string
	// StoreDir is where JetStream keeps everything. Made with mode 0700 if missing.
	StoreDir string
	// Listen is host:port for clients; port 0 takes a free one. Empty: in-process connections only.
	Listen string
	// Monitor is host:port of the server's own monitoring pages, on loopback only. Empty: none.
	Monitor string
	// Cluster makes it one server of several. Nil: it stands alone.
	Cluster *Cluster
	// Tags of this server, such as "site:sp"; UniqueTag ("site:") puts each replica of a stream at another value.
	Tags      []string
	UniqueTag string

	// NoSync acknowledges messages before they are synced to disk: up to two minutes of them are lost when the machine dies. For tests and throw-away installations.
	NoSync bool
	// MaxStore and MaxMemory bound JetStream, in bytes. Default: three quarters of the free disk; 64 MiB.
	MaxStore, MaxMemory int64

	// TLS for clients. With ClientAuth RequireAndVerifyClientCert a client's certificate counts as its credentials.
	TLS *tls.Config
	// Users that may connect. None: anybody who reaches Listen may do anything.
	Users []User

	// Log gets what the server says; its notices at level debug, but for warnings and errors. Nil: nothing.
	Log *slog.Logger
	// Trace logs protocol messages too, at level debug. They hold the content of messages.
	Trace bool
}

// User is one identity. Either NKey or Name and Password.
type User struct {
	NKey     string // public key, "U…"; the server never sees the seed
	Name     string
	Password string // as it is, or as bcrypt
	// Publish and Subscribe are the subjects allowed; nil: all.
	Publish, Subscribe []string
	// Responses lets it answer what it was asked, whatever the reply subject is: for services that serve endpoints.
	Responses bool
}

// Cluster joins this server to others.
type Cluster struct {
	Name string
	// Listen is host:port for the other servers.
	Listen string
	// Routes are the others' addresses, "nats://host:port".
	Routes []string
	// TLS between servers; User and Password that they show each other.
	TLS            *tls.Config
	User, Password string
}

func (o *Options) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	if !message.IsName(o.Name) {
		return bad("name is %q, want 1 to %d letters, digits, '-' or '_'", o.Name, message.MaxName)
	}
	if o.StoreDir == "" {
		return bad("store_dir is empty, want a directory that survives restarts")
	}
	if o.MaxStore < 0 || o.MaxMemory < 0 {
		return bad("max_store and max_memory want bytes, at least 0")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for i, u := range o.Users {
		if (u.NKey == "") == (u.Name == "") || u.Name != "" && u.Password == "" {
			return bad("users[%d]: want either an nkey, or a name and a password", i)
		}
	}
	if o.Listen != "" {
		host, _, err := split(o.Listen)
		if err != nil {
			return bad("listen is %q: %s", o.Listen, err)
		}
		if !loopback(host) {
			if err := closed("listen", o.Listen, o.TLS, len(o.Users) > 0); err != nil {
				return err
			}
		}
	}
	if o.Monitor != "" {
		host, _, err := split(o.Monitor)
		if err != nil {
			return bad("monitor is %q: %s", o.Monitor, err)
		}
		if !loopback(host) {
			return bad("monitor is %q: the monitoring pages ask for no credentials, want a loopback address such as 127.0.0.1:8222", o.Monitor)
		}
	}
	if c := o.Cluster; c != nil {
		if !message.IsName(c.Name) {
			return bad("cluster.name is %q, want a name, the same on every server", c.Name)
		}
		host, _, err := split(c.Listen)
		if err != nil {
			return bad("cluster.listen is %q: %s", c.Listen, err)
		}
		for _, r := range c.Routes {
			if u, err := url.Parse(r); err != nil || u.Host == "" {
				return bad("cluster.routes holds %q, want nats://host:port", r)
			}
		}
		if !loopback(host) {
			if err := closed("cluster.listen", c.Listen, c.TLS, c.User != "" && c.Password != ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// closed refuses an address beyond loopback unless it has TLS and asks for credentials.
func closed(field, addr string, t *tls.Config, credentials bool) error {
	if t != nil && t.ClientAuth == tls.RequireAndVerifyClientCert {
		credentials = true
	}
	missing := ""
	switch {
	case t == nil && !credentials:
		missing = "TLS and credentials"
	case t == nil:
		missing = "TLS"
	case !credentials:
		missing = "credentials"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s is %q, which others can reach, and has no %s: whoever reaches it could swap roles; give it %s, or listen on 127.0.0.1",
		ErrOptions, field, addr, missing, missing)
}

func split(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, errors.New("want host:port, such as 127.0.0.1:4222")
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q, want 0 to 65535", p)
	}
	return host, int(n), nil
}

// loopback says whether only this machine reaches host. A name that is not "localhost" may resolve to anything.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
