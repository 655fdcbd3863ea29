package assert_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/porttest"
	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/assert"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
)

// The suite wants a step that is not done and can be done: an assertion comes true by itself, so the target does at the second look.
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
		if looks.Add(1) == 1 || mode.Load() == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, r.Header.Get("Authorization"))
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	return drivertest.Target{
		With:  fmt.Sprintf(`{"that": {"http": %q, "timeout_ns": 5000000000, "want": "up", "headers": {"Authorization": "${env:SUITE_SECRET}"}}, "ends": false}`, server.URL),
		Tells: true, Hang: func() { mode.Store(1) }, Refuse: func() { mode.Store(2) },
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, assert.Kind(), target) }

func refusing(t *testing.T) string {
	return porttest.Hold(t)
}

func silent(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestWhatHolds(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "role: primary") }))
	t.Cleanup(up.Close)
	const blind = `"headers": {"x": "${env:NO_SUCH}"},`
	for _, c := range []struct {
		name, that string
		done       driver.Done
		ends, err  bool
	}{
		{"wanted up, is up", `"http": "` + up.URL + `", "want": "up"`, driver.Yes, false, false},
		{"wanted up, body differs", `"http": "` + up.URL + `", "body": "standby", "want": "up"`, driver.No, true, false},
		{"wanted up, refuses", `"tcp": "` + refusing(t) + `", "want": "up"`, driver.No, true, false},
		{"wanted up, is silent", `"http": "http://` + silent(t) + `", "want": "up"`, driver.No, true, false},
		{"wanted up, nobody could look", blind + `"http": "` + up.URL + `", "want": "up"`, driver.No, false, true},
		{"wanted down, is up", `"http": "` + up.URL + `", "want": "down"`, driver.No, true, false},
		{"wanted down, refuses", `"tcp": "` + refusing(t) + `", "want": "down"`, driver.Yes, false, false},
		{"wanted down, is silent", `"http": "http://` + silent(t) + `", "want": "down"`, driver.Yes, false, false},
		{"wanted down, nobody could look", blind + `"http": "` + up.URL + `", "want": "down"`, driver.Yes, false, false},
		{"a command says up", `"command": ["sh", "-c", "echo OK; exit 0"], "want": "up"`, driver.Yes, false, false},
		{"a command is told", `"command": ["sh", "-c", "test $TOKEN.$HAM_EPOCH = x.7"], "env": {"TOKEN": "x"}, "dir": "/", "want": "up"`, driver.Yes, false, false},
		{"a command says degraded", `"command": ["sh", "-c", "exit 1"], "want": "up"`, driver.Yes, false, false},
		{"a command says down", `"command": ["sh", "-c", "exit 2"], "want": "up"`, driver.No, true, false},
		{"a command does not know", `"command": ["sh", "-c", "exit 3"], "want": "up"`, driver.No, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			limit := 10 * time.Second
			if strings.Contains(c.name, "silent") {
				limit = 200 * time.Millisecond
			}
			in := drivertest.In(t, fmt.Sprintf(`{"that": {%s, "timeout_ns": %d}, "ends": true}`, c.that, limit))
			d, err := assert.Kind().New(in.Step.With)
			if err != nil {
				t.Fatal(err)
			}
			sight, err := d.Look(t.Context(), in)
			if sight.Done != c.done || sight.Ends != c.ends || (err != nil) != c.err {
				t.Errorf("done %s, ends %t, error %v; want %s, %t, %t. Found: %s", sight.Done, sight.Ends, err, c.done, c.ends, c.err, sight.Found)
			}
		})
	}
}
