package story

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/bus/embedded/bustest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// Two deciders serve; one of them answers each ask, a stock client needs nothing but the subject, and every "no" has its sentence.
func TestAnAskIsAnsweredByOneOfTheDeciders(t *testing.T) {
	t.Parallel()
	srv := bustest.Start(t)
	client := bustest.Connect(t, srv, "cli")
	for _, name := range []string{"d1", "d2"} {
		b := bustest.Dial(t, srv.BusOptions(name, "decider"))
		svc, err := b.Serve("ham-decider", "0.1.0", "decides", bus.Endpoint{
			Name: "ask", Subject: subject.AllAsks, Queue: "deciders",
			Handler: func(_ context.Context, a bus.Ask) (message.Message, error) {
				r, err := a.Request("fresh-1")
				if err != nil {
					return nil, err
				}
				if r.Group == "nobody" {
					return nil, errors.New("no group nobody: known are web")
				}
				return &message.Outcome{Request: r.ID, Group: r.Group, Verb: r.Verb, Accepted: true, Epoch: 7, Sentence: "by " + r.Actor}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(svc.Stop)
	}
	reply, err := client.Conn().Request("ham.v1.ask.web.switchover", nil, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	m, err := message.Decode(message.Header(reply.Header), reply.Data)
	if o, ok := m.(*message.Outcome); err != nil || !ok || !o.Accepted || o.Epoch != 7 || o.Request != "fresh-1" || o.Sentence != "by anonymous" || o.Verb != message.VerbSwitchover {
		t.Fatalf("answer %+v, %v", m, err)
	}
	for _, c := range []struct{ subj, body, code, says string }{
		{"ham.v1.ask.web.explode", "", "400", "request.verb"},
		{"ham.v1.ask.web.pause", "{", "400", "JSON"},
		{"ham.v1.ask.nobody.pause", "", "500", "no group nobody"},
	} {
		reply, err := client.Conn().Request(c.subj, []byte(c.body), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if got := reply.Header.Get("Nats-Service-Error-Code"); got != c.code || !contains(reply.Header.Get("Nats-Service-Error"), c.says) {
			t.Errorf("%s: %s %s, want %s with %q", c.subj, got, reply.Header.Get("Nats-Service-Error"), c.code, c.says)
		}
	}
	inbox := nats.NewInbox()
	sub, err := client.Conn().SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Conn().PublishRequest("$SRV.PING.ham-decider", inbox, nil); err != nil {
		t.Fatal(err)
	}
	writers := map[string]bool{}
	for range 2 {
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatalf("pings of both instances: %v", err)
		}
		var p struct {
			Metadata map[string]string `json:"metadata"`
		}
		if err := json.Unmarshal(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		writers[p.Metadata["writer"]] = true
	}
	if !writers["d1"] || !writers["d2"] {
		t.Errorf("pinged %v", writers)
	}
}
