// Package bustest gives tests a real server and a provisioned bus. Everything ends with the test.
package bustest

import (
	"context"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
)

// Limit bounds each start, connect and provisioning.
const limit = 20 * time.Second

// Start starts a server for this test, in-process only, with a store of its own that is not synced. Options may be changed by edit.
func Start(t testing.TB, edit ...func(*embedded.Options)) *embedded.Server {
	t.Helper()
	o := embedded.Options{Name: "test", StoreDir: t.TempDir(), NoSync: true, MaxStore: 1 << 30}
	for _, f := range edit {
		f(&o)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s, err := embedded.Start(ctx, o)
	if err != nil {
		t.Fatalf("start the test server: %v", err)
	}
	t.Cleanup(func() { Stop(t, s) })
	return s
}

// Listening makes Start listen on a free port of loopback.
func Listening(o *embedded.Options) { o.Listen = "127.0.0.1:0" }

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
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := b.Provision(ctx, bus.Layout{HeartbeatMaxBytes: 256 << 20, EventsMaxBytes: 64 << 20, DeadLetterMaxBytes: 32 << 20}); err != nil {
		t.Fatalf("provision the test bus: %v", err)
	}
	return b
}

// Dial connects and closes with the test.
func Dial(t testing.TB, o bus.Options) *bus.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	b, err := bus.Connect(ctx, o)
	if err != nil {
		t.Fatalf("connect to the test bus: %v", err)
	}
	t.Cleanup(b.Close)
	return b
}
