package slack

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	api "github.com/slack-go/slack"

	"github.com/isacloud/ha-manager/services/notifier/channel"
)

// Slack's own error words, by what they mean for a post: https://docs.slack.dev/reference/methods/chat.postMessage#errors
var (
	// It says itself that it may have done part of the work.
	perhapsDone = []string{"fatal_error", "internal_error", "request_timeout"}
	tryLater    = []string{"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org", "message_limit_exceeded", "duplicate_channel_not_found", "external_channel_migrating"}
	// This one message is at fault.
	badMessage = []string{
		"msg_too_long", "msg_blocks_too_long", "no_text", "invalid_blocks", "invalid_blocks_format", "invalid_block_type", "too_many_attachments", "invalid_arguments",
		"invalid_metadata_format", "invalid_metadata_schema", "metadata_must_be_sent_from_app", "metadata_too_large", "markdown_text_conflict", "invalid_post_type",
	}
	// The message that it belongs under, or that shall be changed, is not there any more or cannot be changed any more.
	gone = []string{"thread_not_found", "message_not_found", "cannot_reply_to_message", "cant_update_message", "edit_window_closed", "invalid_ts_latest", "no_such_thread"}
)

// advice is what a person does about an error that will not go away by itself.
var advice = map[string]string{
	"invalid_auth":           "Slack does not know the token: put a valid bot token (xoxb-…) in place",
	"not_authed":             "the token is empty: put a bot token (xoxb-…) in place",
	"account_inactive":       "the token's user or workspace was deactivated: install the app again and take its new token",
	"token_revoked":          "the token was revoked: install the app again and take its new token",
	"token_expired":          "the token has expired: put a new one in place",
	"missing_scope":          "the app lacks a permission: give it chat:write, and channels:history and channels:read to look up what was posted",
	"channel_not_found":      "there is no such channel, or the bot cannot see it: correct the name, or invite the bot (/invite @ham)",
	"not_in_channel":         "the bot is not a member of the channel: invite it (/invite @ham)",
	"is_archived":            "the channel is archived: unarchive it or name another one in the rule",
	"no_permission":          "the workspace does not let the app post there: ask its administrator",
	"restricted_action":      "the workspace does not let the app post there: ask its administrator",
	"not_allowed_token_type": "this is no bot token: use the one that begins with xoxb-",
}

// failed turns what a call returned into the class that the pipeline acts on.
func failed(ctx context.Context, c *channel.Caller, err error) *channel.Error {
	var limited *api.RateLimitedError
	if errors.As(err, &limited) {
		return &channel.Error{Class: channel.Later, Code: "HTTP 429", Says: "Slack asks to wait", After: min(limited.RetryAfter, channel.MaxRetryAfter)}
	}
	var status api.StatusCodeError
	if errors.As(err, &status) {
		return c.Status(status.Code, http.Header{}, "")
	}
	var said api.SlackErrorResponse
	if errors.As(err, &said) {
		return word(said.Err)
	}
	return c.Failed(ctx, err)
}

func word(code string) *channel.Error {
	e := &channel.Error{Code: code, Class: channel.Denied, Says: advice[code]}
	switch {
	case slices.Contains(tryLater, code):
		e.Class, e.Says = channel.Later, "Slack asks to wait"
		if code == "ratelimited" || code == "rate_limited" {
			e.After = 5 * time.Second // this form of the answer does not say how long
		}
	case slices.Contains(perhapsDone, code):
		e.Class, e.Says = channel.Unsure, "Slack failed while it worked on the message"
	case slices.Contains(badMessage, code):
		e.Class, e.Says = channel.Refused, "Slack does not take this message"
	case slices.Contains(gone, code):
		e.Class, e.Says = channel.Gone, "the message it belongs to was deleted or is closed"
	case e.Says == "":
		e.Says = "Slack refuses; https://docs.slack.dev/reference/methods/chat.postMessage explains this word"
	}
	return e
}
