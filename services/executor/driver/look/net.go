package look

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/web"
)

// maxBody is how much of a page is matched, in bytes.
const maxBody = 64 << 10

func checkURL(key, s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return driver.Wrong(key, "a URL with http:// or https:// and a host")
	}
	return nil
}

func (e *Eye) http(ctx context.Context, in driver.Input) Seen {
	answer, err := web.Ask(ctx, in, web.Call{Method: http.MethodGet, URL: e.args.HTTP, Headers: e.args.Headers, TLS: e.args.TLS, MaxBody: maxBody})
	if err != nil {
		return unseen(ctx, err)
	}
	says := answer.Status
	switch {
	case !Accepts(e.args.Status, answer.Code):
		return Seen{Asked: true, Says: says}
	case e.body != nil && !e.body.Match(answer.Body):
		return Seen{Asked: true, Says: says + ", but its body does not match " + e.body.String()}
	}
	return Seen{Up: true, Asked: true, Says: says}
}

// Accepts says whether the status is one of those, or 200 to 299 where none are named.
func Accepts(ranges []spec.StatusRange, code int) bool {
	if len(ranges) == 0 {
		return code >= 200 && code <= 299
	}
	return slices.ContainsFunc(ranges, func(r spec.StatusRange) bool { return r.From <= code && code <= r.To })
}

func (e *Eye) tcp(ctx context.Context) Seen {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", e.args.TCP)
	if err != nil {
		return unseen(ctx, err)
	}
	defer conn.Close()
	if e.args.TLS != nil {
		cfg, err := web.TLSConfig(*e.args.TLS)
		if err != nil {
			return Seen{Says: err.Error()}
		}
		if host, _, err := net.SplitHostPort(e.args.TCP); err == nil && cfg.ServerName == "" {
			cfg.ServerName = host
		}
		if err := tls.Client(conn, cfg).HandshakeContext(ctx); err != nil {
			return unseen(ctx, err)
		}
	}
	return Seen{Up: true, Asked: true, Says: "takes connections"}
}

// unseen tells a target that does not answer from a look that could not be made.
func unseen(ctx context.Context, err error) Seen {
	s := Seen{Asked: true, Says: err.Error()}
	var dns *net.DNSError
	switch {
	case ctx.Err() != nil:
		s.Says = context.Cause(ctx).Error()
		s.Asked = errors.Is(ctx.Err(), context.DeadlineExceeded)
	case errors.Is(err, syscall.ECONNREFUSED):
		s.Says = "connection refused"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		s.Says = "closed the connection without an answer"
	case errors.As(err, &dns), errors.Is(err, driver.ErrUnasked), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE),
		errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		s.Asked = false
	}
	return s
}
