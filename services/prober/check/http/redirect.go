package http

import (
	"context"
	"fmt"
	"net/http"

	"github.com/isacloud/ha-manager/services/prober/check"
)

// location is where a redirect leads, or "".
func location(resp *http.Response) string {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location")
	}
	return ""
}

// redirectTarget is where a's redirect leads, for people.
func redirectTarget(a answer) string {
	u, err := a.url.Parse(a.location)
	if err != nil {
		return "an address that cannot be read"
	}
	return show(u)
}

// follow asks where a leads to, over a connection of its own. To another origin go neither the declared headers nor
// the client certificate: they were declared for the member, and a redirect must not be able to fetch them.
func (l *looker) follow(ctx context.Context, header http.Header, a answer) (answer, error) {
	next, err := a.url.Parse(a.location)
	if err != nil {
		return a, fmt.Errorf("%s to an address that cannot be read", a.status)
	}
	if _, err := parse(next.String()); err != nil {
		return a, fmt.Errorf("%s to %s, which is no http address", a.status, show(next))
	}
	tls := l.page.TLS
	if next.Scheme != l.url.Scheme || next.Host != l.url.Host {
		header = plain()
		tls.CertFile, tls.KeyFile, tls.ServerName = "", "", ""
	}
	method := l.method
	if method != http.MethodHead && a.code < http.StatusTemporaryRedirect {
		method = http.MethodGet
	}
	d, err := dialer(next, tls)
	if err != nil {
		return a, err
	}
	conn, err := d.Dial(ctx)
	if err != nil {
		return answer{url: next, fresh: true}, err
	}
	defer conn.Close()
	b, _, err := l.exchange(ctx, conn, request(method, next, header))
	b.fresh = true
	return b, err
}

var _ check.Looker = (*looker)(nil)
