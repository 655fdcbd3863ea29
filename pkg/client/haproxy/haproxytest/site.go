package haproxytest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Site is a small web server of a test, to stand behind HAProxy. It answers
//
//	/        its name
//	/stream  its name, and then nothing: a response that lasts until somebody cuts it
//	/hold    its name, once Release was called: a request in flight
type Site struct {
	name    string
	server  *httptest.Server
	addr    string
	held    atomic.Int64
	release chan struct{}
	closed  atomic.Bool
}

// NewSite starts a site on a free port of 127.0.0.1; it ends with the test.
func NewSite(t testing.TB, name string) *Site {
	t.Helper()
	s := &Site{name: name, release: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s.name) })
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, s.name+"\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
		s.held.Add(1)
		defer s.held.Add(-1)
		select {
		case <-s.release:
			io.WriteString(w, s.name)
		case <-r.Context().Done():
		}
	})
	s.server = httptest.NewServer(mux)
	s.addr = strings.TrimPrefix(s.server.URL, "http://")
	t.Cleanup(s.Kill)
	return s
}

// Name returns what the site answers.
func (s *Site) Name() string { return s.name }

// Addr returns host:port.
func (s *Site) Addr() string { return s.addr }

// Held returns how many requests of /hold are waiting.
func (s *Site) Held() int { return int(s.held.Load()) }

// Release lets the requests of /hold, also later ones, be answered. It may be called once.
func (s *Site) Release() { close(s.release) }

// Kill ends the site as the death of its process would: its port refuses, its connections are cut.
func (s *Site) Kill() {
	if s.closed.Swap(true) {
		return
	}
	s.server.Listener.Close()
	s.server.Config.Close()
	s.server.Close()
}
