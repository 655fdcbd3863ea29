// Package slackwebhook posts to a Slack incoming webhook. It has no threads, cannot change what it posted and cannot
// read: a post of unknown outcome is repeated with a mark. The address itself is the secret.
package slackwebhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/blockkit"
)

// Driver is this kind of channel.
var Driver = channel.Driver{
	Kind:    "slack-webhook",
	Summary: "a Slack incoming webhook: one message an event, in the one channel that the webhook belongs to",
	Example: `channels:
  - name: ops
    kind: slack-webhook
    url: ${file:/etc/ham/slack-webhook}`,
	Limit: channel.Limit{Burst: 3, Every: time.Second},
	New:   New,
}

// Webhook is one incoming webhook.
type Webhook struct{ config channel.Config }

var _ channel.Channel = (*Webhook)(nil)

// New makes the channel.
func New(c channel.Config) (channel.Channel, error) {
	if c.Spec.URL == "" {
		return nil, fmt.Errorf("channel %s: url is missing: want the webhook's address, such as ${file:/etc/ham/slack-webhook}", c.Spec.Name)
	}
	return &Webhook{config: c}, nil
}

// Send posts p.
func (w *Webhook) Send(ctx context.Context, p channel.Post) (channel.Ref, error) {
	address, err := w.config.Spec.URL.Resolve(w.config.Secrets)
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Denied, "no address", "%v", err)
	}
	address = strings.TrimSpace(address)
	call := channel.NewCaller(w.config.HTTP, address, address[strings.LastIndexByte(address, '/')+1:])
	text, blocks := blockkit.Message(p)
	no := false
	m := slack.WebhookMessage{Text: text, Parse: "none", UnfurlLinks: &no, UnfurlMedia: &no}
	if len(blocks) > 0 {
		m.Blocks = &slack.Blocks{BlockSet: blocks}
	}
	body, err := json.Marshal(m)
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Refused, "encode", "%v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return channel.Ref{}, channel.Fail(channel.Denied, "address", "the url is no http(s) address")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := call.Do(req)
	if err != nil {
		return channel.Ref{}, call.Failed(ctx, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if err != nil {
		return channel.Ref{}, call.Failed(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		return channel.Ref{}, refused(call, resp, strings.TrimSpace(string(said)))
	}
	return channel.Ref{}, nil
}

// refused knows Slack's words for webhooks: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
func refused(call *channel.Caller, resp *http.Response, said string) *channel.Error {
	e := call.Status(resp.StatusCode, resp.Header, said)
	switch said {
	case "no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "invalid_token":
		e.Says += ": the webhook was removed or switched off; make a new one and put its address in place"
	case "channel_not_found", "channel_is_archived", "posting_to_general_channel_denied", "action_prohibited", "user_not_found":
		e.Class = channel.Denied
		e.Says += ": the webhook's channel does not take posts; make a webhook for another channel"
	}
	return e
}

// Find says that a webhook cannot be read.
func (*Webhook) Find(context.Context, channel.Post, time.Time) (channel.Ref, error) {
	return channel.Ref{}, channel.ErrCannotLook
}
