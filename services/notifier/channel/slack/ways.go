package slack

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	api "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/signed"
)

// maxEnvelope bounds what comes over the socket in one piece, in bytes.
const maxEnvelope = 1 << 20

// socket takes presses by Socket Mode: a connection that goes out, and that Slack sends them over. The library connects again by itself, and ends where
// Slack says that the token is no good: then it is tried again with the token as it is by then.
func (s *Slack) socket(ctx context.Context, d channel.Desk, take func(*api.InteractionCallback) error) {
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		err := s.connected(ctx, d, take)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			n = 0
		}
		tellBroken(d, n, "Socket Mode", err)
		if !retry(ctx, n) {
			return
		}
	}
}

// connected works off one client's life.
func (s *Slack) connected(ctx context.Context, d channel.Desk, take func(*api.InteractionCallback) error) error {
	token, err := s.bot()
	if err != nil {
		return err
	}
	app, err := s.config.Spec.AppToken.Resolve(s.secrets)
	if err != nil {
		return err
	}
	app = strings.TrimSpace(app)
	call := channel.NewCaller(s.config.HTTP, token, app)
	client := socketmode.New(
		api.New(token, api.OptionAppLevelToken(app), api.OptionHTTPClient(call), api.OptionAPIURL(s.api)),
		socketmode.OptionDialer(s.dialer()), socketmode.OptionReadLimit(maxEnvelope), socketmode.OptionLog(log.New(io.Discard, "", 0)),
	)
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- client.RunContext(ctx) }()
	defer func() {
		stop()
		<-ended
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			ended <- nil
			return errors.New(channel.Redact(err.Error(), token, app))
		case e := <-client.Events:
			switch e.Type {
			case socketmode.EventTypeConnected:
				d.Log.Info("what is pressed in Slack comes in by Socket Mode")
			case socketmode.EventTypeConnectionError, socketmode.EventTypeInvalidAuth:
				why := "it refuses the app token"
				if failed, ok := e.Data.(*api.ConnectionErrorEvent); ok {
					why = channel.Redact(failed.Error(), token, app)
				}
				d.Log.Warn("what is pressed in Slack does not come in: Socket Mode does not connect", "why", why)
			case socketmode.EventTypeInteractive:
				c, ok := e.Data.(api.InteractionCallback)
				if !ok || e.Request == nil {
					continue
				}
				// It is taken before it is acknowledged: what is not acknowledged, Slack tells the person.
				if err := take(&c); err != nil {
					d.Log.Warn("a press was not taken", "user", c.User.ID, "error", err)
					continue
				}
				if err := client.AckCtx(ctx, e.Request.EnvelopeID, nil); err != nil {
					d.Log.Debug("a press was taken, and Slack could not be told", "error", err)
				}
			default:
				if e.Request != nil && e.Type != socketmode.EventTypeHello {
					_ = client.AckCtx(ctx, e.Request.EnvelopeID, nil) // nothing of ours; Slack would send it again
				}
			}
		}
	}
}

// dialer reaches the socket by the same way as everything else of the channel goes.
func (s *Slack) dialer() *websocket.Dialer {
	d := &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: 15 * time.Second, WriteBufferSize: 32 << 10} // Slack takes no message in pieces
	if t, ok := s.config.HTTP.Transport.(*http.Transport); ok {
		d.Proxy, d.NetDialContext = t.Proxy, t.DialContext
		if t.TLSClientConfig != nil {
			d.TLSClientConfig = t.TLSClientConfig.Clone()
		}
	}
	return d
}

// serve takes presses as signed requests.
func (s *Slack) serve(ctx context.Context, d channel.Desk, take func(*api.InteractionCallback) error) {
	gate := s.gate(d.Log, take)
	for n := 0; ctx.Err() == nil; n++ {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.config.Spec.Listen)
		if err == nil {
			d.Log.Info("what is pressed in Slack comes in as requests", "at", "http://"+l.Addr().String()+"/slack")
			err = serveOn(ctx, l, gate, d.Log)
		}
		if ctx.Err() != nil {
			return
		}
		tellBroken(d, n, "listen on "+s.config.Spec.Listen, err)
		if !retry(ctx, n) {
			return
		}
	}
}

func (s *Slack) gate(log *slog.Logger, take func(*api.InteractionCallback) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/slack", signed.New(signed.Options{
		Secret: func() (string, error) {
			secret, err := s.config.Spec.SigningSecret.Resolve(s.secrets)
			if secret = strings.TrimSpace(secret); err == nil && secret == "" {
				err = errNoSecret // an empty key would let everybody sign
			}
			return secret, err
		},
		Take: take, Log: log, Now: time.Now,
	}))
	return mux
}

// serveOn serves until ctx ends.
func serveOn(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	done := make(chan struct{})
	end := context.AfterFunc(ctx, func() {
		defer close(done)
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(bound) != nil {
			_ = server.Close()
		}
	})
	err := server.Serve(l)
	if !end() {
		<-done
	}
	return err
}
