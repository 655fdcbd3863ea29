package button_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack/button"
)

func TestSignedButtonOpensAsItWasMade(t *testing.T) {
	t.Parallel()
	epoch := uint64(7)
	b := button.Button{Do: "failover", Group: "web", Incident: "web-14", Post: "panel.x", Request: "chat-1", Epoch: &epoch, Plan: "abc", Until: 99}
	key := button.KeyOf("xoxb-1")
	got, err := key.Open(key.Sign(b))
	if err != nil || *got.Epoch != 7 || got.Plan != "abc" || got.Until != 99 || got.Group != "web" || got.Post != "panel.x" {
		t.Fatalf("%+v, %v", got, err)
	}
}

// A value that was changed, cut, made by another key, or never signed opens nothing.
func TestTamperedButtonOpensNothing(t *testing.T) {
	t.Parallel()
	key := button.KeyOf("xoxb-1")
	value := key.Sign(button.Button{Do: "failover", Group: "web", Post: "panel.x"})
	text, mac, _ := strings.Cut(value, ".")
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	other := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(body), "web", "pay", 1)))
	for _, v := range []string{
		"", ".", text, text + ".", other + "." + mac, text + "." + mac[:len(mac)-4], text + "." + mac + "AA", value + ".x", string(body), " " + value,
		button.KeyOf("xoxb-2").Sign(button.Button{Do: "failover", Group: "web", Post: "panel.x"}),
	} {
		if b, err := key.Open(v); err != button.ErrForged {
			t.Errorf("%q opens as %+v, %v", v, b, err)
		}
	}
	for i := range value {
		changed := []byte(value)
		changed[i] ^= 1
		if _, err := key.Open(string(changed)); err != button.ErrForged {
			t.Errorf("byte %d may be changed", i)
		}
	}
}

// What an event asks of people, while it asks it.
func TestOfEvent(t *testing.T) {
	t.Parallel()
	now := time.UnixMicro(1_800_000_000_000_000)
	labels := func(e message.Event, at time.Time) string {
		e.Group, e.At = "web", now.UnixMicro()
		var out []string
		for _, o := range button.OfEvent(&e, at) {
			out = append(out, o.Label)
			if o.Do.Question() != (o.Until == 0) || o.Do.Verb() == "" != o.Do.Question() || !o.Do.Question() && o.Request == "" {
				t.Errorf("%+v", o)
			}
		}
		return strings.Join(out, ", ")
	}
	waits := message.Event{Kind: message.EventApproval, Epoch: 3, Approval: &message.ApprovalStatus{State: message.ApprovalWaits, Request: "rq-1", Until: now.Add(5 * time.Minute).UnixMicro()}}
	decided := message.Event{Kind: message.EventApproval, Approval: &message.ApprovalStatus{State: message.ApprovalApproved, Request: "rq-1", Until: now.Add(time.Hour).UnixMicro()}}
	stopped := message.Event{ID: "e1", Kind: message.EventStep, Step: &message.StepResult{Step: "promote", Epoch: 4, State: message.StatePaused}}
	moves := message.Event{Kind: message.EventStep, Step: &message.StepResult{Step: "promote", Epoch: 4, State: message.StateDone}}
	for _, c := range []struct {
		name  string
		event message.Event
		after time.Duration
		want  string
	}{
		{"waits", waits, 0, "Approve, Reject"}, {"waits no longer", waits, 5 * time.Minute, ""}, {"was decided", decided, 0, ""},
		{"stopped", stopped, 0, "Retry %s, Skip it, Abort"}, {"stopped long ago", stopped, button.Lasts, ""}, {"moves", moves, 0, ""},
		{"refused", message.Event{Kind: message.EventRefused}, time.Hour, "What can I do?"}, {"tells", message.Event{Kind: message.EventVerdict}, 0, ""},
	} {
		if got := labels(c.event, now.Add(c.after)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// The same in every channel, so that pressing in both is one request; another thing for another person.
	a, b := button.OfEvent(&waits, time.UnixMicro(0))[0], button.OfEvent(&waits, time.UnixMicro(0))[0]
	if a.RequestBy("U1") != b.RequestBy("U1") || a.RequestBy("U1") == a.RequestBy("U2") || a.RequestBy("U1") == button.OfEvent(&waits, time.UnixMicro(0))[1].RequestBy("U1") {
		t.Error("request ids")
	}
}
