package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded"
)

// broker is an embedded server of this process as `ham up` has it, synced, with a store of its own.
type broker struct {
	*embedded.Server
	buses []*bus.Bus
	dir   string
}

// startBroker starts one; listen is host:port, or empty for in-process connections only.
func startBroker(ctx context.Context, dir, listen string) (*broker, error) {
	dir, err := os.MkdirTemp(dir, "bus-")
	if err != nil {
		return nil, err
	}
	s, err := embedded.Start(ctx, embedded.Options{Name: "bench", StoreDir: dir, Listen: listen})
	if err != nil {
		return nil, err
	}
	return &broker{Server: s, dir: dir}, nil
}

// connect opens one more connection inside this process.
func (k *broker) connect(ctx context.Context, name string) (*bus.Bus, error) {
	b, err := bus.Connect(ctx, k.BusOptions(name, "bench"))
	if err == nil {
		k.buses = append(k.buses, b)
	}
	return b, err
}

// end closes everything and removes the store.
func (k *broker) end() error {
	for _, b := range k.buses {
		b.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	return errors.Join(k.Shutdown(ctx), os.RemoveAll(k.dir))
}
