// Package pagerduty keeps one alert an incident by PagerDuty's Events API v2: triggered by what is told of the incident, acknowledged when a
// person acts on it, resolved when it is over. The incident's id is the alert's dedup_key, so whatever is repeated changes nothing there.
//
// https://developer.pagerduty.com/docs/events-api-v2-overview
package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/route"
)

// Driver is this kind of channel.
var Driver = channel.Driver{
	Kind:    "pagerduty",
	Summary: "PagerDuty's Events API v2: one alert an incident, acknowledged when a person acts, resolved when it is over",
	Example: `channels:
  - name: pagerduty
    kind: pagerduty
    token: ${file:/etc/ham/pagerduty-key}`,
	// 120 events a minute and integration key are taken in any case.
	Limit: channel.Limit{Burst: 20, Every: 500 * time.Millisecond},
	New:   New,
}

// API is the address in PagerDuty's default region.
const API = "https://events.pagerduty.com"

// Limits of the API, in bytes here: characters there.
const (
	maxSummary = 1024
	maxKey     = 255
	maxDetail  = 16 << 10
)

// PagerDuty is one integration of a service.
type PagerDuty struct {
	config channel.Config
	url    string
}

var _ channel.Channel = (*PagerDuty)(nil)

// New makes the channel.
func New(c channel.Config) (channel.Channel, error) {
	if c.Spec.Token == "" {
		return nil, fmt.Errorf("channel %s: token is missing: want the service's integration key (Events API v2), such as ${file:/etc/ham/pagerduty-key}", c.Spec.Name)
	}
	api := c.Spec.API
	if api == "" {
		api = API
	}
	return &PagerDuty{config: c, url: strings.TrimSuffix(api, "/") + "/v2/enqueue"}, nil
}

// Action is what an event does to an alert.
type Action string

// Actions.
const (
	Trigger     Action = "trigger"
	Acknowledge Action = "acknowledge"
	Resolve     Action = "resolve"
)

// Event is what the API takes.
type Event struct {
	RoutingKey string   `json:"routing_key"`
	Action     Action   `json:"event_action"`
	DedupKey   string   `json:"dedup_key"`
	Client     string   `json:"client,omitempty"`
	Payload    *Payload `json:"payload,omitempty"`
}

// Payload is what an alert shows.
type Payload struct {
	Summary   string  `json:"summary"`
	Source    string  `json:"source"`
	Severity  string  `json:"severity"` // critical, error, warning or info
	Timestamp string  `json:"timestamp,omitempty"`
	Component string  `json:"component,omitempty"`
	Group     string  `json:"group,omitempty"`
	Class     string  `json:"class,omitempty"`
	Details   Details `json:"custom_details,omitzero"`
}

// Details are shown beside an alert.
type Details struct {
	// Text is the whole in plain lines.
	Text   string   `json:"text,omitempty"`
	Do     []string `json:"do,omitempty"`
	Repeat string   `json:"repeat,omitempty"`
}

// Events are what a post does there, in order: what is told of something triggers its alert; after that a person's act acknowledges it and
// the end resolves it.
func Events(p channel.Post) []Event {
	if len(p.Texts) == 0 {
		return nil
	}
	newest := p.Texts[len(p.Texts)-1]
	key := p.Incident
	if key == "" {
		key = newest.Incident
	}
	payload := payloadOf(p)
	out := []Event{{Action: Trigger, DedupKey: key, Client: "ham", Payload: &payload}}
	if key == "" {
		// What belongs to no incident is about something all the same, and over once it is said without urgency.
		e := newest.Event
		out[0].DedupKey = strings.Join([]string{"ham", e.Group, string(e.Kind), e.Member, e.Writer}, "/")
		if !newest.Severity.AtLeast(message.Warning) {
			out[0].Action = Resolve
		}
		return out
	}
	if len(key) > maxKey {
		out[0].DedupKey = key[:maxKey]
	}
	first := out[0]
	acted, ended, urgent := false, false, false
	for _, t := range p.Texts {
		switch {
		case t.Event.Kind == message.EventIncident && t.Event.Opened != nil && !*t.Event.Opened:
			ended = true
		case route.Acts(t.Event):
			acted = true
		case p.Closed && !t.Severity.AtLeast(message.Warning):
			ended = true // said after the end: it opens nothing again
		default:
			urgent = true
		}
	}
	out = out[:0]
	add := func(a Action) {
		e := first
		e.Action = a
		out = append(out, e)
	}
	if urgent && !(ended && p.Repeat) { // an alert that was resolved would open anew
		add(Trigger)
	}
	if acted {
		add(Acknowledge)
	}
	if ended {
		add(Resolve)
	}
	return out
}

func payloadOf(p channel.Post) Payload {
	newest, worst := p.Texts[len(p.Texts)-1], p.Texts[0]
	var text strings.Builder
	for _, t := range p.Texts {
		if !worst.Severity.AtLeast(t.Severity) {
			worst = t
		}
		if len(p.Texts) > 1 {
			text.WriteString(t.Line() + "\n")
		}
	}
	if len(p.Texts) == 1 {
		text.WriteString(newest.Plain())
	}
	out := Payload{
		Summary: render.Cut(worst.Head()+". "+worst.What, maxSummary), Source: "ham", Severity: severity(worst.Severity), Timestamp: worst.At.Format(time.RFC3339),
		Component: worst.Event.Member, Group: worst.Group, Class: string(worst.Kind),
	}
	if p.Repeat {
		out.Details.Repeat = "perhaps a repetition: it is unknown whether the first attempt arrived"
	}
	if p.Simple {
		return out
	}
	out.Details.Text = render.Cut(text.String(), maxDetail)
	for _, c := range newest.Do {
		out.Details.Do = append(out.Details.Do, c.Run)
	}
	return out
}

func severity(s message.Severity) string {
	switch {
	case s.AtLeast(message.Critical):
		return "critical"
	case s.AtLeast(message.Warning):
		return "warning"
	}
	return "info"
}

// Send does to the alert what the post asks for. Where it takes several calls and one fails, all of them are made again: an alert that is open
// takes them as more of the same.
func (d *PagerDuty) Send(ctx context.Context, p channel.Post) (channel.Ref, error) {
	key, err := d.config.Spec.Token.Resolve(d.config.Secrets)
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Denied, "no token", "%v", err)
	}
	key = strings.TrimSpace(key)
	for _, e := range Events(p) {
		e.RoutingKey = key
		if err := d.enqueue(ctx, e); err != nil {
			return channel.Ref{}, err
		}
	}
	return channel.Ref{}, nil
}

func (d *PagerDuty) enqueue(ctx context.Context, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return channel.Fail(channel.Refused, "encode", "%v", err)
	}
	call := channel.NewCaller(d.config.HTTP, e.RoutingKey)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		return channel.Fail(channel.Denied, "address", "the api is no http(s) address")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := call.Do(req)
	if err != nil {
		return call.Failed(ctx, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil // accepted, whatever became of the rest of the answer
	}
	if err != nil {
		said = nil
	}
	failed := call.Status(resp.StatusCode, resp.Header, render.Cut(render.Clean(string(said)), 300))
	if resp.StatusCode == http.StatusBadRequest && bytes.Contains(said, []byte("routing_key")) {
		failed.Class = channel.Denied
		failed.Says += ": put the integration key of an Events API v2 integration in place"
	}
	return failed
}

// Find says that the Events API cannot be read; what is repeated there changes nothing.
func (*PagerDuty) Find(context.Context, channel.Post, time.Time) (channel.Ref, error) {
	return channel.Ref{}, channel.ErrCannotLook
}
