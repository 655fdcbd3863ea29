// Package chathook posts to chats that take one JSON body by HTTP: Discord, Microsoft Teams, Telegram. They differ in the form of the body and
// in what their errors mean; each is one row of this package. None can be read, so a post of unknown outcome is repeated with a mark.
package chathook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

// form is what one kind of chat wants.
type form struct {
	kind string
	// address is where to post, secrets what of it must not be said; resolved at each call.
	address func(c channel.Config) (address string, secrets []string, err error)
	body    func(p channel.Post) any
	// refused looks at an answer that is not 2xx, and says more of it than its code does. May be nil.
	refused func(e *channel.Error, said []byte)
}

// Discord: https://docs.discord.com/developers/resources/webhook#execute-webhook
var Discord = driver(form{kind: "discord", address: byURL("?wait=true"), body: discordBody}, "a Discord webhook: one message an event", `channels:
  - name: discord
    kind: discord
    url: ${file:/etc/ham/discord-webhook}`, channel.Limit{Burst: 5, Every: 2 * time.Second})

// Teams: a workflow "When a Teams webhook request is received":
// https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
var Teams = driver(form{kind: "teams", address: byURL(""), body: teamsBody}, "a Microsoft Teams workflow's webhook: one card an event", `channels:
  - name: teams
    kind: teams
    url: ${file:/etc/ham/teams-webhook}`, channel.Limit{Burst: 4, Every: time.Second})

// Telegram: https://core.telegram.org/bots/api#sendmessage
var Telegram = driver(form{kind: "telegram", address: byToken, body: telegramBody, refused: telegramRefused}, "a Telegram bot: one message an event", `channels:
  - name: telegram
    kind: telegram
    token: ${file:/etc/ham/telegram-token}
    default: "-1001234567890"`, channel.Limit{Burst: 3, Every: 3 * time.Second})

func driver(f form, summary, example string, limit channel.Limit) channel.Driver {
	return channel.Driver{Kind: f.kind, Summary: summary, Example: example, Limit: limit, New: func(c channel.Config) (channel.Channel, error) {
		if f.kind == "telegram" && c.Spec.Token == "" {
			return nil, fmt.Errorf("channel %s: token is missing: want a bot's token, such as ${file:/etc/ham/telegram-token}", c.Spec.Name)
		}
		if f.kind != "telegram" && c.Spec.URL == "" {
			return nil, fmt.Errorf("channel %s: url is missing: want the webhook's address, such as ${file:/etc/ham/%s-webhook}", c.Spec.Name, f.kind)
		}
		return &Hook{form: f, config: c}, nil
	}}
}

// Hook is one such chat.
type Hook struct {
	form   form
	config channel.Config
}

var _ channel.Channel = (*Hook)(nil)

// byURL is for webhooks: the address is the secret.
func byURL(more string) func(channel.Config) (string, []string, error) {
	return func(c channel.Config) (string, []string, error) {
		address, err := c.Spec.URL.Resolve(c.Secrets)
		if err != nil {
			return "", nil, fmt.Errorf("url: %w", err)
		}
		address = strings.TrimSpace(address)
		return address + more, []string{address, address[strings.LastIndexByte(address, '/')+1:]}, nil
	}
}

// byToken is for Telegram: the token is a part of the address.
func byToken(c channel.Config) (string, []string, error) {
	token, err := c.Spec.Token.Resolve(c.Secrets)
	if err != nil {
		return "", nil, fmt.Errorf("token: %w", err)
	}
	token = strings.TrimSpace(token)
	api := c.Spec.API
	if api == "" {
		api = "https://api.telegram.org"
	}
	return strings.TrimSuffix(api, "/") + "/bot" + token + "/sendMessage", []string{token, token[strings.LastIndexByte(token, ':')+1:]}, nil
}

// Send posts p.
func (h *Hook) Send(ctx context.Context, p channel.Post) (channel.Ref, error) {
	address, secrets, err := h.form.address(h.config)
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Denied, "no secret", "%v", err)
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // a limit counts what is sent
	if err := enc.Encode(h.form.body(p)); err != nil {
		return channel.Ref{}, channel.Fail(channel.Refused, "encode", "%v", err)
	}
	call := channel.NewCaller(h.config.HTTP, secrets...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, &body)
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Denied, "address", "what is declared is no http(s) address")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := call.Do(req)
	if err != nil {
		return channel.Ref{}, call.Failed(ctx, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return channel.Ref{}, nil // accepted, whatever became of the rest of the answer
	}
	if err != nil {
		said = nil
	}
	failed := call.Status(resp.StatusCode, resp.Header, render.Cut(render.Clean(string(said)), 200))
	if h.form.refused != nil {
		h.form.refused(failed, said)
	}
	return channel.Ref{}, failed
}

// Find says that such a chat cannot be read.
func (*Hook) Find(context.Context, channel.Post, time.Time) (channel.Ref, error) {
	return channel.Ref{}, channel.ErrCannotLook
}

// markdown is what Discord makes something of.
var markdown = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "~", `\~`, "|", `\|`, ">", `\>`, "<", `\<`, "#", `\#`, "[", `\[`, "]", `\]`, "(", `\(`, ")", `\)`, "@", `\@`,
	"://", `:\//`, "-", `\-`)

// Escape takes from text what Discord would make something of.
func Escape(text string) string { return markdown.Replace(text) }

// Discord's limits, in characters: a title's 256, a description's 4096.
func discordBody(p channel.Post) any {
	text := Escape(render.Body(p.Texts, p.Repeat, 3600))
	if len(text) > 4000 {
		text = render.Cut(text, 4000)
	}
	return map[string]any{
		"embeds": []any{map[string]any{"title": render.Cut(render.HeadOf(p.Texts), 250), "description": text}},
		// Nobody is called by what is quoted.
		"allowed_mentions": map[string]any{"parse": []string{}},
	}
}

// teamsBody is an Adaptive Card of text runs: those know no notation, so what is quoted stays what it is. A message may have 28 KB.
func teamsBody(p channel.Post) any {
	block := func(text, weight string) any {
		return map[string]any{"type": "RichTextBlock", "inlines": []any{map[string]any{"type": "TextRun", "text": text, "weight": weight}}}
	}
	blocks := []any{block(render.Cut(render.HeadOf(p.Texts), 300), "Bolder")}
	for _, l := range strings.Split(strings.TrimRight(render.Body(p.Texts, p.Repeat, 10_000), "\n"), "\n") {
		blocks = append(blocks, block(l, "Default"))
	}
	return map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content":     map[string]any{"type": "AdaptiveCard", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "version": "1.4", "body": blocks},
	}}}
}

// telegramBody is one block of preformatted text: no links, no mentions and no commands are made of it. 4096 characters are allowed, counted as
// UTF-16 has them, which are never more than bytes.
func telegramBody(p channel.Post) any {
	text := render.Body(p.Texts, p.Repeat, 4000)
	return map[string]any{
		"chat_id": p.To, "text": text, "link_preview_options": map[string]any{"is_disabled": true},
		"entities": []any{map[string]any{"type": "pre", "offset": 0, "length": len(utf16.Encode([]rune(text)))}},
	}
}

func telegramRefused(e *channel.Error, said []byte) {
	var answer struct {
		Description string `json:"description"`
		Parameters  struct {
			RetryAfter int `json:"retry_after"`
		} `json:"parameters"`
	}
	if json.Unmarshal(said, &answer) != nil {
		return
	}
	if answer.Parameters.RetryAfter > 0 {
		e.After = min(time.Duration(answer.Parameters.RetryAfter)*time.Second, channel.MaxRetryAfter)
	}
	if e.Class == channel.Refused && strings.Contains(answer.Description, "chat") {
		e.Class = channel.Denied
		e.Says += ": the bot has no such chat; invite it there, and use the chat's number"
	}
}
