package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bus is one connection to the bus, as one writer. Safe for concurrent use.
type Bus struct {
	opts   Options
	source string
	nc     *nats.Conn
	js     jetstream.JetStream
	log    *slog.Logger
	link   *link
	perms  *permissions
	stats  counters
	dead   deadIDs
	life   context.Context
	end    context.CancelCauseFunc
}

// Connect reaches a server and returns when the link is up. It tries, with jitter, until ctx ends; credentials that a
// server refuses end it at once. Afterwards the link reconnects for ever: see [Bus.OnLink].
func Connect(ctx context.Context, o Options) (*Bus, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	creds, err := o.credentials()
	if err != nil {
		return nil, err
	}
	b := &Bus{opts: o, source: "/ham/" + o.Service + "/" + o.Name, log: o.Log.With("bus", o.Name), link: newLink(), perms: newPermissions()}
	b.life, b.end = context.WithCancelCause(context.Background())
	open, opened := context.WithCancel(context.Background())
	defer opened()
	opts := append(creds,
		nats.Name("ham-"+o.Service+" "+o.Name),
		nats.Timeout(o.Timeout),
		nats.Dialer(dialer(o.Timeout)),
		nats.FlusherTimeout(o.Timeout),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // a server that is being reconfigured must not end the service
		nats.ReconnectWait(40*time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		// A command that was given up on must never be sent later: nothing is kept for a link that is down.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(o.PingEvery),
		nats.MaxPingsOutstanding(2),
		nats.DontRandomize(), // the local server first
		nats.CustomInboxPrefix(InboxPrefix(o.Service)),
		nats.ErrorHandler(b.onError),
		nats.ConnectHandler(func(*nats.Conn) { b.link.set(true); opened() }),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			b.log.Info("bus is back", "server", nc.ConnectedServerName())
			b.link.set(true)
		}),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if !nc.IsClosed() {
				b.log.Warn("bus is away, reconnecting", "error", errText(err))
			}
			b.link.set(false)
		}),
		nats.ClosedHandler(func(*nats.Conn) { b.link.set(false) }),
	)
	url := strings.Join(o.URLs, ",")
	if o.InProcess != nil {
		opts, url = append(opts, nats.InProcessServer(o.InProcess)), ""
	}
	if o.Dialer != nil {
		opts = append(opts, nats.SetCustomDialer(o.Dialer), nats.SkipHostLookup())
	}
	if o.TLS != nil {
		opts = append(opts, nats.Secure(o.TLS))
	}
	if o.TLSFirst {
		opts = append(opts, nats.TLSHandshakeFirst())
	}
	for {
		b.nc, err = nats.Connect(url, opts...)
		if err == nil {
			break
		}
		if final(err) {
			b.close(ErrClosed)
			return nil, fmt.Errorf("%w: %s: %w", ErrConnect, where(o), err)
		}
		b.log.Debug("bus does not answer yet", "at", where(o), "error", err)
		if !sleep(ctx, jitter(50*time.Millisecond, 150*time.Millisecond)) {
			b.close(ErrClosed)
			return nil, fmt.Errorf("%w: %s: %w (gave up: %w)", ErrConnect, where(o), err, context.Cause(ctx))
		}
	}
	<-open.Done() // nats.go tells of the connection a moment after it returns it: nobody may find the link down in between
	b.js, err = jetstream.New(b.nc, jetstream.WithDefaultTimeout(o.Timeout))
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return b, nil
}

// InboxPrefix is the one that a role's permissions have to allow, with ".>" after it.
func InboxPrefix(service string) string { return "_INBOX_" + service }

// final says that trying again will not help.
func final(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) ||
		errors.Is(err, nats.ErrAccountAuthExpired) || errors.Is(err, nats.ErrNkeysNotSupported) || errors.Is(err, nats.ErrSecureConnRequired)
}

// where names the servers without what a URL may hold before its '@'.
func where(o Options) string {
	if o.InProcess != nil {
		return "the embedded server"
	}
	out := make([]string, len(o.URLs))
	for i, u := range o.URLs {
		out[i] = redactURL(u)
	}
	return strings.Join(out, ", ")
}

func redactURL(u string) string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		scheme, rest = "", u
	} else {
		scheme += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "***@" + rest[i+1:]
	}
	return scheme + rest
}

// Name is the writer in what this Bus publishes.
func (b *Bus) Name() string { return b.opts.Name }

// Source is the ce-source of what this Bus publishes: "/ham/<service>/<name>".
func (b *Bus) Source() string { return b.source }

// Conn is the connection itself, for what this package does not wrap.
func (b *Bus) Conn() *nats.Conn { return b.nc }

// JS is JetStream itself, for what this package does not wrap.
func (b *Bus) JS() jetstream.JetStream { return b.js }

// Close ends the connection. What runs on it (Follow, Work, Hear, …) ends with [ErrClosed]. It may be called twice.
func (b *Bus) Close() { b.close(ErrClosed) }

func (b *Bus) close(why error) {
	b.end(why)
	if b.nc != nil {
		b.nc.Close()
	}
	b.link.stop()
}

// bound gives ctx the deadline that every call has, and ends it with the Bus.
func (b *Bus) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.life, func() { cancel(ErrClosed) })
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() { stop(); cancel(nil) }
	}
	ctx, cancelTimeout := context.WithTimeout(ctx, b.opts.Timeout)
	return ctx, func() { stop(); cancelTimeout(); cancel(nil) }
}

// with is bound without a deadline of its own.
func (b *Bus) with(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.life, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// sleep waits for d and says true, or false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// jitter is between min and max.
func jitter(min, max time.Duration) time.Duration { return min + rand.N(max-min) }

func errText(err error) string {
	if err == nil {
		return "closed by the server"
	}
	return err.Error()
}
