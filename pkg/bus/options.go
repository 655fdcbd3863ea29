package bus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/isacloud/ha-manager/pkg/message"
)

// Options say how to reach the bus, and as whom. Either URLs or InProcess is required.
type Options struct {
	// Name is this instance's name: the writer in subjects and in ce-source. A name as message.IsName has it. Required.
	Name string
	// Service is the role: prober, decider, executor, notifier, console, cli. It names the inbox prefix
	// "_INBOX_<service>" that the role's permissions hold. Required, a name.
	Service string

	// URLs of the servers, the nearest first: that one is tried first, always.
	URLs []string
	// InProcess connects to an embedded server without a socket.
	InProcess nats.InProcessConnProvider
	// Dialer replaces the way sockets are made; for tests.
	Dialer nats.CustomDialer

	// CredsFile is a file of user JWT and seed; NKeySeedFile one with the seed of a static user. At most one of them.
	CredsFile    string
	NKeySeedFile string
	// User and Password are a static user's. Not together with the files.
	User, Password string
	// TLS is used where set, and required by URLs with the scheme tls.
	TLS *tls.Config
	// TLSFirst makes the handshake before the server says anything; the server must be set the same way.
	TLSFirst bool

	// Log gets what happens to the link. Nil: nothing is logged.
	Log *slog.Logger
	// Timeout bounds one try to connect and one request-reply where the caller's context has no deadline. Default 2 s.
	Timeout time.Duration
	// PingEvery is how often a silent link is looked at; two missing answers make it down. Default 500 ms, at most 1 s. With InProcess the default is
	// 30 s, and more is no error: a server of the same process that stops ends the link.
	PingEvery time.Duration
	// Now is the wall clock written into messages, for people. Default time.Now.
	Now func() time.Time
}

func (o *Options) complete() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	if !message.IsName(o.Name) {
		return bad("name is %q, want 1 to %d letters, digits, '-' or '_'", o.Name, message.MaxName)
	}
	if !message.IsName(o.Service) {
		return bad("service is %q, want a name such as decider", o.Service)
	}
	if len(o.URLs) == 0 && o.InProcess == nil {
		return bad("neither urls nor an embedded server: say where the bus is, such as nats://127.0.0.1:4222")
	}
	if len(o.URLs) > 0 && o.InProcess != nil {
		return bad("both urls and an embedded server: want one of them")
	}
	ways := 0
	for _, set := range []bool{o.CredsFile != "", o.NKeySeedFile != "", o.User != "" || o.Password != ""} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		return bad("more than one of credentials file, nkey seed file, user and password: want one")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Second
	}
	if o.PingEvery <= 0 {
		if o.PingEvery = 500 * time.Millisecond; o.InProcess != nil {
			o.PingEvery = 30 * time.Second // a look wakes both ends, and a process has five links
		}
	}
	if o.PingEvery > time.Second && o.InProcess == nil {
		return bad("ping_every is %s, want at most 1s: a dead link must be noticed", o.PingEvery)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// credentials turns the options into what nats.go takes. The seed is read again at each connect, so a rotated file is taken without restart.
func (o *Options) credentials() ([]nats.Option, error) {
	switch {
	case o.CredsFile != "":
		if err := readable("credentials file", o.CredsFile); err != nil {
			return nil, err
		}
		return []nats.Option{nats.UserCredentials(o.CredsFile)}, nil
	case o.NKeySeedFile != "":
		if err := readable("nkey seed file", o.NKeySeedFile); err != nil {
			return nil, err
		}
		pair, err := seedPair(o.NKeySeedFile)
		if err != nil {
			return nil, err
		}
		defer pair.Wipe()
		public, err := pair.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("%w: nkey seed file %s holds no user seed", ErrOptions, o.NKeySeedFile)
		}
		return []nats.Option{nats.Nkey(public, func(nonce []byte) ([]byte, error) {
			p, err := seedPair(o.NKeySeedFile)
			if err != nil {
				return nil, err
			}
			defer p.Wipe()
			return p.Sign(nonce)
		})}, nil
	case o.User != "" || o.Password != "":
		return []nats.Option{nats.UserInfo(o.User, o.Password)}, nil
	}
	return nil, nil
}

func readable(what, path string) error {
	f, err := os.Open(path)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return fmt.Errorf("%w: %s %s: %w", ErrOptions, what, path, err)
	}
	return f.Close()
}

// seedPair never puts the file's content into an error.
func seedPair(path string) (nkeys.KeyPair, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: nkey seed file %s cannot be read", ErrOptions, path)
	}
	defer clear(b)
	pair, err := nkeys.ParseDecoratedUserNKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: nkey seed file %s holds no user seed (a line that starts with SU)", ErrOptions, path)
	}
	return pair, nil
}
