// Package slacktest speaks Slack's Web API, incoming webhooks, Socket Mode and signed requests as far as the notifier uses them, keeps what was
// posted, checks it as Slack does, and misbehaves on demand as Slack does.
package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Token is the one that the server takes, Hook the path of its webhook. Both are secrets of the test.
const (
	Token = "xoxb-1111-2222-verysecrettoken"
	Hook  = "/services/T0001/B0001/verysecrethook"
)

// Message is what was posted.
type Message struct {
	Channel, TS, Thread string
	Text                string
	Blocks              json.RawMessage
	// ID is the post's id in the metadata.
	ID        string
	Broadcast bool
	// Edits counts chat.update.
	Edits int
	// At is when it was accepted.
	At time.Time
}

// All is the text and blocks as one string, to look for things in.
func (m Message) All() string { return m.Text + "\n" + string(m.Blocks) }

// Fault is what the server does to a call instead of answering it.
type Fault struct {
	// Accept has the call done before it goes wrong.
	Accept bool
	// Status and RetryAfter (seconds) answer with an HTTP code; Error with 200 and Slack's word.
	Status     int
	RetryAfter int
	Error      string
	// Hang never answers until the client gives up. Slow answers after a while. Cut closes the connection without an answer.
	Hang bool
	Slow time.Duration
	Cut  bool
	// Garbage answers 200 with something that is no JSON.
	Garbage bool
}

// Server is one workspace. Safe for concurrent use. It is an http.Handler: serve it on a socket or on pipes.
type Server struct {
	mu       sync.Mutex
	messages []Message
	channels map[string]string // id by name
	scopes   map[string]bool
	faults   map[string][]Fault // by method, "" for any; each is used once
	always   map[string]*Fault
	calls    map[string]int
	seq      int
	closed   chan struct{}
	accepted chan struct{} // closed and replaced at each change
	whispers []Whisper
	sockets  []*socket
	opened   int
}

// New makes a workspace with the channels ops (C0OPS0001) and web (C0WEB0001).
func New() *Server {
	return &Server{
		channels: map[string]string{"ops": "C0OPS0001", "web": "C0WEB0001"},
		scopes:   map[string]bool{"chat:write": true, "channels:history": true, "channels:read": true},
		faults:   map[string][]Fault{}, always: map[string]*Fault{}, calls: map[string]int{}, closed: make(chan struct{}), accepted: make(chan struct{}),
	}
}

// Close lets calls go that hang.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	for _, c := range s.sockets {
		_ = c.conn.Close()
	}
}

// Next has the next calls of a method ("chat.postMessage", "hook"; "" for any) go wrong, one each.
func (s *Server) Next(method string, f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[method] = append(s.faults[method], f...)
}

// Always has every call of a method go wrong until it is called with nil.
func (s *Server) Always(method string, f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always[method] = f
}

// Scope gives the app a permission or takes it.
func (s *Server) Scope(name string, has bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes[name] = has
}

// Delete removes a message as a person would.
func (s *Server) Delete(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m Message) bool { return m.TS == ts })
}

// Messages returns everything that was posted, in the order of acceptance.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Calls counts the calls of a method, those that went wrong included.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// Changed is closed when something is posted or updated.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// ServeHTTP answers /api/<method>, [Hook], and the socket of Socket Mode.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, ok := strings.CutPrefix(r.URL.Path, "/api/")
	if r.URL.Path == socketPath {
		s.socket(w, r)
		return
	}
	if r.URL.Path == Hook {
		method = "hook"
	} else if !ok {
		if strings.HasPrefix(r.URL.Path, "/services/") {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "no_service")
			return
		}
		http.NotFound(w, r)
		return
	}
	// The whole request is read first: what goes wrong after that goes wrong with a request that arrived.
	c := call{server: s, method: method, host: r.Host}
	if err := c.read(r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f := s.fault(method)
	if f == nil {
		c.answer(w)
		return
	}
	if f.Accept {
		c.answer(nil)
	}
	switch {
	case f.Slow > 0:
		select {
		case <-time.After(f.Slow):
		case <-r.Context().Done():
			return
		case <-s.closed:
		}
		if f.Accept {
			writeJSON(w, c.last)
			return
		}
		c.answer(w)
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		panic(http.ErrAbortHandler)
	case f.Cut:
		panic(http.ErrAbortHandler)
	case f.Garbage:
		fmt.Fprint(w, "<html>maintenance</html>")
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		w.WriteHeader(f.Status)
		fmt.Fprint(w, f.Error)
	case f.Error != "":
		if method == "hook" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, f.Error)
			return
		}
		writeJSON(w, map[string]any{"ok": false, "error": f.Error})
	default:
		writeJSON(w, c.last)
	}
}

func (s *Server) fault(method string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[method]++
	for _, m := range []string{method, ""} {
		if q := s.faults[m]; len(q) > 0 {
			s.faults[m] = q[1:]
			if q[0] == (Fault{}) {
				return nil
			}
			return &q[0]
		}
	}
	for _, m := range []string{method, ""} {
		if f := s.always[m]; f != nil {
			return f
		}
	}
	return nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v)
}
