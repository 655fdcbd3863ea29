package haproxy_test

import (
	"context"
	"errors"
	"strings"
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

// HAProxy accepts no more runtime connections than "stats maxconn" (10 by default): the next one waits unanswered.
func TestTooManyRuntimeConnectionsGoUnanswered(t *testing.T) {
	t.Parallel()
	a := haproxytest.NewSite(t, "a")
	p := haproxytest.Start(t, strings.Replace(haproxytest.Pair(a.Addr(), a.Addr()), "stats maxconn 50", "stats maxconn 2", 1))
	c := newClient(t, p.Runtime("admin"), haproxy.Options{Timeout: 200 * time.Millisecond})
	conns := []*haproxy.Conn{dial(t, c), dial(t, c)}
	_, err := c.ShowInfo(within(t))
	wantReason(t, err, haproxy.ErrUnreachable)
	conns[0].Close()
	if _, err := newClient(t, p.Runtime("admin"), haproxy.Options{Timeout: 10 * time.Second}).ShowInfo(within(t)); err != nil {
		t.Errorf("with a place free again: %v", err)
	}
}
