package digest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/expiry"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/subject"
	"github.com/isacloud/ha-manager/pkg/words"
	"github.com/isacloud/ha-manager/services/notifier/digest"
	"github.com/isacloud/ha-manager/services/notifier/internal/golden"
	"github.com/isacloud/ha-manager/services/notifier/render"
)

var until = time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC)

func week() digest.Input {
	in := digest.Input{From: until.Add(-7 * 24 * time.Hour), Until: until, Groups: []string{"mail", "orders", "web"}, Status: map[string]*message.GroupStatus{
		"web": {Sentence: "If a died now: b takes over, losing nothing, within about 4.2s.", DrilledAt: until.Add(-50 * time.Hour).UnixMicro(), Paused: true, PausedBy: "ana",
			Thresholds: []message.ThresholdStatus{
				{Condition: message.ThresholdWell, Sentence: "cpu of a: 20%, the bound is 90% (check machine)"},
				{Condition: message.ThresholdOver, Sentence: "queue of a: 1200 entries, the bound is 1000 entries (check backlog): too far since 2026-03-10 12:00:43 UTC, resolves at 900 entries"},
			}},
		"orders": {
			Sentence: "If c died now: nobody takes over, because the group is paused.", Paused: true, PausedBy: "bia", PausedUntil: until.Add(3 * time.Hour).UnixMicro(),
		},
	}}
	at := in.From
	add := func(e message.Event) {
		at = at.Add(time.Hour)
		e.ID = fmt.Sprint("e.", len(in.Records))
		in.Records = append(in.Records, digest.Record{Time: at, Event: &e})
	}
	for i, end := range []time.Duration{200 * 24 * time.Hour, 6 * 24 * time.Hour, -time.Hour} {
		c := message.Certificate{What: "the certificate of the bus's server", Where: fmt.Sprintf("/etc/ham/%d.crt", i), Name: "bus.example.org", Fingerprint: fmt.Sprint(i), NotAfter: until.Add(end).UnixMicro()}
		in.Certificates = append(in.Certificates, message.Expiries{Writer: "sp", Certificates: []message.Certificate{c}, At: in.Until.UnixMicro()},
			message.Expiries{Writer: "rj", Certificates: []message.Certificate{c}, At: in.Until.UnixMicro()})
		c.Where, c.Fingerprint = "/etc/ham/gone.crt", c.Fingerprint+"gone"
		in.Certificates = append(in.Certificates, message.Expiries{Writer: "gone", Certificates: []message.Certificate{c}, At: in.Until.Add(-expiry.Forget).UnixMicro()})
	}
	open, shut := true, false
	for i, group := range []string{"web", "web", "orders"} {
		id := fmt.Sprintf("%s-%d", group, i+1)
		add(message.Event{Group: group, Incident: id, Kind: message.EventIncident, Opened: &open, Sentence: "incident " + id + " begins"})
		if i == 2 {
			add(message.Event{Group: group, Incident: id, Kind: message.EventDecision, Command: &message.Command{Kind: message.KindFailover}})
		}
		add(message.Event{Group: group, Incident: id, Kind: message.EventIncident, Opened: &shut, Sentence: "incident " + id + " is over"})
	}
	add(message.Event{Group: "web", Incident: "web-9", Kind: message.EventIncident, Opened: &open, Sentence: "still open"})
	add(message.Event{Group: "web", Incident: "web-9", Kind: message.EventRefused})
	add(message.Event{Group: subject.NoGroup, Kind: message.EventNotify, Code: "N104", Sentence: "Event e.1 of web was not told at slack:#ops."})
	add(message.Event{Group: subject.NoGroup, Kind: message.EventDeadLetter})
	return in
}

// Both, in both languages, as they are shown.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(digest.Input) (string, []message.Reason){"week": digest.Week, "daily": digest.Daily} {
		sentence, lines := build(week())
		e := &message.Event{
			ID: "to.x." + name + ".1", Group: subject.NoGroup, Kind: message.EventNotify, Severity: message.Info, Code: lines[0].Code, Sentence: sentence, Reasons: lines,
			Writer: "n1", At: until.UnixMicro(),
		}
		if err := message.Validate(e); err != nil {
			t.Error(err)
		}
		for _, lang := range []words.Lang{words.English, words.Portuguese} {
			golden.Check(t, fmt.Sprintf("%s.%s.txt", name, lang), []byte(render.EventIn(lang, e).Plain()))
		}
		pt := words.Of(words.Portuguese)
		for _, l := range append(lines, message.Reason{Sentence: sentence}) {
			if missing := pt.Missing(l.Sentence); name == "week" && len(missing) > 0 && l.Sentence == sentence {
				t.Errorf("%q has no Portuguese: %q", l.Sentence, missing)
			}
		}
		again, more := build(week())
		if again != sentence || fmt.Sprint(more) != fmt.Sprint(lines) {
			t.Error("the same input gave another digest")
		}
	}
}

// However much there is to say, it is a valid event.
func TestBounded(t *testing.T) {
	t.Parallel()
	in := week()
	for i := range 200 {
		in.Groups = append(in.Groups, fmt.Sprintf("g%03d", i))
	}
	for _, build := range []func(digest.Input) (string, []message.Reason){digest.Week, digest.Daily} {
		sentence, lines := build(in)
		e := &message.Event{ID: "x", Group: "_", Kind: message.EventNotify, Severity: message.Info, Sentence: sentence, Reasons: lines, Writer: "n"}
		if err := message.Validate(e); err != nil {
			t.Error(err)
		}
	}
	if s, lines := digest.Week(digest.Input{}); s == "" || len(lines) != 0 {
		t.Errorf("of nothing: %q %v", s, lines)
	}
}
