package webhook_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/channeltest"
	"github.com/isacloud/ha-manager/services/notifier/channel/webhook"
	"github.com/isacloud/ha-manager/services/notifier/channel/webhook/webhooktest"
	"github.com/isacloud/ha-manager/services/notifier/render"
	"github.com/isacloud/ha-manager/services/notifier/render/rendertest"
)

var secret = map[string]string{
	"/url": "http://user:hunter2secret@pager.test/in/pathsecret", "/key": "signingsecret", "/bearer": "bearersecret",
}

func receiver(t *testing.T) (*webhooktest.Server, *channeltest.Net, channel.Channel) {
	t.Helper()
	server := webhooktest.New()
	t.Cleanup(server.Close)
	network := channeltest.NewNet()
	network.Serve(t, "pager.test", server)
	ch, err := webhook.New(channel.Config{
		Spec: spec.Channel{
			Name: "pager", Kind: "webhook", URL: "${file:/url}", Token: "${file:/key}", Headers: map[string]spec.Secret{"Authorization": "Bearer ${file:/bearer}"},
		},
		Secrets: func(_, name string) (string, error) { return secret[name], nil },
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
		server, network, ch := receiver(t)
		return channeltest.Subject{
			Channel: ch, Secrets: []string{"hunter2secret", "pathsecret", "signingsecret", "bearersecret"},
			// JSON is data: it holds what was said. Only its own form must not break, which decoding it shows.
			Arrived: func() []string {
				var out []string
				for _, got := range server.Got() {
					var b webhook.Body
					if err := json.Unmarshal(got.Body, &b); err != nil {
						t.Fatalf("no JSON: %v", err)
					}
					text := ""
					if b.Repeat {
						text = "repeat\n"
					}
					for _, e := range b.Events {
						text += e.Title + "\n" + e.Text + strings.Join(e.Do, "\n")
					}
					out = append(out, text)
				}
				return out
			},
			Fail: func(f channeltest.Fault) bool {
				network.Down("pager.test", f == channeltest.Unreachable)
				faults := map[channeltest.Fault]webhooktest.Fault{
					channeltest.Hang: {Hang: true}, channeltest.AcceptAndHang: {Hang: true, Accept: true}, channeltest.Limit: {Status: 429, RetryAfter: 7},
					channeltest.Broken: {Status: 502}, channeltest.Cut: {Cut: true}, channeltest.RefuseOnce: {Status: 422, Says: "what is this"},
					channeltest.Deny: {Status: 401, Says: "no: bearersecret at pathsecret signed by signingsecret"},
				}
				if fault, ok := faults[f]; ok {
					server.Next(fault)
				}
				return true
			},
		}
	})
}

// The receiver gets what it needs to trust a post and to know it again.
func TestWhatTheReceiverGets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _, ch := receiver(t)
		e := rendertest.Samples()[0].Event
		p := channel.Post{ID: "pager.event.abc", To: "night", Texts: []render.Text{render.Event(e)}}
		for range 2 {
			if _, err := ch.Send(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		got := server.Got()
		if len(got) != 2 {
			t.Fatalf("%d requests", len(got))
		}
		for _, g := range got {
			if g.Header.Get("Idempotency-Key") != p.ID || g.Header.Get("Authorization") != "Bearer bearersecret" {
				t.Errorf("header: %v", g.Header)
			}
			if want := webhook.Sign("signingsecret", time.Now(), g.Body); g.Header.Get(webhook.SignatureHeader) != want {
				t.Errorf("signature %q, want %q", g.Header.Get(webhook.SignatureHeader), want)
			}
			var b webhook.Body
			if err := json.Unmarshal(g.Body, &b); err != nil {
				t.Fatal(err)
			}
			if b.ID != p.ID || b.To != "night" || b.Events[0].Event.ID != e.ID || b.Events[0].Group != "web" || b.Events[0].Incident != "web-14" {
				t.Errorf("body: %s", g.Body)
			}
		}
	})
}

// A redirect would carry the post, and its credentials, somewhere else.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _, ch := receiver(t)
		server.Next(webhooktest.Fault{Status: 307})
		_, err := ch.Send(t.Context(), channel.Post{ID: "x"})
		if e := channel.As(err); err == nil || e.Class != channel.Denied {
			t.Errorf("got %v, want denied", err)
		}
	})
}

// Known answer, so that receivers can be written against it.
func TestSignIsStable(t *testing.T) {
	t.Parallel()
	got := webhook.Sign("key", time.Unix(1700000000, 0), []byte(`{"id":"x"}`))
	if want := "t=1700000000,v1=c275209bfed50f54f9b0d8dafaf250f3f08155fdaadece7fc4d3f5c7e3c8b6ba"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
