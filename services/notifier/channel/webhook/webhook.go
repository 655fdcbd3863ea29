// Package webhook posts events as JSON to any address: a pager, a chat bridge, a program of one's own. A post of unknown
// outcome is repeated under the same Idempotency-Key and marked, because a webhook cannot be read.
package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// Driver is this kind of channel.
var Driver = channel.Driver{
	Kind:    "webhook",
	Summary: "JSON by POST to any address, with an idempotency key; signed where a key is declared",
	Example: `channels:
  - name: pager
    kind: webhook
    url: ${file:/etc/ham/pager-url}
    token: ${file:/etc/ham/pager-key}
    headers: {authorization: "Bearer ${env:PAGER_TOKEN}"}`,
	Limit: channel.Limit{Burst: 20, Every: 100 * time.Millisecond},
	New:   New,
}

// Webhook is one address.
type Webhook struct{ config channel.Config }

var _ channel.Channel = (*Webhook)(nil)

// New makes the channel. The token, where declared, is the key that posts are signed with.
func New(c channel.Config) (channel.Channel, error) {
	if c.Spec.URL == "" {
		return nil, fmt.Errorf("channel %s: url is missing: want an http(s) address", c.Spec.Name)
	}
	return &Webhook{config: c}, nil
}

// resolved is everything secret of one call.
type resolved struct {
	address, key string
	headers      map[string]string
}

func (w *Webhook) resolve() (resolved, error) {
	s := w.config.Spec
	r := resolved{headers: map[string]string{}}
	var err error
	if r.address, err = s.URL.Resolve(w.config.Secrets); err != nil {
		return r, fmt.Errorf("url: %w", err)
	}
	if r.key, err = s.Token.Resolve(w.config.Secrets); err != nil {
		return r, fmt.Errorf("token: %w", err)
	}
	for name, value := range s.Headers {
		v, err := value.Resolve(w.config.Secrets)
		if err != nil {
			return r, fmt.Errorf("header %s: %w", name, err)
		}
		r.headers[name] = strings.TrimSpace(v)
	}
	r.address, r.key = strings.TrimSpace(r.address), strings.TrimSpace(r.key)
	return r, nil
}

func (r resolved) secrets() []string {
	all := []string{r.address, r.key}
	for _, v := range r.headers {
		all = append(all, v)
		// "Bearer abc": a far side that quotes the credential quotes the last word.
		if i := strings.LastIndexByte(v, ' '); i >= 0 {
			all = append(all, v[i+1:])
		}
	}
	if i := strings.LastIndexByte(r.address, '/'); i >= 0 {
		all = append(all, r.address[i+1:])
	}
	return all
}

// Send posts p.
func (w *Webhook) Send(ctx context.Context, p channel.Post) (channel.Ref, error) {
	r, err := w.resolve()
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Denied, "no secret", "%v", err)
	}
	body, err := encode(p)
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Refused, "encode", "%v", err)
	}
	call := channel.NewCaller(w.config.HTTP, r.secrets()...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.address, bytes.NewReader(body))
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Denied, "address", "the url is no http(s) address")
	}
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", p.ID)
	if r.key != "" {
		req.Header.Set(SignatureHeader, Sign(r.key, time.Now(), body))
	}
	resp, err := call.Do(req)
	if err != nil {
		return channel.Ref{}, call.Failed(ctx, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return channel.Ref{}, nil // accepted, whatever became of the rest of the answer
	}
	if err != nil {
		said = nil
	}
	return channel.Ref{}, call.Status(resp.StatusCode, resp.Header, render.Cut(render.Clean(string(said)), 200))
}

// Find says that a webhook cannot be read.
func (*Webhook) Find(context.Context, channel.Post, time.Time) (channel.Ref, error) {
	return channel.Ref{}, channel.ErrCannotLook
}
