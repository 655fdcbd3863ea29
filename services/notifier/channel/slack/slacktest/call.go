package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// call is one request, done once.
type call struct {
	server *Server
	method string
	form   url.Values
	host   string
	hook   []byte
	last   any // the answer
}

func (c *call) read(r *http.Request) error {
	if c.method == "hook" {
		var err error
		c.hook, err = io.ReadAll(io.LimitReader(r.Body, 1<<20))
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	c.form = r.Form
	if c.form.Get("token") == "" {
		c.form.Set("token", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}
	return nil
}

// answer does the call and writes the answer; w may be nil.
func (c *call) answer(w http.ResponseWriter) {
	s := c.server
	s.mu.Lock()
	if c.method == "hook" {
		word := c.postHook()
		s.mu.Unlock()
		if w == nil {
			return
		}
		if word != "ok" {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprint(w, word)
		return
	}
	c.last = c.do()
	s.mu.Unlock()
	if w != nil {
		writeJSON(w, c.last)
	}
}

func no(word string) map[string]any { return map[string]any{"ok": false, "error": word} }

// do is under the server's lock.
func (c *call) do() any {
	if c.method == "apps.connections.open" {
		return c.open()
	}
	if c.form.Get("token") != Token {
		return no("invalid_auth")
	}
	needs := map[string]string{
		"chat.postMessage": "chat:write", "chat.update": "chat:write", "chat.postEphemeral": "chat:write", "conversations.history": "channels:history",
		"conversations.replies": "channels:history", "conversations.list": "channels:read",
	}[c.method]
	if needs != "" && !c.server.scopes[needs] {
		return no("missing_scope")
	}
	switch c.method {
	case "auth.test":
		return map[string]any{"ok": true, "user_id": "U0BOT0001", "team": "test"}
	case "chat.postMessage":
		return c.post()
	case "chat.update":
		return c.update()
	case "chat.postEphemeral":
		return c.whisper()
	case "chat.getPermalink":
		return c.permalink()
	case "conversations.history", "conversations.replies":
		return c.history()
	case "conversations.list":
		return c.list()
	}
	return no("unknown_method")
}

// channel resolves what posts take: an id, or a name with '#'. History takes ids only.
func (c *call) channel(byName bool) (string, bool) {
	asked := c.form.Get("channel")
	for name, id := range c.server.channels {
		if asked == id || byName && asked == "#"+name {
			return id, true
		}
	}
	return "", false
}

func (c *call) post() any {
	id, ok := c.channel(true)
	if !ok {
		return no("channel_not_found")
	}
	if word := check(c.form.Get("text"), c.form.Get("blocks")); word != "" {
		return no(word)
	}
	var meta struct {
		EventType    string            `json:"event_type"`
		EventPayload map[string]string `json:"event_payload"`
	}
	if m := c.form.Get("metadata"); m != "" {
		if json.Unmarshal([]byte(m), &meta) != nil || meta.EventType == "" {
			return no("invalid_metadata_format")
		}
	}
	m := Message{
		Channel: id, Thread: c.form.Get("thread_ts"), Text: c.form.Get("text"), Blocks: json.RawMessage(c.form.Get("blocks")),
		ID: meta.EventPayload["id"], Broadcast: c.form.Get("reply_broadcast") == "true",
	}
	if m.Thread != "" && !slices.ContainsFunc(c.server.messages, func(o Message) bool { return o.TS == m.Thread }) {
		m.Thread = "" // as Slack does where the parent was deleted
	}
	m = c.server.add(m)
	out := map[string]any{"ts": m.TS, "text": m.Text}
	if m.Thread != "" {
		out["thread_ts"] = m.Thread
	}
	return map[string]any{"ok": true, "channel": id, "ts": m.TS, "message": out}
}

func (s *Server) add(m Message) Message {
	s.seq++
	m.At = time.Now()
	m.TS = fmt.Sprintf("%d.%06d", m.At.Unix(), s.seq)
	s.messages = append(s.messages, m)
	s.changed()
	return m
}

func (s *Server) changed() {
	close(s.accepted)
	s.accepted = make(chan struct{})
}

func (c *call) update() any {
	id, ok := c.channel(false)
	if !ok {
		return no("channel_not_found")
	}
	if word := check(c.form.Get("text"), c.form.Get("blocks")); word != "" {
		return no(word)
	}
	for i := range c.server.messages {
		m := &c.server.messages[i]
		if m.Channel == id && m.TS == c.form.Get("ts") {
			m.Text, m.Blocks = c.form.Get("text"), json.RawMessage(c.form.Get("blocks"))
			m.Edits++
			c.server.changed()
			return map[string]any{"ok": true, "channel": id, "ts": m.TS, "text": m.Text}
		}
	}
	return no("message_not_found")
}

// history answers pages of two messages, newest first, so that a reader that forgets to turn the page is noticed.
func (c *call) history() any {
	id, ok := c.channel(false)
	if !ok {
		return no("channel_not_found")
	}
	thread := c.form.Get("ts")
	var found []map[string]any
	known := false
	for _, m := range slices.Backward(c.server.messages) {
		if m.Channel != id || m.TS < c.form.Get("oldest") && m.TS != thread {
			continue
		}
		known = known || m.TS == thread
		if c.method == "conversations.replies" && m.Thread != thread && m.TS != thread {
			continue
		}
		if c.method == "conversations.history" && m.Thread != "" && !m.Broadcast {
			continue
		}
		entry := map[string]any{"type": "message", "ts": m.TS, "text": m.Text}
		if m.ID != "" && c.form.Get("include_all_metadata") == "1" {
			entry["metadata"] = map[string]any{"event_type": "ham_post", "event_payload": map[string]any{"id": m.ID}}
		}
		found = append(found, entry)
	}
	if c.method == "conversations.replies" && !known {
		return no("thread_not_found")
	}
	const page = 2
	from := 0
	if cursor := c.form.Get("cursor"); cursor != "" {
		_, _ = fmt.Sscanf(cursor, "c%d", &from)
	}
	from = min(from, len(found))
	to, next := min(from+page, len(found)), ""
	if to < len(found) {
		next = fmt.Sprintf("c%d", to)
	}
	return map[string]any{"ok": true, "messages": found[from:to], "has_more": next != "", "response_metadata": map[string]any{"next_cursor": next}}
}

func (c *call) list() any {
	if c.form.Get("types") != "public_channel" {
		return no("missing_scope")
	}
	var out []map[string]any
	for name, id := range c.server.channels {
		out = append(out, map[string]any{"id": id, "name": name})
	}
	return map[string]any{"ok": true, "channels": out, "response_metadata": map[string]any{"next_cursor": ""}}
}

func (c *call) postHook() string {
	var m struct {
		Text   string          `json:"text"`
		Blocks json.RawMessage `json:"blocks"`
	}
	if json.Unmarshal(c.hook, &m) != nil {
		return "invalid_payload"
	}
	if word := check(m.Text, string(m.Blocks)); word != "" {
		return word
	}
	c.server.add(Message{Channel: "hook", Text: m.Text, Blocks: m.Blocks})
	return "ok"
}

// check is what Slack refuses a message for: https://docs.slack.dev/reference/block-kit/blocks
func check(text, blocks string) string {
	if text == "" && blocks == "" {
		return "no_text"
	}
	if len(text) > 40_000 {
		return "msg_too_long"
	}
	if blocks == "" || blocks == "null" {
		return ""
	}
	type object struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	var parsed []struct {
		Type     string          `json:"type"`
		Text     *object         `json:"text"`
		Fields   []object        `json:"fields"`
		Elements json.RawMessage `json:"elements"`
	}
	if json.Unmarshal([]byte(blocks), &parsed) != nil || len(parsed) > 50 {
		return "invalid_blocks"
	}
	for _, b := range parsed {
		limit := map[string]int{"header": 150, "section": 3000}[b.Type]
		if b.Text != nil && (len(b.Text.Text) > limit || b.Text.Text == "") {
			return "invalid_blocks"
		}
		if b.Type == "section" && b.Text == nil && len(b.Fields) == 0 {
			return "invalid_blocks"
		}
		for _, f := range b.Fields {
			if len(f.Text) > 2000 || f.Text == "" {
				return "invalid_blocks"
			}
		}
		if b.Type == "actions" {
			if word := checkButtons(b.Elements); word != "" {
				return word
			}
		}
		if b.Type == "context" {
			var elements []object
			if json.Unmarshal(b.Elements, &elements) != nil || len(elements) == 0 || len(elements) > 10 {
				return "invalid_blocks"
			}
			for _, e := range elements {
				if e.Text == "" || len(e.Text) > 2000 {
					return "invalid_blocks"
				}
			}
		}
	}
	return ""
}
