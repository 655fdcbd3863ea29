package slackwebhook_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/channeltest"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/slacktest"
	"github.com/isacloud/ha-manager/services/notifier/channel/slackwebhook"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

func hook(t *testing.T, path string) (*slacktest.Server, *channeltest.Net, channel.Channel) {
	t.Helper()
	server := slacktest.New()
	t.Cleanup(server.Close)
	network := channeltest.NewNet()
	network.Serve(t, "hooks.test", server)
	ch, err := slackwebhook.New(channel.Config{
		Spec:    spec.Channel{Name: "ops", Kind: "slack-webhook", URL: "${file:/hook}"},
		Secrets: func(string, string) (string, error) { return "http://hooks.test" + path, nil },
		HTTP:    network.Client(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, network, ch
}

func TestConformance(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, func(t *testing.T) channeltest.Subject {
		server, network, ch := hook(t, slacktest.Hook)
		return channeltest.Subject{
			Channel: ch, Secrets: []string{slacktest.Hook, "verysecrethook", "hooks.test"},
			Active: []string{"<!", "<@", "<https", "@here", "@everyone", "`rm", "\\u001b", "\u202e"},
			Arrived: func() []string {
				var out []string
				undo := strings.NewReplacer(`\n`, "\n", `\"`, `"`, `\u0026`, "&", `\u003c`, "<", `\u003e`, ">")
				for _, m := range server.Messages() {
					out = append(out, m.Text+"\n"+undo.Replace(string(m.Blocks)))
				}
				return out
			},
			Fail: func(f channeltest.Fault) bool {
				network.Down("hooks.test", f == channeltest.Unreachable)
				faults := map[channeltest.Fault]slacktest.Fault{
					channeltest.Hang: {Hang: true}, channeltest.AcceptAndHang: {Hang: true, Accept: true}, channeltest.Limit: {Status: 429, RetryAfter: 7},
					channeltest.Broken: {Status: 500, Error: "rollup_error"}, channeltest.Cut: {Cut: true},
					channeltest.Deny: {Status: 403, Error: "invalid_token http://hooks.test" + slacktest.Hook}, channeltest.RefuseOnce: {Error: "invalid_payload"},
				}
				if fault, ok := faults[f]; ok {
					server.Next("hook", fault)
				}
				return true
			},
		}
	})
}

func TestWebhookThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, _, ch := hook(t, "/services/T0/B0/other")
		_, err := ch.Send(t.Context(), channel.Post{ID: "x", Texts: []render.Text{{Title: "x"}}})
		if e := channel.As(err); err == nil || e.Class != channel.Denied || !strings.Contains(e.Says, "make a new one") {
			t.Errorf("got %v, want that it is denied and what to do", err)
		}
	})
}

func TestCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, _, ch := hook(t, slacktest.Hook)
		if _, err := ch.Find(t.Context(), channel.Post{ID: "x"}, time.Now()); err != channel.ErrCannotLook {
			t.Errorf("got %v", err)
		}
	})
}
