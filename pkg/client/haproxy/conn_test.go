package haproxy_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/haproxy"
	"github.com/isacloud/ha-manager/pkg/client/haproxy/haproxytest"
)

func dial(t *testing.T, c *haproxy.Client) *haproxy.Conn {
	t.Helper()
	conn, err := c.Dial(within(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func TestConnDoesAsAClientDoes(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	for _, socket := range []string{"admin", "admin-tcp"} {
		conn := dial(t, newClient(t, p.Runtime(socket), haproxy.Options{}))
		do(t, conn, haproxy.SetState("web", "s1", haproxy.Ready))
		answers, err := conn.Do(within(t), haproxy.SetState("web", "s1", haproxy.Maint), haproxy.SetState("web", "s9", haproxy.Ready), haproxy.SetState("web", "s2", haproxy.Ready))
		wantReason(t, err, haproxy.ErrNoSuchServer)
		if answers[0].Err != nil || answers[1].Err == nil || answers[2].Err != nil {
			t.Errorf("answers %v", answers)
		}
		snapshot, err := conn.Snapshot(within(t), "web")
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := snapshot.Server("web", "s2"); !ok || s.Serving() != haproxy.Serves {
			t.Errorf("s2 in %+v", snapshot)
		}
		if info, err := p.client.ShowInfo(within(t)); err != nil || !info.Same(snapshot.Info) || !info.Same(conn.Info()) {
			t.Errorf("process %+v over the connection, %+v over another, %v", snapshot.Info, info, err)
		}
		if _, err := conn.Snapshot(within(t), "nowhere"); !errors.Is(err, haproxy.ErrNoSuchBackend) {
			t.Errorf("snapshot of no backend: %v", err)
		}
		if err := conn.Err(); err != nil {
			t.Errorf("a refused command cost the connection: %v", err)
		}
		conn.Close()
		awaitLost(t, conn, haproxy.ErrClosed)
		_, err = conn.Snapshot(within(t), "web")
		wantReason(t, err, haproxy.ErrClosed)
	}
}

func TestConnTakesTurns(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	conn := dial(t, p.client)
	var users sync.WaitGroup
	for i := range 8 {
		users.Go(func() {
			for range 50 {
				if i%2 == 0 {
					if snapshot, err := conn.Snapshot(within(t), "web"); err != nil || len(snapshot.Servers) != 2 {
						t.Errorf("snapshot %+v, %v", snapshot, err)
					}
				} else if _, err := conn.Do(within(t), haproxy.SetState("web", "s9", haproxy.Ready)); !errors.Is(err, haproxy.ErrNoSuchServer) {
					t.Errorf("unknown server: %v", err)
				}
			}
		})
	}
	users.Wait()
}

func TestConnNoticesTheEndOfTheProcessAtOnce(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*haproxytest.Proxy){
		"stop": (*haproxytest.Proxy).Stop,
		"kill": (*haproxytest.Proxy).Kill,
	}
	for name, end := range ends {
		for _, socket := range []string{"admin", "admin-tcp"} {
			t.Run(name+"/"+socket, func(t *testing.T) {
				t.Parallel()
				p := startPair(t)
				c := newClient(t, p.Runtime(socket), haproxy.Options{})
				conn := dial(t, c)
				end(p.Proxy)
				awaitLost(t, conn, haproxy.ErrUnreachable) // nobody polls: only the connection can tell
				_, err := c.Dial(within(t))
				wantReason(t, err, haproxy.ErrUnreachable)
				p.Restart()
				if again := dial(t, c); again.Info().Same(conn.Info()) {
					t.Errorf("the process after the restart passes for the one before: %+v", again.Info())
				}
			})
		}
	}
}

// A connection stays with the old process after a reload. It must be seen, must not change anything any more, and must
// not keep the old process alive.
func TestConnNoticesAReload(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]haproxytest.Option{"sf": nil, "master": {haproxytest.MasterWorker()}} {
		for _, socket := range []string{"admin", "admin-tcp"} {
			t.Run(name+"/"+socket, func(t *testing.T) {
				t.Parallel()
				p := startPair(t, options...)
				c := newClient(t, p.Runtime(socket), haproxy.Options{})
				polling, writing := dial(t, c), dial(t, c)
				do(t, writing, haproxy.SetState("web", "s1", haproxy.Ready))
				p.Reload()

				_, err := polling.Snapshot(within(t), "web")
				wantReason(t, err, haproxy.ErrStopped)
				awaitLost(t, polling, haproxy.ErrStopped)

				_, err = writing.Do(within(t), haproxy.SetState("web", "s2", haproxy.Ready))
				wantReason(t, err, haproxy.ErrStopped)
				awaitLost(t, writing, haproxy.ErrStopped)

				eventually(t, "the old process leaves", func() bool { return p.Leaving() == 0 })
				again := dial(t, c)
				if again.Info().Same(polling.Info()) {
					t.Error("the new connection reached the old process")
				}
				// "disabled" of the configuration counts again: what was set at run time went with the process.
				if got := serving(t, c); got["s1"] != haproxy.InMaint || got["s2"] != haproxy.InMaint {
					t.Errorf("after the reload: %v", got)
				}
			})
		}
	}
}

func TestConnIsLostWhenHAProxyFindsItIdle(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	conn := dial(t, newClient(t, p.Runtime("admin"), haproxy.Options{IdleTimeout: time.Second}))
	awaitLost(t, conn, haproxy.ErrUnreachable)
}

func TestConnIsGivenUpAfterACallWithoutAnswer(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	c := newClient(t, p.Runtime("admin"), haproxy.Options{Timeout: 100 * time.Millisecond})
	conn := dial(t, c)
	p.Suspend()
	defer p.Resume()
	_, err := conn.Snapshot(within(t), "web")
	e := wantReason(t, err, haproxy.ErrUnreachable)
	if !errors.Is(err, context.DeadlineExceeded) || e.Addr != p.Runtime("admin") || e.Command != "show info; show servers state web" {
		t.Errorf("error %v", err)
	}
	awaitLost(t, conn, haproxy.ErrUnreachable)
	_, err = c.Dial(within(t))
	wantReason(t, err, haproxy.ErrUnreachable)
}

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
