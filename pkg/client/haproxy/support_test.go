package haproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

// pair is a proxy with two sites behind it, as in the recommended configuration.
type pair struct {
	*haproxytest.Proxy
	a, b   *haproxytest.Site // behind s1 and s2
	client *haproxy.Client   // over the Unix socket
}

func startPair(t *testing.T, options ...haproxytest.Option) *pair {
	t.Helper()
	a, b := haproxytest.NewSite(t, "a"), haproxytest.NewSite(t, "b")
	p := haproxytest.Start(t, haproxytest.Pair(a.Addr(), b.Addr()), options...)
	return &pair{Proxy: p, a: a, b: b, client: newClient(t, p.Runtime("admin"), haproxy.Options{})}
}

func newClient(t *testing.T, addr string, o haproxy.Options) *haproxy.Client {
	t.Helper()
	c, err := haproxy.New(addr, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// within gives a context that ends long after whatever is waited for should have happened.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// do fails the test unless all commands succeed.
func do(t *testing.T, c interface {
	Do(context.Context, ...haproxy.Command) ([]haproxy.Answer, error)
}, commands ...haproxy.Command) []haproxy.Answer {
	t.Helper()
	answers, err := c.Do(within(t), commands...)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// serving reads back what each server of the backend web gets.
func serving(t *testing.T, c *haproxy.Client) map[string]haproxy.Serving {
	t.Helper()
	servers, err := c.ServersState(within(t), "web")
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]haproxy.Serving)
	for _, s := range servers {
		got[s.Name] = s.Serving()
	}
	return got
}

// get asks over a new connection; it returns the body and the status.
func get(t *testing.T, url string) (string, int) {
	t.Helper()
	body, status, err := ask(url)
	if err != nil {
		t.Fatal(err)
	}
	return body, status
}

func ask(url string) (body string, status int, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp.StatusCode, err
}

// hold begins a request of /hold and waits until the site has it. The channel gives what it was answered, or why not.
func (p *pair) hold(t *testing.T, site *haproxytest.Site) <-chan string {
	t.Helper()
	answered := make(chan string, 1)
	go func() {
		body, status, err := ask(p.URL("front") + "/hold")
		if err != nil || status != http.StatusOK {
			body = fmt.Sprintf("status %d, %v", status, err)
		}
		answered <- body
	}()
	eventually(t, "a request in flight", func() bool { return site.Held() == 1 })
	return answered
}

// awaitLost fails the test unless the connection is lost soon, for the reason.
func awaitLost(t *testing.T, conn *haproxy.Conn, reason error) {
	t.Helper()
	select {
	case <-conn.Lost():
	case <-within(t).Done():
		t.Fatal("the loss of the connection was not noticed")
	}
	if err := conn.Err(); !errors.Is(err, reason) {
		t.Fatalf("lost because of %v, want %v", err, reason)
	}
}

func wantReason(t *testing.T, err, reason error) *haproxy.Error {
	t.Helper()
	if !errors.Is(err, reason) {
		t.Fatalf("got error %v, want one that is %v", err, reason)
	}
	var e *haproxy.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is not an *Error", err)
	}
	return e
}
