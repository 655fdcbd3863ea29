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

// LoadOptions say how a load asks: either Workers that each wait for an answer before they ask again, or, with Every,
// requests at a steady rate, whether the earlier ones were answered or not. The second is how many independent clients look.
type LoadOptions struct {
	Workers   int           // how many ask at the same time; default 4
	Pause     time.Duration // between two requests of a worker; default none
	Every     time.Duration // if set, a request begins every so often instead; at most 1000 are under way
	KeepAlive bool          // connections to HAProxy are kept; otherwise every request opens one
	Timeout   time.Duration // of one request; default 5 s
}

// maxUnderWay bounds the requests of a load at a steady rate.
const maxUnderWay = 1000

// Load sends requests all the time and counts what became of them.
type Load struct {
	stop    context.CancelFunc
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
		stop:    cancel,
		report:  Report{Failures: map[string]int{}, By: map[string]int{}},
		success: make(chan struct{}),
	}
	if o.Every > 0 {
		l.workers.Go(func() { l.steadily(ctx, url, o) })
	} else {
		for range o.Workers {
			l.workers.Go(func() { l.work(ctx, url, o) })
		}
	}
	t.Cleanup(func() { l.Stop() })
	return l
}

// Stop begins no more requests, waits for those under way, and tells what became of all.
func (l *Load) Stop() Report {
	l.stop()
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

// steadily begins a request every o.Every.
func (l *Load) steadily(ctx context.Context, url string, o LoadOptions) {
	transport := &http.Transport{DisableKeepAlives: !o.KeepAlive, MaxIdleConnsPerHost: maxUnderWay}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: o.Timeout}
	places := make(chan struct{}, maxUnderWay)
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	var underWay sync.WaitGroup
	defer underWay.Wait()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		select {
		case places <- struct{}{}:
			underWay.Go(func() {
				l.one(client, url)
				<-places
			})
		default: // so many are waiting that one more tells nothing
		}
	}
}

// one sends a request and notes what became of it. The client's time limit bounds it, not the end of the load.
func (l *Load) one(client *http.Client, url string) {
	began := time.Now()
	who, err := get(client, url)
	l.note(began, time.Now(), who, err)
}

func (l *Load) work(ctx context.Context, url string, o LoadOptions) {
	transport := &http.Transport{DisableKeepAlives: !o.KeepAlive}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: o.Timeout}
	for ctx.Err() == nil {
		l.one(client, url)
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

func get(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
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
