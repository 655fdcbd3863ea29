// Package load asks an HTTP server at a steady rate and counts what becomes of every request.
//
// It is an open loop: the n-th request is due n times the interval after the start, whatever became of those before it. A machine that is busy sends
// some late, and none is left out: who would send fewer while the server is slow measures a server that nobody asks (coordinated omission). Each
// request has a connection of its own, so that no library asks again in silence what failed on an old one. Whatever is not answered with 200 within the
// time limit has failed: refused, reset, cut short, too late, another status.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// limit is how long one request may take.
const limit = 10 * time.Second

// Report is what became of the requests.
type Report struct {
	// Sent is how many were sent, Answered and Failed together.
	Sent, Answered, Failed int
	// Failures are what went wrong, By is who answered (the body), with how often.
	Failures, By map[string]int
	// Took is how long they were sent for, Late how late the latest was sent, Slowest how long the slowest answer took.
	Took, Late, Slowest time.Duration
}

// Rate is how many were sent a second.
func (r Report) Rate() float64 { return float64(r.Sent) / r.Took.Seconds() }

// String gives one line.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %s (%.0f/s, at most %s late), %d failed, slowest %s", r.Sent, r.Took.Round(time.Millisecond), r.Rate(), r.Late.Round(time.Millisecond), r.Failed,
		r.Slowest.Round(time.Millisecond))
	for _, what := range slices.Sorted(maps.Keys(r.Failures)) {
		fmt.Fprintf(&b, "; %d × %s", r.Failures[what], what)
	}
	return b.String()
}

// Run asks url every so often until ctx ends, then waits for the answers that are due.
func Run(ctx context.Context, url string, every time.Duration) Report {
	r := Report{Failures: map[string]int{}, By: map[string]int{}}
	client := &http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	var mu sync.Mutex
	var underWay sync.WaitGroup
	began := time.Now()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(n) * every)
		if !until(ctx, due) {
			break
		}
		r.Sent++
		sent := time.Now()
		r.Late = max(r.Late, sent.Sub(due))
		underWay.Go(func() {
			who, err := get(client, url)
			took := time.Since(sent)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.Failed++
				r.Failures[err.Error()]++
				return
			}
			r.Answered++
			r.By[who]++
			r.Slowest = max(r.Slowest, took)
		})
	}
	r.Took = time.Since(began)
	underWay.Wait()
	return r
}

// until waits for a moment; false: ctx has ended.
func until(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func get(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", last(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return "", last(err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(resp.Status)
	}
	return strings.TrimSpace(string(body)), nil
}

// last is the innermost reason, without the addresses, so that the same failures count as the same.
func last(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
