package haproxy_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

func TestWatchSeesRestartAndReloadAndSetsRight(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]haproxytest.Option{"sf": nil, "master": {haproxytest.MasterWorker()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, options...)
			ctx, cancel := context.WithCancelCause(within(t))
			enough := errors.New("enough seen")
			defer cancel(enough)
			right := make(chan haproxy.Info, 100) // processes seen to serve as they should, once each
			lost := make(chan error, 10_000)
			ended := make(chan error, 1)
			go func() {
				ended <- p.client.Watch(ctx, haproxy.WatchOptions{Backends: []string{"web"}, Every: 50 * time.Millisecond}, reconciler(right, lost))
			}()
			set := func(what string) haproxy.Info {
				t.Helper()
				select {
				case info := <-right:
					return info
				case <-ctx.Done():
					t.Fatalf("not set right after %s", what)
					return haproxy.Info{}
				}
			}
			first := set("the start")
			p.Reload()
			second := set("a reload")
			p.Restart()
			third := set("a restart")
			p.Stop()
			p.Restart()
			set("a stop and a start")
			if first.Same(second) || second.Same(third) {
				t.Errorf("one process passed for another: %+v, %+v, %+v", first, second, third)
			}
			if body, status := get(t, p.URL("front")); body != "a" || status != 200 {
				t.Errorf("traffic after all: %q, status %d", body, status)
			}
			reasons := make(map[error]int)
			for len(lost) > 0 {
				err := <-lost
				for _, reason := range []error{haproxy.ErrStopped, haproxy.ErrUnreachable} {
					if errors.Is(err, reason) {
						reasons[reason]++
					}
				}
			}
			if reasons[haproxy.ErrStopped] == 0 || reasons[haproxy.ErrUnreachable] < 2 {
				t.Errorf("sightings of a loss by reason: %v", reasons)
			}
			cancel(enough)
			if err := <-ended; !errors.Is(err, enough) {
				t.Errorf("Watch ended with %v", err)
			}
		})
	}
}

// reconciler holds that s1 serves, as the executor's does.
func reconciler(right chan<- haproxy.Info, lost chan<- error) func(context.Context, haproxy.Sighting) {
	var told haproxy.Info
	return func(ctx context.Context, s haproxy.Sighting) {
		if s.Err != nil {
			lost <- s.Err
			return
		}
		if s1, ok := s.Server("web", "s1"); ok && s1.Serving() == haproxy.Serves {
			if !told.Same(s.Info) {
				told = s.Info
				right <- s.Info
			}
			return
		}
		if _, err := s.Conn.Do(ctx, haproxy.SetState("web", "s1", haproxy.Ready)); err != nil {
			lost <- err
		}
	}
}

func TestWatchRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	c := newClient(t, "/run/nobody.sock", haproxy.Options{})
	for _, o := range []haproxy.WatchOptions{
		{},
		{Backends: []string{"web;quit"}},
		{Backends: []string{"web"}, Every: time.Millisecond},
		{Backends: []string{"web"}, RetryMax: -1},
	} {
		err := c.Watch(within(t), o, func(context.Context, haproxy.Sighting) { t.Error("saw something") })
		wantReason(t, err, haproxy.ErrInvalid)
	}
}

func TestWatchGoesOnWithoutTheBackend(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	ctx, cancel := context.WithCancelCause(within(t))
	enough := errors.New("enough seen")
	looks := 0
	err := p.client.Watch(ctx, haproxy.WatchOptions{Backends: []string{"web", "nowhere"}, Every: 10 * time.Millisecond}, func(_ context.Context, s haproxy.Sighting) {
		if !errors.Is(s.Err, haproxy.ErrNoSuchBackend) || s.Conn == nil || s.Fresh != (looks == 0) {
			t.Errorf("look %d: %+v", looks, s)
		}
		if looks++; looks == 3 {
			cancel(enough)
		}
	})
	if !errors.Is(err, enough) || looks != 3 {
		t.Errorf("after %d looks: %v", looks, err)
	}
}

// The pauses between attempts begin short, grow, and stay bounded.
func TestWatchRetriesWithBoundedPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tried []time.Time
		c := newClient(t, "tcp://192.0.2.1:1", haproxy.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			tried = append(tried, time.Now())
			return nil, syscall.ECONNREFUSED
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		seen := 0
		err := c.Watch(ctx, haproxy.WatchOptions{Backends: []string{"web"}, RetryMax: 160 * time.Millisecond}, func(_ context.Context, s haproxy.Sighting) {
			seen++
			if !errors.Is(s.Err, haproxy.ErrUnreachable) || s.Conn != nil {
				t.Errorf("sighting %+v", s)
			}
		})
		if !errors.Is(err, context.DeadlineExceeded) || seen != len(tried) {
			t.Errorf("%d sightings of %d attempts, %v", seen, len(tried), err)
		}
		longest := 10 * time.Millisecond
		for i := 1; i < len(tried); i++ {
			if pause := tried[i].Sub(tried[i-1]); pause < longest/2 || pause > longest {
				t.Errorf("pause %d: %v, want %v to %v", i, pause, longest/2, longest)
			}
			longest = min(2*longest, 160*time.Millisecond)
		}
		if len(tried) < 10_000/160 {
			t.Errorf("only %d attempts in 10s", len(tried))
		}
	})
}
