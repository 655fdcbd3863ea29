package stack

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/porttest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// TestClusterOfProcesses: processes whose files name each other form one bus, each stream on all of them. They may start in any order: the
// first ones wait.
func TestClusterOfProcesses(t *testing.T) {
	var routes []string
	for range 3 {
		routes = append(routes, porttest.Hold(t))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stacks := make([]*Stack, 3)
	errs := make([]error, 3)
	var starting sync.WaitGroup
	for i, site := range []string{"sp", "rj", "witness"} {
		starting.Go(func() {
			stacks[i], errs[i] = Start(ctx, Options{
				Process: spec.Process{
					Name: site, Site: site, HTTP: "off", StateDir: t.TempDir(),
					Bus: spec.Bus{Listen: "127.0.0.1:0", Replicas: 3, Cluster: &spec.BusCluster{Name: "ham", Listen: routes[i], Routes: routes}},
				},
				Services: []string{}, Log: slog.New(slog.DiscardHandler),
			})
		})
	}
	starting.Wait()
	for _, s := range stacks {
		if s != nil {
			defer func() { require.NoError(t, s.Close()) }()
		}
	}
	require.NoError(t, errors.Join(errs...))
	for _, s := range stacks {
		stream, err := s.Bus.JS().Stream(ctx, subject.StreamCommands)
		require.NoError(t, err)
		require.Equal(t, 3, stream.CachedInfo().Config.Replicas)
	}
}
