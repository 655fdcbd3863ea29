package slack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/channeltest"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/slacktest"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

// workspace is a Slack on pipes with a channel that posts to it.
func workspace(t *testing.T) (*slacktest.Server, *channeltest.Net, channel.Updater) {
	t.Helper()
	server := slacktest.New()
	t.Cleanup(server.Close)
	network := channeltest.NewNet()
	network.Serve(t, "slack.test", server)
	ch, err := slack.New(channel.Config{
		Spec:    spec.Channel{Name: "slack", Kind: "slack", Token: "${env:TOKEN}", API: "http://slack.test/api"},
		Secrets: func(string, string) (string, error) { return slacktest.Token, nil },
		HTTP:    network.Client(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, network, ch.(channel.Updater)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, func(t *testing.T) channeltest.Subject {
		server, network, ch := workspace(t)
		return channeltest.Subject{
			Channel: ch, To: "#ops", Secrets: []string{slacktest.Token, "verysecrettoken"}, Readable: true,
			Active: []string{"<!", "<@", "<https", "@here", "@everyone", "`rm", "\x1b", "\u202e"},
			Arrived: func() []string {
				var out []string
				for _, m := range server.Messages() {
					out = append(out, m.Text+"\n"+readable(t, m.Blocks))
				}
				return out
			},
			Fail: func(f channeltest.Fault) bool {
				network.Down("slack.test", f == channeltest.Unreachable)
				faults := map[channeltest.Fault]slacktest.Fault{
					channeltest.Hang: {Hang: true}, channeltest.AcceptAndHang: {Hang: true, Accept: true}, channeltest.Limit: {Status: 429, RetryAfter: 7},
					channeltest.Broken: {Status: 503}, channeltest.Cut: {Cut: true}, channeltest.Deny: {Error: "invalid_auth"}, channeltest.RefuseOnce: {Error: "invalid_blocks"},
				}
				if fault, ok := faults[f]; ok {
					server.Next("chat.postMessage", fault)
				}
				return true
			},
		}
	})
}

// readable is the text of blocks, with JSON's own escapes undone.
func readable(t *testing.T, blocks json.RawMessage) string {
	t.Helper()
	if len(blocks) == 0 {
		return ""
	}
	var v any
	if err := json.Unmarshal(blocks, &v); err != nil {
		t.Fatalf("blocks are no JSON: %v: %s", err, blocks)
	}
	var out strings.Builder
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range []string{"text", "fields", "elements"} {
				walk(v[key])
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case string:
			fmt.Fprintln(&out, v)
		}
	}
	walk(v)
	return strings.ReplaceAll(out.String(), "&#39;", "'")
}

func send(t *testing.T, ch channel.Channel, p channel.Post) channel.Ref {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	ref, err := ch.Send(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// One thread an incident, its first message changed in place.
func TestThreadAndCard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _, ch := workspace(t)
		summary := render.Summary{}
		samples := rendertest.Samples()
		summary = summary.Apply(samples[0].Event)
		card := send(t, ch, channel.Post{ID: "card", To: "#ops", Card: &summary})
		send(t, ch, channel.Post{ID: "e1", To: "#ops", Thread: &card, Texts: []render.Text{render.Event(samples[0].Event)}})
		send(t, ch, channel.Post{ID: "e2", To: "#ops", Thread: &card, Aloud: true, Texts: []render.Text{render.Event(samples[3].Event)}})
		summary = summary.Apply(samples[3].Event)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for range 2 {
			if err := ch.Update(ctx, card, channel.Post{ID: "card", To: "#ops", Card: &summary}); err != nil {
				t.Fatal(err)
			}
		}
		m := server.Messages()
		if len(m) != 3 || m[1].Thread != m[0].TS || m[2].Thread != m[0].TS || m[1].Broadcast || !m[2].Broadcast {
			t.Fatalf("messages: %+v", m)
		}
		if m[0].Edits != 2 || !strings.Contains(m[0].Text, "swapping") {
			t.Errorf("the card was not kept current: %+v", m[0])
		}
		// Our clock may be hours ahead of Slack's: what was begun "later" than Slack stamped it is found all the same.
		if ref, err := ch.Find(ctx, channel.Post{ID: "e2", To: "#ops", Thread: &card}, time.Now().Add(48*time.Hour)); err != nil || ref.ID != m[2].TS {
			t.Errorf("find in the thread: %v %v", ref, err)
		}
		if ref, err := ch.Find(ctx, channel.Post{ID: "card", To: "#ops"}, time.Now().Add(5*time.Hour)); err != nil || ref.ID != m[0].TS {
			t.Errorf("find in the channel: %v %v", ref, err)
		}
	})
}

// Words of Slack in answers with code 200.
func TestWordsOfSlack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _, ch := workspace(t)
		for word, want := range map[string]channel.Class{
			"ratelimited": channel.Later, "service_unavailable": channel.Later, "internal_error": channel.Unsure, "fatal_error": channel.Unsure,
			"invalid_auth": channel.Denied, "channel_not_found": channel.Denied, "is_archived": channel.Denied, "brand_new_word": channel.Denied,
			"msg_too_long": channel.Refused, "invalid_blocks": channel.Refused, "thread_not_found": channel.Gone,
		} {
			server.Next("chat.postMessage", slacktest.Fault{Error: word})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, err := ch.Send(ctx, channel.Post{ID: "x", To: "#ops", Texts: []render.Text{{Title: "x"}}})
			cancel()
			e := channel.As(err)
			if err == nil || e.Class != want || e.Code != word || e.Says == "" {
				t.Errorf("%s: got %+v, want class %s and advice", word, err, want)
			}
		}
		server.Next("chat.postMessage", slacktest.Fault{Garbage: true}, slacktest.Fault{Status: 500, Accept: true}, slacktest.Fault{Status: 429})
		for _, want := range []channel.Class{channel.Unsure, channel.Unsure, channel.Later} {
			_, err := ch.Send(t.Context(), channel.Post{ID: "x", To: "#ops", Texts: []render.Text{{Title: "x"}}})
			if e := channel.As(err); err == nil || e.Class != want {
				t.Errorf("got %+v, want %s", err, want)
			}
		}
	})
}

// An app that may not read says so; it must not say that the post is not there.
func TestFindWithoutRights(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _, ch := workspace(t)
		for _, scope := range []string{"channels:read", "channels:history"} {
			server.Scope(scope, false)
			if _, err := ch.Find(t.Context(), channel.Post{ID: "x", To: "#ops"}, time.Now()); err != channel.ErrCannotLook {
				t.Errorf("without %s: %v, want that it cannot look", scope, err)
			}
			server.Scope(scope, true)
		}
		// A look that fails for now is no answer either.
		server.Next("conversations.history", slacktest.Fault{Status: 503})
		if _, err := ch.Find(t.Context(), channel.Post{ID: "x", To: "#ops"}, time.Now()); err == nil || err == channel.ErrNotFound || err == channel.ErrCannotLook {
			t.Errorf("while history fails: %v, want a failure", err)
		}
	})
}

func TestNewChecks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec spec.Channel
		want string
	}{
		{spec.Channel{Name: "s"}, "token is missing"},
		{spec.Channel{Name: "s", Token: "x", API: "slack.com"}, "api: want an http(s) address"},
	} {
		if _, err := slack.New(channel.Config{Spec: c.spec}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.spec, err, c.want)
		}
	}
}
