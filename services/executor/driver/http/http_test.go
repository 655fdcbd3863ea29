package http_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/isacloud/ha-manager/services/executor/driver"
	"github.com/isacloud/ha-manager/services/executor/driver/drivertest"
	"github.com/isacloud/ha-manager/services/executor/driver/http"
)

func target(t *testing.T) drivertest.Target {
	var changes, mode atomic.Int32
	release := make(chan struct{})
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server notices when the client goes
		switch mode.Load() {
		case 1:
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return
		case 2:
			w.WriteHeader(nethttp.StatusForbidden)
			fmt.Fprint(w, "no: ", r.Header.Get("Authorization"))
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+drivertest.Secret || r.Header.Get("Ham-Epoch") != "7" {
			w.WriteHeader(nethttp.StatusUnauthorized)
			return
		}
		if r.Method == nethttp.MethodPost {
			changes.Add(1)
			fmt.Fprint(w, "did it with ", r.Header.Get("Authorization"))
		} else if changes.Load() == 0 {
			w.WriteHeader(nethttp.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	return drivertest.Target{
		With: fmt.Sprintf(`{"url": "%s/promote", "method": "post", "headers": {"Authorization": "Bearer ${env:SUITE_SECRET}"}, "body": "x", "done": "%s/primary"}`,
			server.URL, server.URL),
		Changes: func() int { return int(changes.Load()) }, Tells: true,
		Hang: func() { mode.Store(1) }, Refuse: func() { mode.Store(2) },
		Gone: func() { server.CloseClientConnections(); _ = server.Listener.Close() },
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, http.Kind(), target) }

// A call that was sent and not answered may have been done.
func TestSentAndNotAnswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadAtLeast(c, make([]byte, 4096), 1)
			_ = c.Close()
		}
	}()
	in := drivertest.In(t, fmt.Sprintf(`{"url": "http://%s/"}`, l.Addr()))
	d, err := http.Kind().New(in.Step.With)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Do(t.Context(), in); errors.Is(err, driver.ErrUnasked) || errors.Is(err, driver.ErrRefused) || err == nil {
		t.Errorf("sent and not answered, it says: %v", err)
	}
}

// Without a done call a POST is unknown, a PUT may be repeated.
func TestWithoutDone(t *testing.T) {
	for method, want := range map[string]driver.Done{"POST": driver.Unknown, "PATCH": driver.Unknown, "PUT": driver.No, "DELETE": driver.No} {
		in := drivertest.In(t, fmt.Sprintf(`{"url": "http://127.0.0.1:1/", "method": %q}`, method))
		d, err := http.Kind().New(in.Step.With)
		if err != nil {
			t.Fatal(err)
		}
		if sight, err := d.Look(t.Context(), in); err != nil || sight.Done != want {
			t.Errorf("%s: %+v, %v, want %s", method, sight, err, want)
		}
	}
}
