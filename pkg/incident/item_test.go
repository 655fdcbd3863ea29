package incident_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/incident"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/words"
)

// What people write down about an incident that is long over belongs to it, and makes it no longer.
func TestActionItems(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	opened, over := true, false
	rec := func(seq uint64, after time.Duration, e *message.Event) incident.Record {
		e.Group, e.Incident = "web", "web-3"
		return incident.Record{Stream: "E", Seq: seq, Time: noon.Add(after), Message: e}
	}
	note := func(id, text string, item *message.Item) *message.Event {
		return &message.Event{ID: id, Kind: message.EventNote, Actor: "ana", Sentence: text, Item: item}
	}
	day := 24 * time.Hour
	r := incident.Build("web-3", 0, []incident.Record{
		rec(1, 0, &message.Event{ID: "i1", Kind: message.EventIncident, Opened: &opened, Sentence: "a is down"}),
		rec(2, time.Minute, &message.Event{ID: "i2", Kind: message.EventIncident, Opened: &over, Sentence: "it is over"}),
		rec(3, day, note("n1", "ana notes what is to be done: a second disk", &message.Item{ID: "web-3.rq-1", State: message.ItemTodo, Text: "a second <disk> | now"})),
		rec(4, 2*day, note("n2", "ana notes what is to be done: a test", &message.Item{ID: "web-3.rq-2", State: message.ItemTodo, Text: "a test"})),
		rec(5, 3*day, note("n3", "ana notes what is done: a second disk", &message.Item{ID: "web-3.rq-1", State: message.ItemDone, Text: "a second disk"})),
		rec(6, 3*day, note("n4", "done what nobody asked for", &message.Item{ID: "web-3.rq-9", State: message.ItemDone, Text: "x"})),
		rec(7, 3*day, &message.Event{ID: "o1", Kind: message.EventOutcome, Actor: "ana", Request: "rq-1", Outcome: &message.Outcome{Request: "rq-1", Verb: message.VerbNote, Accepted: true}}),
		rec(8, 4*day, note("n5", "ana notes: it was the supply", nil)),
	})
	require.Equal(t, time.Minute, r.Until.Sub(r.From))
	require.Empty(t, r.Asked)
	require.Len(t, r.Notes, 1)
	require.Equal(t, []incident.Item{
		{ID: "web-3.rq-1", Text: "a second <disk> | now", Actor: "ana", At: noon.Add(day), DoneBy: "ana", DoneAt: noon.Add(3 * day)},
		{ID: "web-3.rq-2", Text: "a test", Actor: "ana", At: noon.Add(2 * day)},
	}, r.Items)
	for _, lang := range words.Langs() {
		require.Contains(t, r.MarkdownIn(lang, nil), "[x] ana")
		html := r.HTML(lang)
		require.Contains(t, html, "a second &lt;disk&gt;")
		require.Contains(t, html, "☑ ana")
	}
}
