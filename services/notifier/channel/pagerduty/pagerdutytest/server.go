// Package pagerdutytest is a PagerDuty of one service: it checks what the Events API v2 documents and keeps the alerts.
package pagerdutytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/isacloud/ha-manager/services/notifier/channel/webhook/webhooktest"
)

// Key is the only integration key that it takes.
const Key = "e93facc04764012d7bfb002500d5d1a6"

// Alert is one alert.
type Alert struct {
	// State is triggered, acknowledged or resolved; Log is what was done to it.
	State string
	Log   []string
}

// Server is PagerDuty. Safe for concurrent use.
type Server struct {
	*webhooktest.Server

	mu     sync.Mutex
	alerts map[string]*Alert
}

// New makes one without alerts.
func New() *Server {
	s := &Server{Server: webhooktest.New(), alerts: map[string]*Alert{}}
	s.Answer = s.answer
	return s
}

// Alert returns the alert of a dedup_key; the zero value: there was none.
func (s *Server) Alert(key string) Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.alerts[key]; a != nil {
		return Alert{a.State, slices.Clone(a.Log)}
	}
	return Alert{}
}

// Alerts is how many there ever were.
func (s *Server) Alerts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.alerts)
}

type event struct {
	RoutingKey string          `json:"routing_key"`
	Action     string          `json:"event_action"`
	DedupKey   string          `json:"dedup_key"`
	Client     string          `json:"client"`
	ClientURL  string          `json:"client_url"`
	Links      json.RawMessage `json:"links"`
	Images     json.RawMessage `json:"images"`
	Payload    *struct {
		Summary   string         `json:"summary"`
		Source    string         `json:"source"`
		Severity  string         `json:"severity"`
		Timestamp string         `json:"timestamp"`
		Component string         `json:"component"`
		Group     string         `json:"group"`
		Class     string         `json:"class"`
		Details   map[string]any `json:"custom_details"`
	} `json:"payload"`
}

func (s *Server) answer(r *http.Request, body []byte) (int, string) {
	if r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" {
		return http.StatusNotFound, ""
	}
	var e event
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var errs []string
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Sprintf(format, args...))
		}
	}
	if err := dec.Decode(&e); err != nil {
		wrong(true, "no event: %v", err)
	} else {
		wrong(len(body) > 512<<10, "the event is larger than 512 KB")
		wrong(r.Header.Get("Content-Type") != "application/json", "Content-Type is not application/json")
		wrong(len(e.RoutingKey) != 32, "Length of 'routing_key' is incorrect (should be 32 characters)")
		wrong(len(e.RoutingKey) == 32 && e.RoutingKey != Key, "'routing_key' %s is invalid", e.RoutingKey)
		wrong(!slices.Contains([]string{"trigger", "acknowledge", "resolve"}, e.Action), "'event_action' is %q", e.Action)
		wrong(e.Action != "trigger" && e.DedupKey == "", "'dedup_key' is missing")
		wrong(utf8.RuneCountInString(e.DedupKey) > 255, "'dedup_key' is too long")
		wrong(e.Action == "trigger" && e.Payload == nil, "'payload' is missing")
		if p := e.Payload; p != nil {
			wrong(p.Summary == "" || utf8.RuneCountInString(p.Summary) > 1024, "'payload.summary' has %d characters", utf8.RuneCountInString(p.Summary))
			wrong(p.Source == "", "'payload.source' is missing")
			wrong(!slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity), "'payload.severity' is %q", p.Severity)
			if p.Timestamp != "" {
				_, err := time.Parse(time.RFC3339, p.Timestamp)
				wrong(err != nil, "'payload.timestamp': %v", err)
			}
		}
	}
	if len(errs) > 0 {
		out, _ := json.Marshal(map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": errs})
		return http.StatusBadRequest, string(out)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.alerts[e.DedupKey]
	switch {
	case e.Action == "trigger" && (a == nil || a.State == "resolved"):
		// What was resolved opens anew: somebody is woken.
		a = &Alert{State: "triggered"}
		s.alerts[e.DedupKey] = a
	case a == nil:
		a = &Alert{} // nothing to be done to what is not there
	case e.Action == "acknowledge" && a.State == "triggered":
		a.State = "acknowledged"
	case e.Action == "resolve":
		a.State = "resolved"
	}
	a.Log = append(a.Log, e.Action)
	out, _ := json.Marshal(map[string]string{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey})
	return http.StatusAccepted, string(out)
}
