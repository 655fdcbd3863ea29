package haproxytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// LoadOptions say how a load asks.
type LoadOptions struct {
	Workers   int           // how many ask at the same time; default 4
	KeepAlive bool          // each worker keeps its connection to HAProxy; otherwise every request opens one
	Pause     time.Duration // between two requests of a worker; default none
	Timeout   time.Duration // of one request; default 5 s
}

// Load sends requests all the time and counts what became of them.
type Load struct {
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu      sync.Mutex
	report  Report
	last    time.Time     // when the last success ended
	success chan struct{} // closed and renewed at each success
}

// Report is what a load saw.
type Report struct {
	Requests int
	Failed   int
	Failures map[string]int // what went wrong, in few words -> how often
	By       map[string]int // who answered -> how often
	LastBy   string         // who answered last
	Gap      time.Duration  // the longest time between the ends of two successes
	Slowest  time.Duration  // of the successes
}

// String gives one line.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests, %d failed, gap %v, slowest %v", r.Requests, r.Failed, r.Gap.Round(100*time.Microsecond), r.Slowest.Round(100*time.Microsecond))
	for _, who := range slices.Sorted(maps.Keys(r.By)) {
		fmt.Fprintf(&b, ", %s %d", who, r.By[who])
	}
	for _, what := range slices.Sorted(maps.Keys(r.Failures)) {
		fmt.Fprintf(&b, "; %s %d", what, r.Failures[what])
	}
	return b.String()
}

// StartLoad begins to send GET requests to url, whose answers are taken for the name of who answered. It ends with Stop or with the test.
func StartLoad(t testing.TB, url string, o LoadOptions) *Load {
	t.Helper()
	if o.Workers == 0 {
		o.Workers = 4
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{
		cancel:  cancel,
		report:  Report{Failures: map[string]int{}, By: map[string]int{}},
		success: make(chan struct{}),
	}
	for range o.Workers {
		l.workers.Go(func() { l.work(ctx, url, o) })
	}
	t.Cleanup(func() { l.Stop() })
	return l
}

// Stop ends the load and tells what it saw. Requests that Stop itself cut off do not count.
func (l *Load) Stop() Report {
	l.cancel()
	l.workers.Wait()
	return l.Report()
}

// Report tells what the load saw so far.
func (l *Load) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.report
	r.Failures, r.By = maps.Clone(r.Failures), maps.Clone(r.By)
	return r
}

// Await waits until somebody has given n more answers.
func (l *Load) Await(ctx context.Context, who string, n int) error {
	target := l.Report().By[who] + n
	for {
		l.mu.Lock()
		have, success := l.report.By[who], l.success
		l.mu.Unlock()
		if have >= target {
			return nil
		}
		select {
		case <-success:
		case <-ctx.Done():
			return fmt.Errorf("%s answered %d of %d requests waited for: %w (%s)", who, n-(target-have), n, ctx.Err(), l.Report())
		}
	}
}

func (l *Load) work(ctx context.Context, url string, o LoadOptions) {
	transport := &http.Transport{DisableKeepAlives: !o.KeepAlive}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: o.Timeout}
	for ctx.Err() == nil {
		began := time.Now()
		who, err := get(ctx, client, url)
		if ctx.Err() != nil {
			return
		}
		l.note(began, time.Now(), who, err)
		if o.Pause > 0 {
			select {
			case <-time.After(o.Pause):
			case <-ctx.Done():
			}
		}
	}
}

func (l *Load) note(began, ended time.Time, who string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.Requests++
	if err != nil {
		l.report.Failed++
		l.report.Failures[inFewWords(err)]++
		return
	}
	l.report.By[who]++
	l.report.LastBy = who
	l.report.Slowest = max(l.report.Slowest, ended.Sub(began))
	if !l.last.IsZero() {
		l.report.Gap = max(l.report.Gap, ended.Sub(l.last))
	}
	l.last = ended
	close(l.success)
	l.success = make(chan struct{})
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", statusError(resp.StatusCode)
	}
	return string(body), nil
}

type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// inFewWords sorts failures into few kinds, so that they can be counted.
func inFewWords(err error) string {
	var status statusError
	var timeout net.Error
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return err.Error()
	}
}
