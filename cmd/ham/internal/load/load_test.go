package load_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/load"
)

// TestEveryRequestCounts: what the server saw, what was answered and what failed add up, whatever the server does to a request.
func TestEveryRequestCounts(t *testing.T) {
	var seen, cut, wrong atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n := seen.Add(1); {
		case n == 120:
			cancel()
		case n%10 == 3:
			wrong.Add(1)
			http.Error(w, "no", http.StatusServiceUnavailable)
		case n%10 == 7:
			cut.Add(1)
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	r := load.Run(ctx, server.URL, time.Millisecond)
	require.Equal(t, int(seen.Load()), r.Sent)
	require.Equal(t, r.Sent, r.Answered+r.Failed)
	require.Equal(t, int(cut.Load()+wrong.Load()), r.Failed)
	require.Equal(t, int(wrong.Load()), r.Failures["503 Service Unavailable"])
	require.Equal(t, r.Answered, r.By[""])
}

// TestNobodyThere: a refused connection is a request that failed.
func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r := load.Run(ctx, server.URL, time.Millisecond)
	require.Positive(t, r.Failed)
	require.Equal(t, r.Sent, r.Failed)
	require.Equal(t, r.Sent, r.Failures["connection refused"])
}
