package http

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
)

// Whatever a target answers, reading it ends, within bounds, and makes clean evidence.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 503 \xff\x00\r\n\r\n", "HTTP/1.0 200\r\n\r\n", "SSH-2.0-OpenSSH\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://\x7f/\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, said []byte, body bool) {
		mine, theirs := net.Pipe()
		defer mine.Close()
		go func() {
			defer theirs.Close()
			buf := make([]byte, 4096)
			if _, err := theirs.Read(buf); err == nil {
				_, _ = theirs.Write(said)
			}
		}()
		l := &looker{target: check.Target{Wake: func() {}}, page: &spec.HTTPCheck{}, accept: anySuccess, url: &url.URL{Scheme: "http", Host: "a"}, subject: "GET http://a"}
		if body {
			l.page.Body = regexp.MustCompile("^ok$")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		a, keep, err := l.exchange(ctx, mine, request(http.MethodGet, l.url, plain()))
		if err != nil && keep {
			t.Fatal("a connection that broke is kept")
		}
		if len(a.body) > maxBody {
			t.Fatalf("%d bytes of body", len(a.body))
		}
		var mask check.Mask
		var r check.Result
		if err != nil {
			r = l.judge(ctx, err, true)
		} else {
			r = l.verdict(a, 0)
		}
		if r = l.says(&mask, r); len(r.Evidence) > check.MaxEvidence {
			t.Fatalf("%d bytes of evidence", len(r.Evidence))
		}
	})
}
