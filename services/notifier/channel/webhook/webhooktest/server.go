// Package webhooktest is a receiver of webhooks that keeps what it got and misbehaves on demand.
package webhooktest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// Got is one request that was accepted.
type Got struct {
	Method, Path string
	Header       http.Header
	Body         []byte
}

// Fault is what the receiver does to a request instead of accepting it.
type Fault struct {
	// Accept has the request kept before it goes wrong.
	Accept bool
	// Status, RetryAfter (seconds) and Says answer.
	Status, RetryAfter int
	Says               string
	// Hang never answers until the client gives up; Cut closes the connection.
	Hang, Cut bool
}

// Server is a receiver. Safe for concurrent use.
type Server struct {
	// Answer, if set, checks what would be accepted and answers: a code that is not 2xx refuses it. It is set before the first request.
	Answer func(r *http.Request, body []byte) (status int, answer string)

	mu     sync.Mutex
	got    []Got
	faults []Fault
	always *Fault
	closed chan struct{}
	once   sync.Once
}

// New makes a receiver.
func New() *Server { return &Server{closed: make(chan struct{})} }

// Close lets requests go that hang.
func (s *Server) Close() { s.once.Do(func() { close(s.closed) }) }

// Next has the next requests go wrong, one each.
func (s *Server) Next(f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f...)
}

// Always has every request go wrong until it is called with nil.
func (s *Server) Always(f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = f
}

// Got returns what was accepted, in order.
func (s *Server) Got() []Got {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// ServeHTTP takes any path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	f := s.always
	if len(s.faults) > 0 {
		f, s.faults = &s.faults[0], s.faults[1:]
	}
	status, answer := http.StatusAccepted, ""
	if f == nil || f.Accept {
		if s.Answer != nil {
			status, answer = s.Answer(r, body)
		}
		if status/100 == 2 {
			s.got = append(s.got, Got{r.Method, r.URL.Path, r.Header.Clone(), body})
		}
	}
	s.mu.Unlock()
	switch {
	case f == nil:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		panic(http.ErrAbortHandler)
	case f.Cut:
		panic(http.ErrAbortHandler)
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		w.WriteHeader(f.Status)
		fmt.Fprint(w, f.Says)
	}
}
