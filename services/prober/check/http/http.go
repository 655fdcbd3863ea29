// Package http looks at a target by asking for a page.
//
// One connection per check is kept open between looks and watched, so that the end of the server's process is noticed
// when it happens and not at the next look. HTTP/1.1 only; proxies of the environment are not used.
package http

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/reach"
)

// Kind is this package's entry in the prober's list.
var Kind = check.Kind{
	Name:    spec.CheckHTTP,
	Summary: "asks for a page; up if status and body are as declared",
	Open:    open,
}

// freshEvery is how long a connection is kept: a new one shows now and then that the target still accepts any, that its name still
// leads there, and that its certificate is still good.
const freshEvery = 30 * time.Second

// anySuccess is what is accepted where nothing is declared.
var anySuccess = []spec.StatusRange{{From: 200, To: 299}}

type looker struct {
	target  check.Target
	page    *spec.HTTPCheck
	url     *url.URL
	method  string
	accept  []spec.StatusRange
	names   []string // of the declared headers, sorted
	dialer  *reach.Dialer
	line    reach.Line
	made    time.Time // when the kept connection was
	subject string    // "GET http://192.0.2.10:8080/alive"
}

func open(t check.Target) (check.Looker, error) {
	page := t.Check.HTTP
	if page == nil {
		return nil, errors.New("the check declares no http")
	}
	u, err := parse(page.URL)
	if err != nil {
		return nil, err
	}
	l := &looker{
		target: t, page: page, url: u, method: cmp.Or(page.Method, http.MethodGet), accept: page.Status,
		names: slices.Sorted(maps.Keys(page.Headers)), line: reach.Line{Wake: t.Wake},
	}
	if len(l.accept) == 0 {
		l.accept = anySuccess
	}
	l.subject = l.method + " " + check.Clip(show(u), 256) // declared, and not a secret
	l.dialer, err = dialer(u, page.TLS)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// parse accepts an absolute http or https URL. Errors do not repeat it: it may hold a password.
func parse(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("the url cannot be read, want http://host:port/path")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("the url is %s, want http://host:port/path or https://host:port/path", show(u))
	}
	return u, nil
}

func dialer(u *url.URL, declared spec.TLS) (*reach.Dialer, error) {
	port := u.Port()
	if u.Scheme == "https" {
		return reach.NewDialer(net.JoinHostPort(u.Hostname(), cmp.Or(port, "443")), reach.NewTLS(declared))
	}
	return reach.NewDialer(net.JoinHostPort(u.Hostname(), cmp.Or(port, "80")), nil)
}

// show is a URL for people: who asks and with which parameters may be secret, and is left out.
func show(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.RawQuery != "" {
		return shown.String() + "?…"
	}
	return shown.String()
}

// Look asks once, and follows redirects as declared.
func (l *looker) Look(ctx context.Context) check.Result {
	began := time.Now()
	var mask check.Mask
	header, err := l.header(&mask)
	if err != nil {
		return l.says(&mask, check.Result{Answer: message.Unknown, Evidence: err.Error()})
	}
	if password, ok := l.url.User.Password(); ok {
		mask.Hide(password)
	}
	a, err := l.ask(ctx, header)
	if err != nil {
		return l.says(&mask, l.judge(ctx, err, a.fresh))
	}
	via := ""
	for followed := 0; followed < l.page.Redirects && a.location != ""; followed++ {
		a, err = l.follow(ctx, header, a)
		via = mask.Short(via+" → "+show(a.url), 256)
		if err != nil {
			r := l.judge(ctx, err, a.fresh)
			r.Evidence = via + ": " + r.Evidence
			return l.says(&mask, r)
		}
	}
	a.status = mask.Short(a.status, 80)
	r := l.verdict(a, a.at.Sub(began))
	if via != "" && r.Evidence != "" {
		r.Evidence = via + ": " + r.Evidence
	}
	return l.says(&mask, r)
}

// Close ends the kept connection.
func (l *looker) Close() { l.line.Close() }

// header resolves what is declared.
func (l *looker) header(mask *check.Mask) (http.Header, error) {
	h := plain()
	for _, name := range l.names {
		value, err := mask.Resolve(l.page.Headers[name], l.target.Secrets)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("header %s: the value has more than one line", name)
		}
		h[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
	}
	return h, nil
}

// plain is what every request has, unless declared otherwise.
func plain() http.Header {
	return http.Header{"User-Agent": {"ham-prober"}, "Accept": {"*/*"}}
}

func (l *looker) judge(ctx context.Context, err error, fresh bool) check.Result {
	if errors.Is(ctx.Err(), context.Canceled) {
		err = context.Canceled // whatever the interruption broke
	}
	return reach.Judge(err, l.target.Check.Timeout, fresh)
}

func (l *looker) says(mask *check.Mask, r check.Result) check.Result {
	if r.Evidence != "" {
		if !strings.HasPrefix(r.Evidence, " → ") {
			r.Evidence = ": " + r.Evidence
		}
		r.Evidence = mask.Clean(l.subject + r.Evidence)
	}
	return r
}

// verdict says what a whole answer means.
func (l *looker) verdict(a answer, took time.Duration) check.Result {
	if !accepted(a.code, l.accept) {
		what := a.status
		if a.location != "" {
			what += " to " + redirectTarget(a)
		}
		return check.Result{Answer: message.Down, Evidence: what + ", want " + ranges(l.accept)}
	}
	if l.page.Body != nil && !l.page.Body.Match(a.body) {
		return check.Result{Answer: message.Down, Evidence: fmt.Sprintf("%s, but the body (%d bytes looked at) does not match %s", a.status, len(a.body), l.page.Body)}
	}
	if slow := l.page.SlowerThan; slow > 0 && took > slow {
		return check.Result{Answer: message.Degraded, Evidence: fmt.Sprintf("%s after %s, slower than %s", a.status, took.Round(100*time.Microsecond), slow)}
	}
	return check.Result{Answer: message.Up}
}

func accepted(code int, ranges []spec.StatusRange) bool {
	return slices.ContainsFunc(ranges, func(r spec.StatusRange) bool { return r.From <= code && code <= r.To })
}

func ranges(accept []spec.StatusRange) string {
	parts := make([]string, len(accept))
	for i, r := range accept {
		if parts[i] = fmt.Sprint(r.From); r.To != r.From {
			parts[i] = fmt.Sprintf("%d-%d", r.From, r.To)
		}
	}
	return strings.Join(parts, ", ")
}
