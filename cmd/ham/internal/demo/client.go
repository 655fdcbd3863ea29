package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// clients stands for the users: one request every few milliseconds through the router, each with a short patience.
type clients struct {
	url   string
	every time.Duration

	mu       sync.Mutex
	total    int
	failed   int
	site     string    // that answered last
	lastGood time.Time // of the last answer
	gap      time.Duration
	problem  string        // of the last failure
	changed  chan struct{} // closed and replaced when another site answers
}

func newClients(url string) *clients {
	return &clients{url: url, every: 5 * time.Millisecond, changed: make(chan struct{})}
}

// run asks until ctx ends.
func (c *clients) run(ctx context.Context) {
	http := &http.Client{
		Timeout: 100 * time.Millisecond,
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 100 * time.Millisecond}).DialContext, MaxIdleConnsPerHost: 1,
		},
	}
	defer http.CloseIdleConnections()
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		c.ask(ctx, http)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *clients) ask(ctx context.Context, client *http.Client) {
	site, err := get(ctx, client, c.url)
	if ctx.Err() != nil {
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	if err != nil {
		c.failed++
		c.problem = err.Error()
		return
	}
	if !c.lastGood.IsZero() {
		c.gap = max(c.gap, now.Sub(c.lastGood))
	}
	c.lastGood = now
	if site != c.site {
		c.site = site
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

func get(ctx context.Context, client *http.Client, url string) (site string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the router answers %s", resp.Status)
	}
	return resp.Header.Get("x-site"), nil
}

// count is what happened to the clients since the last count.
type count struct {
	total, failed int
	gap           time.Duration // the longest time between two answers
	site          string
}

// take returns what happened since the last take, and begins anew.
func (c *clients) take() count {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := count{c.total, c.failed, c.gap, c.site}
	c.total, c.failed, c.gap = 0, 0, 0
	return n
}

// served waits until the site answers the clients.
func (c *clients) served(ctx context.Context, site string) error {
	for {
		c.mu.Lock()
		now, changed, problem := c.site, c.changed, c.problem
		c.mu.Unlock()
		if now == site {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("clients are not served by site %s (last answer from %q, last problem: %s): %w", site, now, problem, ctx.Err())
		}
	}
}
