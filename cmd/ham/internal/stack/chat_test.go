package stack_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/cmd/ham/internal/stack"
	"github.com/isacloud/ha-manager/pkg/ask"
	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/porttest"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/pkg/spec/store"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/slacktest"
)

// chat is a whole ham with a Slack in which people press.
type chat struct {
	at    string // where requests of Slack come in; "": presses come by Socket Mode
	t     *testing.T
	ctx   context.Context
	slack *slacktest.Server
	ask   ask.Client
	a     *httptest.Server // the site of the primary
}

func startChat(t *testing.T, at, policy string) *chat {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	slack := slacktest.New()
	front := httptest.NewServer(slack)
	a := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Setenv("SLACK_TOKEN", slacktest.Token)
	t.Setenv("SLACK_APP_TOKEN", slacktest.AppToken)
	t.Setenv("SLACK_SIGNING_SECRET", slacktest.SigningSecret)
	way := spec.Channel{AppToken: "${env:SLACK_APP_TOKEN}"}
	if at != "" {
		way = spec.Channel{SigningSecret: "${env:SLACK_SIGNING_SECRET}", Listen: at}
	}
	s, err := stack.Start(ctx, stack.Options{
		Process: spec.Process{
			Name: "sp1", Site: "sp", HTTP: "off", StateDir: t.TempDir(), Bus: spec.Bus{Listen: "127.0.0.1:0"}, Prober: spec.Prober{Vantages: []string{"sp"}},
			Channels: []spec.Channel{{
				Name: "slack", Kind: "slack", Token: "${env:SLACK_TOKEN}", API: front.URL + "/api", Default: "#ops", AppToken: way.AppToken, SigningSecret: way.SigningSecret, Listen: way.Listen,
				People: []spec.ChatPerson{
					{ID: "U0ANA0001", Name: "ana", Roles: spec.Roles{"web": "operator"}},
					{ID: "U0RUI0001", Name: "rui", Roles: spec.Roles{"*": "operator"}},
					{ID: "U0EVA0001", Name: "eva", Roles: spec.Roles{"web": "viewer", "orders": "admin"}},
				},
			}},
		},
		Services: []string{stack.Prober, stack.Decider, stack.Executor, stack.Notifier}, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	running := make(chan error, 1)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() { running <- s.Run(run) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-running)
		require.NoError(t, s.Close())
		slack.Close()
		front.Close()
		a.Close()
		b.Close()
		cancel()
	})
	_, err = store.Put(ctx, s.Bus, fmt.Sprintf(`group: web
mode: manual
members:
  a: {site: sp, url: %q}
  b: {site: rj, url: %q}
adopt: a
checks:
  alive: {http: /alive, every: 1s, timeout: 1s, from: [sp]}
notify: [{to: "slack:#ops", from: info}]
policy: {quorum: 1, rise: 1, stable_for: 0s, cooldown: 0s, undo_window: 0s%s}
`, a.URL, b.URL, policy), "ana", "test", store.AnyRevision)
	require.NoError(t, err)
	return &chat{at: at, t: t, ctx: ctx, slack: slack, ask: ask.Client{Bus: s.Bus, Timeout: 30 * time.Second}, a: a}
}

// until waits, as long as the test may take, until ok.
func (c *chat) until(what string, ok func() bool) {
	c.t.Helper()
	for !ok() {
		select {
		case <-c.ctx.Done():
			var all strings.Builder
			for _, m := range c.slack.Messages() {
				fmt.Fprintf(&all, "%s %s %s\n", m.TS, m.Thread, m.All())
			}
			c.t.Fatalf("%s: never.\nSlack: %s\nwhispers: %+v", what, all.String(), c.slack.Whispers())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// message waits for the newest message with such a button.
func (c *chat) message(label string) slacktest.Message {
	c.t.Helper()
	var found slacktest.Message
	c.until("a message with the button "+label, func() bool {
		for _, m := range c.slack.Messages() {
			if _, ok := m.Button(label); ok {
				found = m
			}
		}
		return found.TS != ""
	})
	return found
}

// press presses, once the app is there to take it.
func (c *chat) press(user string, m slacktest.Message, label string) {
	c.t.Helper()
	if c.at == "" {
		c.until("the app takes presses", func() bool { return c.slack.Connected() > 0 })
		require.NoError(c.t, c.slack.Press(c.ctx, user, m.TS, label))
		return
	}
	payload, err := c.slack.PressPayload(user, m.TS, label)
	require.NoError(c.t, err)
	c.until("the app takes presses", func() bool {
		r, err := slacktest.SignedRequest(c.ctx, "http://"+c.at+"/slack", slacktest.SigningSecret, payload, time.Now())
		require.NoError(c.t, err)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false // not there yet
		}
		defer resp.Body.Close()
		require.Equal(c.t, http.StatusOK, resp.StatusCode)
		return true
	})
}

func (c *chat) whispered(user, holds string) {
	c.t.Helper()
	c.until(user+" is told: "+holds, func() bool {
		for _, w := range c.slack.Whispers() {
			if w.User == user && strings.Contains(w.Text, holds) {
				return true
			}
		}
		return false
	})
}

// shows waits until a message holds the text.
func (c *chat) shows(ts, holds string) slacktest.Message {
	c.t.Helper()
	var found slacktest.Message
	c.until("message "+ts+" shows "+holds, func() bool {
		for _, m := range c.slack.Messages() {
			if m.TS == ts && strings.Contains(m.All(), holds) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func (c *chat) status() *message.GroupStatus {
	s, err := c.ask.Status(c.ctx, "web")
	if err != nil {
		return &message.GroupStatus{}
	}
	return s
}

func (c *chat) ready() {
	c.t.Helper()
	c.until("a is adopted and b is ready", func() bool {
		s := c.status()
		return s.Held && s.Swap == nil && slices.ContainsFunc(s.Members, func(m message.MemberStatus) bool { return m.Name == "b" && m.Ready })
	})
}

// TestApproveInChat: a swap that waits for a second person is approved in Slack, by one who may, once; what is pressed comes by Socket Mode.
func TestApproveInChat(t *testing.T) {
	c := startChat(t, "", ", two_person: true")
	c.ready()
	c.until("it waits for a second person", func() bool {
		out, err := c.ask.Send(c.ctx, &message.Request{ID: ask.RequestID(), Group: "web", Verb: message.VerbSwitchover, Actor: "rui"})
		require.NoError(t, err)
		require.False(t, out.Accepted, out.Sentence)
		return len(c.status().Approvals) > 0
	})
	m := c.message("Approve")
	k, _ := m.Button("Approve")
	require.Contains(t, k.Confirm, "b", "the dialog says what will happen")

	c.press("U0STRANGE", m, "Approve")
	c.whispered("U0STRANGE", "not among the people")
	c.press("U0EVA0001", m, "Approve")
	c.whispered("U0EVA0001", "takes the role of operator")
	c.press("U0RUI0001", m, "Approve") // who asked for it
	c.shows(m.TS, "rui pressed approve")
	c.whispered("U0RUI0001", "refused")
	require.Equal(t, "a", c.status().Primary)
	c.slack.Disconnect() // as Slack does every few hours
	c.press("U0ANA0001", m, "Approve")
	done := c.shows(m.TS, "ana pressed approve")
	require.Empty(t, done.Buttons(), "the buttons are gone")
	c.until("b is primary", func() bool { s := c.status(); return s.Primary == "b" && s.Held })
	require.Equal(t, uint64(2), c.status().Epoch)
}

// TestFailoverInChat: the primary dies, the group's mode leaves it to people, and one of them does it in the incident's thread: what can be done is shown with its
// plan, and exactly that is done. What is pressed comes as signed requests.
func TestFailoverInChat(t *testing.T) {
	c := startChat(t, porttest.Hold(t), "")
	c.ready()
	c.a.Close()
	card := c.message("Why didn't it?")
	require.Empty(t, card.Thread)
	c.press("U0EVA0001", card, "Why didn't it?")
	c.until("the answer", func() bool {
		for _, m := range c.slack.Messages() {
			if m.Thread == card.TS && strings.Contains(m.Text, "why it does not swap by itself") {
				return strings.Contains(m.All(), "mode is manual")
			}
		}
		return false
	})
	c.until("the primary is down", func() bool { return ask.PrimaryDown(c.status()) })
	card = c.shows(card.TS, "What can I do?")
	c.press("U0EVA0001", card, "What can I do?") // who only looks may see what could be done, and not do it
	m := c.message("Fail over to b")
	require.Equal(t, card.TS, m.Thread)
	k, _ := m.Button("Fail over to b")
	require.NotEmpty(t, k.Confirm, "the dialog says what will happen")
	c.press("U0EVA0001", m, "Fail over to b")
	c.whispered("U0EVA0001", "takes the role of operator")
	c.press("U0ANA0001", m, "Fail over to b")
	done := c.shows(m.TS, "ana pressed failover")
	require.Empty(t, done.Buttons(), "the buttons are gone")
	c.until("b is primary", func() bool { s := c.status(); return s.Primary == "b" && s.Held })
	require.Equal(t, uint64(2), c.status().Epoch)

	// The post-mortem leads to the thread, and says who did it, and from where.
	var report incident.Report
	c.until("the record says where the thread is", func() bool {
		records, err := c.ask.Records(c.ctx, "web")
		require.NoError(t, err)
		report = incident.Build(incident.IDs(records)[0], 0, records)
		return len(report.Links) > 0
	})
	require.Equal(t, slacktest.Permalink(card.Channel, card.TS), report.Links[0].URL)
	require.True(t, slices.ContainsFunc(report.Asked, func(a incident.Asked) bool {
		return a.Actor == "ana" && a.Via == "chat" && a.From == "U0ANA0001" && a.Accepted
	}), "%+v", report.Asked)
}
