package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// Caller makes HTTP calls and knows of each whether it can have reached the far side. It has the method Do that HTTP
// libraries ask for. Use one per call.
type Caller struct {
	client  *http.Client
	secrets []string
	onWire  atomic.Bool
}

// NewClient makes the HTTP client that channels use: no redirects (a post that is sent elsewhere is a mistake in the
// configuration, and would carry the token there), connections kept only for a burst of posts, so that none is used that
// the far side has long closed.
func NewClient() *http.Client {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: 5 * time.Second, ForceAttemptHTTP2: true,
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// NewCaller makes a Caller that keeps secrets out of its errors.
func NewCaller(client *http.Client, secrets ...string) *Caller {
	return &Caller{client: client, secrets: secrets}
}

// Do is http.Client.Do with three differences: an error never holds the URL (it may be a secret), an answer is bounded,
// and it is remembered whether the request had a connection to go out on.
func (c *Caller) Do(req *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { c.onWire.Store(true) }}
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	if req.Header.Get("Idempotency-Key") != "" {
		// The transport would send such a request a second time by itself; without GetBody it cannot, and the
		// repetition stays with us, who mark it.
		req.GetBody = nil
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// Failed classifies the error of a call that got no usable answer.
func (c *Caller) Failed(ctx context.Context, err error) *Error {
	class, code := Later, "no connection"
	if c.onWire.Load() {
		class, code = Unsure, "no answer"
	}
	var named *url.Error
	if errors.As(err, &named) {
		err = named.Err // the URL stays out
	}
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		code = "cancelled"
	case errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		code = "timeout"
	}
	return &Error{Class: class, Code: code, Says: Redact(err.Error(), c.secrets...)}
}

// Status classifies an answer's code that is not 2xx. Says is what the far side wrote, for a person.
func (c *Caller) Status(code int, header http.Header, says string) *Error {
	e := &Error{Code: fmt.Sprintf("HTTP %d", code), Says: Redact(says, c.secrets...)}
	switch {
	case code == http.StatusTooManyRequests:
		e.Class, e.After = Later, RetryAfter(header, 30*time.Second)
	case code >= 500, code == http.StatusRequestTimeout:
		// A proxy may say 502 or 504 for a request that went through.
		e.Class, e.After = Unsure, RetryAfter(header, 0)
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity, code == http.StatusUnsupportedMediaType:
		e.Class = Refused
	default:
		e.Class = Denied
	}
	if e.Says == "" {
		e.Says = http.StatusText(code)
	}
	return e
}

// MaxRetryAfter bounds how long a far side can make us wait in one go.
const MaxRetryAfter = 15 * time.Minute

// RetryAfter reads the header in both of its forms (seconds, HTTP date); otherwise is taken where it is missing or unreadable.
func RetryAfter(h http.Header, otherwise time.Duration) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return otherwise
	}
	wait := otherwise
	if s, err := strconv.ParseInt(v, 10, 64); err == nil && s >= 0 {
		wait = time.Duration(min(s, int64(MaxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		wait = max(0, time.Until(at))
	}
	return min(wait, MaxRetryAfter)
}
