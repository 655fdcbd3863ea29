package pagerduty_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/channeltest"
	"github.com/isacloud/ha-manager/services/notifier/channel/pagerduty"
	"github.com/isacloud/ha-manager/services/notifier/channel/pagerduty/pagerdutytest"
	"github.com/isacloud/ha-manager/services/notifier/channel/webhook/webhooktest"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

func service(t *testing.T) (*pagerdutytest.Server, *channeltest.Net, channel.Channel) {
	t.Helper()
	server := pagerdutytest.New()
	t.Cleanup(server.Close)
	network := channeltest.NewNet()
	network.Serve(t, "pd.test", server)
	ch, err := pagerduty.New(channel.Config{
		Spec:    spec.Channel{Name: "pd", Kind: "pagerduty", Token: "${file:/key}", API: "http://pd.test"},
		Secrets: func(string, string) (string, error) { return pagerdutytest.Key + "\n", nil },
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
		server, network, ch := service(t)
		return channeltest.Subject{
			Channel: ch, Secrets: []string{pagerdutytest.Key},
			Arrived: func() []string {
				var out []string
				for _, got := range server.Got() {
					var e pagerduty.Event
					if err := json.Unmarshal(got.Body, &e); err != nil {
						t.Fatal(err)
					}
					out = append(out, e.Payload.Summary+"\n"+e.Payload.Details.Text+e.Payload.Details.Repeat+strings.Join(e.Payload.Details.Do, "\n"))
				}
				return out
			},
			Fail: func(f channeltest.Fault) bool {
				network.Down("pd.test", f == channeltest.Unreachable)
				faults := map[channeltest.Fault]webhooktest.Fault{
					channeltest.Hang: {Hang: true}, channeltest.AcceptAndHang: {Hang: true, Accept: true}, channeltest.Limit: {Status: 429, RetryAfter: 7},
					channeltest.Broken: {Status: 500}, channeltest.Cut: {Cut: true}, channeltest.RefuseOnce: {Status: 400, Says: `{"status":"invalid event"}`},
					channeltest.Deny: {Status: 400, Says: `{"errors":["'routing_key' ` + pagerdutytest.Key + ` is invalid"]}`},
				}
				if fault, ok := faults[f]; ok {
					server.Next(fault)
				}
				return true
			},
		}
	})
}

func tell(incident string, closed bool, events ...*message.Event) channel.Post {
	p := channel.Post{ID: fmt.Sprint("p.", events[0].Sentence), Incident: incident, Closed: closed}
	for _, e := range events {
		e.ID, e.Group, e.Incident, e.Writer, e.At = "x", "web", incident, "w", time.Now().UnixMicro()
		if e.Severity == "" {
			e.Severity = message.Info
		}
		p.Texts = append(p.Texts, render.Event(e))
	}
	return p
}

// An incident is one alert: triggered, acknowledged by a person's act, resolved at its end, and never opened by what is said afterwards.
func TestAlertFollowsTheIncident(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _, ch := service(t)
		open, shut := true, false
		for _, step := range []struct {
			post  channel.Post
			state string
			calls int
		}{
			{tell("web-1", false, &message.Event{Kind: message.EventIncident, Severity: message.Critical, Opened: &open, Sentence: "It began."}), "triggered", 1},
			{tell("web-1", false, &message.Event{Kind: message.EventVerdict, Severity: message.Critical, Member: "a", Sentence: "a is down."}), "triggered", 2},
			{tell("web-1", false, &message.Event{Kind: message.EventOutcome, Actor: "ana", Via: "console", Outcome: &message.Outcome{Accepted: true}, Sentence: "Ana acts."}), "acknowledged", 3},
			{tell("web-1", false, &message.Event{Kind: message.EventRun, Severity: message.Critical, Sentence: "It goes on."}), "acknowledged", 4},
			{tell("web-1", true, &message.Event{Kind: message.EventIncident, Opened: &shut, Sentence: "It is over."}), "resolved", 5},
			{tell("web-1", true, &message.Event{Kind: message.EventRun, Severity: message.Notice, Sentence: "And told."}), "resolved", 6},
			{tell("web-1", true, &message.Event{Kind: message.EventNote, Actor: "ana", Sentence: "A note."}), "resolved", 7},
			{tell("web-2", true, &message.Event{Kind: message.EventVerdict, Severity: message.Critical, Sentence: "x"},
				&message.Event{Kind: message.EventNote, Actor: "ana", Sentence: "y"}, &message.Event{Kind: message.EventIncident, Opened: &shut, Sentence: "z"}), "resolved", 0},
		} {
			for _, step.post.Repeat = range []bool{false, true} { // whatever is repeated changes nothing
				if _, err := ch.Send(t.Context(), step.post); err != nil {
					t.Fatalf("%s: %v", step.post.ID, err)
				}
			}
			got := server.Alert(step.post.Incident)
			if got.State != step.state || step.calls > 0 && len(got.Log) != 2*step.calls || slices.Contains(got.Log[1:], "trigger") && step.state == "resolved" && step.calls == 0 {
				t.Errorf("after %s: %+v, want %s after %d calls", step.post.ID, got, step.state, 2*step.calls)
			}
		}
		if server.Alerts() != 2 {
			t.Errorf("%d alerts of 2 incidents", server.Alerts())
		}
	})
}

// What belongs to no incident is one alert for each thing that it is about, and resolved when it is said without urgency.
func TestAlertWithoutIncident(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _, ch := service(t)
		for range 3 {
			if _, err := ch.Send(t.Context(), tell("", false, &message.Event{Kind: message.EventNotify, Severity: message.Critical, Sentence: "Slack is away."})); err != nil {
				t.Fatal(err)
			}
		}
		if got := server.Alert("ham/web/notify//w"); got.State != "triggered" || server.Alerts() != 1 {
			t.Errorf("%+v", got)
		}
		if _, err := ch.Send(t.Context(), tell("", false, &message.Event{Kind: message.EventNotify, Severity: message.Notice, Sentence: "Slack is back."})); err != nil {
			t.Fatal(err)
		}
		if got := server.Alert("ham/web/notify//w"); got.State != "resolved" {
			t.Errorf("%+v", got)
		}
	})
}
