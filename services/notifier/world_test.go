package notifier_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/services/notifier"
	"github.com/isacloud/ha-manager/services/notifier/channel/channeltest"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/slacktest"
	"github.com/isacloud/ha-manager/services/notifier/channel/webhook/webhooktest"
)

// TestMain keeps one server running outside of all bubbles: nats-server has a clock of its own that the first server with
// JetStream starts, and a bubble that started it would never stand still.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "notifier-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	server, err := embedded.Start(ctx, embedded.Options{Name: "outside", StoreDir: dir, NoSync: true, MaxStore: 1 << 30})
	if err == nil {
		var b *bus.Bus
		if b, err = bus.Connect(ctx, server.BusOptions("outside", "test")); err == nil {
			err = b.Provision(ctx, forever)
			b.Close()
		}
	}
	cancel()
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
		_ = server.Shutdown(context.Background())
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// forever is a layout in which nothing grows old: that clock of the server shows today, the clock of a bubble the year 2000.
var forever = bus.Layout{
	HeartbeatMaxAge: 100 * year, EventsMaxAge: 100 * year, RequestsMaxAge: 100 * year, DeadLetterMaxAge: 100 * year,
	HeartbeatMaxBytes: 8 << 20, EventsMaxBytes: 64 << 20, DeadLetterMaxBytes: 32 << 20,
}

const year = 365 * 24 * time.Hour

// world is a bus, a Slack, a webhook's receiver and a terminal, on pipes.
type world struct {
	t       *testing.T
	server  *embedded.Server
	bus     *bus.Bus
	net     *channeltest.Net
	slack   *slacktest.Server
	pager   *webhooktest.Server
	alive   *webhooktest.Server // takes signs of life
	notify  spec.Notify         // of the notifiers that are started
	out     *screen
	secrets sync.Map
	n       int
}

// inWorld runs a story in a bubble of virtual time. Stories run one after the other: nats.go keeps timers in a pool of
// the whole process, and a timer of one bubble must not be used in another. Two collections empty that pool.
func inWorld(t *testing.T, story func(*world)) {
	t.Helper()
	runtime.GC()
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, server: bustest.Start(t), net: channeltest.NewNet(), slack: slacktest.New(), pager: webhooktest.New(), alive: webhooktest.New(), out: &screen{}}
		w.bus = bustest.Dial(t, w.server.BusOptions("teller", "test"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.bus.Provision(ctx, forever); err != nil {
			t.Fatal(err)
		}
		w.net.Serve(t, "slack.test", w.slack)
		w.net.Serve(t, "pager.test", w.pager)
		w.net.Serve(t, "alive.test", w.alive)
		t.Cleanup(w.slack.Close)
		t.Cleanup(w.pager.Close)
		t.Cleanup(w.alive.Close)
		w.secrets.Store("/token", slacktest.Token)
		w.secrets.Store("/pager", "http://pager.test/in")
		story(w)
	})
}

// link is the way of one notifier to the bus.
type link struct {
	server *embedded.Server
	mu     sync.Mutex
	conns  []net.Conn
	down   bool
}

// InProcessConn makes it a nats.InProcessConnProvider.
func (l *link) InProcessConn() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, syscall.ECONNREFUSED
	}
	c, err := l.server.InProcess().InProcessConn()
	if err == nil {
		l.conns = append(l.conns, c)
	}
	return c, err
}

// cut closes the link until it is mended.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

// channels are those of most stories: all events of severity warning go to each.
func channels() []spec.Channel {
	return []spec.Channel{
		{Name: "slack", Kind: "slack", Token: "${file:/token}", API: "http://slack.test/api", Default: "#ops"},
		{Name: "pager", Kind: "webhook", URL: "${file:/pager}"},
		{Name: "console", Kind: "log"},
	}
}

// life is a notifier that runs.
type life struct {
	*notifier.Notifier
	link *link
	bus  *bus.Bus
	stop context.CancelFunc
	done chan error
	dead bool // killed: what it says at its end counts for nothing
}

// start starts a notifier and waits until it works. It ends with the test, if not before.
func (w *world) start(name string, ch ...spec.Channel) *life {
	w.t.Helper()
	if len(ch) == 0 {
		ch = channels()
	}
	l := &life{link: &link{server: w.server}, done: make(chan error, 1)}
	o := w.server.BusOptions(name, "notifier")
	o.InProcess = l.link
	l.bus = bustest.Dial(w.t, o)
	ready := make(chan struct{})
	var once sync.Once
	var err error
	l.Notifier, err = notifier.New(notifier.Options{
		Bus: l.bus, Channels: ch, Notify: w.notify, Out: w.out, HTTP: w.net.Client(w.t), Log: testLog(w.t),
		Secrets: func(_, name string) (string, error) {
			v, ok := w.secrets.Load(name)
			if !ok {
				return "", fmt.Errorf("no such file")
			}
			return v.(string), nil
		},
		Ready: func(reason string) {
			if reason == "" {
				once.Do(func() { close(ready) })
			}
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.t.Context())
	l.stop = stop
	go func() { l.done <- l.Run(ctx) }()
	select {
	case <-ready:
	case err := <-l.done:
		w.t.Fatalf("notifier %s ended: %v", name, err)
	}
	w.t.Cleanup(func() { l.end(w.t) })
	return l
}

// end stops a notifier in order. It may be called twice.
func (l *life) end(t *testing.T) {
	t.Helper()
	l.stop()
	if err := <-l.done; err != nil && !l.dead {
		t.Errorf("notifier: %v", err)
	}
	l.done <- nil
}

// kill cuts a notifier off from the bus, at once and for ever, as kill -9 does.
func (l *life) kill() {
	l.dead = true
	l.bus.Close()
	l.stop()
}

// event stores an event of web; fields that are empty are filled.
func (w *world) event(e message.Event) *message.Event {
	w.t.Helper()
	w.n++
	if e.ID == "" {
		e.ID = fmt.Sprintf("ev.%d", w.n)
	}
	if e.Group == "" {
		e.Group = "web"
	}
	if e.Kind == "" {
		e.Kind = message.EventVerdict
	}
	if e.Severity == "" {
		e.Severity = message.Warning
	}
	if e.Sentence == "" {
		e.Sentence = fmt.Sprintf("Sentence %03d.", w.n)
	}
	e.Writer, e.At = "teller", time.Now().UnixMicro()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	if _, err := w.bus.Publish(ctx, subject.Event(e.Group, e.Kind, "teller"), &e); err != nil {
		w.t.Fatal(err)
	}
	return &e
}

// apply puts a spec of web in force with these notify rules.
func (w *world) apply(notify string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	text := `group: web
members:
  a: {site: sp, url: http://192.0.2.10:8080}
  b: {site: rj, url: http://198.51.100.10:8080}
checks:
  alive: {http: /alive, every: 1s, timeout: 300ms, from: [sp, rj, witness]}
routes:
  front: {haproxy: [tcp://192.0.2.2:9999], backend: web, servers: {a: s1, b: s2}}
notify: ` + notify + "\n"
	if _, err := store.Put(ctx, w.bus, text, "ana", "test", store.AnyRevision); err != nil {
		w.t.Fatal(err)
	}
}

// until waits, in virtual time, until ok, at most for limit.
func (w *world) until(limit time.Duration, what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		synctest.Wait()
		if ok() {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s: not within %s.\nslack: %s\npager: %d\nconsole: %s", what, limit, w.posts(), len(w.pager.Got()), w.out.String())
		}
	}
}

// posts are the texts of what Slack has, a line each, replies indented.
func (w *world) posts() string {
	var out strings.Builder
	for _, m := range w.slack.Messages() {
		if m.Thread != "" {
			out.WriteString("  ")
		}
		out.WriteString(strings.ReplaceAll(m.Text, "\n", " | ") + "\n")
	}
	return out.String()
}

// events returns all events of a kind that the stream has.
func (w *world) events(kind message.EventKind) []*message.Event {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	entries, err := w.bus.Since(ctx, subject.StreamEvents, subject.AllEvents, 1, 100000)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []*message.Event
	for _, x := range entries {
		if e, ok := x.Message.(*message.Event); ok && e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// letters returns the dead letters.
func (w *world) letters() []*message.DeadLetter {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	entries, err := w.bus.Since(ctx, subject.StreamDeadLetter, subject.AllDeadLetter, 1, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []*message.DeadLetter
	for _, x := range entries {
		out = append(out, x.Message.(*message.DeadLetter))
	}
	return out
}

// screen is a terminal.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func testLog(t *testing.T) *slog.Logger {
	if os.Getenv("HAM_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
