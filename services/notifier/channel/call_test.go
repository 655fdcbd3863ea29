package channel_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/channeltest"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for in, want := range map[string]time.Duration{
			"": 3 * time.Second, "7": 7 * time.Second, "0": 0, "-5": 3 * time.Second, "soon": 3 * time.Second,
			"99999999999": channel.MaxRetryAfter, "999999999999999999999": 3 * time.Second,
			time.Now().Add(time.Minute).UTC().Format(http.TimeFormat):    time.Minute,
			time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat):   0,
			time.Now().Add(24 * time.Hour).UTC().Format(http.TimeFormat): channel.MaxRetryAfter,
		} {
			h := http.Header{}
			if in != "" {
				h.Set("Retry-After", in)
			}
			if got := channel.RetryAfter(h, 3*time.Second); got != want {
				t.Errorf("%q: %s, want %s", in, got, want)
			}
		}
	})
}

// Whether a request can have reached the far side decides whether the post is looked up.
func TestFailedKnowsWhetherTheRequestWentOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := channeltest.NewNet()
		network.Serve(t, "far.test", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then is a client noticed that gives up
			<-r.Context().Done()
		}))
		client := network.Client(t)
		call := func(url string) *channel.Error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			c := channel.NewCaller(client, "hunter2secret")
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.Do(req)
			if err == nil {
				resp.Body.Close()
				t.Fatal("answered")
			}
			return c.Failed(ctx, err)
		}
		for url, want := range map[string]channel.Class{
			"http://far.test/hunter2secret": channel.Unsure, "http://nowhere.test/hunter2secret": channel.Later,
		} {
			e := call(url)
			if e.Class != want || strings.Contains(e.Error(), "hunter2secret") {
				t.Errorf("%s: %+v, want %s", url, e, want)
			}
		}
		network.Down("far.test", true)
		if e := call("http://far.test/"); e.Class != channel.Later {
			t.Errorf("refused: %+v", e)
		}
	})
}

// The transport may not send a post a second time by itself.
func TestNoHiddenRepetition(t *testing.T) {
	t.Parallel()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://far.test", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", "k")
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		if r.GetBody != nil {
			t.Error("the body can be read again: the transport would repeat the request")
		}
		return nil, errors.New("enough")
	})}
	if _, err := channel.NewCaller(client).Do(req); err == nil {
		t.Error("want the transport's error")
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAs(t *testing.T) {
	t.Parallel()
	if e := channel.As(errors.New("?")); e.Class != channel.Unsure {
		t.Errorf("what nobody classified is %s, want unsure", e.Class)
	}
	if e := channel.As(context.DeadlineExceeded); e.Class != channel.Unsure || e.Code != "timeout" {
		t.Errorf("got %+v", e)
	}
	if e := channel.Fail(channel.Denied, "c", "s %d", 1); channel.As(e) != e || e.Error() != "c: s 1" {
		t.Errorf("got %v", e)
	}
}
