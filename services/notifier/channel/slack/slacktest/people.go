package slacktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/isacloud/ha-manager/services/notifier/channel/slack/signed"
)

// What the app has beside its bot token.
const (
	AppToken      = "xapp-1-A0HAM0001-1-verysecretapptoken"
	SigningSecret = "verysecretsigningsecret"
	socketPath    = "/socket"
)

// Whisper is what was said to one user alone.
type Whisper struct{ Channel, Thread, User, Text string }

// Whispers returns all that was said to one user alone, in order.
func (s *Server) Whispers() []Whisper {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.whispers)
}

// Button is a button as a message shows it.
type Button struct {
	ActionID, BlockID, Label, Value, Style string
	// Confirm is what is asked back; "": nothing.
	Confirm string
}

// Buttons are those of a message.
func (m Message) Buttons() []Button {
	type text struct {
		Text string `json:"text"`
	}
	var blocks []struct {
		Type     string `json:"type"`
		BlockID  string `json:"block_id"`
		Elements []struct {
			Type     string          `json:"type"`
			ActionID string          `json:"action_id"`
			Value    string          `json:"value"`
			Style    string          `json:"style"`
			Text     json.RawMessage `json:"text"`
			Confirm  *struct {
				Text text `json:"text"`
			} `json:"confirm"`
		} `json:"elements"`
	}
	_ = json.Unmarshal(m.Blocks, &blocks)
	var out []Button
	for _, b := range blocks {
		if b.Type != "actions" {
			continue
		}
		for _, e := range b.Elements {
			var label text
			_ = json.Unmarshal(e.Text, &label)
			k := Button{ActionID: e.ActionID, BlockID: b.BlockID, Label: label.Text, Value: e.Value, Style: e.Style}
			if e.Confirm != nil {
				k.Confirm = e.Confirm.Text.Text
			}
			out = append(out, k)
		}
	}
	return out
}

// Button is the one with the label; false where the message has none such.
func (m Message) Button(label string) (Button, bool) {
	all := m.Buttons()
	i := slices.IndexFunc(all, func(b Button) bool { return b.Label == label })
	if i < 0 {
		return Button{}, false
	}
	return all[i], true
}

// checkButtons is what Slack refuses an actions block for: https://docs.slack.dev/reference/block-kit/block-elements/button-element
func checkButtons(elements json.RawMessage) string {
	type text struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	var all []struct {
		Type     string `json:"type"`
		ActionID string `json:"action_id"`
		Value    string `json:"value"`
		Style    string `json:"style"`
		Text     text   `json:"text"`
		Confirm  *struct {
			Title, Text, Confirm, Deny text
		} `json:"confirm"`
	}
	if json.Unmarshal(elements, &all) != nil || len(all) == 0 || len(all) > 25 {
		return "invalid_blocks"
	}
	ids := map[string]bool{}
	for _, e := range all {
		if e.Type != "button" || e.Text.Type != "plain_text" || e.Text.Text == "" || len(e.Text.Text) > 75 || len(e.Value) > 2000 || len(e.ActionID) > 255 || ids[e.ActionID] {
			return "invalid_blocks"
		}
		if e.Style != "" && e.Style != "primary" && e.Style != "danger" {
			return "invalid_blocks"
		}
		if k := e.Confirm; k != nil && (k.Text.Text == "" || len(k.Title.Text) > 100 || len(k.Text.Text) > 300 || len(k.Confirm.Text) > 30 || len(k.Deny.Text) > 30) {
			return "invalid_blocks"
		}
		ids[e.ActionID] = true
	}
	return ""
}

func (c *call) whisper() any {
	id, ok := c.channel(true)
	if !ok {
		return no("channel_not_found")
	}
	if c.form.Get("user") == "" {
		return no("user_not_in_channel")
	}
	if word := check(c.form.Get("text"), c.form.Get("blocks")); word != "" {
		return no(word)
	}
	s := c.server
	s.whispers = append(s.whispers, Whisper{Channel: id, Thread: c.form.Get("thread_ts"), User: c.form.Get("user"), Text: c.form.Get("text")})
	s.seq++
	s.changed()
	return map[string]any{"ok": true, "message_ts": fmt.Sprintf("%d.%06d", time.Now().Unix(), s.seq)}
}

func (c *call) permalink() any {
	id, ok := c.channel(false)
	if !ok {
		return no("channel_not_found")
	}
	ts := c.form.Get("message_ts")
	for _, m := range c.server.messages {
		if m.Channel == id && m.TS == ts {
			return map[string]any{"ok": true, "channel": id, "permalink": Permalink(id, ts)}
		}
	}
	return no("message_not_found")
}

// Permalink is the address of a message.
func Permalink(channel, ts string) string {
	return "https://test.slack.com/archives/" + channel + "/p" + string(bytes.ReplaceAll([]byte(ts), []byte("."), nil))
}

// PressPayload is what Slack sends when user presses the button with the label under the message: the payload of type block_actions. change may change it
// before it is encoded.
func (s *Server) PressPayload(user, ts, label string, change ...func(map[string]any)) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.messages, func(m Message) bool { return m.TS == ts })
	if i < 0 {
		return nil, fmt.Errorf("slacktest: no message %s", ts)
	}
	m := s.messages[i]
	b, ok := m.Button(label)
	if !ok {
		return nil, fmt.Errorf("slacktest: message %s has no button %q", ts, label)
	}
	var blocks []map[string]any
	if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
		return nil, err
	}
	for i := range blocks {
		if blocks[i]["block_id"] == nil {
			blocks[i]["block_id"] = fmt.Sprintf("b%d", i) // Slack names those that have no name
		}
	}
	name := ""
	for n, id := range s.channels {
		if id == m.Channel {
			name = n
		}
	}
	s.seq++
	message := map[string]any{
		"user": "U0BOT0001", "type": "message", "ts": m.TS, "bot_id": "B0BOT0001", "app_id": "A0HAM0001", "text": m.Text, "team": "T0TEST001", "blocks": blocks,
	}
	container := map[string]any{"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "is_ephemeral": false}
	if m.Thread != "" {
		message["thread_ts"], message["parent_user_id"] = m.Thread, "U0BOT0001"
		container["thread_ts"] = m.Thread
	}
	action := map[string]any{
		"action_id": b.ActionID, "block_id": b.BlockID, "text": map[string]any{"type": "plain_text", "text": b.Label, "emoji": false}, "value": b.Value, "type": "button",
		"action_ts": fmt.Sprintf("%d.%06d", time.Now().Unix(), s.seq),
	}
	if b.Style != "" {
		action["style"] = b.Style
	}
	p := map[string]any{
		"type": "block_actions", "user": map[string]any{"id": user, "username": "somebody", "name": "somebody", "team_id": "T0TEST001"}, "api_app_id": "A0HAM0001",
		"token": "legacytoken", "container": container, "trigger_id": "1111.2222.3333", "team": map[string]any{"id": "T0TEST001", "domain": "test"}, "enterprise": nil,
		"is_enterprise_install": false, "channel": map[string]any{"id": m.Channel, "name": name}, "message": message, "state": map[string]any{"values": map[string]any{}},
		"response_url": "https://hooks.slack.com/actions/T0TEST001/1/x", "actions": []any{action},
	}
	for _, f := range change {
		f(p)
	}
	return json.Marshal(p)
}

// SignedRequest is the request with which Slack sends a payload to an app that does not use Socket Mode, signed as of at.
func SignedRequest(ctx context.Context, to, secret string, payload []byte, at time.Time) (*http.Request, error) {
	body := []byte(url.Values{"payload": {string(payload)}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", signed.Sign(secret, stamp, body))
	return r, nil
}

// socket is one connection of Socket Mode.
type socket struct {
	conn *websocket.Conn
	mu   sync.Mutex // of writing
	acks map[string]chan struct{}
}

func (c *call) open() any {
	if c.form.Get("token") != AppToken {
		return no("invalid_auth")
	}
	c.server.opened++
	return map[string]any{"ok": true, "url": fmt.Sprintf("ws://%s%s?ticket=t%d", c.host, socketPath, c.server.opened)}
}

// Connected counts the connections of Socket Mode that are open.
func (s *Server) Connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}

// socket speaks Socket Mode: https://docs.slack.dev/apis/events-api/using-socket-mode
func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("ticket") == "" {
		http.Error(w, "no ticket", http.StatusUnauthorized)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	c := &socket{conn: conn, acks: map[string]chan struct{}{}}
	hello := map[string]any{
		"type": "hello", "num_connections": 1, "connection_info": map[string]any{"app_id": "A0HAM0001"},
		"debug_info": map[string]any{"host": "applink-test", "build_number": 1, "approximate_connection_time": 18060},
	}
	if c.write(hello) != nil || c.ping() != nil {
		return
	}
	s.mu.Lock()
	s.sockets = append(s.sockets, c)
	s.changed()
	s.mu.Unlock()
	done := make(chan struct{})
	defer func() {
		close(done)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sockets = slices.DeleteFunc(s.sockets, func(o *socket) bool { return o == c })
		s.changed()
	}()
	go func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_ = c.ping()
			}
		}
	}()
	for {
		var ack struct {
			EnvelopeID string `json:"envelope_id"`
		}
		if conn.ReadJSON(&ack) != nil {
			return
		}
		c.mu.Lock()
		if got := c.acks[ack.EnvelopeID]; got != nil {
			close(got)
			delete(c.acks, ack.EnvelopeID)
		}
		c.mu.Unlock()
	}
}

func (c *socket) write(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.WriteJSON(v)
}

func (c *socket) ping() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(5*time.Second))
}

// ErrNotTaken says that nobody acknowledged: Slack tells the person that the app did not answer.
var ErrNotTaken = errors.New("slacktest: the app did not take it")

// Push sends a payload over one connection of Socket Mode, the oldest, and waits until it is acknowledged. Type is "interactive" for presses.
func (s *Server) Push(ctx context.Context, kind string, payload []byte) error {
	s.mu.Lock()
	if len(s.sockets) == 0 {
		s.mu.Unlock()
		return fmt.Errorf("%w: no connection", ErrNotTaken)
	}
	c := s.sockets[0]
	s.seq++
	id := fmt.Sprintf("envelope-%d", s.seq)
	s.mu.Unlock()
	got := make(chan struct{})
	c.mu.Lock()
	c.acks[id] = got
	c.mu.Unlock()
	if err := c.write(map[string]any{"envelope_id": id, "type": kind, "accepts_response_payload": false, "payload": json.RawMessage(payload)}); err != nil {
		return fmt.Errorf("%w: %w", ErrNotTaken, err)
	}
	select {
	case <-got:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNotTaken, context.Cause(ctx))
	}
}

// Press has user press a button, by Socket Mode.
func (s *Server) Press(ctx context.Context, user, ts, label string) error {
	payload, err := s.PressPayload(user, ts, label)
	if err != nil {
		return err
	}
	return s.Push(ctx, "interactive", payload)
}

// Disconnect closes every connection of Socket Mode, after it said so, as Slack does every few hours.
func (s *Server) Disconnect() {
	s.mu.Lock()
	all := s.sockets
	s.sockets = nil
	s.mu.Unlock()
	for _, c := range all {
		_ = c.write(map[string]any{"type": "disconnect", "reason": "refresh_requested", "debug_info": map[string]any{"host": "applink-test"}})
		_ = c.conn.Close()
	}
}
