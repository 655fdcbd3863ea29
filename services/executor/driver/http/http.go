// Package http makes one HTTP call.
package http

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/look"
	"github.com/isacloud/ha-manager/services/executor/driver/web"
)

// Kind is the driver.
func Kind() driver.Kind {
	return driver.Kind{
		Name:    "http",
		Summary: "makes one HTTP call; done tells whether it is done already",
		Example: `{"url": "https://198.51.100.10:8443/promote", "method": "POST", "headers": {"Authorization": "Bearer ${env:TOKEN}"}, "done": "https://198.51.100.10:8443/primary"}`,
		Guarantee: driver.Guarantee{
			Fences:            "what the call fences: ham cannot know",
			FailsClosedWithin: "never",
			HoldsEpoch:        false,
			LateEffect:        "Ham-Epoch is handed over as a header, and the target may refuse an older one",
			LeavesToAPerson:   "an attempt whose outcome is not known, where the method is not idempotent and there is no done call",
		},
		New: open,
	}
}

// idempotent are the methods that may be repeated by the definition of HTTP.
var idempotent = []string{nethttp.MethodGet, nethttp.MethodHead, nethttp.MethodPut, nethttp.MethodDelete}

type call struct {
	args   spec.HTTPArgs
	method string
}

var _ driver.Driver = (*call)(nil)

func open(with json.RawMessage) (driver.Driver, error) {
	var args spec.HTTPArgs
	if err := driver.Decode(with, &args); err != nil {
		return nil, err
	}
	c := &call{args: args, method: cmp.Or(strings.ToUpper(args.Method), nethttp.MethodPost)}
	if !slices.Contains([]string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"}, c.method) {
		return nil, driver.Wrong("method", "one of GET, HEAD, PUT, POST, PATCH, DELETE, not %q", args.Method)
	}
	for _, f := range []struct{ key, value string }{{"url", args.URL}, {"done", args.Done}} {
		u, err := url.Parse(f.value)
		if f.key == "done" && f.value == "" {
			continue
		}
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, driver.Wrong(f.key, "a URL with http:// or https:// and a host")
		}
	}
	return c, nil
}

// Look makes the done call. Without one, a call that may be repeated counts as not done, any other as unknown.
func (c *call) Look(ctx context.Context, in driver.Input) (driver.Sight, error) {
	sight := driver.Sight{Wanted: c.method + " " + shown(c.args.URL) + " is accepted"}
	switch {
	case c.args.Done != "":
	case slices.Contains(idempotent, c.method):
		sight.Done, sight.Found = driver.No, "not known, and it may be repeated"
		return sight, nil
	default:
		sight.Done, sight.Found = driver.Unknown, "not known: it has no done call"
		return sight, nil
	}
	answer, err := c.ask(ctx, in, nethttp.MethodGet, c.args.Done, "")
	if err != nil {
		return sight, driver.Unasked("done call: %w", err)
	}
	sight.Found, sight.Done = shown(c.args.Done)+" answers "+answer.Status, driver.No
	if look.Accepts(nil, answer.Code) {
		sight.Done = driver.Yes
	}
	return sight, nil
}

// Do makes the call.
func (c *call) Do(ctx context.Context, in driver.Input) (driver.Deed, error) {
	answer, err := c.ask(ctx, in, c.method, c.args.URL, c.args.Body)
	deed := driver.Deed{Applied: true, Evidence: strings.TrimSpace(answer.Status + "\n" + string(answer.Body))}
	switch {
	case errors.Is(err, driver.ErrUnasked):
		return driver.Deed{}, err
	case err != nil && ctx.Err() != nil:
		return deed, driver.InDoubt("sent, and no answer: %w", context.Cause(ctx))
	case err != nil:
		return deed, driver.InDoubt("sent, and no answer: %w", err)
	case !look.Accepts(c.args.Status, answer.Code):
		return deed, driver.Refused("%s %s answered %s", c.method, shown(c.args.URL), answer.Status)
	}
	return deed, nil
}

func (c *call) ask(ctx context.Context, in driver.Input, method, to, body string) (web.Answer, error) {
	headers := map[string]spec.Secret{
		"Ham-Group": spec.Secret(in.Command.Group), "Ham-Epoch": spec.Secret(fmt.Sprint(in.Command.Epoch)), "Ham-Step": spec.Secret(in.Step.Name),
		"Idempotency-Key": spec.Secret(fmt.Sprintf("%s-%d-%s", in.Command.Group, in.Command.Epoch, in.Step.Name)),
	}
	for name, value := range c.args.Headers {
		headers[name] = value
	}
	return web.Ask(ctx, in, web.Call{Method: method, URL: to, Headers: headers, Body: body, TLS: c.args.TLS, MaxBody: 4 << 10})
}

// shown is a URL without what may be secret in it: user, password and query.
func shown(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "the URL"
	}
	u.User = nil
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	return u.String()
}
