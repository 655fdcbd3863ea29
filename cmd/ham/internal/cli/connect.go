package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/logging"
	"github.com/isacloud/ha-manager/pkg/message"
)

const defaultServer = "nats://127.0.0.1:4222"

func (a *app) serverURL() string { return cmp.Or(a.server, a.Env("HAM_SERVER"), defaultServer) }

// connect reaches the bus, or says in one line what to do.
func (a *app) connect(ctx context.Context) (*bus.Bus, error) {
	if (a.tls.CertFile == "") != (a.tls.KeyFile == "") {
		return nil, usagef("--cert and --key (HAM_CERT, HAM_KEY) belong together: one of them is missing")
	}
	secure, err := stack.ClientTLS("--", a.tls)
	if err != nil {
		return nil, usageError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, min(a.timeout, 3*time.Second))
	defer cancel()
	b, err := bus.Connect(ctx, bus.Options{
		Name: "cli-" + strconv.Itoa(os.Getpid()), Service: "cli",
		URLs: strings.Split(a.serverURL(), ","), CredsFile: a.creds, NKeySeedFile: a.nkey, TLS: secure,
	})
	if err != nil {
		return nil, hinted{err, unreached(err)}
	}
	return b, nil
}

// unreached says what to do where the bus was not reached.
func unreached(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var alert tls.AlertError
	switch {
	case errors.As(err, &unknown):
		return "name the certificate of the authority that vouches for the bus: --ca or HAM_CA"
	case errors.As(err, &name):
		return "use an address that the bus's certificate is for: --server or HAM_SERVER"
	case errors.Is(err, nats.ErrSecureConnWanted), errors.Is(err, nats.ErrSecureConnRequired):
		return "one side wants TLS and the other has none: a server without TLS is nats://…, one with it tls://…, and --ca, --cert or HAM_CA ask for it, too"
	// The refusal of TLS 1.3 comes after the handshake, and may be overtaken by the end of the connection.
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"), strings.Contains(err.Error(), "after TLS handshake"):
		return "the bus refuses what this side shows; if it asks for a certificate: --cert and --key, or HAM_CERT and HAM_KEY"
	}
	return "is `ham up` or `ham demo` running? Another address: --server or HAM_SERVER"
}

// who is the name under which requests are recorded.
func (a *app) who() string {
	name := cmp.Or(a.actor, a.Env("HAM_ACTOR"))
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	return asName(name)
}

// asName makes a name out of what a person or a system is called.
func asName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 128 && message.IsName(string(r)) {
			return r
		}
		return '-'
	}, s)
	if len(s) > message.MaxName {
		s = s[:message.MaxName]
	}
	return cmp.Or(s, message.ActorAnonymous)
}

// groupArg checks a group's name before it becomes part of a subject.
func groupArg(name string) (string, error) {
	if !message.IsName(name) {
		return "", usagef("group %q: want 1 to %d letters, digits, '-' or '_'", name, message.MaxName)
	}
	return name, nil
}

// client asks over b, as long as the flags say.
func (a *app) client(b *bus.Bus) ask.Client { return ask.Client{Bus: b, Timeout: a.timeout} }

// unanswered says what to do about a question that nobody answered.
func unanswered(err error) error {
	switch {
	case errors.Is(err, ask.ErrNobody):
		return hinted{err, "start one with `ham up` or `ham decider`; `ham doctor` says what else is missing"}
	case errors.Is(err, bus.ErrUnavailable):
		return hinted{fmt.Errorf("the bus is reached, but it has no majority of its servers, and answers nothing before it has one (%w)", err),
			"`ham doctor` on each host says what is away: bring one back. Where none can be, and the primary is gone: `ham promote GROUP` on the surviving host"}
	case errors.Is(err, ask.ErrLate):
		return hinted{err, "`ham doctor` looks for the reason; --timeout waits longer"}
	}
	return err
}

// logger is the log of long-running commands. It goes to Err, so that Out stays what the command prints.
func (a *app) logger(fallback string) (*slog.Logger, error) {
	log, err := logging.New(a.Err, logging.Options{Format: a.logging.format, Level: cmp.Or(a.logging.level, fallback), NoColor: a.Env("NO_COLOR") != ""})
	if err != nil {
		return nil, usageError{err}
	}
	return log, nil
}
