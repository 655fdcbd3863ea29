package prober

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

func TestMain(m *testing.M) {
	checktest.Main(m, map[string]checktest.Role{"site": site, "farm": farm, "bus": busServer, "prober": proberProcess})
}

// site is a small web server.
func site(l net.Listener) {
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") }))
}

// ample is how long a test waits for what must happen: a busy machine is no failure.
const ample = 30 * time.Second

// busURL tells a prober in a process of its own where its bus is.
const busURL = "PROBER_TEST_BUS"

// proberProcess is a prober alone.
func proberProcess(net.Listener) {
	b, err := bus.Connect(context.Background(), bus.Options{Name: "p1", Service: "prober", URLs: []string{os.Getenv(busURL)}})
	if err != nil {
		log.Fatal(err)
	}
	p, err := New(Options{Bus: b, Name: "p1", Vantages: []string{"sp"}})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(p.Run(context.Background()))
}

// world is a real bus, a prober on it, and what the prober told.
type world struct {
	t      *testing.T
	server *embedded.Server
	// mine is the test's own connection.
	mine   *bus.Bus
	cut    *cutter
	prober *Prober
	beats  chan *message.Heartbeat
	stop   func()
}

func newWorld(t *testing.T, edit func(*Options)) *world {
	t.Helper()
	w := emptyWorld(t)
	bo := w.server.BusOptions("p1", "prober")
	bo.InProcess, bo.URLs, bo.Dialer = nil, []string{w.server.ClientURL()}, w.cut
	o := Options{Bus: bustest.Dial(t, bo), Name: "p1", Vantages: []string{"sp"}}
	if edit != nil {
		edit(&o)
	}
	var err error
	w.prober, err = New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.prober.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(ample):
			t.Error("the prober does not stop")
		}
	})
	t.Cleanup(w.stop)
	return w
}

// emptyWorld has no prober yet.
func emptyWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, server: bustest.Start(t, bustest.Listening), beats: make(chan *message.Heartbeat, 100_000), cut: newCutter()}
	w.mine = bustest.Connect(t, w.server, "ana")
	w.follow()
	return w
}

// follow collects the stored heartbeats until the test ends.
func (w *world) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		_ = w.mine.FollowHeartbeats(ctx, bus.HeartbeatOptions{}, func(hb *message.Heartbeat, _ bus.HeartbeatMeta) {
			copied := *hb
			w.beats <- &copied
		})
	}()
}

// apply puts the checks into force for the members a and b.
func (w *world) apply(a, b, checks string) {
	w.t.Helper()
	text := fmt.Sprintf("group: web\nmode: dry-run\nmembers:\n  a: {site: sp, url: %q}\n  b: {site: rj, url: %q}\nadopt: a\nchecks:\n%s\n", a, b, checks)
	ctx, cancel := context.WithTimeout(w.t.Context(), ample)
	defer cancel()
	_, err := store.Put(ctx, w.mine, text, "ana", "test", store.AnyRevision)
	require.NoError(w.t, err)
}

// until returns the first heartbeat that is as wanted.
func (w *world) until(what string, want func(*message.Heartbeat) bool) *message.Heartbeat {
	w.t.Helper()
	deadline := time.After(ample)
	for {
		select {
		case hb := <-w.beats:
			if want(hb) {
				return hb
			}
		case <-deadline:
			var looks []Look
			if w.prober != nil {
				looks = w.prober.Looks()
			}
			w.t.Fatalf("no heartbeat says %s; the prober knows %+v", what, looks)
		}
	}
}

func says(member string, answer message.Answer) func(*message.Heartbeat) bool {
	return func(hb *message.Heartbeat) bool { return hb.Member == member && hb.Answer == answer }
}

// cutter makes connections that can be cut and forbidden.
type cutter struct {
	mu   sync.Mutex
	away bool
	open map[net.Conn]bool
}

func newCutter() *cutter { return &cutter{open: map[net.Conn]bool{}} }

func (c *cutter) Dial(network, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return nil, errors.New("the bus is away")
	}
	conn, err := net.DialTimeout(network, address, 5*time.Second)
	if err == nil {
		c.open[conn] = true
	}
	return conn, err
}

// away cuts every connection, or allows new ones again.
func (c *cutter) set(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
	for conn := range c.open {
		_ = conn.Close()
	}
	clear(c.open)
}
