// Package bustest gives tests a real server and a provisioned bus, and the faults to try them with. Everything ends
// with the test.
//
//	srv := bustest.Start(t)               // in-process
//	b := bustest.Connect(t, srv, "d1")    // a bus, provisioned
//
// [Listening] makes the server listen on loopback, [Restartable] keeps its store and port over a restart, [NewRelay] stands between a client and
// it and loses what the test says, [StartChild] runs it in a process of its own that can be killed, [Bubble] runs it in virtual time.
package bustest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
)

// limit bounds each start, connect and provisioning.
const limit = 30 * time.Second

// Layout is a small one, for tests. Its ages are so long that nothing expires in virtual time, where the server's clock of message ages is decades ahead.
var Layout = bus.Layout{
	HeartbeatMaxAge: 50 * 365 * 24 * time.Hour, HeartbeatMaxBytes: 256 << 20,
	EventsMaxAge: 50 * 365 * 24 * time.Hour, EventsMaxBytes: 64 << 20,
	RequestsMaxAge:   50 * 365 * 24 * time.Hour,
	DeadLetterMaxAge: 50 * 365 * 24 * time.Hour, DeadLetterMaxBytes: 32 << 20,
}

// Start starts a server for this test, in-process only, with a store of its own that is not synced. edit may change the options.
func Start(t testing.TB, edit ...func(*embedded.Options)) *embedded.Server {
	t.Helper()
	o := embedded.Options{Name: "test", StoreDir: t.TempDir(), NoSync: true, MaxStore: 2 << 30}
	for _, f := range edit {
		f(&o)
	}
	s := start(t, o)
	t.Cleanup(func() { Stop(t, s) })
	return s
}

func start(t testing.TB, o embedded.Options) *embedded.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s, err := embedded.Start(ctx, o)
	if err != nil {
		t.Fatalf("start the test server: %v", err)
	}
	return s
}

const anyPort = "127.0.0.1:0"

// Listening makes the server listen on a free port of loopback, the same after each start.
func Listening(o *embedded.Options) { o.Listen = anyPort }

// Synced makes the server acknowledge only what is on disk.
func Synced(o *embedded.Options) { o.NoSync = false }

// Stop shuts s down before the test ends.
func Stop(t testing.TB, s *embedded.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("stop the test server: %v", err)
	}
}

// Connect returns a bus of that writer name on s, provisioned.
func Connect(t testing.TB, s *embedded.Server, name string) *bus.Bus {
	t.Helper()
	b := Dial(t, s.BusOptions(name, "test"))
	Provision(t, b)
	return b
}

// Provision makes the streams and buckets of [Layout].
func Provision(t testing.TB, b *bus.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := b.Provision(ctx, Layout); err != nil {
		t.Fatalf("provision the test bus: %v", err)
	}
}

// Dial connects, and closes with the test. Empty fields of o get what a test wants: service "test", the log of the test.
func Dial(t testing.TB, o bus.Options) *bus.Bus {
	t.Helper()
	if o.Service == "" {
		o.Service = "test"
	}
	if o.Log == nil {
		o.Log = Log(t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	b, err := bus.Connect(ctx, o)
	if err != nil {
		t.Fatalf("connect to the test bus: %v", err)
	}
	t.Cleanup(b.Close)
	return b
}

// Log writes warnings and errors to the test's output; -v shows the rest too.
func Log(t testing.TB) *slog.Logger {
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}
