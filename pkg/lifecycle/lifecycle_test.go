package lifecycle_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/lifecycle"
)

var quiet = slog.New(slog.DiscardHandler)

func untilAsked(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestAllPartsStopInOrderWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, lifecycle.Run(ctx, quiet, time.Second, lifecycle.Part{Name: "a", Run: untilAsked}, lifecycle.Part{Name: "b", Run: untilAsked}))
}

func TestOneFailureStopsTheOthersAndIsNamed(t *testing.T) {
	broken := errors.New("disk full")
	err := lifecycle.Run(t.Context(), quiet, time.Second,
		lifecycle.Part{Name: "decider", Run: untilAsked},
		lifecycle.Part{Name: "executor", Run: func(context.Context) error { return broken }})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "executor: disk full")
}

func TestAPartThatReturnsUnaskedIsAFailure(t *testing.T) {
	err := lifecycle.Run(t.Context(), quiet, time.Second, lifecycle.Part{Name: "notifier", Run: func(context.Context) error { return nil }})
	require.EqualError(t, err, "notifier: returned without being asked to stop")
}

func TestAPartThatDoesNotStopIsNamedAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		release := make(chan struct{})
		err := lifecycle.Run(ctx, quiet, 5*time.Second, lifecycle.Part{Name: "stuck", Run: func(context.Context) error { <-release; return nil }})
		require.ErrorIs(t, err, lifecycle.ErrStopTimeout)
		require.ErrorContains(t, err, "stuck")
		close(release)
	})
}

func TestReadyzTellsWhatIsMissing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var ready lifecycle.Ready
	ready.Set("decider", "watching for a full interval")
	served := make(chan error, 1)
	go func() { served <- lifecycle.Serve(ctx, listener, &ready, prometheus.NewRegistry()) }()

	get := func(path string) (int, string) {
		resp, err := http.Get("http://" + listener.Addr().String() + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	code, body := get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	var answer struct{ Waiting map[string]string }
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Equal(t, "watching for a full interval", answer.Waiting["decider"])

	ready.Set("decider", "")
	code, _ = get("/readyz")
	require.Equal(t, http.StatusOK, code)
	code, _ = get("/healthz")
	require.Equal(t, http.StatusOK, code)

	cancel()
	require.NoError(t, <-served)
}
