package wait_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/wait"
)

func target(t *testing.T) drivertest.Target {
	var mode, looks atomic.Int32
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mode.Load() == 1 {
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return
		}
		if looks.Add(1) < 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	return drivertest.Target{
		With:  fmt.Sprintf(`{"until": {"http": %q, "timeout_ns": 5000000000, "want": "up", "headers": {"Authorization": "${env:SUITE_SECRET}"}}, "every_ns": 20000000}`, server.URL),
		Tells: true, Hang: func() { mode.Store(1) },
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, wait.Kind(), target) }

// When its time is over it says no where the target was seen not to be so, and that it could not ask where it could not.
func TestTimeIsOver(t *testing.T) {
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(down.Close)
	for name, c := range map[string]struct {
		until string
		want  error
	}{
		"up":   {fmt.Sprintf(`"http": %q, "want": "up"`, down.URL), driver.ErrRefused},
		"gone": {fmt.Sprintf(`"http": %q, "want": "up", "headers": {"x": "${env:NO_SUCH}"}`, down.URL), driver.ErrUnasked},
		// What cannot be looked at is not known to be down.
		"down": {fmt.Sprintf(`"http": %q, "want": "down", "headers": {"x": "${env:NO_SUCH}"}`, down.URL), driver.ErrUnasked},
	} {
		in := drivertest.In(t, `{"until": {`+c.until+`, "timeout_ns": 100000000}}`)
		d, err := wait.Kind().New(in.Step.With)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := d.Do(ctx, in); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
